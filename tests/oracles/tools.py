"""Numbers of scikit-allel, prdc, SDMetrics and statsmodels for the oracle cohort, as JSON.

Run by make.sh in the environment of tools.txt: ``tools.py COHORT.raw``. It imports
nothing of genobench.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from importlib.metadata import version
from typing import Any

import allel  # type: ignore[import-not-found,unused-ignore]
import numpy as np
import pandas as pd
import statsmodels.api as sm  # type: ignore[import-not-found,unused-ignore]
from numpy.typing import NDArray
from prdc import compute_prdc  # type: ignore[import-not-found,unused-ignore]
from scipy.spatial.distance import squareform
from sdmetrics.single_table.privacy.dcr_utils import (  # type: ignore[import-not-found,unused-ignore]
    calculate_dcr,
)

REACH = 6  # SNPs apart, as in make.sh
TOOLS = ("scikit-allel", "prdc", "sdmetrics", "statsmodels")


def linkage(g: NDArray[np.int8]) -> list[float]:
    """Rogers and Huff's r of SNP j and j + d, by j, then d = 1 .. REACH."""
    r = squareform(allel.rogers_huff_r(g.T), checks=False)
    m = len(r)
    return [float(r[j, k]) for j in range(m) for k in range(j + 1, min(j + REACH, m - 1) + 1)]


def components(g: NDArray[np.int8]) -> dict[str, Any]:
    """PCA of dosages scaled by their standard deviation: variances and the first two scores."""
    # integers would be worked on in half precision
    scores, model = allel.pca(g.T.astype(np.float64), n_components=5, scaler="standard")
    return {
        "variance": model.explained_variance_.tolist(),
        "scores": scores[:, :2].round(5).tolist(),
    }


def manifold(g: NDArray[np.int8]) -> dict[str, dict[str, float]]:
    """prdc by k, the first 80 people real. Euclid on thermometer bits orders pairs as L1 does."""
    bits = np.concatenate([g > 0, g > 1], axis=1).astype(np.float64)
    with contextlib.redirect_stdout(io.StringIO()):
        found = {k: compute_prdc(bits[:80], bits[80:], nearest_k=k) for k in (1, 3, 5, 10)}
    return {str(k): {n: float(v) for n, v in parts.items()} for k, parts in found.items()}


def closest_record(g: NDArray[np.int8]) -> dict[str, Any]:
    """DCR of the last 80 people to the first, over SNPs at which these have all genotypes."""
    full = np.flatnonzero((g[:80].min(axis=0) == 0) & (g[:80].max(axis=0) == 2))
    names = [f"v{j}" for j in full]
    reference, dataset = (pd.DataFrame(x[:, full], columns=names) for x in (g[:80], g[80:]))
    metadata = {"columns": {name: {"sdtype": "numerical"} for name in names}}
    return {"snps": full.tolist(), "dcr": calculate_dcr(dataset, reference, metadata).tolist()}


def regression(g: NDArray[np.int8], case: NDArray[np.float64]) -> list[list[float]]:
    """[slope, standard error] of logit and of least squares of the trait on every 20th SNP."""
    found = []
    for j in range(0, g.shape[1], 20):
        x = sm.add_constant(g[:, j].astype(float))
        logit = sm.Logit(case, x).fit(disp=0, tol=1e-12)
        line = sm.OLS(case, x).fit()
        found.append([float(v) for fit in (logit, line) for v in (fit.params[1], fit.bse[1])])
    return found


def main(raw: str) -> None:
    """Print everything."""
    table = pd.read_csv(raw, sep=" ")
    g = table.iloc[:, 6:].to_numpy(np.int8)
    answer = {
        "versions": {tool: version(tool) for tool in TOOLS},
        "rogers_huff_r": [round(r, 8) for r in linkage(g)],
        "pca": components(g),
        "prdc": manifold(g),
        "sdmetrics": closest_record(g),
        "regression": regression(g, (table["PHENOTYPE"] == 2).to_numpy(float)),
    }
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

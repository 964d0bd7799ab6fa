"""A split of any size in the shares of a biobank, with all that a task may ask of one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import BIOBANK_SHARES, PARTS, Split

from .test_speed_privacy import people

POPULATIONS = {"train": ("A", "B"), "validation": ("A", "B"), "test": ("C",), "control": ("C",)}


def write_split(folder: Path, size: int, snps: int) -> None:
    """A split of ``size`` people with a disease, and as many synthetic people as train.

    Test people are of another population than training people; effects on the disease are known.
    """
    draw = np.random.default_rng(0)
    edges = np.cumsum([0, *(round(share * size) for share in BIOBANK_SHARES)]).tolist()
    n = edges[-1]
    genotypes = np.ascontiguousarray(people(n + edges[1], draw)[:, :snps])
    effects = draw.normal(size=snps)
    liability = sum(genotypes[:n, j] * effects[j] for j in range(snps))
    liability = liability / liability.std() + draw.normal(0, 3, size=n)
    cases = (liability > np.quantile(liability, 0.8)).astype(np.float32)
    parts = {}
    for name, (first, last) in zip(PARTS, pairwise(edges), strict=True):
        ids = [f"p{i}" for i in range(first, last)]
        population = np.resize(POPULATIONS[name], len(ids))
        samples = pd.DataFrame({"fid": ids, "iid": ids, "sex": 1, "population": population})
        trait = Trait("disease", "binary", cases[first:last])
        parts[name] = Cohort(genotypes[first:last], _variants(effects), samples, trait)
    Split(**parts).save(folder)
    np.save(folder / "synthetic.npy", genotypes[n:])


def _variants(effects: NDArray[np.float64]) -> pd.DataFrame:
    """On 22 chromosomes; every other effect is 0."""
    m = len(effects)
    site = np.arange(m)
    return pd.DataFrame(
        {
            "chrom": (site * 22 // m + 1).astype(str),
            "pos": 1_000 * (site + 1),
            "id": [f"rs{j}" for j in site],
            "counted": "A",
            "other": "G",
            "beta": np.where(site % 2, effects, 0.0),
            "marginal_beta": effects,
        }
    )

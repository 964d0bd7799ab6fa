"""LD scores: how much LD a SNP is in altogether, and whether it is so in synthetic people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import agreement
from genobench.metrics.intervals import Interval, clipped
from genobench.metrics.ld import Band
from genobench.metrics.ld_people import people_intervals

Floats = NDArray[np.float64]
Valid = NDArray[np.bool_]  # (reach, m): pairs that count, as in `ld.Pairs`


def ld_scores(band: Band | Floats, valid: Valid) -> Floats:
    """LD score of each SNP: sum of its r2 with the SNPs around, itself left out.

    Parameters
    ----------
    band
        (reach, m) of `ld.r2_band`, its bias removed: pairs without LD add nothing on average.
    valid
        (reach, m) pairs that count.

    Returns
    -------
    (m,) float64.

    References
    ----------
    Bulik-Sullivan 2015, Nature Genetics 47:291 (there up to 1 cM, here up to ``reach`` SNPs away).
    """
    if band.shape != valid.shape:
        raise GenobenchError(f"LD of different SNPs: shapes {band.shape}, {valid.shape}")
    r2 = np.where(valid, band, 0).astype(np.float64)
    scores: Floats = r2.sum(axis=0)  # with SNPs to the right
    for d, row in enumerate(r2, 1):
        scores[d:] += row[: len(scores) - d]
    return scores


def has_score(valid: Valid) -> NDArray[np.bool_]:
    """(m,) SNPs that are in any valid pair."""
    counted: NDArray[np.bool_] = ld_scores(valid.astype(np.float64), valid) > 0
    return counted


def score_agreement(
    synthetic: Genotypes, real: Genotypes, valid: Valid, *, reliable: float = 1.0
) -> tuple[Interval, Interval]:
    """Correlation of synthetic with real LD scores, slope of the one on the other; over people.

    Parameters
    ----------
    synthetic, real
        (s, m) and (n, m) int8.
    valid
        (reach, m) pairs that count.
    reliable
        Of the real LD scores (`agreement.reliability`); the slope is divided by it, so that a
        second real sample shows 1.

    Returns
    -------
    correlation, slope
        NaN where LD scores do not vary.
    """
    scored = has_score(valid)

    def correlation(made: Floats, wanted: Floats) -> float:
        return agreement.pearson(*(ld_scores(r2, valid)[scored] for r2 in (made, wanted)))

    def slope(made: Floats, wanted: Floats) -> float:
        scores = (ld_scores(r2, valid)[scored] for r2 in (made, wanted))
        return agreement.corrected_slope(*scores, reliable=reliable)

    found = people_intervals(synthetic, real, (correlation, slope), reach=len(valid))
    return clipped(found[0], -1.0, 1.0), found[1]

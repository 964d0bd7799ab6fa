"""Variants by how rare their rarer allele is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError
from genobench.metrics.frequency import minor

UPPER = {"to2": 0.02, "to5": 0.05, "to20": 0.2, "to50": 0.5}  # name of a bin -> its largest MAF
RARE = 0.05
FEWEST = 5  # variants: a bin with fewer says nothing
ROUNDING = 1e-12  # a frequency of .95 is as rare as one of .05


def is_rare(frequency: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(m,) whether the minor-allele frequency is at most `RARE`: the first two bins together."""
    few: NDArray[np.bool_] = minor(frequency) - ROUNDING <= RARE
    return few


def maf_bins(frequency: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Which variants are in each bin that holds `FEWEST` or more, the rarest first.

    Parameters
    ----------
    frequency
        (m,) of the counted allele, in people whose own numbers are not compared by bin: chosen on
        those that are, a frequency low by chance would look like a rare allele gained.

    Returns
    -------
    dict
        Name of the bin -> (m,) bool. Bins are (0, .02], (.02, .05], (.05, .2] and (.2, .5]; a
        variant that does not vary is in the first.

    Raises
    ------
    GenobenchError
        When a frequency is not between 0 and 1.
    """
    if frequency.ndim != 1 or not ((frequency >= 0) & (frequency <= 1)).all():
        raise GenobenchError("MAF bins: one frequency between 0 and 1 per variant")
    edges = np.array([*UPPER.values()])
    number = np.searchsorted(edges, minor(frequency) - ROUNDING)
    found = {name: number == i for i, name in enumerate(UPPER)}
    return {name: inside for name, inside in found.items() if inside.sum() >= FEWEST}


def touching(valid: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(reach, m) those of the pairs (`ld.Pairs`) of which at least one variant is in a bin (m,).

    The bin's LD is that with its neighbours: pairs inside a rare bin alone are few.
    """
    if valid.shape[1:] != inside.shape:
        raise GenobenchError(f"pairs {valid.shape} for {len(inside)} variants")
    found = np.zeros_like(valid)
    for d, row in enumerate(valid, 1):
        found[d - 1, :-d] = row[:-d] & (inside[:-d] | inside[d:])
    return found

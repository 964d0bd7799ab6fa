"""Populations: where synthetic people come from, and whether they are like the people from there.

Synthetic people have no population label. A classifier fitted on labelled real people places them,
and places the real people they are compared with too: its errors are the same on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.frequency import genotype_counts, genotype_share
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    block_sums,
    blocks,
    clipped,
    group_rows,
    people_jackknife,
)
from genobench.metrics.structure import fit_axes, project

Codes = NDArray[np.int64]  # (n,) number of each person's population
FEWEST = 10  # people of a population on either side: below, its frequencies are noise


@dataclass(frozen=True, eq=False)
class Populations:
    """Linear discriminant analysis on principal components: nearest centre, whitened.

    Attributes
    ----------
    mean, scale
        (m,) float32 by which dosages are standardised.
    loadings
        (m, k) float32 from standardised dosages to coordinates in which people of one population
        vary by 1 in every direction.
    centres
        (populations, k) float64.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    loadings: NDArray[np.float32]
    centres: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of populations."""
        return len(self.centres)

    def place(self, genotypes: Genotypes) -> Codes:
        """(n,) number of the nearest population; all weigh the same, however common."""
        checked(genotypes, name="these")
        if genotypes.shape[1] != len(self.mean):
            raise GenobenchError(
                f"{genotypes.shape[1]} variants, but populations on {len(self.mean)}"
            )
        at = ((genotypes - self.mean) / self.scale) @ self.loadings
        # |x - c|^2 without |x|^2, which is the same for all centres
        cost = (self.centres**2).sum(axis=1) - 2 * at.astype(np.float64) @ self.centres.T
        nearest: Codes = cost.argmin(axis=1)
        return nearest


def fit_populations(
    genotypes: Genotypes, population: Codes, *, components: int = 10
) -> Populations:
    """Fit on real people.

    Parameters
    ----------
    genotypes
        (n, m) int8.
    population
        (n,) 0, 1, ..., at least two populations of two people or more.
    components
        Principal components to work on; fewer where the people span fewer.

    References
    ----------
    Fisher 1936, Annals of Eugenics 7:179; on components of genotypes: Jombart 2010, BMC Genetics
    11:94.
    """
    sizes = np.bincount(population)
    if len(population) != len(genotypes) or len(sizes) < 2 or sizes.min() < 2:
        raise GenobenchError(
            f"populations of {sizes.tolist()} people: two populations of two people are the least"
        )
    axes = fit_axes(genotypes, components=components)
    scores = project(genotypes, axes)
    centres = np.stack([scores[population == p].mean(axis=0) for p in range(len(sizes))])
    rest = scores - centres[population]
    within = rest.T @ rest / (len(rest) - len(sizes))
    values, vectors = np.linalg.eigh(within)
    # a direction in which nobody varies within populations is as good as known without error
    whiten = vectors / np.sqrt(np.maximum(values, 1e-6 * values.max()))
    loadings = np.ascontiguousarray(axes.components @ whiten, dtype=np.float32)
    return Populations(axes.mean, axes.scale, loadings, centres @ whiten)


def population_fst(
    synthetic: Genotypes, real: Genotypes, placed: Codes, real_placed: Codes
) -> Interval:
    """FST of synthetic against real people of the same population, over all populations.

    Weir and Cockerham's estimator: variance components added up over SNPs, then over populations,
    then divided (the ratio of sums, which does not favour rare SNPs). 0 on average for fresh
    people, who may fall below. Block jackknife over SNPs.

    Parameters
    ----------
    synthetic, real
        (s, m) and (n, m) int8.
    placed, real_placed
        (s,) and (n,) their populations, of `Populations.place`. Populations with fewer than 10
        people on either side are left out: `share_variation` sees those.

    Returns
    -------
    Interval
        NaN when no population is left.
    """
    comparable(synthetic, real)
    most = 1 + max(int(placed.max()), int(real_placed.max()))
    sizes = [np.bincount(p, minlength=most) for p in (placed, real_placed)]
    kept = np.flatnonzero(np.minimum(*sizes) >= FEWEST)
    if len(kept) == 0:
        return Interval(np.nan)
    parts = sum(
        weir_cockerham(_counts(synthetic[placed == p]), _counts(real[real_placed == p]))
        for p in kept
    )
    return fst_interval(np.asarray(parts))


def fst_interval(components: NDArray[np.float64]) -> Interval:
    """FST and its block jackknife from (m, 2) `weir_cockerham` components."""

    def ratio(t: Sums) -> float:
        return float(t[0] / t[1]) if t[1] > 0 else np.nan

    return block_jackknife(block_sums(components, blocks(len(components))), ratio)


def weir_cockerham(one: Sums, two: Sums) -> NDArray[np.float64]:
    """Variance components of two samples: (m, 2) a, and a + b + c, whose ratio is FST.

    Parameters
    ----------
    one, two
        (3, m) people with 0, 1 and 2 copies; two people or more in each.

    References
    ----------
    Weir and Cockerham 1984, Evolution 38:1358, equations 2 to 4.
    """
    r = 2
    n = np.array([one.sum(axis=0)[0], two.sum(axis=0)[0]])
    if n.min() < 2:
        raise GenobenchError(f"FST of {n.astype(int).tolist()} people: two on each side at least")
    share = [genotype_share(one), genotype_share(two)]
    p = np.stack([s[1] / 2 + s[2] for s in share])  # (2, m)
    h = np.stack([s[1] for s in share])
    mean_n = n.mean()
    n_c = (n.sum() - (n**2).sum() / n.sum()) / (r - 1)
    weight = (n / n.sum())[:, None]
    p_bar, h_bar = (weight * p).sum(axis=0), (weight * h).sum(axis=0)
    s2 = (n[:, None] * (p - p_bar) ** 2).sum(axis=0) / ((r - 1) * mean_n)
    pq = p_bar * (1 - p_bar)
    a = mean_n / n_c * (s2 - (pq - (r - 1) / r * s2 - h_bar / 4) / (mean_n - 1))
    b = mean_n / (mean_n - 1) * (pq - (r - 1) / r * s2 - (2 * mean_n - 1) / (4 * mean_n) * h_bar)
    return np.stack([a, a + b + h_bar / 2], axis=1)


def share_variation(placed: Codes, real_placed: Codes, *, count: int) -> Interval:
    """Total variation between the shares of populations, synthetic against real.

    The share of people who would have to come from elsewhere. Jackknife over people.

    Parameters
    ----------
    placed, real_placed
        (s,) and (n,) populations of `Populations.place`.
    count
        Number of populations.
    """

    def groups(codes: Codes) -> Sums:
        return np.array(
            [np.bincount(codes[rows], minlength=count) for rows in group_rows(len(codes))], float
        )

    def variation(made: Sums, wanted: Sums) -> float:
        return float(np.abs(made / made.sum() - wanted / wanted.sum()).sum() / 2)

    found = people_jackknife(groups(placed), groups(real_placed), variation)
    return clipped(found, 0.0, 1.0)


def _counts(genotypes: Genotypes) -> Sums:
    """(3, m) people with 0, 1 and 2 copies."""
    counts: Sums = genotype_counts(genotypes).sum(axis=0)
    return counts

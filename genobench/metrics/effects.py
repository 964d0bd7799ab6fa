"""Effects of variants on a trait, estimated from people, against the true ones.

Effects are per standard deviation of the dosage, so that a rare variant's large effect per copy
weighs by what it does, and sums run through the origin: which allele is counted decides the sign
of an effect and must decide nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from genobench.cohort import Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.metrics.association import Scan, over_genome
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    clipped,
    group_rows,
    people_jackknife,
    wilson,
)
from genobench.metrics.prediction import Kind, Ridge

Floats = NDArray[np.float64]
FAMILY_WISE = 0.05


@dataclass(frozen=True, eq=False)
class Estimated:
    """What people say of every variant.

    Attributes
    ----------
    sums
        (groups, 5, m) per group of people (`intervals.group_rows`): their number, sums of dosages,
        of squared dosages, of labels and of products. One regression per variant is made of them.
    joint
        (m,) effect per copy by a ridge over all variants; 0 where one, or the trait, is constant.
    p
        (m,) two-sided p-value of one regression per variant; 1 there.

    Labels, and with them effects, are in units of the trait, or in standard deviations of its
    liability.
    """

    sums: Sums
    joint: Floats
    p: Floats

    @classmethod
    def of(cls, genotypes: Genotypes, labels: Labels, kind: Kind) -> Estimated:
        """Effects that these people show.

        Parameters
        ----------
        genotypes, labels
            (n, m) int8 and (n,), n >= 10.
        kind
            Of a binary trait the linear effects on 0 / 1 are divided by the height of the normal
            density at the threshold, which makes them effects on the liability (Dempster and
            Lerner 1950, Genetics 35:212), as long as cases are as common here as among people.
        """
        checked(genotypes, name="these", at_least=10)
        n, m = genotypes.shape
        if len(labels) != n:
            raise GenobenchError(f"effects: {len(labels)} labels for {n} people")
        if np.ptp(labels) == 0:
            return cls(_sums(genotypes, np.zeros(n)), np.zeros(m), np.ones(m))
        y = labels.astype(np.float64) - labels.mean(dtype=np.float64)
        unit = liability_unit(labels) if kind == "binary" else 1.0
        scan = Scan.of(genotypes, labels, np.zeros((n, 0)), "quantitative")
        ridge = Ridge.of(genotypes)
        joint = ridge.fit(labels, "quantitative")[0] / ridge.scale / unit
        return cls(_sums(genotypes, y / unit), joint, scan.p)

    @property
    def marginal(self) -> Floats:
        """(m,) effect per copy by one regression per variant; 0 where one is constant."""
        return _slopes(self.sums.sum(axis=0))

    def arrays(self) -> dict[str, Floats]:
        """By name, as ``Estimated(**arrays)`` takes them."""
        return {"sums": self.sums, "joint": self.joint, "p": self.p}


def liability_unit(labels: Labels) -> float:
    """Change of the share of cases per standard deviation of liability, at the threshold."""
    share = float(labels.mean(dtype=np.float64))
    return float(stats.norm.pdf(stats.norm.isf(share)))


def marginal_slope(estimate: Estimated, truth: Floats, scale: Floats) -> Interval:
    """Slope of marginal on true effects through the origin; 1: as large as they are.

    Noise in the estimates does not flatten it, since the truth is free of noise. Delete-one
    jackknife over 20 groups of people: the noise of variants in LD, or apart with the populations,
    is shared, which a jackknife over the genome does not see (it held 1 in 80 % of simulations).
    NaN when no true effect differs from 0.

    Parameters
    ----------
    estimate
        Of m variants.
    truth, scale
        (m,) true effects per copy, and standard deviation of the dosage in real people.
    """
    x = _per_deviation(truth, scale, estimate.joint)
    return block_jackknife(estimate.sums, lambda t: _slope(_slopes(t) * scale, x))


def marginal_correlation(estimate: Estimated, truth: Floats, scale: Floats) -> Interval:
    """Correlation (through the origin) of marginal with true effects; 0 for no estimate at all.

    Falls with the noise of the estimates, so that it is read beside that of as many real people.
    Jackknife over people as in `marginal_slope`.
    """
    x = _per_deviation(truth, scale, estimate.joint)
    found = block_jackknife(estimate.sums, lambda t: _cosine(_slopes(t) * scale, x))
    return clipped(found, -1.0, 1.0)


def marginal_gap(estimate: Estimated, other: Estimated, truth: Floats, scale: Floats) -> Interval:
    """`marginal_correlation` of one cohort minus that of another; jackknife over both."""
    x = _per_deviation(truth, scale, estimate.joint)

    def gap(one: Sums, two: Sums) -> float:
        return _cosine(_slopes(one) * scale, x) - _cosine(_slopes(two) * scale, x)

    return clipped(people_jackknife(estimate.sums, other.sums, gap), -2.0, 2.0)


def joint_correlation(estimate: Estimated, truth: Floats, scale: Floats) -> Interval:
    """Correlation (through the origin) of ridge effects with the true ones of causal variants.

    Delete-one jackknife over 20 blocks of variants: another ridge per group of people would cost
    twenty decompositions.
    """
    x = _per_deviation(truth, scale, estimate.joint)
    y = estimate.joint * scale
    return clipped(over_genome(lambda kept: _cosine(y[kept], x[kept]), len(x)), -1.0, 1.0)


def joint_gap(estimate: Estimated, other: Estimated, truth: Floats, scale: Floats) -> Interval:
    """`joint_correlation` of one cohort minus that of another, paired over blocks of variants."""
    x = _per_deviation(truth, scale, estimate.joint)
    y, z = estimate.joint * scale, other.joint * scale
    return clipped(
        over_genome(lambda k: _cosine(y[k], x[k]) - _cosine(z[k], x[k]), len(x)), -2.0, 2.0
    )


def power(p: Floats, causal: NDArray[np.bool_]) -> Interval:
    """Share of the causal variants with p below .05 / m (Bonferroni); Wilson over them.

    NaN when none of the variants is causal.
    """
    if not causal.any():
        return Interval(math.nan)
    found = p[causal] < FAMILY_WISE / len(p)
    return wilson(int(found.sum()), len(found))


def power_gap(p: Floats, other: Floats, causal: NDArray[np.bool_]) -> Interval:
    """`power` of one scan minus that of another; delete-one jackknife over 20 blocks of variants.

    NaN when none of the variants is causal.
    """
    level = FAMILY_WISE / len(p)
    found: Floats = (p < level).astype(np.float64) - (other < level)

    def gap(kept: NDArray[np.bool_]) -> float:
        some: Floats = found[kept & causal]
        return float(some.mean()) if len(some) else math.nan

    return clipped(over_genome(gap, len(p)), -1.0, 1.0)


def sign_errors(p: Floats, estimate: Floats, truth: Floats) -> Interval:
    """Share of the variants found (`power`) whose effect has the wrong sign; Wilson over them.

    The type S error of Gelman and Carlin 2014, Perspectives on Psychological Science 9:641. NaN
    when none was found.
    """
    found = (p < FAMILY_WISE / len(p)) & (truth != 0)
    if not found.any():
        return Interval(math.nan)
    wrong = np.sign(estimate[found]) != np.sign(truth[found])
    return wilson(int(wrong.sum()), int(found.sum()))


def _sums(genotypes: Genotypes, labels: Floats) -> Sums:
    """(groups, 5, m): see `Estimated`."""
    parts = []
    for rows in group_rows(len(labels)):
        x, y = genotypes[rows].astype(np.float64), labels[rows]
        m = x.shape[1]
        squares = np.einsum("ij,ij->j", x, x)
        of_people = (np.full(m, len(y)), x.sum(axis=0), squares, np.full(m, y.sum()), y @ x)
        parts.append(np.stack(of_people))
    return np.array(parts)


def _slopes(t: Sums) -> Floats:
    """(m,) one regression per variant, of sums over people; 0 where a variant is constant."""
    n, x, xx, y, xy = t
    spread = xx - x * x / n
    slopes: Floats = np.divide(xy - x * y / n, spread, out=np.zeros_like(x), where=spread > 1e-9)
    return slopes


def _per_deviation(truth: Floats, scale: Floats, like: Floats) -> Floats:
    """True effects per standard deviation."""
    if not truth.shape == scale.shape == like.shape:
        raise GenobenchError(f"effects: {like.shape}, {truth.shape} and {scale.shape} differ")
    return truth * scale


def _slope(y: Floats, x: Floats) -> float:
    square = float(x @ x)
    return float(x @ y) / square if square > 1e-12 else math.nan


def _cosine(y: Floats, x: Floats) -> float:
    one, two = float(x @ x), float(y @ y)
    if one <= 1e-12:
        return math.nan
    return float(x @ y) / math.sqrt(one * two) if two > 1e-24 else 0.0

"""How close synthetic people are to those who were trained on: copies, distances, accuracy.

S synthetic, T train, H hold-out. Rows of S that share a nearest real person are not independent,
so that the intervals of nearest-neighbour shares are clustered by the person who was nearest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.auc import clopper_pearson, normal_interval
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import Found, encode, mutual, nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest people within and between as many real as synthetic people, (n, 1) each.

    Attributes
    ----------
    real, synthetic
        Nearest other person of the own cohort.
    to_synthetic, to_real
        Nearest person of the other cohort, to each real and to each synthetic one.
    """

    real: Found
    synthetic: Found
    to_synthetic: Found
    to_real: Found

    @classmethod
    def between(cls, real: Genotypes, synthetic: Genotypes) -> Self:
        """Of (n, m) genotypes each."""
        _equal("adversarial accuracy", len(real), len(synthetic))
        t, s = encode(real), encode(synthetic)
        truth, syn = (nearest(own, own, 1, exclude_self=True) for own in (t, s))
        return cls(truth, syn, *mutual(t, s))


def duplicates(synthetic: Genotypes, people: Genotypes) -> Interval:
    """Share of ``synthetic`` rows (n, m) that are identical to a row of ``people`` (r, m)."""
    found = _is_in(synthetic, people)
    low, high = clopper_pearson(int(found.sum()), found.size)
    return Interval(float(found.mean()), low, high)


def duplicates_excess(synthetic: Genotypes, members: Genotypes, non_members: Genotypes) -> Interval:
    """Share of synthetic rows found among members minus the share found among non-members.

    What short panels share by chance cancels, which needs as many members as non-members.
    """
    _equal("duplicates", len(members), len(non_members))
    gain: Floats = 1.0 * _is_in(synthetic, members) - _is_in(synthetic, non_members)
    return normal_interval(float(gain.mean()), _mean_variance(gain))


def repeats(synthetic: Genotypes) -> Interval:
    """Share of rows (n, m) that repeat an earlier row of the same cohort."""
    rows = _rows(synthetic)
    again = rows.size - np.unique(rows).size
    low, high = clopper_pearson(again, rows.size)
    return Interval(again / rows.size, low, high)


def closer_to_members(to_members: Found, to_others: Found) -> Interval:
    """Share of synthetic rows whose nearest real person is a member; ties count half.

    Parameters
    ----------
    to_members, to_others
        `nearest` of the same synthetic rows among equally many members and non-members.
    """
    (d1, i1), (d0, i0) = to_members, to_others
    share = _beats(d0[:, 0], d1[:, 0])
    winners = _winner(share, i1[:, 0], i0[:, 0])
    return _clustered(share, winners)


def distance_ratio(
    synthetic: NDArray[np.int32], holdout: NDArray[np.int32], *, rng: np.random.Generator
) -> Interval:
    """Median distance from S to the nearest of T over the same from H to T.

    Parameters
    ----------
    synthetic, holdout
        (n,) and (h,) least distances to T.
    rng
        Draws the 200 bootstrap samples of the percentile interval.

    Returns
    -------
    Interval
        1 for fresh people, 0 for copies; NaN when half of H has an identical row in T.
    """
    reference = float(np.median(holdout))
    if reference == 0:
        return Interval(math.nan)
    medians = [
        np.median(d[rng.integers(d.size, size=(200, d.size))], axis=1) for d in (synthetic, holdout)
    ]
    ratios = medians[0] / np.maximum(medians[1], 0.5)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Interval(float(np.median(synthetic)) / reference, float(low), float(high))


def first_to_second(distances: NDArray[np.int32]) -> Floats:
    """NNDR: distance to the nearest over distance to the second nearest, (n, 2) to (n,).

    Where the second distance is 0 as well the ratio is 0, as close as can be. Calling it 1, as some
    tools do, makes training rows that were copied from duplicates look private.
    """
    first, second = distances[:, 0].astype(float), distances[:, 1].astype(float)
    return np.divide(first, second, out=np.zeros_like(first), where=second > 0)


def nndr_gap(synthetic: NDArray[np.int32], holdout: NDArray[np.int32]) -> Interval:
    """Mean NNDR of S minus that of H, from (n, 2) and (h, 2) distances to T; 0 for fresh people."""
    s, h = first_to_second(synthetic), first_to_second(holdout)
    variance = _mean_variance(s) + _mean_variance(h)
    return normal_interval(float(s.mean() - h.mean()), variance)


def adversarial_accuracy(neighbours: Neighbours) -> tuple[Interval, Interval]:
    """Nearest-neighbour adversarial accuracy, its two parts.

    Every part expects n_real / (n_real + n_synthetic), so the sizes must agree.

    Returns
    -------
    truth, syn
        Share of real people nearer to another real person than to any synthetic one, and the same
        with the roles exchanged. Each is .5 for a perfect generator and 0 for copies; their mean
        hides a generator that repeats few people. Ties count half (strict ties bias short panels),
        but a tie at distance 0, a synthetic person with both a real and a synthetic twin, only as
        often as real people have real twins: the rest are copies made several times.

    Source: Yale et al., Neurocomputing 2020, equation 1.
    """
    truth, syn = _accuracy(neighbours)
    return _clustered(*truth), _clustered(*syn)


def privacy_loss(members: Neighbours, non_members: Neighbours) -> Interval:
    """Adversarial accuracy of non-members minus that of members; 0 for no leak.

    Both against the same synthetic people.

    Source: Yale et al., Neurocomputing 2020, equation 3.
    """
    sizes = (len(found.real.distances) for found in (members, non_members))
    _equal("privacy loss", *sizes)
    truth_t, syn_t = _accuracy(members)
    truth_h, syn_h = _accuracy(non_members)
    paired = syn_h[0] - syn_t[0]
    value = (truth_h[0].mean() - truth_t[0].mean() + paired.mean()) / 2
    variance = (
        _cluster_variance(*truth_t) + _cluster_variance(*truth_h) + _mean_variance(paired)
    ) / 4
    return normal_interval(float(value), variance)


def _accuracy(
    found: Neighbours,
) -> tuple[tuple[Floats, NDArray[np.int64]], tuple[Floats, NDArray[np.int64]]]:
    """Per real and per synthetic person: 1 when the nearest is of its own kind, and who it is."""
    twins = float((found.real.distances == 0).mean())
    parts = []
    for own, other in ((found.real, found.to_synthetic), (found.synthetic, found.to_real)):
        (d_own, i_own), (d_other, i_other) = ((d[:, 0], i[:, 0]) for d, i in (own, other))
        accuracy = _beats(d_other, d_own)
        twofold = (d_own == 0) & (d_other == 0)
        if twofold.any():
            accuracy[twofold] *= min(1.0, twins / float(twofold.mean()))
        parts.append((accuracy, _winner(accuracy, i_own, i_other)))
    return parts[0], parts[1]


def _beats(further: NDArray[np.int32], nearer: NDArray[np.int32]) -> Floats:
    """1 where ``nearer`` is the smaller, .5 on a tie, else 0."""
    share: Floats = (further > nearer) + 0.5 * (further == nearer)
    return share


def _winner(
    share: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """One number per nearest person; a tie belongs to the first of the two."""
    return np.where(share > 0, 2 * first, 2 * second + 1)


def _clustered(values: Floats, clusters: NDArray[np.int64]) -> Interval:
    variance = _cluster_variance(values, clusters)
    return normal_interval(float(values.mean()), variance, bounds=(0, 1))


def _cluster_variance(values: Floats, clusters: NDArray[np.int64]) -> float:
    """Variance of a mean whose rows are dependent within clusters (Liang and Zeger 1986)."""
    sums = np.bincount(clusters, values - values.mean())
    return float((sums**2).sum()) / values.size**2


def _mean_variance(values: Floats) -> float:
    return float(values.var(ddof=1)) / values.size if values.size > 1 else math.nan


def _rows(genotypes: Genotypes) -> NDArray[np.void]:
    """Each row as one opaque value that can be sorted and compared."""
    g = np.ascontiguousarray(checked(genotypes, name="these"))
    return g.view(np.dtype((np.void, g.shape[1]))).ravel()


def _is_in(synthetic: Genotypes, people: Genotypes) -> NDArray[np.bool_]:
    if synthetic.shape[1] != people.shape[1]:
        raise GenobenchError(
            f"duplicates: {synthetic.shape[1]} variants against {people.shape[1]}; "
            "use the same variants"
        )
    return np.isin(_rows(synthetic), _rows(people))


def _equal(what: str, first: int, second: int) -> None:
    if first != second:
        raise GenobenchError(
            f"{what} compares equal numbers of people, got {first} and {second}; "
            "draw as many from the larger group"
        )

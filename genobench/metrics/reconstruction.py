"""Real people through a model and back: how much of them returns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    block_sums,
    blocks,
    clipped,
    normal,
)

Floats = NDArray[np.float64]


def concordance(back: Genotypes, people: Genotypes) -> Interval:
    """Share of calls that came back the same; normal interval over people.

    A trap with rare alleles, where calling everybody 0 is nearly always right: read it beside
    `het_concordance` and `carrier_concordance`.

    Parameters
    ----------
    back, people
        (n, m) int8, the same people in the same order.
    """
    _same_people(back, people)
    same = (back == people).sum(axis=1)
    return _share(same, np.full(len(people), people.shape[1]))


def het_concordance(back: Genotypes, people: Genotypes) -> Interval:
    """Share of heterozygous calls that came back heterozygous; NaN when nobody has one."""
    _same_people(back, people)
    het = people == 1
    return _share((het & (back == 1)).sum(axis=1), het.sum(axis=1))


def carrier_concordance(back: Genotypes, people: Genotypes, *, flip: NDArray[np.bool_]) -> Interval:
    """Share of the calls with a minor allele that came back the same ("non-reference").

    Parameters
    ----------
    back, people
        (n, m) int8, the same people in the same order.
    flip
        (m,) where the allele that is not counted is the minor one.
    """
    _same_people(back, people)
    if flip.shape != (people.shape[1],):
        raise GenobenchError(f"flip: {flip.shape} for {people.shape[1]} variants")
    carrier = people != np.where(flip, 2, 0)
    return _share((carrier & (back == people)).sum(axis=1), carrier.sum(axis=1))


def dosage_r2(back: Genotypes, people: Genotypes) -> Interval:
    """Mean over variants of the squared correlation of a dosage with what came back.

    As imputation is judged. A variant that came back constant has r2 0; one that does not vary in
    these people is left out. Delete-one jackknife over 20 blocks of variants; NaN when no variant
    varies.
    """
    _same_people(back, people)
    x, y = (g - g.mean(axis=0, dtype=np.float64) for g in (people, back))
    xx, yy, xy = (np.einsum("ij,ij->j", a, b) for a, b in ((x, x), (y, y), (x, y)))
    varies = xx > 1e-9
    r2 = np.divide(xy**2, xx * yy, out=np.zeros_like(xx), where=varies & (yy > 1e-9))
    sums = block_sums(np.stack([np.where(varies, r2, 0), varies], axis=1), blocks(len(r2)))
    return clipped(block_jackknife(sums, _mean), 0.0, 1.0)


def pca_round_trips(
    train: Genotypes,
    people: Genotypes,
    *,
    chromosome: NDArray[np.int64],
    shares: Sequence[float],
) -> list[Genotypes]:
    """People through principal components of training people and back, rounded.

    Per chromosome as few components as keep a share of the variance of the training people's
    dosages, which is how PCA-based generators cut (arXiv:2508.09212).

    Parameters
    ----------
    train, people
        (n, m) and (h, m) int8.
    chromosome
        (m,) numbers.
    shares
        Of variance kept, each in (0, 1].

    Returns
    -------
    list of (h, m) int8
        One round trip per share. A chromosome on which nobody differs comes back as its mean.
    """
    comparable(people, train)
    if chromosome.shape != (train.shape[1],):
        raise GenobenchError(f"chromosome: {chromosome.shape} for {train.shape[1]} variants")
    if any(not 0 < share <= 1 for share in shares):
        raise GenobenchError(f"variance kept: {shares}; each in (0, 1]")
    trips = [np.empty(people.shape, dtype=np.int8) for _ in shares]
    for number in np.unique(chromosome):
        columns = np.flatnonzero(chromosome == number)
        mean = train[:, columns].mean(axis=0, dtype=np.float64)
        x = train[:, columns] - mean
        values, vectors = np.linalg.eigh(x.T @ x)
        values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
        kept = np.cumsum(values) / max(values.sum(), 1e-300)
        scores = (people[:, columns] - mean) @ vectors
        for trip, share in zip(trips, shares, strict=True):
            count = min(1 + int(np.searchsorted(kept, share - 1e-9)), len(columns))
            dosage = mean + scores[:, :count] @ vectors[:, :count].T
            trip[:, columns] = np.rint(dosage).clip(0, 2)
    return trips


def _share(hits: NDArray[np.int64], calls: NDArray[np.int64]) -> Interval:
    """Share of ``calls`` that are ``hits``, both (n,) per person: ratio estimator over people."""
    total = int(calls.sum())
    if total == 0:
        return Interval(math.nan)
    share, n = float(hits.sum()) / total, len(calls)
    if n < 2:
        return Interval(share)
    spread = float(((hits - share * calls) ** 2).sum()) * n / (n - 1)
    return clipped(normal(share, math.sqrt(spread) / total), 0.0, 1.0)


def _mean(sums: Sums) -> float:
    total, count = sums
    return float(total / count) if count > 0 else math.nan


def _same_people(back: Genotypes, people: Genotypes) -> None:
    comparable(back, people)
    if len(back) != len(people):
        raise GenobenchError(f"round trip: {len(people)} people went in, {len(back)} came back")
    checked(back, name="returned")

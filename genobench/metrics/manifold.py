"""Precision, recall, density and coverage: do synthetic people lie among the real ones?

Every person carries a ball that just reaches the k-th nearest person of the same kind. All four
have a ceiling below 1 that a second real sample shows (precision and recall near .74 at k = 5);
values above it mean that people were memorised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import neighbours
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import Interval, clipped, normal, wilson

ROWS = 1024  # people whose distances to all others are held at once


@dataclass(frozen=True)
class Manifold:
    """The four measures at one k, each with its interval."""

    k: int
    precision: Interval
    recall: Interval
    density: Interval
    coverage: Interval


def radii(genotypes: Genotypes, *, ks: tuple[int, ...]) -> NDArray[np.int32]:
    """(n, len(ks)) L1 distance of each person to the k-th nearest other person.

    Raises
    ------
    GenobenchError
        When there are not more people than the largest k.
    """
    if min(ks, default=0) < 1:
        raise GenobenchError(f"k = {ks}: at least one k, all of them 1 or more")
    checked(genotypes, name="these", at_least=max(ks) + 1)
    distances, _ = neighbours.nearest(genotypes, genotypes, max(ks), exclude_self=True)
    return distances[:, np.array(ks) - 1]


def manifold_curve(
    synthetic: Genotypes,
    real: Genotypes,
    *,
    ks: tuple[int, ...] = (5,),
    real_radii: NDArray[np.int32] | None = None,
) -> list[Manifold]:
    """Precision, recall, density, coverage at every k, from one pass over the pairs.

    Distance is L1 on dosages; inside a ball means nearer than its radius (strictly, as in the
    authors' code, so that a ball among identical people is empty).

    precision: share of synthetic people inside any real ball; recall: share of real people inside
    any synthetic ball; density: real balls around a synthetic person, divided by k (may exceed 1);
    coverage: share of real balls with a synthetic person inside.

    Parameters
    ----------
    synthetic, real
        (n, m) int8 each, the same n: radii shrink as people are added.
    ks
        Neighbours; each less than n.
    real_radii
        (n, len(ks)) what `radii` gave for ``real``, if it is already known.

    Returns
    -------
    list of Manifold
        Proportions with Wilson intervals over people with the balls held fixed (a quarter too
        short, measured on fresh samples), density with a normal one over people and balls.

    References
    ----------
    Kynkaanniemi 2019, arXiv:1904.06991; Naeem 2020, arXiv:2002.09797.
    """
    comparable(synthetic, real)
    n = len(real)
    if len(synthetic) != n:
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {n}")
    around_synthetic = radii(synthetic, ks=ks)
    around_real = radii(real, ks=ks) if real_radii is None else real_radii
    if around_real.shape != (n, len(ks)):
        raise GenobenchError(f"real_radii: {around_real.shape}, expected {(n, len(ks))}")
    balls = np.zeros((n, len(ks)), dtype=np.int64)  # real balls around each synthetic person
    held = np.zeros((n, len(ks)), dtype=np.int64)  # synthetic people inside each real ball
    inside = np.zeros((n, len(ks)), dtype=bool)  # real person inside a synthetic ball
    for rows, distance in distance_rows(synthetic, real):
        for column in range(len(ks)):
            in_real = distance < around_real[:, column]
            balls[rows, column] = in_real.sum(axis=1)
            held[:, column] += in_real.sum(axis=0)
            in_synthetic = distance < around_synthetic[rows, column][:, None]
            inside[:, column] |= in_synthetic.any(axis=0)
    return [
        Manifold(
            k,
            precision=wilson(int((balls[:, c] > 0).sum()), n),
            recall=wilson(int(inside[:, c].sum()), n),
            density=_density(balls[:, c], held[:, c], k),
            coverage=wilson(int((held[:, c] > 0).sum()), n),
        )
        for c, k in enumerate(ks)
    ]


def distance_rows(
    queries: Genotypes, base: Genotypes
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Exact L1 distances from ``ROWS`` queries at a time to all of ``base``.

    With a(x) = x - 1 and h(x) = [x = 1], |x - y| = 1 - a(x)a(y) - h(x)h(y) on 0 / 1 / 2: one
    matrix product, exact in float32 below 2^24 variants.
    """
    right = _embedded(base).T
    for first in range(0, len(queries), ROWS):
        rows = slice(first, min(first + ROWS, len(queries)))
        yield rows, base.shape[1] - _embedded(queries[rows]) @ right


def _embedded(genotypes: Genotypes) -> NDArray[np.float32]:
    return np.concatenate([genotypes - 1, genotypes == 1], axis=1, dtype=np.float32)


def _density(balls: NDArray[np.int64], held: NDArray[np.int64], k: int) -> Interval:
    """A mean over pairs: its variance is that over synthetic people plus that over real balls."""
    variance = (balls.var(ddof=1) + held.var(ddof=1)) / len(balls)
    return clipped(normal(float(balls.mean()) / k, math.sqrt(variance) / k), 0.0, math.inf)

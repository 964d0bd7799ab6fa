"""Precision, recall, density and coverage: do synthetic people lie among the real ones?

Every person carries a ball that just reaches the k-th nearest person of the same kind. All four
have a ceiling below 1 that a second real sample shows (precision and recall near .74 at k = 5);
values above it mean that people were memorised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Distances of people to their nearest others: found once, used at every k.

    Attributes
    ----------
    distances
        (n, most) int32, ascending: L1 to the first, second, ... nearest other person.
    """

    distances: NDArray[np.int32]

    def __post_init__(self) -> None:
        d = self.distances
        if d.ndim != 2 or d.shape[1] == 0 or (d < 0).any() or (np.diff(d, axis=1) < 0).any():
            raise GenobenchError(f"neighbourhoods {d.shape}: (people, k) ascending distances")

    @classmethod
    def of(cls, genotypes: Genotypes, most: int) -> Neighbourhoods:
        """Of ``genotypes`` (n, m); there must be more people than ``most``."""
        checked(genotypes, name="these", at_least=most + 1)
        return cls(neighbours.nearest(genotypes, genotypes, most, exclude_self=True)[0])

    def radii(self, ks: tuple[int, ...]) -> NDArray[np.int32]:
        """(n, len(ks)) distance to the k-th nearest."""
        if min(ks, default=0) < 1 or max(ks) > self.distances.shape[1]:
            raise GenobenchError(f"k = {ks}: at least one, 1 to {self.distances.shape[1]}")
        return self.distances[:, np.array(ks) - 1]


def radii(genotypes: Genotypes, *, ks: tuple[int, ...]) -> NDArray[np.int32]:
    """(n, len(ks)) L1 distance of each person to the k-th nearest other person.

    Raises
    ------
    GenobenchError
        When there are not more people than the largest k.
    """
    if min(ks, default=0) < 1:
        raise GenobenchError(f"k = {ks}: at least one k, all of them 1 or more")
    return Neighbourhoods.of(genotypes, max(ks)).radii(ks)


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
    balls, held, inside = _counts(synthetic, real, around_synthetic, around_real)
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


class Cover(NamedTuple):
    """How far people lie in the balls of others.

    Attributes
    ----------
    share
        (n,) of each person: at what share of the ks it lies in any ball.
    lone
        (groups,) mean share over people and ks that only the balls of one group of owners cover,
        every 20th owner making a group: what the mean of ``share`` falls by without that group.
    """

    share: NDArray[np.float64]
    lone: NDArray[np.float64]


def cover(queries: Genotypes, people: Genotypes, around: NDArray[np.int32]) -> Cover:
    """Where ``queries`` lie in the balls of ``people``.

    Parameters
    ----------
    queries, people
        (n, m) and (r, m) int8.
    around
        (r, ks) radii of the people's balls.
    """
    n, ks = len(queries), around.shape[1]
    groups = min(20, len(people))
    owner = np.eye(groups, dtype=np.float32)[np.arange(len(people)) % groups]  # (r, groups)
    share, lone = np.zeros(n), np.zeros(groups)
    for rows, distance in distance_rows(queries, people):
        for column in range(ks):
            by_group = (distance < around[:, column]).astype(np.float32) @ owner > 0
            covering = by_group.sum(axis=1)
            share[rows] += (covering > 0) / ks
            lone += by_group[covering == 1].sum(axis=0) / (n * ks)
    return Cover(share, lone)


def curve_areas(
    synthetic: tuple[Genotypes, Genotypes],
    real: tuple[Genotypes, Genotypes],
    *,
    ks: tuple[int, ...],
    real_radii: tuple[NDArray[np.int32], NDArray[np.int32]],
    real_cover: tuple[Cover, Cover],
) -> tuple[Interval, Interval]:
    """Area between the synthetic and the real curve of precision and of recall over k.

    One k may flatter a generator, and the ceiling is another at every k and n. Here the ceiling is
    measured on the spot: of two equal halves of the real people one is in the place of synthetic
    people. Signed, so that 0 is as real: precision below 0, people unlike any real ones; above 0,
    only typical people (or copies of these very real people); recall below 0, kinds of people are
    missing.

    Parameters
    ----------
    synthetic, real
        Two halves, (n, m) int8 each, all of the same n; the first meets the first.
    ks
        Neighbours, all less than n.
    real_radii
        (n, len(ks)) `radii` of either real half.
    real_cover
        `cover` of either real half by the balls of the other one.

    Returns
    -------
    precision, recall
        Mean over ks of the difference. Normal intervals over people; of recall also over the
        owners of the balls, by a jackknife (of precision both sides lie in the same balls). The
        latter is cautious: a third too wide for fresh people, where without it it was a fifth too
        short.
    """
    if {len(part) for part in (*synthetic, *real)} != {len(real[0])}:
        raise GenobenchError("curve areas: halves with equal numbers of people are needed")
    pairs = list(zip(synthetic, real, strict=True))
    precise = [cover(s, r, around).share for (s, r), around in zip(pairs, real_radii, strict=True)]
    found = [cover(r, s, radii(s, ks=ks)) for s, r in pairs]
    made, wanted = np.concatenate(precise), np.concatenate([c.share for c in real_cover])
    gain = np.concatenate([c.share for c in found]) - wanted
    error2 = (made.var(ddof=1) + wanted.var(ddof=1)) / len(wanted)
    owners = sum(_owner_variance(c) for c in (*found, *real_cover)) / 4  # a half counts one half
    recall_error2 = gain.var(ddof=1) / len(gain) + owners
    return (
        normal(float(made.mean() - wanted.mean()), math.sqrt(error2)),
        normal(float(gain.mean()), math.sqrt(recall_error2)),
    )


def _owner_variance(covered: Cover) -> float:
    """Jackknife variance of the mean share over the owners of the balls."""
    groups = len(covered.lone)
    return float((groups - 1) * covered.lone.var())


def _counts(
    synthetic: Genotypes,
    real: Genotypes,
    around_synthetic: NDArray[np.int32],
    around_real: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(n, ks) each: real balls around a synthetic person, synthetic people in a real ball, and
    whether a real person is in any synthetic ball.
    """
    shape = around_real.shape
    balls, held = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    inside = np.zeros(shape, dtype=bool)
    for rows, distance in distance_rows(synthetic, real):
        for column in range(shape[1]):
            in_real = distance < around_real[:, column]
            balls[rows, column] = in_real.sum(axis=1)
            held[:, column] += in_real.sum(axis=0)
            in_synthetic = distance < around_synthetic[rows, column][:, None]
            inside[:, column] |= in_synthetic.any(axis=0)
    return balls, held, inside


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

"""Precision and recall at many k and many sample sizes: one k at one n may flatter a generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.intervals import Interval, wilson
from genobench.metrics.manifold import manifold_curve, radii


@dataclass(frozen=True, eq=False)
class Grid:
    """Counts at every size and k.

    Attributes
    ----------
    people
        (sizes,) people counted at each size, over all its parts.
    precise, recalled
        (sizes, ks) of them inside a ball of the other side; -1 where a part has no more people
        than k.
    """

    people: NDArray[np.int64]
    precise: NDArray[np.int64]
    recalled: NDArray[np.int64]

    def precision(self, size: int, k: int) -> Interval:
        """Share of synthetic people inside a real ball, by index of size and k."""
        return _share(self.precise[size, k], self.people[size])

    def recall(self, size: int, k: int) -> Interval:
        """Share of real people inside a synthetic ball."""
        return _share(self.recalled[size, k], self.people[size])


def parts(genotypes: Genotypes, divisor: int) -> list[Genotypes]:
    """People in ``divisor`` disjoint parts of equal size, in their order; what is over is left."""
    size = len(genotypes) // divisor
    return [genotypes[i * size : (i + 1) * size] for i in range(divisor)]


def part_radii(real: Genotypes, divisor: int, ks: Sequence[int]) -> NDArray[np.int32]:
    """(parts, size, ks) radii of the balls in each part of the real people; fewer ks if small."""
    pieces = parts(real, divisor)
    usable = fitting(ks, len(pieces[0]))
    if not usable:
        return np.zeros((divisor, len(pieces[0]), 0), dtype=np.int32)
    return np.stack([radii(piece, ks=usable) for piece in pieces])


def fitting(ks: Sequence[int], people: int) -> tuple[int, ...]:
    """Those of ``ks`` that have a meaning among so many people."""
    return tuple(k for k in ks if k < people)


def grid(
    synthetic: Genotypes,
    real: Genotypes,
    *,
    ks: Sequence[int],
    divisors: Sequence[int],
    real_radii: Sequence[NDArray[np.int32]] | None = None,
) -> Grid:
    """Precision and recall (`manifold_curve`) at every k and at fractions of the sample size.

    At a fraction 1/d both sides are cut into d disjoint parts, the first meets the first, and
    counts are added up: everybody is used at every size.

    Parameters
    ----------
    synthetic, real
        (n, m) int8 each, in random order.
    ks
        Neighbours, ascending.
    divisors
        Of n, such as (4, 2, 1).
    real_radii
        Per divisor what `part_radii` gave for ``real``, if it is already known.
    """
    if len(synthetic) != len(real):
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {len(real)}")
    shape = (len(divisors), len(ks))
    counts = np.full((2, *shape), -1, dtype=np.int64)
    people = np.zeros(len(divisors), dtype=np.int64)
    for row, divisor in enumerate(divisors):
        size = len(real) // divisor
        people[row], usable = size * divisor, fitting(ks, size)
        if not usable:
            continue
        known = part_radii(real, divisor, ks) if real_radii is None else real_radii[row]
        counts[:, row, : len(usable)] = 0
        for made, wanted, around in zip(
            parts(synthetic, divisor), parts(real, divisor), known, strict=True
        ):
            curve = manifold_curve(made, wanted, ks=usable, real_radii=around)
            for column, at_k in enumerate(curve):
                counts[0, row, column] += round(at_k.precision.value * size)
                counts[1, row, column] += round(at_k.recall.value * size)
    return Grid(people, *counts)


def shortfall(made: Sequence[Interval], wanted: Sequence[Interval]) -> Interval:
    """Largest amount by which a share lies below its counterpart, over several pairs.

    The interval is that of the pair where it is largest: Newcombe's hybrid score interval for the
    difference of two proportions (1998, Statistics in Medicine 17:873, method 10). NaN without a
    pair. Below 0 when no share lies below.
    """
    pairs = [(w, m) for m, w in zip(made, wanted, strict=True) if not math.isnan(m.value)]
    if not pairs:
        return Interval(math.nan)
    w, m = max(pairs, key=lambda pair: pair[0].value - pair[1].value)
    value = w.value - m.value
    return Interval(
        value,
        value - math.hypot(w.value - w.low, m.high - m.value),
        value + math.hypot(w.high - w.value, m.value - m.low),
    )


def _share(count: int, people: int) -> Interval:
    return wilson(int(count), int(people)) if count >= 0 else Interval(math.nan)

"""Moments of dosages and products with them, of more people than fit in memory in floating point.

Genotypes are bytes, a copy in float64 is eight times as large. Up to `WHOLE` it is made, because
the published figures came about so, to the last bit. Beyond, people are widened a few at a time,
or one by one in the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genobench.cohort import Genotypes

Floats = NDArray[np.float64]
WHOLE = 1 << 28  # bytes of a float64 copy that is made at once
CELLS = 1 << 22  # dosages widened at a time; sums over as many are whole numbers in float32
REORDERED = {"reassoc", "contract", "nsz"}  # sums may be vectorised


def is_large(genotypes: Genotypes) -> bool:
    """Whether a float64 copy would exceed `WHOLE`."""
    return genotypes.size * np.dtype(np.float64).itemsize > WHOLE


def people_blocks(genotypes: Genotypes) -> Iterator[slice]:
    """Consecutive rows of at most `CELLS` dosages, and one row at least."""
    n, m = genotypes.shape
    rows = max(CELLS // max(m, 1), 1)
    return (slice(first, min(first + rows, n)) for first in range(0, n, rows))


@dataclass(frozen=True, eq=False)
class Moments:
    """Of (n, m) genotypes without missing calls, from sums that are whole numbers.

    Attributes
    ----------
    n
        Number of people.
    mean
        (m,) dosages.
    covariance
        (m, m), with divisor n; exactly 0 for a variant that does not vary.
    """

    n: int
    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, genotypes: Genotypes) -> Moments:
        """Moments of all variants; beside them `CELLS` dosages are held in float32."""
        n, m = genotypes.shape
        total, products = np.zeros(m), np.zeros((m, m))
        for rows in people_blocks(genotypes):
            x = genotypes[rows].astype(np.float32)
            total += x.sum(axis=0)
            products += x.T @ x
        products *= n
        products -= np.outer(total, total)
        return cls(n, total / n, products / float(n) ** 2)

    @property
    def deviation(self) -> Floats:
        """(m,) standard deviations."""
        found: Floats = np.sqrt(self.covariance.diagonal())
        return found

    @property
    def inverse(self) -> Floats:
        """(m,) 1 / standard deviation; 0 for a variant that does not vary."""
        return inverse_of(self.deviation)

    @property
    def correlation(self) -> Floats:
        """(m, m); 0 with a variant that does not vary."""
        found: Floats = self.covariance * self.inverse[:, None] * self.inverse
        return found


def mean_and_variance(genotypes: Genotypes) -> tuple[Floats, Floats]:
    """(m,) each, from whole numbers, a block of people at a time."""
    n, m = genotypes.shape
    total, squares = np.zeros(m), np.zeros(m)
    for rows in people_blocks(genotypes):
        x = genotypes[rows].astype(np.float32)
        total += x.sum(axis=0)
        squares += np.einsum("ij,ij->j", x, x)
    return total / n, (n * squares - total**2) / float(n) ** 2


def inverse_of(deviation: Floats) -> Floats:
    """1 / each; 0 for 0."""
    found: Floats = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    return found


def deviations(genotypes: Genotypes) -> Floats:
    """(m,) standard deviations of the dosages."""
    if is_large(genotypes):
        return np.sqrt(mean_and_variance(genotypes)[1])
    found: Floats = genotypes.std(axis=0, dtype=np.float64)
    return found


def times(genotypes: Genotypes, weights: Floats) -> Floats:
    """``genotypes @ weights``, (n,) or (n, k), of weights (m,) or (m, k).

    Raises
    ------
    ValueError
        When there are not as many weights as variants.
    """
    if len(weights) != genotypes.shape[1]:
        raise ValueError(f"{len(weights)} weights for {genotypes.shape[1]} variants")
    if not is_large(genotypes):
        found: Floats = genotypes @ weights
        return found
    if weights.ndim == 1:
        score = np.empty(len(genotypes))
        _dot(genotypes, np.ascontiguousarray(weights), score)
        return score
    scores = np.zeros((len(genotypes), weights.shape[1]))
    _multiply(genotypes, np.ascontiguousarray(weights), scores)
    return scores


def summed(values: Floats, genotypes: Genotypes) -> Floats:
    """(m,) ``values @ genotypes``: dosages summed with the weights (n,) of their people."""
    found = np.zeros(genotypes.shape[1])
    _sum_up(np.ascontiguousarray(values), genotypes, found)
    return found


@dataclass(frozen=True, eq=False)
class LeftVectors:
    """Left singular vectors (n, r) of standardised dosages, made of these whenever asked for.

    Stands for the array (genotypes - mean) @ turn in the products that a regression takes.

    Attributes
    ----------
    genotypes, mean
        (n, m) and (m,).
    turn
        (m, r) right singular vectors over standard deviations and singular values.
    """

    genotypes: Genotypes
    mean: Floats
    turn: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Of the array."""
        return len(self.genotypes), self.turn.shape[1]

    def __len__(self) -> int:
        return len(self.genotypes)

    def __mul__(self, factors: Floats) -> LeftVectors:
        """Columns times ``factors`` (r,)."""
        return LeftVectors(self.genotypes, self.mean, self.turn * factors)

    def __matmul__(self, weights: Floats) -> Floats:
        """(n,) or (n, k) products with weights (r,) or (r, k)."""
        per_copy = self.turn @ weights
        return times(self.genotypes, per_copy) - self.mean @ per_copy

    @property
    def T(self) -> _Transposed:  # noqa: N802
        """As of an array."""
        return _Transposed(self)

    def squared_times(self, weights: Floats) -> Floats:
        """(n, k) products of the squared entries with weights (r, k)."""
        found = np.empty((len(self), weights.shape[1]))
        for rows in people_blocks(self.genotypes):
            entries = (self.genotypes[rows] - self.mean) @ self.turn
            found[rows] = entries**2 @ weights
        return found


@dataclass(frozen=True, eq=False)
class _Transposed:
    """(r, n) transpose of `LeftVectors`."""

    of: LeftVectors

    def __matmul__(self, values: Floats) -> Floats:
        """(r,) products with values (n,)."""
        centred = summed(values, self.of.genotypes) - self.of.mean * values.sum()
        found: Floats = centred @ self.of.turn
        return found


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _dot(genotypes: Any, weights: Any, score: Any) -> None:
    n, m = genotypes.shape
    for i in range(n):
        total = 0.0
        for j in range(m):
            total += genotypes[i, j] * weights[j]
        score[i] = total


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _multiply(genotypes: Any, weights: Any, scores: Any) -> None:
    n, m = genotypes.shape
    for i in range(n):
        for j in range(m):
            dosage = genotypes[i, j]
            if dosage:
                for k in range(weights.shape[1]):
                    scores[i, k] += dosage * weights[j, k]


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _sum_up(values: Any, genotypes: Any, found: Any) -> None:
    n, m = genotypes.shape
    for i in range(n):
        value = values[i]
        for j in range(m):
            found[j] += value * genotypes[i, j]

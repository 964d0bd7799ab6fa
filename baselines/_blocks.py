"""A biobank's people as floats, some at a time: what is summed over them, in bounded memory.

Up to `ELEMENTS` elements everybody is in one block, and sums are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import Tensor

from genobench.cohort import Cohort

ELEMENTS = 2**22  # people x columns that are widened at once
LOOKED_AT = 4096  # at most; their mean loss is known to a fortieth of its spread among people


def in_blocks(first: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Rows of tensors (n, ...) together, as many as make `ELEMENTS` elements of ``first``."""
    rows = max(1, ELEMENTS // max(1, prod(first.shape[1:])))
    for start in range(0, len(first), rows):
        yield tuple(x[start : start + rows] for x in (first, *others))


def column_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Columns of (n, L), as many as make `ELEMENTS` elements."""
    n, L = shape
    columns = max(1, ELEMENTS // max(1, n))
    for start in range(0, L, columns):
        yield slice(start, start + columns)


def mean_and_deviation(genotypes: Tensor) -> tuple[Tensor, Tensor]:
    """(L,) each, in double precision, of the columns of (n, L)."""
    mean, deviation = torch.empty(
        2, genotypes.shape[1], dtype=torch.float64, device=genotypes.device
    )
    for some in column_blocks(genotypes.shape):
        g = genotypes[:, some].double()
        mean[some], deviation[some] = g.mean(0), g.std(0, correction=0)
    return mean, deviation


def spread_evenly(n: int, most: int) -> slice:
    """At most ``most`` of ``n`` people, one every so many; all where they are no more."""
    return slice(None, None, max(1, -(-n // most)))


def looked_at(validation: Cohort) -> Cohort:
    """The validation people by whom training is judged: `LOOKED_AT` of a biobank's."""
    return validation.take(people=spread_evenly(validation.n, LOOKED_AT))

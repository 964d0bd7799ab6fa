"""Exact nearest neighbours between people, by L1 distance on allele counts.

The thermometer code of a count is two bits, [x >= 1] and [x >= 2], so that the L1 distance of two
people is the Hamming distance of their codes: one exclusive-or and one population count per 32
genotypes. Pairs are visited in blocks that stay in cache; a distance matrix is never held.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import config, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError

BLOCK_BYTES = 1 << 18  # base people visited together: half of a common L2 cache
FAR = np.int32(np.iinfo(np.int32).max)


@dataclass(frozen=True, eq=False)
class Codes:
    """Thermometer codes of people.

    Attributes
    ----------
    words
        (n, 2 ceil(m / 64)) uint64: the bits [x >= 1], then the bits [x >= 2].
    m
        Variants behind the code.
    """

    words: NDArray[np.uint64]
    m: int

    @property
    def n(self) -> int:
        """Number of people."""
        return int(self.words.shape[0])


def encode(genotypes: Genotypes) -> Codes:
    """Thermometer codes of ``genotypes``.

    Parameters
    ----------
    genotypes
        (n, m) int8, values 0 / 1 / 2.

    Raises
    ------
    GenobenchError
        On another shape, or on a missing call: a distance to the unknown is not defined.
    """
    if genotypes.ndim != 2 or genotypes.shape[1] == 0:
        raise GenobenchError(f"distances need people x variants, got shape {genotypes.shape}")
    if genotypes.size and (genotypes.min() < 0 or genotypes.max() > 2):
        person, variant = np.argwhere((genotypes < 0) | (genotypes > 2))[0]
        raise GenobenchError(
            f"distances need complete genotypes 0 / 1 / 2: person {person}, variant {variant} is "
            f"{genotypes[person, variant]}; impute or drop missing calls first"
        )
    n, m = genotypes.shape
    width = -(-m // 64)
    code = np.zeros((n, 2, 8 * width), np.uint8)
    for plane in (0, 1):
        code[:, plane, : -(-m // 8)] = np.packbits(genotypes > plane, axis=1)
    return Codes(code.reshape(n, 16 * width).view(np.uint64), m)


def nearest(
    queries: Genotypes | Codes, base: Genotypes | Codes, k: int, *, exclude_self: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The ``k`` people of ``base`` nearest to each query.

    Parameters
    ----------
    queries, base
        (n, m) and (r, m) genotypes, or their codes.
    k
        Neighbours per query, at least 1.
    exclude_self
        Row i of the queries is row i of the base, and no neighbour of itself.

    Returns
    -------
    distances, indices
        (n, k) int32 ascending and (n, k) int64 rows of ``base``; equal distances by index.

    Raises
    ------
    GenobenchError
        When the variants differ, or the base has fewer than ``k`` candidates.
    """
    q, b = _checked(queries, base, k, exclude_self)
    columns = np.ascontiguousarray(b.words.T)
    distances = np.full((q.n, k), FAR, np.int32)
    indices = np.full((q.n, k), -1, np.int64)

    def part(rows: slice) -> None:
        skip = rows.start if exclude_self else -1
        _nearest(q.words[rows], columns, _block(b), skip, distances[rows], indices[rows])

    _in_threads(part, q.n)
    return distances, indices


def minimum(
    queries: Genotypes | Codes, base: Genotypes | Codes, *, exclude_self: bool = False
) -> NDArray[np.int32]:
    """Distance from each query to the nearest of ``base``: (n,) int32; faster than `nearest`."""
    q, b = _checked(queries, base, 1, exclude_self)
    columns = np.ascontiguousarray(b.words.T)
    distances = np.full(q.n, FAR, np.int32)

    def part(rows: slice) -> None:
        skip = rows.start if exclude_self else -1
        _minimum(q.words[rows], columns, _block(b), skip, distances[rows])

    _in_threads(part, q.n)
    return distances


def _checked(
    queries: Genotypes | Codes, base: Genotypes | Codes, k: int, exclude_self: bool
) -> tuple[Codes, Codes]:
    q = queries if isinstance(queries, Codes) else encode(queries)
    b = q if base is queries else base if isinstance(base, Codes) else encode(base)
    if q.m != b.m:
        raise GenobenchError(f"neighbours: {q.m} variants against {b.m}; use the same variants")
    if exclude_self and q.n != b.n:
        raise GenobenchError(f"exclude_self needs the same people twice, got {q.n} and {b.n}")
    if k < 1 or b.n - exclude_self < k:
        raise GenobenchError(f"neighbours: {k} asked of {b.n - exclude_self} candidates")
    return q, b


def _block(base: Codes) -> int:
    """People of the base that are visited together."""
    return max(16, BLOCK_BYTES // (8 * base.words.shape[1]))


def _in_threads(part: Callable[[slice], None], n: int) -> None:
    """Run ``part`` over slices of ``n`` rows on the threads that numba was given."""
    threads = max(1, min(config.NUMBA_NUM_THREADS, n // 64))
    edges = np.linspace(0, n, threads + 1).astype(int).tolist()
    slices = [slice(a, b) for a, b in pairwise(edges)]
    if threads == 1:
        part(slices[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(part, rows) for rows in slices]:
            done.result()


@intrinsic  # type: ignore[untyped-decorator]
def _ones(_context: Any, _word: Any) -> Any:
    """Number of ones in a word: the processor's own instruction (numba offers none)."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _row(query: Any, columns: Any, first: int, out: Any) -> None:
    """Distances of one person to base people ``first ..``; along people, so that it vectorises."""
    out[:] = 0
    for w in range(0, query.size, 2):  # two planes: the number of words is even
        x, y = query[w], query[w + 1]
        xs, ys = columns[w, first : first + out.size], columns[w + 1, first : first + out.size]
        for j in range(out.size):
            out[j] += np.int32(_ones(x ^ xs[j]) + _ones(y ^ ys[j]))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _minimum(q: Any, columns: Any, block: int, skip: int, least: Any) -> None:
    """Least distance of each query; ``skip`` is the base row of query 0, or -1."""
    n = columns.shape[1]
    buffer = np.empty(min(block, n), np.int32)
    for first in range(0, n, block):
        d = buffer[: min(block, n - first)]
        for i in range(q.shape[0]):
            _row(q[i], columns, first, d)
            if skip >= 0 and 0 <= i + skip - first < d.size:
                d[i + skip - first] = FAR
            for j in range(d.size):
                least[i] = min(least[i], d[j])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _nearest(q: Any, columns: Any, block: int, skip: int, distances: Any, indices: Any) -> None:
    """Insert each base person into the ascending list of each query."""
    n, k = columns.shape[1], distances.shape[1]
    buffer = np.empty(min(block, n), np.int32)
    for first in range(0, n, block):
        d = buffer[: min(block, n - first)]
        for i in range(q.shape[0]):
            _row(q[i], columns, first, d)
            if skip >= 0 and 0 <= i + skip - first < d.size:
                d[i + skip - first] = FAR
            for j in range(d.size):
                if d[j] >= distances[i, k - 1]:
                    continue
                at = k - 1
                while at > 0 and distances[i, at - 1] > d[j]:
                    distances[i, at] = distances[i, at - 1]
                    indices[i, at] = indices[i, at - 1]
                    at -= 1
                distances[i, at] = d[j]
                indices[i, at] = first + j

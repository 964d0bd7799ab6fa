"""Exact nearest neighbours between people, by L1 distance on allele counts.

The thermometer code of a count is two bits, [x >= 1] and [x >= 2], so that the L1 distance of two
people is the Hamming distance of their codes: one exclusive-or and one population count per 32
genotypes. Pairs are visited in blocks that stay in cache; a distance matrix is never held. Where
there is a CUDA device, large searches are matrix products there (`neighbours_product`), with the
same answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genobench.bits import in_threads, ones
from genobench.cohort import Genotypes
from genobench.errors import GenobenchError

BLOCK_BYTES = 1 << 18  # base people visited together: a quarter of a common L2 cache
CHUNK = 64  # distances looked through together for one that is small enough
CUDA_PAIRS = 1 << 28  # fewer are done before a device is awake
FAR = np.int32(np.iinfo(np.int32).max)

Device = Literal["auto", "cpu", "cuda"]


class Found(NamedTuple):
    """The nearest people of a cohort to each of another's, (n, k) each."""

    distances: NDArray[np.int32]  # ascending
    indices: NDArray[np.int64]  # rows of the cohort looked through


@dataclass(frozen=True, eq=False)
class Codes:
    """Thermometer codes of people.

    Attributes
    ----------
    words
        (n, 4 ceil(m / 128)) uint64: the bits [x >= 1], then the bits [x >= 2], then zeros each.
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
    if genotypes.dtype != np.int8:
        raise GenobenchError(f"distances need int8 genotypes, not {genotypes.dtype}")
    if genotypes.size and (genotypes.min() < 0 or genotypes.max() > 2):
        person, variant = np.argwhere((genotypes < 0) | (genotypes > 2))[0]
        raise GenobenchError(
            f"distances need complete genotypes 0 / 1 / 2: person {person}, variant {variant} is "
            f"{genotypes[person, variant]}; impute or drop missing calls first"
        )
    n, m = genotypes.shape
    width = 2 * -(-m // 128)  # words per plane
    code = np.zeros((n, 2, 8 * width), np.uint8)
    for plane in (0, 1):
        code[:, plane, : -(-m // 8)] = np.packbits(genotypes > plane, axis=1)
    return Codes(code.reshape(n, 16 * width).view(np.uint64), m)


def nearest(
    queries: Genotypes | Codes,
    base: Genotypes | Codes,
    k: int,
    *,
    exclude_self: bool = False,
    device: Device = "auto",
) -> Found:
    """The ``k`` people of ``base`` nearest to each query.

    Parameters
    ----------
    queries, base
        (n, m) and (r, m) genotypes, or their codes.
    k
        Neighbours per query, at least 1.
    exclude_self
        Row i of the queries is row i of the base, and no neighbour of itself.
    device
        Where the search runs; ``auto``: on CUDA if torch sees a device and there are at least
        `CUDA_PAIRS` pairs.

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
    if _on_cuda(device, q.n * b.n):
        from genobench.metrics.neighbours_product import nearest_by_product

        found = nearest_by_product(q.words, b.words, k, exclude_self=exclude_self, device="cuda")
        return Found(*found)
    if exclude_self and k == 1:  # half of the pairs: each is met once
        later, earlier = _both(q, b, 1, exclude_self=True)
        lower = earlier.distances <= later.distances  # rows before the query: first among equals
        return Found(
            np.where(lower, earlier.distances, later.distances),
            np.where(lower, earlier.indices, later.indices),
        )
    columns = np.ascontiguousarray(b.words.T)
    distances = np.full((q.n, k), FAR, np.int32)
    indices = np.full((q.n, k), -1, np.int64)
    none = np.zeros(0, np.int64)

    def part(rows: slice) -> None:
        skip = rows.start if exclude_self else -1
        out = distances[rows], indices[rows]
        _search(q.words[rows], columns, _block(b), skip, *out, none, none)

    in_threads(part, q.n)
    return Found(distances, indices)


def minimum(
    queries: Genotypes | Codes,
    base: Genotypes | Codes,
    *,
    exclude_self: bool = False,
    device: Device = "auto",
) -> NDArray[np.int32]:
    """Distance from each query to the nearest of ``base``, (n,) int32; as `nearest`."""
    distances, _ = nearest(queries, base, 1, exclude_self=exclude_self, device=device)
    return distances[:, 0]


def mutual(
    one: Genotypes | Codes, other: Genotypes | Codes, k: int = 1, *, device: Device = "auto"
) -> tuple[Found, Found]:
    """The ``k`` of ``other`` nearest to each of ``one``, and the nearest the other way round.

    One pass over the pairs serves both; on CUDA, where a pair costs next to nothing, two do.

    Parameters
    ----------
    one, other
        (n, m) and (r, m) genotypes, or their codes; at least one person each.
    k
        Neighbours of each of ``one``; each of ``other`` gets one.
    device
        As in `nearest`.

    Returns
    -------
    (n, k) rows of ``other``, then (r, 1) of ``one``; equal distances by index.

    Raises
    ------
    GenobenchError
        When the variants differ, ``other`` has fewer than ``k`` people or ``one`` has nobody.
    """
    q, b = _checked(one, other, k, exclude_self=False)
    if q.n == 0:
        raise GenobenchError("neighbours: 1 asked of 0 candidates")
    if _on_cuda(device, q.n * b.n):
        return nearest(q, b, k, device="cuda"), nearest(b, q, 1, device="cuda")
    return _both(q, b, k, exclude_self=False)


def _both(q: Codes, b: Codes, k: int, *, exclude_self: bool) -> tuple[Found, Found]:
    """`mutual`; of the same people twice, only rows after the query, then only rows before it."""
    columns = np.ascontiguousarray(b.words.T)
    distances = np.full((q.n, k), FAR, np.int32)
    indices = np.full((q.n, k), -1, np.int64)

    def part(rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        skip = rows.start if exclude_self else -1
        back, who = np.full(b.n, FAR, np.int64), np.full(b.n, -1, np.int64)
        out = distances[rows], indices[rows]
        _search(q.words[rows], columns, _block(b), skip, *out, back, who)
        return back, who + rows.start

    # the triangle leaves less and less to later rows: more slices than threads even that out
    found = in_threads(part, q.n, slices=8 if exclude_self else 1)
    back, who = found[0]
    for later, whom in found[1:]:
        nearer = later < back
        back, who = np.where(nearer, later, back), np.where(nearer, whom, who)
    return Found(distances, indices), Found(back.astype(np.int32)[:, None], who[:, None])


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


def _on_cuda(device: Device, pairs: int) -> bool:
    """Whether to search on a CUDA device; torch is imported only where that is open."""
    if device == "cpu" or (device == "auto" and pairs < CUDA_PAIRS):
        return False
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise GenobenchError("device cuda: torch sees none here; use auto or cpu")
    return torch.cuda.is_available()


def _block(base: Codes) -> int:
    """People of the base that are visited together."""
    return max(16, BLOCK_BYTES // (8 * base.words.shape[1]))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _search(
    q: Any, columns: Any, block: int, skip: int, distances: Any, indices: Any, back: Any, who: Any
) -> None:
    """Nearest of the base to each query and, where ``back`` has room, the other way round.

    ``skip`` is the base row of query 0, or -1. With ``back`` and ``skip`` a pair is met once, at
    the smaller of its rows.
    """
    n, last, k, both = columns.shape[1], q.shape[0] - 1, distances.shape[1], back.size > 0
    buffers = np.empty((4, min(block, n)), np.int64)
    for first in range(0, n, block):
        size = min(block, n - first)
        d0, d1 = buffers[0, :size], buffers[1, :size]
        d2, d3 = buffers[2, :size], buffers[3, :size]
        for row in range(0, last + 1, 4):
            if both and skip >= 0 and first + size <= row + skip:
                break  # nobody here comes after this query
            four = q[row], q[min(row + 1, last)], q[min(row + 2, last)], q[min(row + 3, last)]
            _rows(four, columns, first, d0, d1, d2, d3)
            for i, d in ((row, d0), (row + 1, d1), (row + 2, d2), (row + 3, d3)):
                if i > last:
                    break
                itself = i + skip - first
                if skip >= 0 and itself >= 0:
                    d[0 if both else itself : itself + 1] = FAR
                for start in range(0, size, CHUNK):
                    if _least(d[start : start + CHUNK]) >= distances[i, k - 1]:
                        continue  # nearly always
                    for j in range(start, min(start + CHUNK, size)):
                        if d[j] < distances[i, k - 1]:
                            at = _place(d[j], distances[i], indices[i])
                            distances[i, at] = d[j]
                            indices[i, at] = first + j
                if both:
                    _lower(d, i, back[first : first + size], who[first : first + size])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _rows(four: Any, columns: Any, first: int, d0: Any, d1: Any, d2: Any, d3: Any) -> None:
    """Distances of four people to the base people ``first ..``.

    Along people, so that it vectorises; four words of four people at a time, so that one load and
    a quarter of a store serve four population counts.
    """
    a, b, c, d = four
    d0[:], d1[:], d2[:], d3[:] = 0, 0, 0, 0
    for w in range(0, a.size, 4):
        a0, a1, a2, a3 = a[w], a[w + 1], a[w + 2], a[w + 3]
        b0, b1, b2, b3 = b[w], b[w + 1], b[w + 2], b[w + 3]
        c0, c1, c2, c3 = c[w], c[w + 1], c[w + 2], c[w + 3]
        e0, e1, e2, e3 = d[w], d[w + 1], d[w + 2], d[w + 3]
        w0, w1 = columns[w, first : first + d0.size], columns[w + 1, first : first + d0.size]
        w2, w3 = columns[w + 2, first : first + d0.size], columns[w + 3, first : first + d0.size]
        for j in range(d0.size):
            p, q, r, s = w0[j], w1[j], w2[j], w3[j]
            d0[j] += np.int64(ones(a0 ^ p) + ones(a1 ^ q) + ones(a2 ^ r) + ones(a3 ^ s))
            d1[j] += np.int64(ones(b0 ^ p) + ones(b1 ^ q) + ones(b2 ^ r) + ones(b3 ^ s))
            d2[j] += np.int64(ones(c0 ^ p) + ones(c1 ^ q) + ones(c2 ^ r) + ones(c3 ^ s))
            d3[j] += np.int64(ones(e0 ^ p) + ones(e1 ^ q) + ones(e2 ^ r) + ones(e3 ^ s))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _least(d: Any) -> Any:
    """Smallest of some distances; vectorises, which a search for those near enough does not."""
    least = d[0]
    for j in range(d.size):
        least = min(least, d[j])
    return least


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _place(distance: Any, distances: Any, indices: Any) -> Any:
    """Where ``distance`` belongs in an ascending list, after its equals; the farther move up."""
    at = distances.size - 1
    while at > 0 and distances[at - 1] > distance:
        distances[at] = distances[at - 1]
        indices[at] = indices[at - 1]
        at -= 1
    return at


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _lower(d: Any, i: int, back: Any, who: Any) -> None:
    """Note query i with the base people whom nobody before was as near to."""
    for j in range(d.size):
        who[j] = i if d[j] < back[j] else who[j]
        back[j] = min(d[j], back[j])

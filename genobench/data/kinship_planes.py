"""KING-robust kinship of all pairs of a biobank: 10^11 pairs by population counts.

A genotype is three bits: [g >= 1], [g >= 2] and whether it was called. Two people who differ by one
allele differ in one of the first two bits, by two alleles in both; with x and y the differences in
either bit, (g_i - g_j)^2 over 64 SNPs is popcount(x ^ y) + 4 popcount(x & y).

Every pair is screened with missing calls taken for the SNP's commonest genotype; pairs near the
threshold are then computed as `genobench.data.kinship.kinship_tile` does it, without the SNPs that
are missing in either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from genobench.bits import in_threads, ones
from genobench.cohort import MISSING, Genotypes
from genobench.data.journal import Journal
from genobench.data.kinship import (
    BANDS,
    LEAST_INDEPENDENT,
    Families,
    grouped,
    independent_variants,
)
from genobench.data.scan import Say

THIN = 5_000  # people from whom SNPs are chosen
MOST_INDEPENDENT = 4_000  # with these, relatives of the second degree stand out among 10^11 pairs
COLUMNS = 256  # SNPs read at a time: a multiple of 64
STRETCHES = 20  # in which the pairs are gone through
BLOCK_BYTES = 1 << 18  # base people visited together: a quarter of a common L2 cache
SLACK = 0.02  # of kinship, by which 5 % of missing calls can mislead the screening
TWO = np.uint64(2)
SURE = 3.5  # standard errors, by which few pairs of strangers are looked at twice
LEAST_CALLED = 0.8  # of the SNPs; who has fewer looks like others who have
ROWS = 128  # people whose pairs are looked at twice together: what bounds memory
PAIRS_VERSION = 1  # raise when the same people and SNPs would give other pairs

Words = NDArray[np.uint64]
Pairs = tuple[NDArray[np.int64], NDArray[np.float32]]
NOBODY: Pairs = (np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
Read = Callable[[NDArray[np.int64]], Genotypes]


@dataclass(frozen=True, eq=False)
class Planes:
    """People as bits.

    Attributes
    ----------
    words
        (n, 3, ceil(m / 64)) uint64: [g >= 1] and [g >= 2] with missing calls filled in, and called.
    het
        (n,) int64 heterozygous SNPs, filled-in ones among them.
    known
        (n,) called at `LEAST_CALLED` of the SNPs.
    """

    words: Words
    het: NDArray[np.int64]
    known: NDArray[np.bool_]


def encode(read: Read, chosen: NDArray[np.int64], n: int) -> Planes:
    """Bits of ``n`` people at the columns ``chosen``, which are read a few at a time.

    Parameters
    ----------
    read
        Gives (n, columns) genotypes of the columns that it is asked for.
    """
    width = -(-len(chosen) // 64)
    bits = np.zeros((n, 3, 8 * width), np.uint8)
    het, calls = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for start in range(0, len(chosen), COLUMNS):
        genotypes = read(chosen[start : start + COLUMNS])
        called = genotypes != MISSING
        calls += called.sum(axis=1)
        counts = np.stack([(genotypes == g).sum(axis=0) for g in range(3)])
        genotypes = np.where(called, genotypes, counts.argmax(axis=0).astype(np.int8))
        het += (genotypes == 1).sum(axis=1)
        bytes_ = slice(start // 8, start // 8 - (-genotypes.shape[1] // 8))
        for plane, bit in enumerate((genotypes >= 1, genotypes >= 2, called)):
            bits[:, plane, bytes_] = np.packbits(bit, axis=1)
    words = bits.reshape(n, 24 * width).view(np.uint64).reshape(n, 3, width)
    return Planes(words, het, calls >= LEAST_CALLED * len(chosen))


def related_pairs(
    people: Planes, *, least: float, journal: Journal | None = None, say: Say = lambda _: None
) -> Pairs:
    """Pairs (i < j) whose kinship exceeds ``least``: (pairs, 2) and their kinship.

    Where there is a ``journal``, what is finished is kept in it, and not done again.
    """
    n = len(people.het)
    columns = np.ascontiguousarray(people.words[:, :2].reshape(n, -1).T)
    parts, done = [NOBODY], 0
    for end, found in journal.stretches() if journal is not None else ():
        parts.append((found["pairs"], found["kinship"]))
        done = end
    for end in (end for end in _stretches(n) if end > done):
        parts.append(_related(people, columns, done, end, least))
        if journal is not None:
            journal.keep(done, end, dict(zip(("pairs", "kinship"), parts[-1], strict=True)))
        done = end
        share = 1 - ((n - end) / n) ** 2
        say(f"relatives: {share:.0%} of {n * (n - 1) // 2:,} pairs of people compared")
    return _joined(parts)


def find_families(
    n: int, thin: Genotypes, variants: pd.DataFrame, read: Read, *,
    journal: Callable[[list[Any]], Journal | None] = lambda _: None, say: Say = lambda _: None,
) -> Families:  # fmt: skip
    """Connected components of relatives among very many people.

    It begins with the farthest degree whose kinship is `SURE` times the `chance` of strangers, or
    more: with some 3,000 SNPs as common as in the tests the second. Whoever was called at less than
    `LEAST_CALLED` of them is compared with nobody, and counted in the summary. As
    `genobench.data.kinship.find_families` otherwise.

    Parameters
    ----------
    n
        How many people there are.
    thin
        (some, m) genotypes of some of them, at all ``variants``.
    read
        Gives (n, columns) genotypes of everybody at the columns of ``variants`` it is asked for.
    journal
        Makes the journal of a search for these people that depends on what it is given (JSON).
    """
    chosen = independent_variants(thin, variants, most=MOST_INDEPENDENT)
    noise = chance(thin[:, chosen])
    bands = [band for band in BANDS if band - SLACK >= SURE * noise]
    if len(chosen) < LEAST_INDEPENDENT or not bands:
        alone = np.arange(n, dtype=np.int64)
        reason = f"{len(chosen)} independent SNPs are too few to tell relatives among {n:,} people"
        return Families(alone, {"method": "none", "reason": reason})
    say(f"relatives: comparing {n:,} people at {len(chosen):,} independent SNPs")
    people = encode(read, chosen, n)
    kept = journal([PAIRS_VERSION, bands[0], chosen.tolist()])
    pairs, kinship = related_pairs(people, least=bands[0], journal=kept, say=say)
    families = grouped(n, pairs, kinship, bands, len(chosen))
    return replace(
        families, summary={**families.summary, "not_compared": int((~people.known).sum())}
    )


def chance(genotypes: Genotypes) -> float:
    """Standard error of the kinship of two strangers of one population, at independent SNPs.

    Kinship is 1/2 - S / 4H, S the squared differences and H the heterozygotes of one of them; by
    the delta method its error is that of S - 2H over 4 E[H], sums of what each SNP contributes.
    """
    called = np.maximum((genotypes != MISSING).sum(axis=0), 1)
    share = [(genotypes == g).sum(axis=0) / called for g in range(3)]
    pairs = [(share[a] * share[b], (a - b) ** 2 - 2 * (a == 1)) for a in range(3) for b in range(3)]
    mean = sum(weight * term for weight, term in pairs)
    variance = sum(weight * term**2 for weight, term in pairs) - mean**2
    return float(np.sqrt(variance.sum()) / (4 * max(share[1].sum(), 1e-9)))


def _stretches(n: int) -> list[int]:
    """Ends of rows between which there are about as many pairs each: later rows have fewer."""
    shares = np.linspace(0, 1, STRETCHES + 1)[1:]
    return sorted({round(end) for end in np.ceil(n * (1 - np.sqrt(1 - shares)))})


def _related(people: Planes, columns: Words, first: int, end: int, least: float) -> Pairs:
    """Pairs (i < j), ``first`` <= i < ``end``, whose kinship exceeds ``least``, in order."""
    width = people.words.shape[2]
    block = max(16, BLOCK_BYTES // (16 * width))
    # squared differences at which the screened kinship is as small
    most = np.where(people.known, (2 - 4 * (least - SLACK)) * people.het, 0.0)

    def part(rows: slice) -> Pairs:
        found, room = [NOBODY], 1024
        for start in range(first + rows.start, first + rows.stop, ROWS):
            stop = min(start + ROWS, first + rows.stop)
            queries = np.ascontiguousarray(people.words[start:stop, :2])
            queries = queries.reshape(stop - start, 2 * width)
            near = np.empty((room, 2), np.int64)
            count = _screen(queries, columns, start, most, block, near)
            if count > room:
                room = int(count)
                near = np.empty((room, 2), np.int64)
                _screen(queries, columns, start, most, block, near)
            kinship = _exact(people.words, near[:count])
            found.append((near[:count][kinship > least], kinship[kinship > least]))
        return _joined(found)

    pairs, kinship = _joined(in_threads(part, end - first, slices=4))
    order: NDArray[np.int64] = np.lexsort(pairs.T[::-1])
    return pairs[order], kinship[order]


def _joined(parts: Sequence[Pairs]) -> Pairs:
    return np.concatenate([p for p, _ in parts]), np.concatenate([k for _, k in parts])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _screen(q: Any, columns: Any, start: int, most: Any, block: int, found: Any) -> Any:
    """Note pairs below the smaller of both people's ``most``; how many there were."""
    n, rows, count = columns.shape[1], q.shape[0], 0
    buffers = np.empty((2, min(block, n)), np.int64)
    for at in range(start // block * block, n, block):
        size = min(block, n - at)
        d0, d1 = buffers[0, :size], buffers[1, :size]
        for row in range(0, rows, 2):
            if at + size <= start + row + 1:
                break  # nobody here comes after this query
            other = min(row + 1, rows - 1)
            _squared(q[row], q[other], columns, at, d0, d1)
            count = _collect(d0, start + row, at, most, found, count)
            if other > row:
                count = _collect(d1, start + other, at, most, found, count)
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _squared(a: Any, b: Any, columns: Any, at: int, d0: Any, d1: Any) -> None:
    """Squared differences of two people from the base people ``at ..``; along people."""
    width = a.size // 2
    d0[:], d1[:] = 0, 0
    for w in range(width):
        a0, a1, b0, b1 = a[w], a[w + width], b[w], b[w + width]
        low, high = columns[w, at : at + d0.size], columns[w + width, at : at + d0.size]
        for j in range(d0.size):
            p, q = low[j], high[j]
            x, y = a0 ^ p, a1 ^ q
            d0[j] += np.int64(ones(x ^ y) + (ones(x & y) << TWO))
            x, y = b0 ^ p, b1 ^ q
            d1[j] += np.int64(ones(x ^ y) + (ones(x & y) << TWO))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _collect(d: Any, i: int, at: int, most: Any, found: Any, count: int) -> Any:
    """Add the base people after ``i`` that are near enough, as far as there is room."""
    for j in range(max(0, i + 1 - at), d.size):
        if d[j] < most[i] and d[j] < most[at + j]:
            if count < found.shape[0]:
                found[count, 0], found[count, 1] = i, at + j
            count += 1
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _exact(words: Any, pairs: Any) -> Any:
    """Kinship of pairs at the SNPs that were called in both; NaN without heterozygotes."""
    kinship = np.empty(pairs.shape[0], np.float32)
    for k in range(pairs.shape[0]):
        a, b = words[pairs[k, 0]], words[pairs[k, 1]]
        squared = np.int64(0)
        first, second = np.int64(0), np.int64(0)
        for w in range(a.shape[1]):
            called = a[2, w] & b[2, w]
            x, y = (a[0, w] ^ b[0, w]) & called, (a[1, w] ^ b[1, w]) & called
            squared += np.int64(ones(x ^ y) + (ones(x & y) << TWO))
            first += np.int64(ones(a[0, w] & ~a[1, w] & called))
            second += np.int64(ones(b[0, w] & ~b[1, w] & called))
        het = min(first, second)
        kinship[k] = 0.5 - 0.25 * squared / het if het > 0 else np.nan
    return kinship

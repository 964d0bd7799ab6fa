"""Sums over people of every SNP in one look at its calls: counts, and products with vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genobench.data.plink import ABSENT, COPIES

TILE = 1_020  # people whose part of the vectors stays in a fast cache, at most FULL
FIELD = 10  # bits for each count of a call
FULL = 2**FIELD - 1
UNPACKED = COPIES.view(np.uint32).ravel()  # four copies at a time
ONE = tuple(np.int32(1 << FIELD * call) for call in range(3))
FEW = 64  # people among whom a missing call is looked for one by one
REORDERED = {"reassoc", "contract", "nsz"}  # sums may be vectorised
COUNTED, CONTROL, TRAINING = 1, 2, 4  # bits of a person's group


@dataclass(frozen=True, eq=False)
class DosageSums:
    """Of k SNPs.

    Attributes
    ----------
    counts
        (k, 3, 3): among the counted, controls, training people: calls of 1 and 2 copies, missing.
    flipped
        (k,) whether the other allele was counted below, being the commoner one's opposite.
    products
        (k, c) sum of dosage times vector, missing as 0.
    squares
        (k,) sum of squared dosage times the last vector.
    absent
        (k, c) sum of each vector over people with a missing call.
    """

    counts: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    products: NDArray[np.float64]
    squares: NDArray[np.float64]
    absent: NDArray[np.float64]


class Adder:
    """Makes sums over the same people for one block of SNPs after the other.

    Parameters
    ----------
    groups
        (n,) `COUNTED`, `CONTROL`, `TRAINING`, added up.
    vectors
        (c, n); 0 for whoever is not to count.
    call_rate
        Least share of the counted who are called at a SNP; at others nobody's missing call is
        counted, as for a probe that failed in everybody.

    Notes
    -----
    float32 within `TILE` people, float64 between. The rarer allele is counted, lest the variance
    be a small difference of large sums.
    """

    def __init__(
        self, groups: NDArray[np.uint8], vectors: NDArray[np.float32], *, call_rate: float
    ) -> None:
        self.vectors, self.call_rate = vectors, call_rate
        bits = (COUNTED, CONTROL, TRAINING)
        self.masks = np.stack([-(groups & bit != 0).astype(np.int32) for bit in bits])
        self.counted = int(np.count_nonzero(groups & COUNTED))
        self.some = np.flatnonzero(groups & TRAINING)[:TILE]

    def sums(self, block: NDArray[np.uint8], missing: NDArray[np.int32]) -> DosageSums:
        """Sums over people; each SNP's are the same whichever others are beside it.

        Parameters
        ----------
        block
            (k, n / 4) bytes as in a .bed.
        missing
            (n,) missing calls of each person so far; these are added.
        """
        k, c = len(block), len(self.vectors)
        found = DosageSums(
            np.zeros((k, 3, 3), dtype=np.int64),
            self._commoner(block),
            np.zeros((k, c)),
            np.zeros(k),
            np.zeros((k, c)),
        )
        _add_up(
            block,
            UNPACKED,
            self.masks,
            self.vectors,
            found.flipped,
            found.counts,
            found.products,
            found.squares,
            found.absent,
            missing,
        )
        called = 1 - found.counts[:, 0, 2] / max(self.counted, 1)
        for row in np.flatnonzero(called < self.call_rate):
            missing -= COPIES[block[row]].ravel()[: len(missing)] == ABSENT
        return found

    def _commoner(self, block: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(k,) whether A1 is the commoner allele, among the first people who train."""
        some = COPIES[block[:, self.some // 4], self.some % 4]
        called = some != ABSENT
        return np.asarray(np.where(called, some, 0).sum(axis=1) > called.sum(axis=1))


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _add_up(
    block: Any,
    unpacked: Any,
    masks: Any,
    vectors: Any,
    flipped: Any,
    counts: Any,
    products: Any,
    squares: Any,
    absent: Any,
    missing: Any,
) -> None:
    """All sums, a tile of people at a time."""
    c, n = vectors.shape
    copies = np.empty(TILE, np.uint8)
    fours = copies.view(np.uint32)
    dosage, square = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    for first in range(0, n, TILE):
        size = min(n - first, TILE)
        last = first + size
        x, d, d2 = copies[:size], dosage[:size], square[:size]
        counted, control = masks[0, first:last], masks[1, first:last]
        training = masks[2, first:last]  # a slice of all three would not lie in one piece
        for j in range(block.shape[0]):
            _unpack(block[j, first // 4 : (last + 3) // 4], unpacked, fours)
            gone = _count(x, counted, control, training, counts[j])
            _dosages(x, flipped[j], d, d2)
            for v in range(c):
                products[j, v] += _dot(d, vectors[v, first:last])
            squares[j] += _dot(d2, vectors[c - 1, first:last])
            if gone:
                _add_absent(x, vectors, first, absent[j], missing)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _unpack(row: Any, unpacked: Any, fours: Any) -> None:
    """Copies of four people for every byte."""
    for i in range(len(row)):
        fours[i] = unpacked[row[i]]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _count(x: Any, counted: Any, control: Any, training: Any, counts: Any) -> Any:
    """Calls of one copy, two copies and missing ones among three groups; all missing ones.

    The three counts of a group are added up as fields of one number.
    """
    none, het, hom, missing = np.int32(0), ONE[0], ONE[1], ONE[2]
    a = b = c = gone = none
    for i in range(len(x)):
        call = het if x[i] == 1 else none
        call = hom if x[i] == 2 else call
        call = missing if x[i] == ABSENT else call
        a = np.int32(a + np.int32(call & counted[i]))  # numba would go on with 64 bits
        b = np.int32(b + np.int32(call & control[i]))
        c = np.int32(c + np.int32(call & training[i]))
        gone = np.int32(gone + np.int32(call & missing))
    for which in range(3):
        field = FIELD * which
        counts[0, which] += a >> field & FULL
        counts[1, which] += b >> field & FULL
        counts[2, which] += c >> field & FULL
    return gone


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _dosages(x: Any, flipped: bool, dosage: Any, square: Any) -> None:
    """Copies of the one or the other allele, missing as 0, and their squares."""
    zero = np.float32(0)
    base = np.float32(2) if flipped else zero
    sign = np.float32(-1) if flipped else np.float32(1)
    for i in range(len(x)):
        d = zero if x[i] == ABSENT else base + sign * np.float32(x[i])
        dosage[i], square[i] = d, d * d


@njit(nogil=True, cache=True, fastmath=REORDERED)  # type: ignore[untyped-decorator]
def _dot(x: Any, y: Any) -> Any:
    """Sum of products."""
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _missing_in(few: Any) -> Any:
    """How many calls are missing."""
    gone = np.int32(0)
    for i in range(len(few)):
        gone += np.int32(few[i] == ABSENT)
    return gone


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _add_absent(x: Any, vectors: Any, first: int, absent: Any, missing: Any) -> None:
    """What the people with a missing call would have counted, and that they have one."""
    for start in range(0, len(x), FEW):
        few = x[start : start + FEW]
        if _missing_in(few):
            for i in range(len(few)):
                if few[i] == ABSENT:
                    person = first + start + i
                    missing[person] += 1
                    for v in range(vectors.shape[0]):
                        absent[v] += vectors[v, person]

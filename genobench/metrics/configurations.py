"""Configurations: the genotypes of one person in one window of neighbouring variants.

How many people carry a candidate's own, how many should, and what it says when more synthetic
people do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genobench.cohort import Genotypes

Floats = NDArray[np.float64]
SHAPE = 0.3  # of the gamma prior of a configuration's frequency, around the predicted one
MOST_COPIES = 30.0  # of one person that are told apart; more would overflow and say no more
SHRINK = 50.0  # people that the prediction of a configuration's frequency counts for


def configurations(columns: Genotypes) -> NDArray[np.int64]:
    """Number of each person's configuration, counted from 0 as they appear.

    Parameters
    ----------
    columns
        (w, n) variants by people, w at most 40: base-3 numbers in 64 bits.

    Returns
    -------
    (n,)
    """
    code = np.zeros(columns.shape[1], np.uint64)
    for column in columns:
        code *= np.uint64(3)
        code += column.view(np.uint8)
    slots = 1 << (2 * code.size + 1).bit_length()
    numbers: NDArray[np.int64] = _numbered(code, np.full(slots, -1, np.int64))
    return numbers


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _numbered(code: Any, table: Any) -> Any:
    """Distinct codes numbered as they appear: a hash table in linear time, where a sort is not."""
    mask = np.uint64(table.size - 1)
    number = np.empty(code.size, np.int64)
    first = np.empty(code.size, np.int64)  # who had the number first
    found = 0
    for i in range(code.size):
        mixed = code[i] * np.uint64(0x9E3779B97F4A7C15)
        slot = (mixed ^ (mixed >> np.uint64(32))) & mask
        while table[slot] >= 0 and code[first[table[slot]]] != code[i]:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = found
            first[found] = i
            found += 1
        number[i] = table[slot]
    return number


def copy_ratio(
    synthetic_count: NDArray[np.int64],
    reference_count: NDArray[np.int64],
    log_frequency: Floats,
    *,
    synthetic: int,
    reference: int,
    trained: int,
) -> Floats:
    """Likelihood ratio of having been copied, from how many carry a configuration, (n,).

    The frequency of the configuration has a gamma prior of shape `SHAPE` around the predicted one;
    the candidate and R are observed. Training people who carry it are then negative binomial, and
    each is copied a Poisson number of times with mean lambda = synthetic / trained. The carriers
    among S who were not copied from the candidate are taken as negative binomial of the same mean
    and variance, whose successive probabilities have a simple ratio:

        LR = e^-lambda sum_k lambda^k / k!  P(c_S - k) / P(c_S),

    summed as far as so many copies are to be expected.

    Parameters
    ----------
    synthetic_count, reference_count
        (n,) carriers in S and in R of each candidate's own configuration.
    log_frequency
        (n,) natural logarithm of the predicted frequency.
    synthetic, reference, trained
        People in S, in R, and behind the generator.
    """
    copies = min(synthetic / trained, MOST_COPIES)
    shape = reference_count + 1 + SHAPE
    mean = synthetic * shape / (reference + 1 + SHAPE * np.exp(np.minimum(-log_frequency, 500)))
    shape = 1 / (copies / mean + 1 / shape)
    odds = mean / (mean + shape)
    ratio = np.ones(len(shape))
    term = np.ones(len(shape))
    for k in range(1, math.ceil(copies + 6 * math.sqrt(copies)) + 3):
        left = np.maximum(synthetic_count - k, -1) + 1.0
        term = term * copies / k * left / (np.maximum(left - 1 + shape, shape) * odds)
        ratio += term
    return ratio * math.exp(-copies)


class Expected:
    """How frequent each candidate's configuration should be, from shorter windows of R.

    A window is predicted from three overlapping windows of half its length, each given what it
    shares with the one before; their own frequencies are the counts in R, shrunk towards what is
    predicted of them with the weight of `SHRINK` people, and so down to single variants.

    Source: decomposable (Markov) approximations of a joint distribution, Lauritzen, Graphical
    Models 1996, section 4.4.

    Parameters
    ----------
    columns
        (m, r + n) genotypes of the reference, then of the candidates.
    reference
        r.
    """

    def __init__(self, columns: Genotypes, reference: int) -> None:
        self._columns, self._reference = columns, reference
        self._known: dict[tuple[int, int], Floats] = {}

    def predicted(self, start: int, stop: int) -> Floats:
        """(n,) log frequency of the configuration of variants ``start .. stop - 1``."""
        half = (stop - start + 1) // 2
        middle = start + (stop - start - half) // 2
        right = stop - half
        log_frequency = self._frequency(start, start + half) + self._frequency(right, stop)
        if start < middle:
            log_frequency = log_frequency + self._frequency(middle, middle + half)
            log_frequency -= self._frequency(middle, start + half)
            log_frequency -= self._frequency(right, middle + half)
        elif right < start + half:
            log_frequency = log_frequency - self._frequency(right, start + half)
        return log_frequency

    def forget(self, before: int) -> None:
        """Drop what no window that starts at ``before`` or later asks for."""
        self._known = {k: v for k, v in self._known.items() if k[0] >= before}

    def _frequency(self, start: int, stop: int) -> Floats:
        if (start, stop) not in self._known:
            who = configurations(self._columns[start:stop])
            r = self._reference
            count = np.bincount(who[:r], minlength=who.max() + 1)[who[r:]]
            if stop - start == 1:
                found = np.log((count + 0.5) / (r + 1.5))
            else:
                shrunk = count + SHRINK * np.exp(self.predicted(start, stop))
                found = np.log(np.maximum(shrunk, 1e-300) / (r + SHRINK))
            self._known[start, stop] = found
        return self._known[start, stop]

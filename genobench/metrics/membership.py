"""Membership attacks: was this person among those the generator was trained on?

Each attack gives every candidate a score that is higher for likelier members. The attacker holds
the synthetic cohort S and a reference R of people who were not trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import norm

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.auc import LEVEL, auc_interval
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import Codes, minimum

Floats = NDArray[np.float64]
LENGTHS = (12, 16, 24)
STARTS = 512  # windows of one length
COPIED = 0.99  # belief that an intact window was copied; below 1 a mismatch is survivable
PRIOR = 0.1  # shape of the gamma prior of a configuration's frequency


def nearest_scores(candidates: Genotypes | Codes, synthetic: Genotypes | Codes) -> Floats:
    """Minus the distance to the nearest synthetic person, (n,).

    The distance itself, never a kernel of it: exp(-d^2) underflows and reads .5 for everybody.
    """
    return -minimum(candidates, synthetic).astype(np.float64)


def calibrated_scores(
    candidates: Genotypes,
    synthetic: Genotypes | Codes,
    reference: Genotypes,
    *,
    candidates_to_reference: NDArray[np.int32],
    reference_to_itself: NDArray[np.int32],
) -> Floats:
    """How much nearer a synthetic person is than to be expected of a non-member, (n,).

    Common genotypes lie near to everybody and members may by chance have more of them. What a
    non-member's distance to S should be is learned on R from how typical a person is; the score is
    that expectation minus the distance, both as log(1 + d).

    Parameters
    ----------
    candidates, synthetic, reference
        (n, m), (s, m), (r, m); the synthetic ones or their codes.
    candidates_to_reference, reference_to_itself
        (n,) and (r,) least distances to (another) person of R.
    """
    frequency = reference.mean(0, dtype=np.float64) / 2
    known = _typicality(reference, frequency, reference_to_itself)
    centre, spread = known.mean(0), np.maximum(known.std(0), 1e-9)
    known = _quadratic((known - centre) / spread)
    target = np.log1p(minimum(reference, synthetic))
    coefficients = np.linalg.lstsq(known, target, rcond=None)[0]
    people = _typicality(candidates, frequency, candidates_to_reference)
    expected = _quadratic((people - centre) / spread) @ coefficients
    score: Floats = expected - np.log1p(minimum(candidates, synthetic))
    return score


def _typicality(people: Genotypes, frequency: Floats, distance: NDArray[np.int32]) -> Floats:
    """(n, 3) distance to R, distance expected to a person of independent sites, heterozygosity."""
    others = (2 * frequency, 1 - 2 * frequency * (1 - frequency), 2 * (1 - frequency))
    expected = sum((people == count) @ other for count, other in enumerate(others))
    known: Floats = np.stack([distance, expected, (people == 1).sum(1)], axis=1, dtype=np.float64)
    return known


def _quadratic(x: Floats) -> Floats:
    return np.concatenate([np.ones((len(x), 1)), x, x**2], axis=1)


def frequency_scores(candidates: Genotypes, synthetic: Genotypes, reference: Genotypes) -> Floats:
    """Log likelihood ratio of each candidate under the allele frequencies of S against R, (n,).

    Sites are taken as independent. Source: Sankararaman et al., Nature Genetics 2009.
    """
    log_ratio = []
    for counted in (True, False):
        parts = []
        for people in (synthetic, reference):
            alleles = people.sum(0, dtype=np.int64)
            alleles = alleles if counted else 2 * len(people) - alleles
            parts.append(np.log((alleles + 0.5) / (2 * len(people) + 1)))
        log_ratio.append(parts[0] - parts[1])
    g = candidates.astype(np.float64)
    score: Floats = g @ log_ratio[0] + (2 - g) @ log_ratio[1]
    return score


def frequency_floor(m: int, n: int) -> float:
    """AUC that the exact allele frequencies of ``n`` people at ``m`` independent sites give away.

    Phi(sqrt(m / 2n)): any generator that gets the frequencies right leaks this much.
    """
    return float(norm.cdf(math.sqrt(m / (2 * n))))


def windows(chromosomes: NDArray[np.generic], length: int) -> list[slice]:
    """Windows of ``length`` neighbouring variants, sliding within chromosomes.

    Parameters
    ----------
    chromosomes
        (m,) of each variant; variants of one chromosome lie together.
    length
        Variants per window, at most 40 (configurations are base-3 numbers in 64 bits). A shorter
        chromosome is one window.

    Returns
    -------
    One at every variant, or further apart where that would make more than about `STARTS`.
    """
    if not 1 <= length <= 40:
        raise GenobenchError(f"windows hold 1 to 40 variants, not {length}")
    step = -(-len(chromosomes) // STARTS)
    edges = (np.flatnonzero(chromosomes[1:] != chromosomes[:-1]) + 1).tolist()
    found = []
    for start, end in pairwise([0, *edges, len(chromosomes)]):
        last = max(end - length, start)
        starts = {*range(start, last + 1, step), last}
        found += [slice(a, min(a + length, end)) for a in sorted(starts)]
    return found


def windowed_scores(
    candidates: Genotypes,
    synthetic: Genotypes,
    reference: Genotypes,
    chromosomes: NDArray[np.generic],
    *,
    lengths: tuple[int, ...] = LENGTHS,
) -> Floats:
    """Windowed density ratio, (n,): finds people of whom only segments were copied.

    Sum over windows of log(1 - w + w LR). LR is the likelihood ratio of the candidate's
    configuration in that window, copied into S once against not copied,

        LR = c_S / (c_S + c_R + PRIOR) (r + s) / s,

    with c the people of S and of R who carry it. It follows from Poisson counts around a frequency
    of unknown size (gamma prior; the candidate and R observed), as the ratio of the negative
    binomial probabilities of c_S - 1 and c_S.

    The weight w = COPIED min(1, h_S / h_R)^8 compares the shares of S and of R whose configuration
    somebody (else) in R carries. Where segments of two people were joined the synthetic
    configurations are unlike real ones, and such a window says nothing of either: without the
    weight it drowns the others.

    Parameters
    ----------
    candidates, synthetic, reference
        (n, m), (s, m), (r, m) complete genotypes.
    chromosomes
        (m,); windows stay within one.
    lengths
        Variants per window. Longer ones rarely lie within one segment, and a long segment is seen
        by every short window inside.
    """
    n, s, r = len(candidates), len(synthetic), len(reference)
    columns = np.ascontiguousarray(np.concatenate([synthetic, reference, candidates]).T)
    total = np.zeros(n)
    for length in lengths:
        for window in windows(chromosomes, length):
            who = _configurations(columns[window])
            c_s, c_r = (np.bincount(part, minlength=who.max() + 1) for part in (who[:s], who[s:-n]))
            known_s, known_r = (c_r[who[:s]] > 0).sum() + 1, (c_r[who[s:-n]] > 1).sum() + 1
            likeness = min(1.0, known_s / (s + 1) * (r + 1) / known_r)
            own_s, own_r = c_s[who[-n:]], c_r[who[-n:]]
            weight = COPIED * likeness**8
            total += np.log(1 - weight + weight * own_s / (own_s + own_r + PRIOR) * (r + s) / s)
    return total


def strongest(
    attacks: Mapping[str, Floats],
    member: NDArray[np.bool_],
    *,
    families: NDArray[Any] | None = None,
) -> Interval:
    """The largest AUC of several attacks, its interval corrected for their number.

    Bonferroni intervals hold for all attacks at once, so that the largest lower and the largest
    upper end enclose the largest AUC. Without any leak the value lies above .5 by the choice of the
    best of several; its interval then still holds .5.

    Parameters
    ----------
    attacks
        Scores (n,) of the same candidates, by attack.
    member
        (n,) true for members.
    families
        (n,) whose people are not independent, or None.
    """
    level = 1 - (1 - LEVEL) / len(attacks)
    each = [auc_interval(s, member, families=families, level=level) for s in attacks.values()]
    return Interval(max(e.value for e in each), max(e.low for e in each), max(e.high for e in each))


def _configurations(columns: Genotypes) -> NDArray[np.int64]:
    """(n,) number of each person's configuration, counted from 0; (w, n) variants by people."""
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

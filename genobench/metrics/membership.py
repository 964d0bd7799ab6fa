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
from numpy.typing import NDArray
from scipy.stats import norm

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.auc import LEVEL, auc_interval
from genobench.metrics.configurations import Expected, configurations, copy_ratio
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Interval

Floats = NDArray[np.float64]
LENGTHS = (16, 32)
COPIED = 0.99  # belief that an intact window was copied; below 1 a mismatch is survivable
SHARED = 0.3  # how often a non-member shares a segment with a member without R showing it


def nearest_scores(candidates_to_synthetic: NDArray[np.int32]) -> Floats:
    """Minus the distance to the nearest synthetic person, (n,).

    The distance itself, never a kernel of it: exp(-d^2) underflows and reads .5 for everybody.
    """
    return -candidates_to_synthetic.astype(np.float64)


def calibrated_scores(
    candidates: Genotypes,
    reference: Genotypes,
    *,
    candidates_to_synthetic: NDArray[np.int32],
    reference_to_synthetic: NDArray[np.int32],
    candidates_to_reference: NDArray[np.int32],
    reference_to_itself: NDArray[np.int32],
) -> Floats:
    """How much nearer a synthetic person is than to be expected of a non-member, (n,).

    Common genotypes lie near to everybody and members may by chance have more of them. What a
    non-member's distance to S should be is learned on R from how typical a person is; the score is
    that expectation minus the distance, both as log(1 + d).

    Parameters
    ----------
    candidates, reference
        (n, m), (r, m).
    candidates_to_synthetic, reference_to_synthetic
        (n,) and (r,) least distances to a person of S.
    candidates_to_reference, reference_to_itself
        (n,) and (r,) least distances to (another) person of R.
    """
    frequency = reference.mean(0, dtype=np.float64) / 2
    known = _typicality(reference, frequency, reference_to_itself)
    centre, spread = known.mean(0), np.maximum(known.std(0), 1e-9)
    known = _quadratic((known - centre) / spread)
    target = np.log1p(reference_to_synthetic)
    coefficients = np.linalg.lstsq(known, target, rcond=None)[0]
    people = _typicality(candidates, frequency, candidates_to_reference)
    expected = _quadratic((people - centre) / spread) @ coefficients
    score: Floats = expected - np.log1p(candidates_to_synthetic)
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
    _all_checked(candidates, synthetic, reference)
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
    """Windows of ``length`` neighbouring variants, a sixteenth of it apart, within chromosomes.

    So dense, since a copied segment that is hardly longer than a window holds it at few places.

    Parameters
    ----------
    chromosomes
        (m,) of each variant; variants of one chromosome lie together.
    length
        Variants per window, at most 40 (configurations are base-3 numbers in 64 bits). A shorter
        chromosome is one window.
    """
    if not 1 <= length <= 40:
        raise GenobenchError(f"windows hold 1 to 40 variants, not {length}")
    edges = (np.flatnonzero(chromosomes[1:] != chromosomes[:-1]) + 1).tolist()
    found = []
    for start, end in pairwise([0, *edges, len(chromosomes)]):
        last = max(end - length, start)
        starts = {*range(start, last + 1, max(1, length // 16)), last}
        found += [slice(a, min(a + length, end)) for a in sorted(starts)]
    return found


def windowed_scores(
    candidates: Genotypes,
    synthetic: Genotypes,
    reference: Genotypes,
    chromosomes: NDArray[np.generic],
    *,
    trained: int | None = None,
    lengths: tuple[int, ...] = LENGTHS,
) -> Floats:
    """Windowed likelihood ratio, (n,): finds people of whom only segments were copied.

    Sum over windows of their length times log(1 - w + w LR'). LR compares the number c_S of people
    of S who carry the candidate's configuration in that window under two hypotheses (`copy_ratio`):
    it was copied from the candidate some Poisson number of times, beside copies of others, or from
    others alone. How many others carry it follows from their number in R and from what shorter
    windows of R predict (`Expected`): most configurations of a long window are seen nowhere else,
    and some of them are far rarer than others.

    LR' = LR / (1 - SHARED + SHARED LR) is bounded: now and then a non-member shares a rare segment
    by descent with a member, so that one segment, however rare, convicts nobody. The weight
    w = COPIED min(1, h_S / h_R)^16 compares the shares of S and of R whose configuration somebody
    (else) in R carries. Where segments of two people were joined the synthetic configurations are
    unlike real ones, and such a window says nothing of either: without the weight it drowns the
    others.

    Linear in people and in variants.

    Parameters
    ----------
    candidates, synthetic, reference
        (n, m), (s, m), (r, m) complete genotypes.
    chromosomes
        (m,); windows stay within one.
    trained
        People the generator was trained on, so that s / trained copies of each are expected; None:
        as many as synthetic ones.
    lengths
        Variants per window; a segment is seen by every window inside it.
    """
    _all_checked(candidates, synthetic, reference)
    n, s, r = len(candidates), len(synthetic), len(reference)
    columns = np.ascontiguousarray(np.concatenate([synthetic, reference, candidates]).T)
    expected = Expected(columns[:, s:], r)
    total = np.zeros(n)
    order = sorted({(w.start, w.stop) for length in lengths for w in windows(chromosomes, length)})
    for start, stop in order:
        who = configurations(columns[start:stop])
        c_s, c_r = (np.bincount(part, minlength=who.max() + 1) for part in (who[:s], who[s:-n]))
        known_s, known_r = (c_r[who[:s]] > 0).sum() + 1, (c_r[who[s:-n]] > 1).sum() + 1
        likeness = min(1.0, known_s / (s + 1) * (r + 1) / known_r)
        ratio = copy_ratio(
            c_s[who[-n:]],
            c_r[who[-n:]],
            expected.predicted(start, stop),
            synthetic=s,
            reference=r,
            trained=trained or s,
        )
        weight = COPIED * likeness**16
        bounded = ratio / (1 - SHARED + SHARED * ratio)
        total += (stop - start) * np.log(1 - weight + weight * bounded)
        expected.forget(start)
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


def _all_checked(candidates: Genotypes, synthetic: Genotypes, reference: Genotypes) -> None:
    """Calls, all three: expected dosages would be cut to whole ones unsaid."""
    checked(candidates, name="candidate")
    checked(synthetic, name="synthetic")
    checked(reference, name="reference")

"""Lower bounds of the epsilon of differential privacy, from attacks that succeed.

A mechanism is (epsilon, delta) differentially private when no attack finds members at a rate above
e^epsilon times its rate of false alarms plus delta. Attacks therefore prove lower bounds, never
that there is no leak.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betainccinv, expit, roots_legendre
from scipy.stats import binom

from genobench.errors import GenobenchError
from genobench.metrics.auc import LEVEL

Floats = NDArray[np.float64]
FALSE_POSITIVE_RATES = (0.0, 0.01, 0.1)  # operating points, fixed before anything is scored
GUESSED = (0.1, 0.5)  # of the coins, half of the guesses in and half out; fixed before as well
DELTA = 1e-5
MOST = 60.0  # no audit of fewer than e^60 people proves more


def holdout_epsilon(
    attacks: Mapping[str, Floats],
    member: NDArray[np.bool_],
    *,
    rates: tuple[float, ...] = FALSE_POSITIVE_RATES,
    delta: float = DELTA,
    level: float = LEVEL,
) -> float:
    """The largest epsilon that any attack proves at any operating point, at ``level`` jointly.

    At an operating point of rate f the threshold is the score that floor(f n0) of the n0
    non-members exceed; how many members exceed it is the evidence. Each point has the share
    (1 - level) / (attacks x points) of the error (Bonferroni).

    Parameters
    ----------
    attacks
        Scores (n,) of the same candidates by attack, higher for likelier members; chosen before.
    member
        (n,) true for members.
    rates, delta
        Operating points, fixed before; delta of the guarantee.

    Returns
    -------
    At least 0.

    Notes
    -----
    The share F of non-members above the threshold is not known, but its distribution is: above the
    (j + 1)-th largest of n0 draws from a continuous distribution lies Beta(j + 1, n0 - j), and with
    ties less lies strictly above. Under (epsilon, delta) the members above it are at most
    Bin(n1, min(1, e^epsilon F + delta)); epsilon is rejected when its mean chance of as many is too
    small. That is exact where people are independent given the synthetic cohort: relatives are not,
    and in one training run nobody quite is, which `one_run_epsilon` alone allows for. Clopper and
    Pearson's bounds of the two rates, as in Jagielski, Ullman and Oprea (NeurIPS 2020), follow from
    the same facts, but put both rates at their worst at once, and prove less.
    """
    tail = (1 - level) / (len(attacks) * len(rates))
    bounds = [
        _at(scores, np.asarray(member, bool), rate, delta, tail)
        for scores in attacks.values()
        for rate in rates
    ]
    return max(bounds)


def _at(scores: Floats, member: NDArray[np.bool_], rate: float, delta: float, tail: float) -> float:
    """Epsilon that one operating point proves, wrong with probability at most ``tail``."""
    members, others = scores[member], np.sort(scores[~member])[::-1]
    if members.size == 0 or others.size == 0:
        raise GenobenchError("epsilon needs members and non-members")
    allowed = min(math.floor(rate * others.size + 1e-9), others.size - 1)
    hits = int((members > others[allowed]).sum())
    if hits == 0:
        return 0.0
    above_it, weights = _upper_tail()
    alarms = betainccinv(allowed + 1, others.size - allowed, above_it)

    def above(epsilon: float) -> float:
        rates = np.minimum(1.0, math.exp(epsilon) * alarms + delta)
        return float(weights @ betainc(hits, members.size - hits + 1, rates)) - tail

    return _root(above)


@cache
def _upper_tail() -> tuple[Floats, Floats]:
    """Nodes and weights of a mean over (0, 1), dense near 0: Gauss-Legendre in the fourth root."""
    nodes, weights = roots_legendre(128)
    root = (nodes + 1) / 2
    return root**4, 2 * root**3 * weights


def _root(above: Callable[[float], float]) -> float:
    """Where a rising function of epsilon turns positive, between 0 and `MOST`."""
    if above(0.0) >= 0:
        return 0.0
    return float(brentq(above, 0.0, MOST, xtol=1e-9)) if above(MOST) > 0 else MOST


def one_run_epsilon(
    coins: int, guesses: int, correct: int, *, delta: float = DELTA, level: float = LEVEL
) -> float:
    """Epsilon that one training run proves when membership was decided by fair coins.

    Parameters
    ----------
    coins
        Candidates (families, where they are flipped together) who were put in or left out.
    guesses, correct
        How many of them the attacker guessed, abstaining from the others, and rightly so.
    delta, level
        Of the guarantee, and of the bound.

    Returns
    -------
    The least epsilon that is not rejected; 0 where chance would do as well.

    Notes
    -----
    Valid only where membership was decided by independent fair coins (`audit_split`): a fixed split
    into equal halves is not one.

    Source: Steinke, Nasr and Jagielski, NeurIPS 2023 (arXiv 2305.08846), theorem 5.2: with
    p = e^epsilon / (1 + e^epsilon), at least v right of r have probability at most
    P[Bin(r, p) >= v] + 2 m delta max_i P[v > Bin(r, p) >= v - i] / i.
    """
    if not 0 <= correct <= guesses <= coins:
        raise GenobenchError(f"audit: {correct} right of {guesses} guesses of {coins} coins")
    alpha = 1 - level

    def above(epsilon: float) -> float:
        return _chance(epsilon, coins, guesses, correct, delta) - alpha

    return _root(above)


def audit_epsilon(
    attacks: Mapping[str, Floats],
    included: NDArray[np.bool_],
    families: NDArray[Any],
    *,
    shares: tuple[float, ...] = GUESSED,
    delta: float = DELTA,
    level: float = LEVEL,
) -> tuple[int, float]:
    """Coins, and the largest epsilon that any attack proves with any number of guesses.

    The bounds hold together at ``level``: each has the share (1 - level) / (attacks x shares) of
    the error (Bonferroni).

    Parameters
    ----------
    attacks
        Scores (n,) of everybody whose coin was flipped, higher for likelier members; by attack.
    included, families
        (n,) of `audit_split`.
    shares
        Guesses as shares of the coins, fixed before.
    """
    coins = np.unique(families).size
    each = 1 - (1 - level) / (len(attacks) * len(shares))
    tries = [
        guess(scores, included, families, guesses=max(2, round(share * coins)))
        for scores in attacks.values()
        for share in shares
    ]
    return coins, max(one_run_epsilon(*found, delta=delta, level=each) for found in tries)


def _chance(epsilon: float, coins: int, guesses: int, correct: int, delta: float) -> float:
    """How probable as many right guesses are, at most, under (epsilon, delta)."""
    p = expit(epsilon)
    chance = float(binom.sf(correct - 1, guesses, p))
    if delta > 0 and correct > 0:
        fewer = np.cumsum(binom.pmf(np.arange(correct - 1, -1, -1), guesses, p))
        chance += 2 * coins * delta * float((fewer / np.arange(1, correct + 1)).max())
    return min(chance, 1.0)


def guess(
    scores: Floats, included: NDArray[np.bool_], families: NDArray[Any], *, guesses: int
) -> tuple[int, int, int]:
    """What `one_run_epsilon` needs: (coins, guesses, correct).

    A family is one coin. Its score is the mean of its people's; the ``guesses`` // 2 highest are
    guessed in and as many lowest out.

    Parameters
    ----------
    scores
        (n,) of an attack, higher for likelier members.
    included, families
        (n,) of `audit_split`.
    guesses
        Fixed before the scores are seen, at most the number of families.
    """
    _, first, family = np.unique(families, return_index=True, return_inverse=True)
    size = np.bincount(family)
    score = np.bincount(family, scores) / size
    half = guesses // 2
    if not 1 <= half <= size.size // 2:
        raise GenobenchError(f"audit: {guesses} guesses of {size.size} families; ask for 2 or more")
    flipped_in = included[first]
    order = np.argsort(score, kind="stable")
    correct = int(flipped_in[order[-half:]].sum() + (~flipped_in[order[:half]]).sum())
    return size.size, 2 * half, correct

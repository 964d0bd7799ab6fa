"""Statistics of a leaderboard: two kinds of interval, ranks, ties, rescaled values.

Pure functions on numbers; they know nothing of records, files or tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from genobench.seeds import rng
from genobench.task import MetricCard

LEVEL = 0.95
FEWEST_BLOCKS = 5  # data sets below which an overall rank would be an anecdote
_TAIL = (1 + LEVEL) / 2
_Z = float(ndtri(_TAIL))
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A 95 % interval; NaN at both ends where there is none."""

    low: float
    high: float


NONE = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class Summary:
    """One metric of one model: the mean over training seeds and its two uncertainties.

    Attributes
    ----------
    value
        Mean over seeds; NaN when nothing was measured.
    people
        Over the people it was measured on. The seeds share these people, so their errors do not
        average out: the half-widths of the seeds are averaged, not divided by a root.
    seeds
        Over training seeds: the t interval of the mean; `NONE` with one seed.
    n_seeds
        Seeds with a value.
    """

    value: float
    people: Interval = NONE
    seeds: Interval = NONE
    n_seeds: int = 0

    @cached_property
    def se_people(self) -> float:
        """Standard error over people, 0 where the metric has no such interval."""
        width = self.people.high - self.people.low
        return 0.0 if math.isnan(width) else width / (2 * _Z)

    @cached_property
    def se_seeds(self) -> float:
        """Standard error over training seeds, 0 with one seed."""
        width = self.seeds.high - self.seeds.low
        return 0.0 if math.isnan(width) else width / (2 * float(stdtrit(self.n_seeds - 1, _TAIL)))

    @cached_property
    def error(self) -> tuple[float, float]:
        """Variance, and the share of the part over seeds in Welch and Satterthwaite's formula.

        Only the part over seeds is estimated from few values; that over people counts as known.
        """
        noise = self.se_seeds**4 / (self.n_seeds - 1) if self.n_seeds > 1 else 0.0
        return self.se_people**2 + self.se_seeds**2, noise

    @property
    def measured(self) -> bool:
        """Whether any of the two uncertainties is known."""
        return not (math.isnan(self.people.low) and math.isnan(self.seeds.low))

    @cached_property
    def both(self) -> Interval:
        """Interval over people and seeds together (Welch-Satterthwaite degrees of freedom)."""
        if not self.measured:
            return NONE
        half = margin(self)
        return Interval(self.value - half, self.value + half)


NOTHING = Summary(math.nan)


@dataclass(frozen=True)
class Standing:
    """Rank (1 = best), its interval, and the letters of the groups it cannot be told from."""

    rank: int
    low: int | None = None
    high: int | None = None
    ties: str = ""


def summarise(
    values: Sequence[float | None], lows: Sequence[float | None], highs: Sequence[float | None]
) -> Summary:
    """Mean over seeds with both intervals.

    Parameters
    ----------
    values, lows, highs
        One entry per training seed: the estimate and its interval over people; None is NaN. Seeds
        whose value is NaN are left out; a NaN interval at any seed leaves the metric without
        interval over people.
    """
    return summarise_all([np.array([values, lows, highs], dtype=np.float64).reshape(3, -1)])[0]


def summarise_all(tables: Sequence[Floats]) -> list[Summary]:
    """`summarise` of many: each (3, seeds) values, lows and highs."""
    found = [NOTHING] * len(tables)
    alike: dict[int, list[tuple[int, Floats]]] = {}
    for number, table in enumerate(tables):
        absent = np.isnan(table[0])
        kept = table[:, ~absent] if absent.any() else table
        if kept.shape[1]:
            alike.setdefault(kept.shape[1], []).append((number, kept))
    for n, group in alike.items():
        x, low, high = np.stack([kept for _, kept in group], axis=1)
        mean = x.sum(axis=1) / n
        spread = np.sqrt(((x - mean[:, None]) ** 2).sum(axis=1) / max(n - 1, 1))
        half = (float(stdtrit(n - 1, _TAIL)) if n > 1 else math.nan) * spread / math.sqrt(n)
        columns = (
            mean, mean - (x - low).sum(axis=1) / n, mean + (high - x).sum(axis=1) / n, mean - half,
            mean + half,
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for (number, _), (value, below, above, *seeds) in zip(group, rows, strict=True):
            people = NONE if math.isnan(below) or math.isnan(above) else Interval(below, above)
            found[number] = Summary(value, people, Interval(*seeds) if n > 1 else NONE, n)
    return found


def margin(*summaries: Summary) -> float:
    """Half-width of the 95 % interval of a sum or difference of independent means."""
    se, degrees = _error(summaries)
    return float(stdtrit(degrees, _TAIL)) * se if math.isfinite(degrees) else _Z * se


def _error(summaries: Iterable[Summary]) -> tuple[float, float]:
    """Standard error of a difference, and its Welch-Satterthwaite degrees of freedom."""
    variance = noise = 0.0
    for s in summaries:
        own, of_seeds = s.error
        variance += own
        noise += of_seeds
    return math.sqrt(variance), (variance**2 / noise if noise > 0 else math.inf)


def losses(card: MetricCard, values: Floats) -> Floats:
    """`MetricCard.loss` on an array: lower is better."""
    if card.better == "target":
        return np.asarray(np.abs(values - card.target), dtype=np.float64)
    return values if card.better == "lower" else -values


def standings(
    summaries: Mapping[str, Summary], card: MetricCard, *, seed: int = 0, draws: int = 10_000
) -> dict[str, Standing]:
    """Rank, rank interval and tie letters of every model that has a value.

    Each draw adds to every mean a normal error over people and a t error over training seeds; the
    2.5 and 97.5 % points of the ranks over the draws, widened where needed to hold the rank of the
    means, are the interval. Models are drawn independently although they are measured on the same
    people, which makes the intervals too wide rather than too narrow. Every model has a random
    stream of its own, so neither order nor company changes its draws. Where a model has no
    uncertainty at all (one seed, no interval), or with ``draws=0``, there are ranks alone.
    """
    names = sorted(n for n, s in summaries.items() if not math.isnan(s.value))
    if not names:
        return {}
    means = losses(card, np.array([summaries[n].value for n in names]))
    ranks = {n: 1 + int((means < means[i]).sum()) for i, n in enumerate(names)}
    if draws == 0 or not all(summaries[n].measured for n in names):
        return {n: Standing(ranks[n]) for n in names}
    drawn = np.stack([losses(card, _draws(n, summaries[n], seed, draws)) for n in names])
    letters = tie_letters({n: summaries[n] for n in names}, card)
    orders = np.stack([1 + (drawn < own).sum(axis=0) for own in drawn])
    ends = np.quantile(orders, [1 - _TAIL, _TAIL], axis=1, method="inverted_cdf").astype(int)
    return {
        name: Standing(rank, min(rank, low), max(rank, high), letters[name])
        for (name, rank), low, high in zip(ranks.items(), *ends.tolist(), strict=True)
    }


def _draws(name: str, s: Summary, seed: int, draws: int) -> Floats:
    """(draws,) values that the mean of one model could have had."""
    people, seeds = _errors(name, s.n_seeds - 1 if s.se_seeds > 0 else 0, seed, draws)
    values = s.value + s.se_people * people
    return values + s.se_seeds * seeds if s.se_seeds > 0 else values


@lru_cache(maxsize=64)
def _errors(name: str, degrees: int, seed: int, draws: int) -> tuple[Floats, Floats]:
    """(draws,) normal and t errors of one model, in units of their scale: on any data the same."""
    stream = rng(seed, "rank", name)
    people = stream.standard_normal(draws)
    return people, stream.standard_t(degrees, draws) if degrees else np.zeros(draws)


def tie_letters(summaries: Mapping[str, Summary], card: MetricCard) -> dict[str, str]:
    """Compact letter display: models that share a letter cannot be told apart.

    All pairs are compared by a t test on their losses, the p values corrected by Holm (1979), and
    the letters made by insertion and absorption (Piepho 2004). "a" holds the best mean.
    """
    names = sorted(summaries, key=lambda n: (card.loss(summaries[n].value), n))
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    p = [_p_value(summaries[names[i]], summaries[names[j]], card) for i, j in pairs]
    different = [pair for pair, q in zip(pairs, holm(p), strict=True) if q < 1 - LEVEL]
    groups = [(1 << len(names)) - 1]  # bit i stands for names[i]
    for i, j in different:
        both = (1 << i) | (1 << j)
        split = [g for g in groups if g & both == both]
        groups = [g for g in groups if g & both != both]
        for part in [g & ~(1 << k) for g in split for k in (i, j)]:
            if not any(part & g == part for g in groups):
                groups = [g for g in groups if g & part != g]
                groups.append(part)
    groups.sort(key=lambda g: [not g >> i & 1 for i in range(len(names))])
    return {
        name: "".join(_letter(k) for k, g in enumerate(groups) if g >> i & 1)
        for i, name in enumerate(names)
    }


def _letter(k: int) -> str:
    """a ... z, then (27), (28) ..."""
    return chr(ord("a") + k) if k < 26 else f"({k + 1})"


def _p_value(a: Summary, b: Summary, card: MetricCard) -> float:
    """Two-sided p value of equal losses; for targets, conservative near the target."""
    difference = abs(card.loss(a.value) - card.loss(b.value))
    se, degrees = _error((a, b))
    if se == 0:
        return 1.0 if difference == 0 else 0.0
    tail = stdtr(degrees, -difference / se) if math.isfinite(degrees) else ndtr(-difference / se)
    return float(2 * tail)


def holm(p: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p)
    worst = 0.0
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - step) * p[i]))
        adjusted[i] = worst
    return adjusted

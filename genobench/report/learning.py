"""Learning curves in records: what was validated while a generator learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from genobench.report.tables import Block, Record

LIKELIHOOD = "held_out"  # ending of log-likelihoods of people who were not fitted to
VALIDATED = ("validation", LIKELIHOOD)  # endings of all quantities of such people
F1_OF = {"precision", "recall"}  # reported together they make the validated value an F1
DRAWN = 10  # training seeds whose lines are drawn; more would hide one another
LATE = 0.8  # of the time of a curve: what is gained later was still being learned


@dataclass(frozen=True)
class Curve:
    """One quantity of one fit.

    Attributes
    ----------
    model, quantity, seed
        Whose, what, and of which training seed.
    points
        (share of the fit's time, value), in order of time; at least two.
    rises
        Whether higher is better.
    """

    model: str
    quantity: str
    seed: int
    points: tuple[tuple[float, float], ...]
    rises: bool = False

    @cached_property
    def best(self) -> tuple[float, float]:
        """The first point with the best value."""
        return (max if self.rises else min)(self.points, key=lambda p: p[1])

    @property
    def late(self) -> float:
        """Share of the gain from the first to the best value that came late (`LATE`)."""
        start, stop = self.points[0][0], self.points[-1][0]
        early = [v for t, v in self.points if t <= start + LATE * (stop - start)]
        reached = (max if self.rises else min)(early)
        gain = abs(self.best[1] - self.points[0][1])
        return abs(self.best[1] - reached) / gain if gain > 0 else math.nan


@dataclass(frozen=True)
class Learned:
    """Curves of one quantity of one model, means over training seeds."""

    model: str
    quantity: str
    curves: tuple[Curve, ...]

    @property
    def first(self) -> float:
        """Value at the first report."""
        return _mean(c.points[0][1] for c in self.curves)

    @property
    def best(self) -> float:
        """Best value."""
        return _mean(c.best[1] for c in self.curves)

    @property
    def best_at(self) -> float:
        """Share of the fit's time at which that was."""
        return _mean(c.best[0] for c in self.curves)

    @property
    def late(self) -> float:
        """Share of the gain that came late."""
        return _mean(c.late for c in self.curves)


@lru_cache(maxsize=64)
def learned(block: Block) -> list[Learned]:
    """Everything that was validated on a data set, by model, its stages in order of time."""
    found: dict[tuple[str, str], list[Curve]] = {}
    for curve in (curve for record in block.records for curve in curves_of(record)):
        found.setdefault((curve.model, curve.quantity), []).append(curve)
    begun = {name: min(c.points[0][0] for c in curves) for name, curves in found.items()}
    order = sorted(found, key=lambda name: (name[0], begun[name], name[1]))
    return [Learned(*name, tuple(found[name])) for name in order]


def curves_of(record: Record) -> list[Curve]:
    """Validated quantities of a fit against the share of its time.

    Log-likelihoods and F1 rise, everything else is a loss. Points without a step are not a curve
    but a search among settings, and are left out.
    """
    seconds = (record.get("resources") or {}).get("fit_seconds")
    if record["status"] != "ok" or not seconds:
        return []
    points: dict[str, list[tuple[float, float]]] = {}
    rising = set()
    for entry in record.get("learning") or []:
        if not (names := _validated(tuple(entry))) or (at := entry.get("seconds")) is None:
            continue
        share = min(1.0, at / seconds)
        for name, rises in names:
            if (value := entry[name]) is not None and math.isfinite(value):
                points.setdefault(name, []).append((share, float(value)))
                if rises:
                    rising.add(name)
    job = record["job"]
    return [
        Curve(job["model"], name, int(job["seed"]), tuple(line), name in rising)
        for name, line in points.items()
        if len(line) > 1
    ]


def silent(block: Block, found: Sequence[Learned]) -> list[str]:
    """Models that reported nothing of the kind."""
    return [m for m in block.models if m not in {line.model for line in found}]


@cache
def _validated(reported: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Of the names in one report, those of people not fitted to, and whether higher is better."""
    if not any(name == "step" or name.endswith("_step") for name in reported):
        return []
    score = set(reported) >= F1_OF
    return [(n, score or n.endswith(LIKELIHOOD)) for n in reported if n.endswith(VALIDATED)]


def _mean(values: Iterable[float]) -> float:
    found = [v for v in values if not math.isnan(v)]
    return math.fsum(found) / len(found) if found else math.nan

"""What drawings show of a table: ranks and ties, cost and worth, and how far an axis reaches."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

from genobench.report.stats import Summary
from genobench.report.tables import Table
from genobench.task import MetricCard

LEAST = 0.1  # seconds: what copies cost, and what nobody notices


class Place(NamedTuple):
    """One generator in one task."""

    model: str
    rank: int
    low: int
    high: int
    ties: str


class Worth(NamedTuple):
    """One generator: seconds (`LEAST` at least), the headline and the ends of its interval."""

    model: str
    seconds: float
    value: float
    low: float
    high: float


def places(table: Table, models: Collection[str]) -> list[Place]:
    """Ranked generators by the headline, best first; ranks stay those among all generators."""
    found = []
    for row in table.rows:
        standing = row.cells[table.headline.name].standing
        if standing is not None and row.model in models:
            low, high = standing.low or standing.rank, standing.high or standing.rank
            found.append(Place(row.model, standing.rank, low, high, standing.ties))
    return sorted(found, key=lambda p: (p.rank, p.model))


def tied(found: list[Place]) -> list[list[int]]:
    """Rows of every group of two or more whom nothing tells apart."""
    groups = []
    for letter in sorted({letter for p in found for letter in p.ties}):
        rows = [i for i, p in enumerate(found) if letter in p.ties]
        if len(rows) > 1:
            groups.append(rows)
    return groups


def worth(table: Table, models: Collection[str]) -> list[Worth]:
    """Generators that were scored and whose fit was timed; controls are lines, not offers."""
    found = []
    for row in table.rows:
        s = row.cells[table.headline.name].summary
        seconds = row.cost.fit_seconds
        if row.ranked and row.model in models and not math.isnan(s.value + seconds):
            ends = s.both if s.measured else (s.value, s.value)
            found.append(Worth(row.model, max(seconds, LEAST), s.value, *ends))
    return found


def reach(
    table: Table,
    metric: MetricCard,
    controls: Collection[str] | None = None,
    near: float = 1.0,
) -> tuple[float, float]:
    """Wide enough for the intervals of generators and ceiling, and for controls not far from them.

    What lies further out than ``near`` times the span, as a label-blind floor or a copy may, is
    beyond the axis; so are all but ``controls``, where they are given.
    """
    drawn = {r.model: r.cells[metric.name].summary for r in table.rows
             if controls is None or r.ranked or r.model in controls}  # fmt: skip
    main = [m for m in drawn if table.by_model[m].role in ("entrant", "ceiling")]
    ends = [e for m in main for e in _ends(drawn[m])]
    ends = ends or [e for s in drawn.values() for e in _ends(s)] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    span = near * (high - low)
    ends += [s.value for s in drawn.values() if low - span < s.value < high + span]
    room = 0.06 * (max(ends) - min(ends)) or 0.05
    return min(ends) - room, max(ends) + room


def frame(table: Table) -> tuple[float, float]:
    """Axis of the headline on which controls are lines."""
    return reach(table, table.headline, (table.floor, table.ceiling), near=0.25)


def lines(table: Table, metric: MetricCard, low: float, high: float) -> dict[str, float]:
    """Values of floor and ceiling, which lines stand for, as far as an axis holds them."""
    rows = [table.by_model[m] for m in (table.floor, table.ceiling) if m]
    found = {row.model: row.cells[metric.name].summary.value for row in rows}
    return {model: value for model, value in found.items() if low <= value <= high}


def _ends(s: Summary) -> list[float]:
    return [e for e in (s.value, *s.people, *s.seeds) if math.isfinite(e)]

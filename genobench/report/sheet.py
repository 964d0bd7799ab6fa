"""One model's values in one table beside those of the controls: what verdicts are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from scipy.special import ndtri

from genobench.report.numerals import number
from genobench.report.stats import LEVEL, Interval, Summary, margin
from genobench.report.tables import Block, Row, Table
from genobench.task import MetricCard

Level = Literal["pass", "concern", "fail", "uninformative"]


@dataclass(frozen=True)
class Evidence:
    """A metric behind a verdict.

    Attributes
    ----------
    metric, title
        Its key in records, and its heading in tables.
    value, low, high
        With the 95 % interval; NaN where there is none.
    real
        Value of fresh real people; NaN where there is none.
    people
        Behind the value; 0 where the record does not say.
    """

    metric: str
    title: str
    value: float
    low: float
    high: float
    real: float
    people: int


@dataclass(frozen=True)
class Verdict:
    """What the metrics say about one thing, in words.

    Attributes
    ----------
    task
        Whose metrics it is made from.
    what
        The thing: ``membership attacks``, ``linkage disequilibrium``, ...
    level
        ``uninformative`` where these data could not have told.
    sentence
        For people; holds the numbers.
    evidence
        The metrics behind it.
    """

    task: str
    what: str
    level: Level
    sentence: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, eq=False)
class Sheet:
    """One row of a table, with the controls in reach."""

    table: Table
    block: Block
    model: str

    @property
    def task(self) -> str:
        return self.table.task.name

    @property
    def leaks(self) -> list[Row]:
        """Controls that are known to give training people away."""
        return [r for r in self.table.rows if r.role == "leak" and r.done and r.model != self.model]

    def of(self, metric: str, model: str | None = None) -> Summary | None:
        """Value of the model (or of a control); None where there is none."""
        found = self.table.values.get(self.model if model is None else model)
        return None if found is None else found.get(metric)

    def real(self, metric: str) -> Summary | None:
        """Value of the ceiling, fresh real people; None where it was not scored."""
        return self.of(metric, self.table.ceiling) if self.table.ceiling else None

    def floor(self, metric: str) -> Summary | None:
        """Value of the floor; None where it was not scored."""
        return self.of(metric, self.table.floor) if self.table.floor else None

    def card(self, metric: str) -> MetricCard:
        return self.table.task.metrics[metric]

    def measured(self, metrics: Iterable[str]) -> list[str]:
        """Those of ``metrics`` that the model has a value with an interval of."""
        found = self.table.values.get(self.model, {})
        return [m for m in dict.fromkeys(metrics) if m in found and found[m].measured]

    def people(self, metric: str, model: str | None = None) -> int:
        """People behind a metric, as its record says; 0 where it was not measured."""
        row = self.table.by_model.get(self.model if model is None else model)
        return row.cells[metric].people if row is not None and metric in row.cells else 0

    def evidence(self, *metrics: str) -> tuple[Evidence, ...]:
        """Of those that have a value."""
        found = []
        for metric in metrics:
            if (s := self.of(metric)) is None:
                continue
            top = self.real(metric)
            found.append(
                Evidence(
                    metric,
                    self.card(metric).title,
                    s.value,
                    *ends(s),
                    math.nan if top is None else top.value,
                    self.people(metric),
                )
            )
        return tuple(found)


@cache
def corrected(tests: int) -> float:
    """How much wider 95 % intervals are when ``tests`` of them hold at once (Bonferroni)."""
    tail = (1 - LEVEL) / 2
    return float(ndtri(tail / max(tests, 1)) / ndtri(tail))


def half_width(*summaries: Summary, tests: int = 1) -> float:
    """Half of the interval of a value or of a difference, corrected for the number of tests."""
    return margin(*summaries) * corrected(tests)


def ends(s: Summary) -> Interval:
    """The interval as measured with one seed; with several, over people and seeds together."""
    return s.people if s.n_seeds == 1 else s.both


def with_interval(s: Summary) -> str:
    """``0.619 (95 % 0.591 to 0.646)``."""
    if not s.measured:
        return number(s.value)
    low, high = ends(s)
    return f"{number(s.value)} (95 % {number(low)} to {number(high)})"


def percent(share: float) -> str:
    """A share as people say it: 63 %, 1.2 %, 0.04 %."""
    hundred = 100 * share
    digits = 0 if hundred >= 9.95 or hundred == 0 else 1 if hundred >= 0.95 else 2
    return f"{hundred:.{digits}f} %"


def enumerated(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = list(words)
    return f"{', '.join(most)} and {last}" if most else last

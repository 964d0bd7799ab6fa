"""What a leaderboard is made of: blocks of tables, rows and cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genobench.report.portrait import Portrait
from genobench.report.scale import Overall, Rescaled
from genobench.report.stats import Standing, Summary
from genobench.task import MetricCard, TaskCard

if TYPE_CHECKING:
    from genobench.report.goals import Goal
    from genobench.report.tuned import Tuned

Record = Mapping[str, Any]
CORE_METRICS = 5  # beside the headline, in the table that people read; the CSV holds all


@dataclass(frozen=True)
class Failure:
    """A job that did not end well."""

    model: str
    seed: int
    status: str
    phase: str
    reason: str
    key: str


@dataclass(frozen=True)
class Cost:
    """Means over the jobs that were measured; memory is the largest peak, in bytes.

    Operations are floating-point ones, of training and for one synthetic person; energy is the
    GPU's in training, in joules.
    """

    fit_seconds: float
    samples_per_second: float
    peak_memory: float
    peak_device: float
    parameters: float
    fit_flops: float
    person_flops: float
    energy: float
    device: str


@dataclass(frozen=True)
class Cell:
    """One metric of one model; ``people`` are the most behind any of its values."""

    summary: Summary
    rescaled: Rescaled
    standing: Standing | None
    people: int


@dataclass(frozen=True)
class Row:
    """One model in one table; ``cells`` by metric name."""

    model: str
    title: str
    role: str
    cells: Mapping[str, Cell]
    done: int
    asked: int
    cost: Cost

    @property
    def ranked(self) -> bool:
        """Controls are shown but not ranked."""
        return self.role == "entrant"


@dataclass(frozen=True)
class Table:
    """One task on one data set: rows in order of rank, controls last."""

    block: str
    task: TaskCard
    metrics: tuple[MetricCard, ...]
    rows: tuple[Row, ...]
    floor: str
    ceiling: str
    notes: tuple[str, ...]

    @property
    def headline(self) -> MetricCard:
        """The metric that the task is ranked by."""
        return next(m for m in self.metrics if m.headline)

    @cached_property
    def by_model(self) -> Mapping[str, Row]:
        """Row of each model."""
        return {row.model: row for row in self.rows}

    @cached_property
    def values(self) -> Mapping[str, Mapping[str, Summary]]:
        """Of each model, the metrics that have a value."""
        cells = {row.model: row.cells.items() for row in self.rows}
        return {
            model: {m: c.summary for m, c in found if not math.isnan(c.summary.value)}
            for model, found in cells.items()
        }

    @property
    def core(self) -> tuple[MetricCard, ...]:
        """Headline first, then the first others that were measured."""
        rest = [m for m in self.metrics if not m.headline and self.measured(m)]
        return (self.headline, *rest[:CORE_METRICS])

    def measured(self, metric: MetricCard) -> bool:
        """Whether any model has a value."""
        return any(metric.name in found for found in self.values.values())


@dataclass(frozen=True, eq=False)
class Block:
    """Everything that was run on one data set with one suite and one split.

    ``options`` are the words of the command line that name the data; empty when not known.
    """

    name: str
    data: str
    suite: str
    options: str
    inputs: Mapping[str, Any]
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    jobs_done: int
    jobs_asked: int
    tables: tuple[Table, ...]
    failures: tuple[Failure, ...]
    software: tuple[str, ...]
    devices: tuple[str, ...]
    records: tuple[Record, ...] = field(repr=False)

    @cached_property
    def by_model(self) -> Mapping[str, tuple[Record, ...]]:
        """Records of each model, in the order of ``records``."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            found.setdefault(record["job"]["model"], []).append(record)
        return {model: tuple(records) for model, records in found.items()}


@dataclass(frozen=True)
class Tables:
    """All blocks, and per task the ranks over them or the reason why there are none.

    ``portraits`` of samples by key of the record, where they are kept; ``tuned`` is what equal
    searches for better settings found, ``goals`` what generators were meant to reach.
    """

    blocks: tuple[Block, ...]
    overall: Mapping[str, tuple[list[Overall], str]]
    portraits: Mapping[str, Portrait] = field(default_factory=dict)
    tuned: tuple[Tuned, ...] = ()
    goals: tuple[Goal, ...] = ()

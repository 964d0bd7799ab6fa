"""The page of ablations: what one changed setting of a generator does, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from genobench.entrant import plain_name
from genobench.generator import Card
from genobench.report.markdown import MADE, escape, grid, heading
from genobench.report.named import title_of
from genobench.report.numerals import ABSENT, count, duration, number
from genobench.report.stats import NONE, Summary, margin
from genobench.report.tables import Block, Row, Table, Tables
from genobench.task import MetricCard

FILE = "ablations.md"
APART = "●"


def render(tables: Tables, cards: Mapping[str, Card]) -> str:
    """The page, as Markdown; empty where no generator stands beside a variant of itself."""
    parts = []
    for block in tables.blocks:
        found = families(block)
        if found:
            parts.append(f"## {escape(block.data)}, {escape(block.suite)}")
        for base, variants in found.items():
            parts += [f"### {escape(title_of(cards, base))}", _family(block, base, variants)]
    if not parts:
        return ""
    reading = (
        "Generators beside themselves with settings changed, on the same people and training "
        "seeds. Value, and in brackets its difference from the plain generator's with the half "
        "width of its 95 % interval over training seeds (Welch); the people are the same on both "
        f"sides. {APART} marks a difference whose interval excludes 0, uncorrected: of twenty such "
        "intervals one does by chance. **Real** is a second sample of real people."
    )
    return "\n\n".join([MADE, "# Ablations", reading, *parts]) + "\n"


def families(block: Block) -> dict[str, list[str]]:
    """Variants by the generator whose plain entry they stand beside."""
    found: dict[str, list[str]] = {}
    for model in sorted(block.models):
        base = plain_name(model)
        if base != model and base in block.models:
            found.setdefault(base, []).append(model)
    return found


def _family(block: Block, base: str, variants: list[str]) -> str:
    """A row per metric, a column per variant; costs below."""
    columns = ["Metric", "Real", base, *(v.removeprefix(base) for v in variants)]
    rows = []
    for table in block.tables:
        by_name = {row.model: row for row in table.rows}
        if base in by_name:
            models = [by_name.get(m) for m in (base, *variants)]
            top = by_name.get(table.ceiling)
            rows += [_metric(table, metric, top, models) for metric in table.core]
    first = {row.model: row for row in block.tables[0].rows} if block.tables else {}
    costs = [first[m].cost if m in first else None for m in (base, *variants)]
    rows += [
        ["Fit", ABSENT, *(duration(c.fit_seconds) if c else ABSENT for c in costs)],
        ["Parameters", ABSENT, *(count(c.parameters) if c else ABSENT for c in costs)],
    ]
    return grid([escape(c) for c in columns], rows, left=1)


def _metric(
    table: Table, metric: MetricCard, top: Row | None, models: list[Row | None]
) -> list[str]:
    """One metric of the real people, the generator, and its variants."""
    values = [row.cells[metric.name].summary if row else None for row in (top, *models)]
    real, plain, *others = values
    cells = [ABSENT if s is None or math.isnan(s.value) else number(s.value) for s in (real, plain)]
    title = f"{escape(table.task.title)}: {heading(metric)}"
    return [title, *cells, *(_beside(plain, other) for other in others)]


def _beside(plain: Summary | None, other: Summary | None) -> str:
    """``0.71 (+0.02 ± 0.01 ●)``."""
    if other is None or math.isnan(other.value):
        return ABSENT
    if plain is None or math.isnan(plain.value):
        return number(other.value)
    gap = other.value - plain.value
    sign = "+" if gap >= 0 else "-"
    if min(plain.n_seeds, other.n_seeds) < 2:
        return f"{number(other.value)} ({sign}{number(abs(gap))})"
    half = margin(*(replace(s, people=NONE) for s in (plain, other)))
    mark = f" {APART}" if abs(gap) > half else ""
    return f"{number(other.value)} ({sign}{number(abs(gap))} ± {number(half)}{mark})"

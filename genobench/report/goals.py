"""What a generator was meant to reach, beside what it reached: a section of `strength.md`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from genobench import bounded
from genobench.errors import GenobenchError
from genobench.report.markdown import escape, grid, listed
from genobench.report.numerals import ABSENT, number
from genobench.report.sheet import Sheet
from genobench.report.stats import Summary, margin
from genobench.report.tables import Block, Tables

FILE = "goals.toml"  # beside the records, written by hand
Bound = float | Literal["real"] | None
REAL: Literal["real"] = "real"  # the end of the interval of fresh real people


@dataclass(frozen=True)
class Goal:
    """A metric of one generator on one data set, and between what it should lie."""

    model: str
    data: str
    suite: str
    task: str
    metric: str
    low: Bound
    high: Bound


def kept(folder: Path) -> tuple[Goal, ...]:
    """Goals that ``folder/goals.toml`` states; none without the file.

    Raises
    ------
    GenobenchError
        Naming the file and what in it is no goal.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        lists = bounded.read_toml(path)["goals"]
        return tuple(goal for entry in lists for goal in _goals(entry))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GenobenchError(
            f"{path}: needs [[goals]] with model, data, suite, and bounds such as "
            f"'task.metric' = {{ low = 0.9, high = \"{REAL}\" }} ({error})"
        ) from error


def _goals(entry: Mapping[str, Any]) -> Iterable[Goal]:
    """Those of one generator on one data set."""
    for place, bounds in entry["bounds"].items():
        task, metric = place.split(".")
        low, high = (_bound(bounds.get(end), place) for end in ("low", "high"))
        if low is None and high is None:
            raise ValueError(f"{place} has no bound")
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise ValueError(f"{place}: low = {low:g} is above high = {high:g}")
        if unknown := sorted(set(bounds) - {"low", "high"}):
            raise ValueError(f"{place}: {', '.join(unknown)}")
        who = {key: str(entry[key]) for key in ("model", "data", "suite")}
        yield Goal(**who, task=task, metric=metric, low=low, high=high)


def _bound(given: object, place: str) -> Bound:
    if given is None or given == REAL:
        return None if given is None else REAL
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given)
    raise ValueError(f"{place}: {given!r} is no bound")


def section(tables: Tables) -> list[str]:
    """Paragraphs and tables; none where no goal was stated."""
    parts = []
    for block in tables.blocks:
        here = [g for g in tables.goals if (g.data, g.suite) == (block.data, block.suite)]
        for model in dict.fromkeys(g.model for g in here):
            if model in block.models:
                own = [g for g in here if g.model == model]
                parts += [f"### {escape(f'{model} on {block.data}, {block.suite}')}: goals"]
                parts += [_table(block, own), *filter(None, [_count(block, own)])]
    if not parts:
        return []
    reading = (
        f"As `{FILE}` states them. **Measured** is the mean over training seeds, with its "
        "interval over people and seeds; **reached** is what the mean says, *nearly* that the "
        "interval holds a value that would do. Beside it what fresh real people reach, of whom no "
        "generator can be asked more, and how many generators reach it: "
        "a goal may be easy alone, the question is who reaches all of them at once."
    )
    return ["## Goals", reading, *parts]


def _table(block: Block, goals: Sequence[Goal]) -> str:
    columns = [
        "Goal",
        "Wanted",
        "Measured",
        "Reached",
        "Fresh real people",
        "Generators that reach it",
    ]
    return grid(columns, [_row(block, goal) for goal in goals], left=1)


def _row(block: Block, goal: Goal) -> list[str]:
    sheet = _sheet(block, goal, goal.model)
    if sheet is None or (value := sheet.of(goal.metric)) is None:
        return [escape(f"{goal.task}: {goal.metric}"), _wanted(goal), *[ABSENT] * 4]
    real = sheet.real(goal.metric)
    known = not math.isnan(_miss(value, goal, sheet))
    missed = [_miss(other, goal, sheet) for _, other in _entrants(block, goal)]
    return [
        escape(f"{sheet.table.task.title}: {sheet.card(goal.metric).title}"),
        _wanted(goal),
        f"{number(value.value)} ± {number(_half(value))}",
        _reached(value, goal, sheet),
        number(real.value) if real else ABSENT,
        f"{missed.count(0.0)} of {len(missed)}" if known else ABSENT,
    ]


def _count(block: Block, goals: Sequence[Goal]) -> str:
    """Who meets how many; "" where nobody was measured."""
    met: dict[str, int] = {}
    for goal in goals:
        for model, value in _entrants(block, goal):
            sheet = _sheet(block, goal, model)
            assert sheet is not None
            met[model] = met.get(model, 0) + (_miss(value, goal, sheet) == 0)
    if not met:
        return ""
    order = sorted(met, key=lambda model: (-met[model], model))
    said = ", ".join(f"{listed(model, 'entrant')} {met[model]}" for model in order)
    return f"Goals met, of {len(goals)}: {said}."


def _sheet(block: Block, goal: Goal, model: str) -> Sheet | None:
    tables = (t for t in block.tables if t.task.name == goal.task)
    return next((Sheet(t, block, model) for t in tables if goal.metric in t.task.metrics), None)


def _entrants(block: Block, goal: Goal) -> Iterable[tuple[str, Summary]]:
    """Generators that have a value, without the controls."""
    for model in block.models:
        sheet = _sheet(block, goal, model)
        row = sheet.table.by_model.get(model) if sheet else None
        value = sheet.of(goal.metric) if sheet else None
        if row is not None and row.ranked and value is not None:
            yield model, value


def _bounds(goal: Goal, sheet: Sheet) -> tuple[float, float]:
    """As numbers; not-a-number where fresh real people were not measured."""
    ends = []
    for bound, sign in ((goal.low, -1), (goal.high, 1)):
        if bound == REAL:
            real = sheet.real(goal.metric)
            ends.append(real.value + sign * _half(real) if real else math.nan)
        else:
            ends.append(sign * math.inf if bound is None else float(bound))
    return ends[0], ends[1]


def _miss(value: Summary, goal: Goal, sheet: Sheet) -> float:
    """How far the mean lies outside; 0 inside, not-a-number where a bound is unknown."""
    low, high = _bounds(goal, sheet)
    if math.isnan(low) or math.isnan(high):
        return math.nan
    return max(low - value.value, value.value - high, 0.0)


def _reached(value: Summary, goal: Goal, sheet: Sheet) -> str:
    missed = _miss(value, goal, sheet)
    if math.isnan(missed):
        return ABSENT
    if not missed:
        return "yes"
    return "nearly" if missed <= _half(value) else "no"


def _half(value: Summary) -> float:
    """Half width of the interval over people and seeds; 0 where there is none."""
    half = margin(value)
    return 0.0 if math.isnan(half) else half


def _wanted(goal: Goal) -> str:
    low, high = (
        "the interval of real people" if bound == REAL else "" if bound is None else number(bound)
        for bound in (goal.low, goal.high)
    )
    if low and high:
        return f"{low} to {high}"
    return f"≥ {low}" if low else f"≤ {high}"

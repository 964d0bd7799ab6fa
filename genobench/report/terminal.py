"""Leaderboards as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from genobench.entrant import plain_name
from genobench.report.markdown import rank, rescaled, with_margin
from genobench.report.numerals import duration, number
from genobench.report.plain import align, wrap
from genobench.report.tables import Block, Row, Table, Tables

NAME_WIDTH = 16


def show(tables: Tables, width: int = 80, failures: bool = True) -> str:
    """One compact table per task and data set, then what failed unless ``failures`` is off."""
    parts = []
    for block in tables.blocks:
        parts += [task_table(table, block, width) for table in block.tables]
        if failures and block.failures:
            parts.append(failed(block, width))
    return "\n\n".join(parts)


def task_table(table: Table, block: Block, width: int = 80) -> str:
    """Headline with its interval, rank, rescaled value, as many core metrics as fit, jobs, fit."""
    head, *others = table.core
    columns = ["model", "rank", "ties", _heading(table, 0), "rescaled"]
    called = _short_names([row.model for row in table.rows])
    left = [_cells(row, table, called[row.model]) for row in table.rows]
    right = [[f"{r.done}/{r.asked}", duration(r.cost.fit_seconds)] for r in table.rows]
    extra: list[list[str]] = [[] for _ in table.rows]
    names: list[str] = []
    for metric in others:
        tried = [
            [*e, number(r.cells[metric.name].summary.value)]
            for e, r in zip(extra, table.rows, strict=True)
        ]
        more = [*names, f"[{len(names) + 1}]"]
        wider = align(_join([*columns, *more, "jobs", "fit"], left, tried, right), right=True)
        if max(map(len, wider)) > width:
            break
        extra, names = tried, more
    body = align(_join([*columns, *names, "jobs", "fit"], left, extra, right), right=True)
    entrants = sum(r.ranked for r in table.rows)
    rule = "-" * max(map(len, body))
    body[1:1] = [rule]
    if 0 < entrants < len(table.rows):
        body.insert(2 + entrants, rule)
    seeds = f"{len(block.seeds)} seed{'s' if len(block.seeds) > 1 else ''}"
    title = f"{table.task.title} ({block.data}, {block.suite}, {seeds})"
    keys = [f"{_sense(table, 0)}; ± 95 % over people and seeds together"]
    keys += [f"[{i}] {_sense(table, i)}" for i in range(1, len(names) + 1)]
    keys += [f"{short}: {model}" for model, short in called.items() if "#" in short]
    if table.floor and table.ceiling:
        keys.append(f"rescaled: 0 = {table.floor}, 1 = {table.ceiling}")
    notes = {r.cells[head.name].rescaled.note for r in table.rows}
    keys += [f"n/a: {note}" for note in sorted(notes) if note.startswith("uninformative")]
    if any(note.startswith("above") for note in notes):
        keys.append("▲ above the ceiling by more than the interval")
    return "\n".join([*wrap(title, width), *(line[:width] for line in body), *_keys(keys, width)])


def _short_names(models: Sequence[str]) -> dict[str, str]:
    """What a model is called in the table: longer names by a number, said in full below it."""
    called: dict[str, str] = {}
    for model in models:
        number = sum("#" in name for name in called.values()) + 1
        long = len(model) > NAME_WIDTH
        called[model] = f"{plain_name(model)[: NAME_WIDTH - 3]}#{number}" if long else model
    return called


def _cells(row: Row, table: Table, name: str) -> list[str]:
    cell = row.cells[table.headline.name]
    place = rank(cell.standing) if row.ranked else row.role
    ties = cell.standing.ties if cell.standing else ""
    return [name, place, ties, with_margin(cell), rescaled(cell.rescaled)]


def _heading(table: Table, i: int) -> str:
    name = table.core[i].title
    return name if len(name) <= 18 else name[:17] + "…"


def _sense(table: Table, i: int) -> str:
    """Title, and where better lies."""
    metric = table.core[i]
    if metric.better == "target":
        return f"{metric.title} (best at {metric.target:g})"
    return f"{metric.title} ({metric.better} is better)"


def failed(block: Block, width: int = 80) -> str:
    """Failed jobs, each with its reason."""
    lines = [f"Failed jobs ({block.data}, {block.suite}):"]
    for f in block.failures:
        text = f"{f.model} seed {f.seed}: {f.status} in {f.phase}: {f.reason}"
        lines += wrap(text, width, "  ", "    ")
    return "\n".join(lines)


def _join(columns: Sequence[str], *parts: Sequence[Sequence[str]]) -> list[list[str]]:
    rows = [[cell for part in row for cell in part] for row in zip(*parts, strict=True)]
    return [list(columns), *rows]


def _keys(keys: Sequence[str], width: int) -> list[str]:
    return [line for key in keys for line in wrap(key, width, "  ", "    ")]

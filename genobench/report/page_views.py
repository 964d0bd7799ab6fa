"""What the page shows of every data set, table, row and model, as its template takes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from genobench.data.catalogue import DataSetCard, available
from genobench.generator import Card
from genobench.report import page_figures, page_headline, page_plots, page_portraits
from genobench.report.collect import slug
from genobench.report.markdown import command
from genobench.report.named import ROLES, card_of, role_of, title_of
from genobench.report.numerals import ABSENT, duration
from genobench.report.portrait import Portrait
from genobench.report.scale import MEMORISING
from genobench.report.sheet import Verdict
from genobench.report.shown import lines
from genobench.report.svg import Scale
from genobench.report.tables import Block, Record, Row, Table, Tables
from genobench.task import MetricCard

Said = Mapping[tuple[str, str, str], list[Verdict]]  # by block, task and model
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Flag:
    """Something to know of one row; ``number`` is that of its sentence below the table."""

    mark: str
    kind: str
    sentence: str
    number: int = 0


@dataclass(frozen=True)
class RowView:
    """A row as it is shown: its flags, and its headline drawn on the axis of the table."""

    row: Row
    flags: tuple[Flag, ...]
    forest: Markup


@dataclass(frozen=True)
class TableView:
    """One task on one data set; ``lines``: controls in the drawings, ``scales``: of small bars."""

    id: str
    table: Table
    measured: tuple[MetricCard, ...]
    entrants: tuple[RowView, ...]
    controls: tuple[RowView, ...]
    axis: Markup
    lines: tuple[str, ...]
    scales: Mapping[str, Scale]
    sentences: tuple[Flag, ...]
    notes: tuple[str, ...]
    on_device: bool
    counted: bool
    metered: bool
    devices_differ: bool


@dataclass(frozen=True)
class BlockView:
    """One data set and suite: drawings and tables.

    ``about`` is what is known of a public one, ``portraits`` the first portrait, by whose captions
    those of the other models are read.
    """

    id: str
    block: Block
    about: DataSetCard | None
    plots: tuple[Markup, ...]
    tables: tuple[TableView, ...]
    ranks: tuple[Markup, ...]
    costs: tuple[Markup, ...]
    portraits: Portrait
    command: str


class Listed(NamedTuple):
    """One record as a row of texts."""

    seed: str
    key: str
    status: str
    twice: str
    fit: str
    sample: str
    matrix: str


@dataclass(frozen=True)
class Appearance:
    """One model on one data set: what is said of it, drawn of it, and how to have it again."""

    block: Block
    rows: tuple[tuple[Table, Row], ...]
    verdicts: tuple[tuple[str, tuple[Verdict, ...]], ...]
    profiles: tuple[Markup, ...]
    curves: tuple[Markup, ...]
    portrait: tuple[Markup, ...]
    records: tuple[Listed, ...]
    settings: str
    command: str


@dataclass(frozen=True)
class ModelView:
    """One model: its card, if it is installed here, and where it was run."""

    id: str
    name: str
    title: str
    role: str
    card: Card | None
    paper: str
    appearances: tuple[Appearance, ...]


def block_view(block: Block, said: Said, portraits: Mapping[str, Portrait]) -> BlockView:
    return BlockView(
        id=f"data-{block.name}",
        block=block,
        about=available().get(block.data),
        plots=tuple(page_headline.headline(block)),
        tables=tuple(_table(t, block, said) for t in block.tables),
        ranks=tuple(page_figures.ranks(block)),
        costs=tuple(page_figures.costs(block)),
        portraits=_portrait(block.records, portraits),
        command=command(block),
    )


def _table(table: Table, block: Block, said: Said) -> TableView:
    name, head = f"{block.name}-{table.task.name}", table.headline
    scale = page_plots.forest_scale(table, head)
    numbers: dict[str, int] = {}
    sentences: list[Flag] = []
    views = []
    for row in table.rows:
        flags = []
        found = said.get((block.name, table.task.name, row.model), [])
        for flag in row_flags(table, block, row, found):
            if flag.sentence not in numbers:
                numbers[flag.sentence] = len(numbers) + 1
                sentences.append(replace(flag, number=numbers[flag.sentence]))
            flags.append(replace(flag, number=numbers[flag.sentence]))
        views.append(RowView(row, tuple(flags), page_plots.forest(table, row, head, scale)))
    measured = tuple(m for m in table.metrics if table.measured(m))
    return TableView(
        id=f"table-{name}",
        table=table,
        measured=measured,
        entrants=tuple(v for v in views if v.row.ranked),
        controls=tuple(v for v in views if not v.row.ranked),
        axis=page_plots.forest_axis(table, head, scale),
        lines=tuple(lines(table, head, scale.low, scale.high)),
        scales={m.name: page_plots.bar_scale(table, m) for m in measured},
        sentences=tuple(sentences),
        notes=table_notes(table, block),
        on_device=any(math.isfinite(r.cost.peak_device) for r in table.rows),
        counted=any(math.isfinite(r.cost.person_flops) for r in table.rows),
        metered=any(math.isfinite(r.cost.energy) for r in table.rows),
        devices_differ=len({r.cost.device for r in table.rows if r.done}) > 1,
    )


def row_flags(table: Table, block: Block, row: Row, said: Sequence[Verdict] = ()) -> list[Flag]:
    """What is suspicious, wrong or missing in one row; what a control is there for is neither."""
    found = []
    if row.ranked:
        above = [m for m in table.metrics if row.cells[m.name].rescaled.note.startswith("above")]
        if above:
            text = f"Better than fresh real people by more than the interval: {_titles(above)}."
            suspect = [m for m in above if row.cells[m.name].rescaled.note == MEMORISING]
            text += f" Suspected memorising in {_titles(suspect)}." if suspect else ""
            found.append(Flag("▲", "above", text))
        failed = [v for v in said if v.level == "fail"]
        if len(failed) == 1:
            found.append(Flag("!", "fail", failed[0].sentence))
        elif failed:
            text = f"{row.model} fails in {len(failed)} respects. "
            text += " ".join(f"{v.what[0].upper()}{v.what[1:]}: {v.sentence}" for v in failed)
            found.append(Flag("!", "fail", text))
    for f in block.failures:
        ours = not f.phase.startswith("score:") or f.phase == f"score:{table.task.name}"
        if f.model == row.model and ours:
            text = f"{f.model}, seed {f.seed}: {f.status} in {f.phase}: {f.reason}"
            found.append(Flag("×", "failed", text))
    unstable = sorted(int(r["job"]["seed"]) for r in block.by_model.get(row.model, ())
                      if r.get("determinism") == "different")  # fmt: skip
    if unstable:
        seeds = ", ".join(map(str, unstable))
        text = f"Sampling twice with the same seed did not give the same people (seed {seeds})."
        found.append(Flag("≠", "note", text))
    own = [n for n in table.notes if _model_of(n, (row.model,))]
    if own:
        told = [n.removeprefix(f"{row.model}: ") for n in own]
        found.append(Flag("i", "note", " ".join(t[:1].upper() + t[1:] for t in told)))
    return found


def table_notes(table: Table, block: Block) -> tuple[str, ...]:
    """Notes on a table that are not of one row."""
    return tuple(n for n in table.notes if not _model_of(n, block.models))


def _model_of(note: str, models: Iterable[str]) -> str:
    """The model that a note is about; empty for others."""
    return next((m for m in models if note.startswith((f"{m}: ", f"{m} has no record"))), "")


def _titles(metrics: Iterable[MetricCard]) -> str:
    return ", ".join(m.title for m in metrics)


def model_views(tables: Tables, cards: Mapping[str, Card], said: Said) -> list[ModelView]:
    names = {m for b in tables.blocks for m in b.models}
    rows = {r.model: r for b in tables.blocks for t in b.tables for r in t.rows}

    def role(name: str) -> str:
        if name in rows:
            return rows[name].role
        return role_of(cards, name)

    ids: set[str] = set()
    found = []
    for name in sorted(names, key=lambda n: (ROLES.index(role(n)), n)):
        own = f"model-{slug(name)}"
        while own in ids:  # names that differ only in what an id cannot hold
            own += "-"
        ids.add(own)
        card = card_of(cards, name)
        title = title_of(cards, name) if card else rows[name].title if name in rows else name
        paper = ARXIV.fullmatch(card.paper) if card else None
        appearances = tuple(
            _appearance(name, b, said, tables.portraits) for b in tables.blocks if name in b.models
        )
        link = f"https://arxiv.org/abs/{paper[1]}" if paper else ""
        found.append(ModelView(own, name, title, role(name), card, link, appearances))
    return found


def _appearance(
    name: str, block: Block, said: Said, portraits: Mapping[str, Portrait]
) -> Appearance:
    rows = [(t, r) for t in block.tables for r in t.rows if r.model == name and r.done]
    records = block.by_model[name]
    judged = [v for t, _ in rows for v in said.get((block.name, t.task.name, name), [])]
    titles = {t.task.name: t.task.title for t, _ in rows}
    drawn = [page_plots.profile(t, r) for t, r in rows if r.role != "floor"]  # it is the zero
    return Appearance(
        block=block,
        rows=tuple(rows),
        verdicts=tuple((titles[k], tuple(v)) for k, v in groupby(judged, key=lambda v: v.task)),
        profiles=tuple(d for d in drawn if d),
        curves=tuple(page_plots.curves(records)),
        portrait=tuple(page_portraits.panels(_portrait(records, portraits), name)),
        records=tuple(map(_listed, records)),
        settings=_settings(records),
        command=_repeat(block, name, records),
    )


def _portrait(records: Sequence[Record], portraits: Mapping[str, Portrait]) -> Portrait:
    """The first that there is."""
    return next((portraits[r["key"]] for r in records if r["key"] in portraits), ())


def _listed(record: Record) -> Listed:
    """What sampling twice gave, seconds and the beginning of checksums; dashes for what is null."""
    spent = record.get("resources") or {}
    fit, sample = (
        ABSENT if (seconds := spent.get(key)) is None else duration(seconds)
        for key in ("fit_seconds", "sample_seconds")
    )
    return Listed(
        str(record["job"]["seed"]),
        record["key"][:12],
        record["status"],
        record.get("determinism") or ABSENT,
        fit,
        sample,
        ((record.get("outputs") or {}).get("synthetic_sha256") or ABSENT)[:12],
    )


def _settings(records: Sequence[Record]) -> str:
    """Settings that a model was run with, one to the line as in its card."""
    settings = records[-1]["job"].get("settings") or {}
    return "\n".join(f"{k} = {json.dumps(v)}" for k, v in sorted(settings.items()))


def _repeat(block: Block, name: str, records: Sequence[Record]) -> str:
    """The command that makes the records of one model again."""
    seeds = tuple(sorted(int(r["job"]["seed"]) for r in records))
    return command(replace(block, models=(name,), seeds=seeds, records=tuple(records)))

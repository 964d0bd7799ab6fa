"""What `genobench.run` and `genobench.score` return: frames, and how they look in a notebook."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from genobench.errors import GenobenchError
from genobench.registry import near
from genobench.report.numerals import ABSENT, number
from genobench.report.plain import wrap
from genobench.report.tables import Record, Row, Table, Tables
from genobench.run.benchmark import Summary

WIDTH = 80
FRAME = ("value", "low", "high")


@dataclass(frozen=True, eq=False, repr=False)
class RunResult:
    """What came of a run.

    Attributes
    ----------
    out
        Folder of records, logs and samples.
    summary
        Jobs by status, and how long it took.
    tables
        What the frames below are made from.
    """

    out: Path
    summary: Summary
    tables: Tables

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that anything was measured for."""
        return tuple(table.task.name for table in self._tables)

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each job that did not end well, with its log."""
        return self.summary.problems

    @property
    def records(self) -> pd.DataFrame:
        """One row per job, by its key: model, seed, status, seconds, memory in bytes, parameters.

        The whole record of one is ``genobench show KEY``.
        """
        found = [record for block in self.tables.blocks for record in block.records]
        rows = [_job(record) for record in found]
        columns = ["key", "model", "seed", "status", "data", "suite", *_RESOURCES]
        frame = pd.DataFrame(rows, columns=columns).set_index("key")
        return frame.astype(dict.fromkeys(_RESOURCES, float))

    def table(self, task: str) -> pd.DataFrame:
        """Every metric of every model: value, and its 95 % interval.

        Returns
        -------
        DataFrame
            By metric and model, models in order of rank. ``low`` and ``high`` are over people and
            training seeds together; ``people_`` and ``seeds_`` tell them apart.
        """
        table = self._table(task)
        rows = [
            {"metric": metric.name, "model": row.model, **_values(row, metric.name)}
            for metric in table.metrics
            if table.measured(metric)
            for row in table.rows
        ]
        return pd.DataFrame(rows).set_index(["metric", "model"])

    def leaderboard(self, task: str) -> pd.DataFrame:
        """Models by rank in the task's headline, controls last; ``attrs`` has the metric's name."""
        table = self._table(task)
        frame = pd.DataFrame([_standing(row, table) for row in table.rows]).set_index("model")
        frame["rank"] = frame["rank"].astype("Int64")
        frame.attrs["metric"] = table.headline.name
        return frame

    def __repr__(self) -> str:
        from genobench.report.terminal import show

        parts = [self._line(), show(self.tables, WIDTH, failures=False)]
        return "\n\n".join(part for part in (*parts, "\n".join(self.problems)) if part)

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self._line())}</p>"]
        for table in self._tables:
            frame = self.leaderboard(table.task.name)[[*_SHOWN]]
            frame["rank"] = ["" if pd.isna(rank) else str(rank) for rank in frame["rank"]]
            title = f"{table.task.title}, by {table.headline.title}"
            parts.append(_section(title, table.task.question, frame))
        parts.append(_listed(self.problems))
        return f"<div>{''.join(parts)}</div>"

    @property
    def _tables(self) -> Sequence[Table]:
        return [table for block in self.tables.blocks for table in block.tables]

    def _table(self, task: str) -> Table:
        for table in self._tables:
            if table.task.name == task:
                return table
        known = ", ".join(self.tasks) or "none"
        raise GenobenchError(
            f"nothing was measured for a task {task!r}{near(task, self.tasks)}; there are: {known}"
        )

    def _line(self) -> str:
        """Jobs by status."""
        counts = ", ".join(f"{n} {s}" for s, n in sorted(self.summary.statuses.items()) if n)
        jobs = "job" if self.summary.asked == 1 else "jobs"
        return f"{self.out}: {self.summary.asked} {jobs}: {counts}"


@dataclass(frozen=True, eq=False, repr=False)
class ScoreResult:
    """What is known of a synthetic cohort.

    Attributes
    ----------
    content
        What ``genobench score --json`` writes.
    page
        What ``genobench score --markdown`` writes.
    """

    content: Mapping[str, Any]
    page: str

    @property
    def verdicts(self) -> list[str]:
        """What is said of the file, a sentence each, and what could not be measured."""
        return [sentence for _, sentence in self._verdicts]

    @property
    def metrics(self) -> pd.DataFrame:
        """Every metric of the file and of the controls, by task, metric and model.

        ``low`` and ``high`` are 95 % intervals over people, NaN where there are none.
        """
        names = {"people_low": "low", "people_high": "high"}
        columns = ["task", "metric", "model", "role", "better", "value", *names]
        frame = pd.DataFrame(self.content["tables"], columns=columns).rename(columns=names)
        frame = frame.astype(dict.fromkeys(FRAME, float))
        return frame.set_index(["task", "metric", "model"])

    def to_markdown(self) -> str:
        """The whole report as one page."""
        return self.page

    def __repr__(self) -> str:
        lines = wrap(self._line(), WIDTH)
        for level, sentence in self._verdicts:
            lines += wrap(f"{level.upper()}: {sentence}", WIDTH, "  ", "    ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        said = _listed(f"{level.upper()}: {sentence}" for level, sentence in self._verdicts)
        own = self.metrics
        own = own[own.index.get_level_values("model") == self.content["file"]]
        frame = own.droplevel("model")[["better", *FRAME]]
        return f"<div>{_section(self._line(), '', frame, said)}</div>"

    @property
    def _verdicts(self) -> list[tuple[str, str]]:
        """Level and sentence of each."""
        said = [(v["level"], v["sentence"]) for v in self.content["verdicts"]]
        refused = self.content["not_measured"].items()
        return said + [("uninformative", f"{task} not measured: {why}") for task, why in refused]

    def _line(self) -> str:
        people = self.content["people"]["synthetic"]
        return (
            f"{self.content['file']}: {people:,} synthetic people at "
            f"{self.content['variants']:,} variants"
        )


def of_run(out: Path, summary: Summary) -> RunResult:
    """Result of a run whose records lie in ``out``."""
    from genobench.commands.making import cards
    from genobench.report.collect import build
    from genobench.report.leaderboard import data_options
    from genobench.run.store import Store

    store = Store(out)
    records = [r for key in summary.keys if (r := store.read_record(key)) is not None]
    return RunResult(out, summary, build(records, *cards(), data_options(out)))


def of_score(options: Mapping[str, Any], tell: Callable[[str], None]) -> ScoreResult:
    """Result of ``genobench score`` under these options; ``tell`` hears what is going on."""
    from genobench.commands.catalogue import jsonable
    from genobench.commands.outside import judge
    from genobench.report import outside

    report = judge(Namespace(**options), tell)
    return ScoreResult(jsonable(outside.as_json(report)), outside.markdown(report))


_SHOWN = ("role", "rank", "ties", *FRAME, "rescaled", "jobs_done", "jobs_asked", "fit_seconds")
_RESOURCES = (
    "fit_seconds", "sample_seconds", "peak_memory_bytes", "peak_device_bytes", "parameters",
)  # fmt: skip


def _job(record: Record) -> dict[str, Any]:
    job, resources = record["job"], record.get("resources") or {}
    who = {name: job[name] for name in ("model", "seed", "data", "suite")}
    spent = {name: resources.get(name) for name in _RESOURCES}
    return {"key": record["key"], "status": record["status"], **who, **spent}


def _values(row: Row, metric: str) -> dict[str, float]:
    """Value and intervals of one metric."""
    found = row.cells[metric].summary
    values = {"value": found.value, "low": found.both.low, "high": found.both.high}
    for name, ends in (("people", found.people), ("seeds", found.seeds)):
        values |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
    return values


def _standing(row: Row, table: Table) -> dict[str, Any]:
    """One line of a leaderboard."""
    cell = row.cells[table.headline.name]
    place = cell.standing
    return {
        "model": row.model,
        "role": row.role,
        "rank": place.rank if place else None,
        "ties": place.ties if place else "",
        **_values(row, table.headline.name),
        "rescaled": cell.rescaled.value,
        "jobs_done": row.done,
        "jobs_asked": row.asked,
        "fit_seconds": row.cost.fit_seconds,
    }


def _section(title: str, text: str, frame: pd.DataFrame, between: str = "") -> str:
    """Heading, sentence and table as HTML."""
    said = f"<p>{escape(text)}</p>" if text else ""
    table = frame.to_html(escape=True, float_format=number, na_rep=ABSENT, border=0)
    return f"<h4>{escape(title)}</h4>{said}{between}{table}"


def _listed(sentences: Iterable[str]) -> str:
    """Sentences as an HTML list; nothing of none."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""

"""The report of ``genobench score``: verdicts first, then what was done, then the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from genobench.report.markdown import escape, grid, heading, legend, with_margin
from genobench.report.numerals import number
from genobench.report.plain import align, wrap
from genobench.report.sheet import Verdict
from genobench.report.tables import Block, Row, Table
from genobench.task import MetricCard, TaskCard

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = {"pass": "green", "concern": "yellow", "fail": "bold red", "uninformative": "cyan"}
LABEL = max(map(len, COLOURS)) + 4  # columns before a sentence
NARROWEST = 24  # columns left to the names of metrics before a control is dropped
SCOPE = (
    "These verdicts are about the attacks and metrics named here and about these people. That "
    "nothing was detected is no proof of privacy: a stronger attack may exist."
)


@dataclass(frozen=True)
class Judged:
    """One task: its table and verdicts, or why there are none."""

    task: TaskCard
    block: Block | None
    verdicts: tuple[Verdict, ...]
    refused: str = ""

    @property
    def table(self) -> Table | None:
        """The table that the verdicts are made from."""
        return self.block.tables[0] if self.block is not None else None


@dataclass(frozen=True)
class Report:
    """Everything that is known of the file.

    Attributes
    ----------
    file
        Its name, and the name of its row in every table.
    people
        Who was judged beside whom: how many, by group.
    matching
        A sentence for each file whose variants were matched.
    matched
        The same as counts.
    notes
        What else was done to the files, or noticed.
    tasks
        In the order in which they are shown.
    """

    file: str
    people: Mapping[str, int]
    variants: int
    matching: tuple[str, ...]
    matched: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    tasks: tuple[Judged, ...]

    @property
    def heading(self) -> str:
        """Who was judged beside whom."""
        n = self.people
        return (
            f"{self.file}: {n['synthetic']:,} synthetic people, judged at {self.variants:,} "
            f"variants. Real people: {n['train']:,} whom the file was made from, {n['test']:,} "
            f"others to measure on, {n['control'] + n['validation']:,} more for comparison."
        )


def text(report: Report, width: int = 80) -> Text:
    """The report for a terminal; styles are dropped where it is piped."""
    from rich.text import Text

    page = Text("\n".join(wrap(report.heading, width)))
    for judged in report.tasks:
        question = f"{judged.task.title.upper()}: {judged.task.question}"
        page.append("\n\n" + "\n".join(wrap(question, width)), style="bold")
        for level, sentence in _lines(judged):
            first, *rest = wrap(sentence, width - LABEL) or [""]
            page.append("\n  ")
            page.append(level.upper().ljust(LABEL - 2), style=COLOURS[level])
            page.append("\n".join([first, *(" " * LABEL + line for line in rest)]))
    page.append("\n\n" + "\n".join(wrap(SCOPE, width)))
    page.append("\n\nFILES", style="bold")
    for sentence in (*report.matching, *report.notes):
        page.append("\n" + "\n".join(wrap(sentence, width, "  ", "    ")))
    for judged in report.tasks:
        if judged.table is not None:
            page.append(f"\n\n{judged.task.title.upper()}, all metrics", style="bold")
            page.append("\n" + "\n".join(numbers(judged.table, report.file, width)))
    page.append("\n\n" + "\n".join(wrap(_key(report), width)))
    return page


def numbers(table: Table, model: str, width: int = 80) -> list[str]:
    """Metrics as rows, long names on several lines: the file with its interval, then controls."""
    controls = _controls(table, model)
    body = _values(table, model, controls)
    while width - len(body[0]) - 2 < NARROWEST and controls:
        controls = controls[:-1]
        body = _values(table, model, controls)
    names = [_arrowed(metric) for metric in _measured(table)]
    room = min(max(width - len(body[0]) - 2, NARROWEST), max(map(len, names)))
    lines = [" " * (room + 2) + body[0]]
    for name, values in zip(names, body[1:], strict=True):
        first, *rest = wrap(name, room, rest="  ")
        lines += [f"{first.ljust(room)}  {values}".rstrip(), *rest]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def markdown(report: Report) -> str:
    """The report as one Markdown page."""
    parts = [f"# {escape(report.file)}", escape(report.heading)]
    for judged in report.tasks:
        parts += [f"## {escape(judged.task.title)}", escape(judged.task.question)]
        parts.append("\n".join(f"- **{level}**: {escape(s)}" for level, s in _lines(judged)))
    parts += [SCOPE, "## Files"]
    parts.append("\n".join(f"- {escape(s)}" for s in (*report.matching, *report.notes)))
    for judged in report.tasks:
        if (table := judged.table) is not None:
            parts += [
                f"## {escape(judged.task.title)}: all metrics",
                _page_grid(table, report.file),
            ]
            parts.append(_readings(table))
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """The report for machines: verdicts with their evidence, and every value."""
    from genobench.report.leaderboard import lines

    return {
        "file": report.file,
        "people": dict(report.people),
        "variants": report.variants,
        "matched": [dict(entry) for entry in report.matched],
        "notes": list(report.notes),
        "verdicts": [asdict(v) for judged in report.tasks for v in judged.verdicts],
        "not_measured": {j.task.name: j.refused for j in report.tasks if j.refused},
        "tables": [line for j in report.tasks if j.table is not None for line in lines(j.table)],
    }


def _lines(judged: Judged) -> Sequence[tuple[str, str]]:
    """Level and sentence of each verdict."""
    if judged.refused:
        return [("uninformative", f"Not measured: {judged.refused}")]
    if not judged.verdicts:
        return [("uninformative", "No verdict is made from this task; see its numbers below.")]
    return [(v.level, v.sentence) for v in judged.verdicts]


def _controls(table: Table, model: str) -> list[Row]:
    """Ceiling first, then floors, then leaks: what matters least comes last."""
    order = ("ceiling", "floor", "leak")
    rows = [row for row in table.rows if row.role in order and row.model != model and row.done]
    return sorted(rows, key=lambda row: order.index(row.role))


def _arrowed(metric: MetricCard) -> str:
    """Title with the direction in which it is better, on one line with the last word."""
    best = {"higher": "↑", "lower": "↓"}.get(metric.better, f"→{metric.target:g}")
    return f"{metric.title}\N{NO-BREAK SPACE}{best}"


def _measured(table: Table) -> list[MetricCard]:
    return [metric for metric in table.metrics if table.measured(metric)]


def _values(table: Table, model: str, controls: Sequence[Row]) -> list[str]:
    """Heading and values, aligned, without the names of the metrics."""
    own = next(row for row in table.rows if row.model == model)
    rows = [["this file", *(row.model for row in controls)]]
    for metric in _measured(table):
        values = [number(row.cells[metric.name].summary.value) for row in controls]
        rows.append([with_margin(own.cells[metric.name]), *values])
    lines = align([["", *row] for row in rows], right=True)
    return [line[2:] for line in lines]


def _page_grid(table: Table, model: str) -> str:
    own = next(row for row in table.rows if row.model == model)
    controls = _controls(table, model)
    rows = [
        [
            heading(metric),
            with_margin(own.cells[metric.name]),
            *(with_margin(row.cells[metric.name]) for row in controls),
        ]
        for metric in _measured(table)
    ]
    columns = ["Metric", "This file", *(f"*{escape(row.model)}*" for row in controls)]
    return grid(columns, rows, left=1)


def _readings(table: Table) -> str:
    """How each metric reads; the lines of a leaderboard's legend that are about metrics."""
    return "\n".join(line for line in legend(table).splitlines() if "(`" in line)


def _key(report: Report) -> str:
    """What the columns are."""
    tables = [j.table for j in report.tasks if j.table is not None]
    rows = {row.model: row.title for table in tables for row in table.rows}
    rows.pop(report.file, None)
    shown = "; ".join(f"{name}: {title[0].lower()}{title[1:]}" for name, title in rows.items())
    return (
        f"± 95 % over people. ↑ higher, ↓ lower is better, → best at. {shown}. "
        "How each metric reads: genobench list metrics."
    )

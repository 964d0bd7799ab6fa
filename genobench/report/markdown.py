"""Tables as Markdown pages: one per task and data set, and the index of all."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from genobench.entrant import on_command_line
from genobench.report.headline import FIGURE, PRIVACY, points
from genobench.report.numerals import (
    ABSENT,
    count,
    duration,
    energy,
    interval,
    memory,
    number,
    operations,
)
from genobench.report.scale import Rescaled
from genobench.report.stats import FEWEST_BLOCKS, Standing
from genobench.report.tables import Block, Cell, Row, Table, Tables
from genobench.report.verdicts import verdicts
from genobench.task import MetricCard

WARNED = "!"
WARNING = f"{WARNED} another metric of privacy speaks against it: `index.html` tells which."
FIRST = "fidelity"  # task in whose order the index lists models
MADE = "<!-- made by `genobench leaderboard`; edits are lost -->"


def page(table: Table, block: Block) -> str:
    """The page of one task on one data set."""
    parts = [
        MADE,
        f"# {escape(table.task.title)}: {escape(block.data)}, {escape(block.suite)}",
        escape(table.task.question),
        facts(block),
        scores(table),
        "## Jobs and cost",
        costs(table),
        "## All metrics",
        "Means over training seeds; the CSV beside this page holds every interval.",
        everything(table),
        "## How to read",
        legend(table),
    ]
    if table.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in table.notes)]
    if block.failures:
        parts += ["## Failed jobs", failures(block)]
    return "\n\n".join(parts) + "\n"


def facts(block: Block) -> str:
    """Who was trained on and measured on, and the command that repeats it."""
    inputs = block.inputs
    sizes = [
        f"{inputs[key]:,} {what}"
        for key, what in (
            ("n_train", "people to learn from"),
            ("n_validation", "to validate on"),
            ("n_test", "to measure on, whom no generator saw"),
            ("n_control", "of the `real` control"),
            ("m", "variants"),
        )
        if inputs.get(key) is not None
    ]
    trait = f"Trait `{inputs['trait']}` ({inputs.get('kind')})." if inputs.get("trait") else ""
    seeds = f"Training seeds {', '.join(map(str, block.seeds))}."
    return f"{escape('; '.join(sizes))}. {escape(trait)} {seeds}\n\n```\n{command(block)}\n```"


def command(block: Block) -> str:
    """The command line that makes these records again."""
    models = [_spec(block.by_model[m][-1]["job"]) for m in block.models]
    words = ["genobench run", f"--models {shlex.quote(','.join(models))}", f"--suite {block.suite}"]
    words.append(block.options or f"--data {shlex.quote(block.data)}")
    words.append(f"--seeds {seeds_in_words(block.seeds)}")
    return " ".join(words)


def seeds_in_words(seeds: Sequence[int]) -> str:
    """As ``--seeds`` takes them: ``0-2``, or ``0,1`` and ``0,2,5``."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _spec(job: Mapping[str, Any]) -> str:
    """What to give to ``--models``; a file stands without saying where somebody keeps it."""
    model, variant = str(job["model"]), str(job.get("variant", ""))
    spec = str(job.get("spec", model))
    if ".py:" in spec:
        spec = f"path/to/{spec}"
    elif not variant:
        spec = model
    return on_command_line(spec, variant, f"path/to/{variant[1:]}")


def scores(table: Table) -> str:
    """Models in order of rank, controls below."""
    head, *others = table.core
    columns = ["Model", "Rank", "Ties", heading(head), "95 % people", "95 % seeds", "Rescaled"]
    columns += [heading(m) for m in others]
    rows = []
    for row in table.rows:
        cell = row.cells[head.name]
        cells = [
            _name(row),
            rank(cell.standing) if row.ranked else row.role,
            cell.standing.ties if cell.standing else "",
            number(cell.summary.value),
            interval(cell.summary.people),
            interval(cell.summary.seeds),
            rescaled(cell.rescaled),
            *(with_margin(row.cells[m.name]) for m in others),
        ]
        rows.append(cells)
    return grid(columns, rows, left=1)


def costs(table: Table) -> str:
    """What was asked, what came, and what it took; operations and energy where any are known."""
    columns: dict[str, Callable[[Row], str]] = {
        "Model": _name,
        "Jobs": lambda row: f"{row.done} / {row.asked}",
        "Fit": lambda row: duration(row.cost.fit_seconds),
        "Samples / s": lambda row: count(row.cost.samples_per_second),
        "Peak memory": lambda row: memory(row.cost.peak_memory),
        "Peak on device": lambda row: memory(row.cost.peak_device),
        "Parameters": lambda row: count(row.cost.parameters),
        "FLOP of fit": lambda row: operations(row.cost.fit_flops),
        "FLOP / person": lambda row: operations(row.cost.person_flops),
        "Energy of fit": lambda row: energy(row.cost.energy),
        "Device": lambda row: row.cost.device or ABSENT,
    }
    known = {name: [cell(row) for row in table.rows] for name, cell in columns.items()}
    for name in ("FLOP of fit", "FLOP / person", "Energy of fit"):
        if set(known[name]) <= {ABSENT}:
            del known[name]
    return grid(list(known), [list(row) for row in zip(*known.values(), strict=True)], left=1)


def everything(table: Table) -> str:
    """Metrics as rows, models as columns."""
    rows = [
        [heading(m), *(number(row.cells[m.name].summary.value) for row in table.rows)]
        for m in table.metrics
        if table.measured(m)
    ]
    return grid(["Metric", *(_name(row) for row in table.rows)], rows, left=1)


def legend(table: Table) -> str:
    """What the columns mean."""
    head = table.headline
    scale = (
        f"**Rescaled**: 0 is the floor `{table.floor}`, 1 the ceiling `{table.ceiling}`; never "
        "clipped; n/a where both cannot be told apart. ▲ lies above the ceiling by more than the "
        "interval: suspected memorising."
        if table.floor and table.ceiling
        else "**Rescaled** needs a floor and a ceiling."
    )
    lines = [
        f"**Rank** by {escape(head.title)}, with the 95 % interval of the rank when people and "
        "seeds vary. Controls are not ranked. Models that share a letter under **Ties** cannot be "
        "told apart (pairwise tests, Holm).",
        "**95 % people**: over the people measured on, the same for all seeds. **95 % seeds**: "
        "over training seeds (t interval of the mean). Other columns: mean ± both together.",
        scale,
        "**Jobs**: training seeds scored / asked of anybody on this data. Fit, samples and "
        "parameters are means over seeds, memory is the largest peak.",
    ]
    for metric in table.metrics:
        if table.measured(metric):
            method = f" Interval: {metric.interval}." if metric.interval != "none" else ""
            lines.append(
                f"**{heading(metric)}** (`{metric.name}`): {escape(metric.reading + method)}"
            )
    return "\n".join(f"- {line}" for line in lines)


def failures(block: Block) -> str:
    """Jobs that did not end well, with the reason."""
    rows = [
        [f.model, str(f.seed), f.status, f.phase, _short(f.reason), f"`{f.key[:12]}`"]
        for f in block.failures
    ]
    columns = ["Model", "Seed", "Status", "Phase", "Reason", "Record"]
    return grid(columns, [[escape(c) for c in row] for row in rows], left=len(columns))


def glance(block: Block) -> str:
    """A row per model with what each task ranks by; in the order of `FIRST`, or the first task."""
    if not block.tables:
        return ""
    order = next((t for t in block.tables if t.task.name == FIRST), block.tables[0])
    columns = ["Model", *(f"{escape(t.task.title)}: {heading(t.headline)}" for t in block.tables)]
    rows = []
    for row in order.rows:
        cells = []
        for table in block.tables:
            own = next((r for r in table.rows if r.model == row.model), None)
            cells.append(_headline(table, block, own) if own else ABSENT)
        rows.append([_name(row), *cells, duration(row.cost.fit_seconds)])
    return f"{grid([*columns, 'Fit'], rows, left=1)}\n\n{WARNING}"


def _headline(table: Table, block: Block, row: Row) -> str:
    """What a task ranks by; with a mark where any metric of privacy speaks against a generator."""
    judged = row.ranked and table.task.name == PRIVACY
    against = judged and any(v.level == "fail" for v in verdicts(table, block, row.model))
    return f"{with_margin(row.cells[table.headline.name])}{f' {WARNED}' if against else ''}"


def index(tables: Tables) -> str:
    """README of the leaderboards folder."""
    parts = [
        MADE,
        "# Leaderboards",
        "Every table here is made from the records in `records/` by `genobench leaderboard`, and "
        "`genobench leaderboard --check` fails when one differs from its records. "
        "Utility, fidelity and privacy are never averaged into one number. The same on one page, "
        "to sort and to filter: [index.html](index.html). Published figures beside ours, failure "
        "modes and learning curves: [strength.md](strength.md).",
    ]
    for block in tables.blocks:
        pages = ", ".join(
            f"[{escape(t.task.title)}]({block.name}/{t.task.name}.md)" for t in block.tables
        )
        failed = f", {len(block.failures)} failed" if block.failures else ""
        parts += [
            f"## {escape(block.data)}, {escape(block.suite)}",
            f"{pages or 'No scores.'} — {len(block.models)} models, {block.jobs_done} of "
            f"{block.jobs_asked} jobs done{failed}. {', '.join(map(escape, block.devices))}",
            facts(block),
            *([table] if (table := glance(block)) else []),
            *([f"![Utility against privacy]({block.name}/{FIGURE}.png)"] if points(block) else []),
            escape(f"Software: {', '.join(block.software)}."),
        ]
    parts.append("## Over all data sets")
    for task, (rows, reason) in tables.overall.items():
        body = reason or grid(
            ["Model", "Mean rank", "95 % data sets", "Data sets"],
            [
                [escape(r.model), number(r.mean_rank), interval(r.interval), str(r.blocks)]
                for r in rows
            ],
            left=1,
        )
        parts.append(f"**{escape(task)}**. {body}" if reason else f"**{escape(task)}**\n\n{body}")
    if not tables.blocks:
        parts[-1] = f"No records yet. An overall rank needs {FEWEST_BLOCKS} data sets."
    return "\n\n".join(parts) + "\n"


def heading(metric: MetricCard) -> str:
    """Title with the direction in which it is better."""
    arrow = {"higher": "↑", "lower": "↓"}.get(metric.better, f"→ {metric.target:g}")
    return f"{escape(metric.title)} {arrow}"


def rank(standing: Standing | None) -> str:
    """Rank and its interval."""
    if standing is None:
        return ABSENT
    if standing.low is None:
        return str(standing.rank)
    return f"{standing.rank} [{standing.low}–{standing.high}]"


def rescaled(value: Rescaled) -> str:
    """Rescaled value, marked when it lies above the ceiling."""
    if math.isnan(value.value):
        return "n/a" if value.note else ABSENT
    text = f"{value.value:.2f}"
    return f"{text.lstrip('-') if float(text) == 0 else text}{' ▲' if value.note else ''}"


def with_margin(cell: Cell) -> str:
    """Mean ± half of the interval over people and seeds together."""
    s = cell.summary
    if not s.measured or math.isnan(s.value):
        return number(s.value)
    half = (s.both.high - s.both.low) / 2
    vanishes = half < 0.0005 <= abs(s.value)
    return f"{number(s.value)} ± {'0.000' if vanishes else number(half)}"


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """A Markdown table, the first ``left`` columns left-aligned; cells are escaped already."""
    rule = [":--" if i < left else "--:" for i in range(len(columns))]
    return "\n".join(f"| {' | '.join(r)} |" for r in (columns, rule, *rows))


def escape(text: str) -> str:
    """Text that neither breaks a table nor becomes markup; code spans stay."""
    flat = " ".join(str(text).split())
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        flat = flat.replace(mark, safe)
    return flat


def _short(text: str, width: int = 160) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def listed(model: str, role: str) -> str:
    """Name of a model in a table: generators as code, controls in italics."""
    code = model.replace("|", "\\|").replace("`", "'")
    return f"`{code}`" if role == "entrant" else f"*{escape(model)}*"


def _name(row: Row) -> str:
    return listed(row.model, row.role)

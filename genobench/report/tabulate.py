"""One table: what the records of one data set say of one task, summarised, ranked, rescaled."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from genobench.generator import Card
from genobench.report.estimates import COLUMNS, Estimates, Floats, side_by_side
from genobench.report.named import ROLES, role_of, title_of
from genobench.report.scale import ABOVE, MEMORISING, Rescaled, rescale
from genobench.report.stats import Summary, standings, summarise_all
from genobench.report.tables import Cell, Cost, Record, Row, Table
from genobench.task import MetricCard, TaskCard

Jobs = Mapping[str, Mapping[int, Record]]  # by model and training seed
ABSENT: Floats = np.empty((len(COLUMNS), 0))
COPY = "copy"  # the leak that changes nothing: noise and mosaics leave the training people too
DRAWS = 10_000  # behind the interval of a rank


def tabulate(
    block: str,
    task: TaskCard,
    jobs: Jobs,
    seeds: Sequence[int],
    generators: Mapping[str, Card],
    costs: Mapping[str, Cost],
    common: Sequence[str],
) -> Table:
    """The table of one task.

    Parameters
    ----------
    block
        Name of the data set and suite.
    jobs
        The records that count.
    seeds
        Training seeds that were asked of every model.
    generators
        Cards by name.
    costs
        Of each model; see `cost_of`.
    common
        Notes on the data set, which every table of it bears.
    """
    roles = {m: role_of(generators, m) for m in jobs}
    scored = {m: [metrics_of(r, task.name) for _, r in sorted(jobs[m].items())] for m in jobs}
    done = {m: sum(entry is not None for entry in scored[m]) for m in jobs}
    floor = next((f for f in task.floors if done.get(f)), "")
    ceiling = next((m for m in sorted(jobs) if done[m] and roles[m] == "ceiling"), "")
    metrics, notes = tuple(task.metrics.values()), list(common)
    measured = {m: side_by_side(filter(None, entries)) for m, entries in scored.items()}
    cells: dict[str, dict[str, Cell]] = {m: {} for m in jobs}
    for metric in metrics:
        sums, stale = _summaries(metric, measured)
        notes += [
            f"{m}: {metric.title} is of another version than its card: missing here." for m in stale
        ]
        entrants = {m: s for m, s in sums.items() if roles[m] == "entrant"}
        places = standings(entrants, metric, draws=DRAWS if metric.headline else 0)
        scaled = _rescaled(sums, metric, floor, ceiling, roles)
        for m in jobs:
            people = int(np.fmax.reduce(measured[m].get(metric.name, ABSENT)[-1], initial=0))
            cells[m][metric.name] = Cell(sums[m], scaled[m], places.get(m), people)
    for what, name in (("floor", floor), ("ceiling", ceiling)):
        if not name:
            notes.append(f"No {what} was scored, so nothing is rescaled.")
    rows = [
        Row(m, title_of(generators, m), roles[m], cells[m], done[m], len(seeds),
            costs[m])
        for m in jobs
    ]  # fmt: skip
    head = next(m.name for m in metrics if m.headline)
    rows.sort(key=lambda row: _order(row, head))
    return Table(block, task, metrics, tuple(rows), floor, ceiling, tuple(notes))


def metrics_of(record: Record, task: str) -> Estimates | None:
    """What a task measured; None where it was not asked or failed."""
    metrics = record.get("scores", {}).get(task, {}).get("metrics")
    return None if metrics is None else Estimates.of(metrics)


def _order(row: Row, headline: str) -> tuple[int, float, str]:
    standing = row.cells[headline].standing
    return ROLES.index(row.role), standing.rank if standing else math.inf, row.model


def _summaries(
    metric: MetricCard, measured: Mapping[str, Mapping[str, Floats]]
) -> tuple[dict[str, Summary], list[str]]:
    """Summary of one metric by model, and the models whose values are of another version."""
    tables, stale = [], []
    for model in sorted(measured):
        columns = measured[model].get(metric.name, ABSENT)
        same = columns[3] == metric.version
        if not same.all():
            stale.append(model)
            columns = columns[:, same]
        tables.append(columns[:3])
    return dict(zip(sorted(measured), summarise_all(tables), strict=True)), stale


def _rescaled(
    summaries: Mapping[str, Summary],
    metric: MetricCard,
    floor: str,
    ceiling: str,
    roles: Mapping[str, str],
) -> dict[str, Rescaled]:
    """Rescaled values; above the ceiling is suspicious where copying people leads there as well.

    Without the control `COPY`, where any leak does.
    """
    bottom, top = summaries.get(floor), summaries.get(ceiling)
    result = {m: rescale(s, bottom, top, metric) for m, s in summaries.items()}
    leaks = {m: r for m, r in result.items() if roles[m] == "leak" and not math.isnan(r.value)}
    if COPY in leaks:
        suspicious = leaks[COPY].note == ABOVE
    else:
        suspicious = not leaks or max(r.value for r in leaks.values()) > 1
    if suspicious:
        for model, r in result.items():
            if r.note == ABOVE:
                result[model] = Rescaled(r.value, r.interval, MEMORISING)
    return result


def cost_of(records: Collection[Record]) -> Cost:
    """What the jobs of one model cost, of what their records say."""
    found = [r.get("resources") or {} for r in records]

    def values(key: str) -> list[float]:
        numbers = [float(x) for r in found if (x := r.get(key)) is not None]
        return [x for x in numbers if not math.isnan(x)]

    def mean(key: str) -> float:
        measured = values(key)
        return math.fsum(measured) / len(measured) if measured else math.nan

    return Cost(
        mean("fit_seconds"),
        mean("samples_per_second"),
        max(values("peak_memory_bytes"), default=math.nan),
        max(values("peak_device_bytes"), default=math.nan),
        mean("parameters"),
        mean("fit_flops"),
        mean("sample_flops_per_person"),
        mean("device_energy_joules"),
        ", ".join(
            sorted({str((r.get("environment") or {}).get("device") or "") for r in records} - {""})
        ),
    )

"""From job records to tables: which values stand side by side, and what is missing."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genobench.generator import Card
from genobench.report.named import role_of, title_of
from genobench.report.scale import ABOVE, MEMORISING, Rescaled, overall, rescale
from genobench.report.stats import Summary, standings, summarise
from genobench.report.tables import Block, Cell, Cost, Failure, Record, Row, Table, Tables
from genobench.run.ledger import without_reference
from genobench.run.record import cut_short
from genobench.task import MetricCard, TaskCard

ROLES = ("entrant", "ceiling", "floor", "leak")


def build(
    records: Iterable[Record],
    generators: Mapping[str, Card],
    tasks: Mapping[str, TaskCard],
    options: Mapping[str, str] | None = None,
) -> Tables:
    """Tables of all records.

    Parameters
    ----------
    records
        Job records. Of several for one model and seed on the same data, the newest counts; of
        several versions of a model (source, settings, device), that of its newest record.
    generators, tasks
        Cards by name. A model without a card is shown under the name in its record; a task
        without one cannot be ranked and is left out with a note on the page of its data set.
    options
        By data key, the words of the command line that name the data.
    """
    grouped: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        job = record["job"]
        key = tuple(str(job.get(k, "")) for k in ("data", "suite", "data_key", "split_seed"))
        grouped.setdefault(key, []).append(record)
    crowded = [key[:2] for key in grouped]
    blocks = []
    for key in sorted(grouped):
        name = f"{key[0]}-{key[1]}"
        if crowded.count(key[:2]) > 1:  # another trait, selection or split of the same data
            name += f"-{key[2][:8]}" + (f"-s{key[3]}" if key[3] not in ("", "0") else "")
        words = (options or {}).get(key[2], "")
        blocks.append(_block(slug(name), grouped[key], generators, tasks, words))
    seen = sorted({t.task.name for b in blocks for t in b.tables})
    return Tables(tuple(blocks), {t: overall(_ranks(blocks, t)) for t in seen})


def _ranks(blocks: Sequence[Block], task: str) -> dict[str, dict[str, int]]:
    ranks: dict[str, dict[str, int]] = {}
    for table in (t for b in blocks for t in b.tables if t.task.name == task):
        cells = {r.model: r.cells[table.headline.name] for r in table.rows}
        ranks[table.block] = {m: c.standing.rank for m, c in cells.items() if c.standing}
    return ranks


def slug(text: str) -> str:
    """Name that is safe as a folder."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".") or "_"


def _block(
    name: str,
    records: Sequence[Record],
    generators: Mapping[str, Card],
    tasks: Mapping[str, TaskCard],
    options: str,
) -> Block:
    ordered = sorted(records, key=lambda r: (str(r.get("finished")), r["key"]))
    versions = {r["job"]["model"]: _version(r) for r in ordered}
    current = [r for r in ordered if _version(r) == versions[r["job"]["model"]]]
    newest = {(r["job"]["model"], int(r["job"]["seed"])): r for r in current}
    kept = [newest[key] for key in sorted(newest)]
    seeds = tuple(sorted({seed for _, seed in newest}))
    jobs: dict[str, dict[int, Record]] = {}
    for (model, seed), record in newest.items():
        jobs.setdefault(model, {})[seed] = record
    notes = _common_notes(len(current) - len(kept), seeds, jobs)
    notes += _version_notes(ordered, versions)
    scored = sorted({t for r in kept for t in r.get("scores", {}) if _metrics(r, t) is not None})
    notes += [f"Task {t} has scores but no card here: not shown." for t in scored if t not in tasks]
    notes += [*_skipped_notes(kept), *_impossible_notes(kept), *_budget_notes(kept)]
    notes += _tuning_notes(kept)
    tables = tuple(
        _table(name, tasks[t], jobs, seeds, generators, notes) for t in scored if t in tasks
    )
    return Block(
        name=name,
        data=str(kept[0]["job"]["data"]),
        suite=str(kept[0]["job"]["suite"]),
        options=options,
        inputs=next((r["inputs"] for r in kept if r.get("inputs")), {}),
        seeds=seeds,
        models=tuple(sorted(jobs)),
        jobs_done=sum(not _failures(r) and not _impossible(r) for r in kept),
        jobs_asked=len(jobs) * len(seeds),
        tables=tables,
        failures=tuple(f for r in kept for f in _failures(r)),
        software=_versions(kept),
        devices=tuple(sorted({_device(r) for r in kept} - {""})),
        records=tuple(kept),
    )


def _common_notes(
    old: int, seeds: Sequence[int], jobs: Mapping[str, Mapping[int, Record]]
) -> list[str]:
    notes = []
    if len(seeds) == 1:
        notes.append("One training seed: nothing here says how far another would have led.")
    if old:
        notes.append(
            f"{old} older record{'s' if old > 1 else ''} of the same model and seed "
            f"{'were' if old > 1 else 'was'} left out."
        )
    absent = {m: ", ".join(str(s) for s in seeds if s not in jobs[m]) for m in sorted(jobs)}
    return notes + [f"{m} has no record of seed {which}." for m, which in absent.items() if which]


def _skipped_notes(records: Iterable[Record]) -> list[str]:
    """Why a model has no values in a task that it was asked for, once per reason."""
    reasons: dict[tuple[str, str], set[str]] = {}
    for record in records:
        for task, entry in record.get("scores", {}).items():
            if "skipped" in entry:
                reasons.setdefault((task, entry["skipped"]), set()).add(record["job"]["model"])
    return [
        f"Task {task}, left out for {', '.join(sorted(models))}: {reason}."
        for (task, reason), models in sorted(reasons.items())
    ]


def _version(record: Record) -> tuple[str, ...]:
    """What makes records of one model comparable: its source, its settings, its device."""
    job = record["job"]
    return (
        str(record.get("software", {}).get("plugin_sha256", "")),
        json.dumps(job.get("settings", {}), sort_keys=True),
        str((job.get("budget") or {}).get("device", "")),
    )


def _version_notes(records: Sequence[Record], versions: Mapping[str, tuple[str, ...]]) -> list[str]:
    """How many records were left out because their model, or where it ran, has changed since."""
    models = [r["job"]["model"] for r in records]
    old = Counter(m for m, r in zip(models, records, strict=True) if _version(r) != versions[m])
    return [
        f"{m}: {n} older record{'s' if n > 1 else ''} of another version (source, settings or "
        f"device) {'were' if n > 1 else 'was'} left out."
        for m, n in sorted(old.items())
    ]


def _budget_notes(records: Iterable[Record]) -> list[str]:
    """Fits that ended because their time was up; with more of it they may do better."""
    asked = Counter(r["job"]["model"] for r in records)
    short = Counter(r["job"]["model"] for r in records if r["status"] == "ok" and cut_short(r))
    return [
        f"{m}: {n} of {asked[m]} fit{'s' if asked[m] > 1 else ''} used up the time given; a longer "
        "--timeout repeats them."
        for m, n in sorted(short.items())
    ]


def _tuning_notes(records: Iterable[Record]) -> list[str]:
    """Settings that were tuned elsewhere: on a split of other people test people may be among."""
    found = {}
    for record in records:
        table = (record.get("tuning") or {}).get("table", {})
        if table and table.get("split_sha256") != (record.get("inputs") or {}).get("split_sha256"):
            found[record["job"]["model"]] = table.get("data", "?")
    return [
        f"{m}: tuned on {data}, on another split or another data set than this; of one cohort, "
        "people measured on here may have been among those it was tuned on."
        for m, data in sorted(found.items())
    ]


def _impossible(record: Record) -> dict[str, str]:
    """Tasks that could not be scored for want of a reference, and why."""
    reasons = {t: without_reference(record, t) for t in record.get("scores", {})}
    return {task: reason for task, reason in reasons.items() if reason}


def _impossible_notes(records: Iterable[Record]) -> list[str]:
    """Tasks that these data do not allow, each said once."""
    reasons = {item for record in records for item in _impossible(record).items()}
    return [
        f"Task {task} is not possible on these data: {why.rstrip('.')}."
        for task, why in sorted(reasons)
    ]


def _failures(record: Record) -> list[Failure]:
    """The fit that failed, or every task that failed on its sample."""
    if record["status"] != "ok":
        error, phase = record.get("error") or {}, str(record.get("phase", ""))
        return [_failure(record, record["status"], phase, error)]
    impossible = _impossible(record)
    failed = {
        t: e["error"]
        for t, e in record.get("scores", {}).items()
        if "error" in e and t not in impossible
    }
    return [_failure(record, "not scored", f"score:{t}", e) for t, e in sorted(failed.items())]


def _failure(record: Record, status: str, phase: str, error: Mapping[str, Any]) -> Failure:
    reason = str(error.get("message") or "").strip()
    if not reason and error.get("last_lines"):
        reason = str(error["last_lines"][-1]).strip()
    if kind := error.get("type"):
        reason = f"{kind}: {reason}" if reason else str(kind)
    if error.get("signal"):
        reason = f"{reason} (signal {error['signal']})".strip()
    job = record["job"]
    return Failure(job["model"], int(job["seed"]), status, phase, reason or "-", record["key"])


def _versions(records: Sequence[Record]) -> tuple[str, ...]:
    found = {f"{k} {v}" for r in records for k, v in r.get("software", {}).items()}
    return tuple(sorted(f for f in found if not f.startswith("plugin_sha256")))


def _device(record: Record) -> str:
    environment = record.get("environment") or {}
    kind = environment.get("device") or ""
    name = environment.get("device_name") or (environment.get("cpu") if kind == "cpu" else "")
    return f"{kind} ({name})" if kind and name else str(kind)


def _table(
    block: str,
    task: TaskCard,
    jobs: Mapping[str, Mapping[int, Record]],
    seeds: Sequence[int],
    generators: Mapping[str, Card],
    common: Sequence[str],
) -> Table:
    roles = {m: role_of(generators, m) for m in jobs}
    metrics, notes = tuple(task.metrics.values()), list(common)
    sums: dict[str, dict[str, Summary]] = {}
    for metric in metrics:
        sums[metric.name], stale = _summaries(metric, task.name, jobs)
        notes += [
            f"{m}: {metric.title} is of another version than its card: missing here." for m in stale
        ]
    present = [m for m in jobs if any(_metrics(r, task.name) is not None for r in jobs[m].values())]
    floor = next((f for f in task.floors if f in present), "")
    ceiling = next((m for m in sorted(present) if roles[m] == "ceiling"), "")
    for what, name in (("floor", floor), ("ceiling", ceiling)):
        if not name:
            notes.append(f"No {what} was scored, so nothing is rescaled.")
    cells: dict[str, dict[str, Cell]] = {m: {} for m in jobs}
    for metric in metrics:
        entrants = {m: s for m, s in sums[metric.name].items() if roles[m] == "entrant"}
        places = standings(entrants, metric, draws=10_000 if metric.headline else 0)
        scaled = _rescaled(sums[metric.name], metric, floor, ceiling, roles)
        for m in jobs:
            cells[m][metric.name] = Cell(sums[metric.name][m], scaled[m], places.get(m))
    rows = [
        Row(
            model=m,
            title=title_of(generators, m),
            role=roles[m],
            cells=cells[m],
            done=sum(_metrics(r, task.name) is not None for r in jobs[m].values()),
            asked=len(seeds),
            cost=_cost(list(jobs[m].values())),
        )
        for m in jobs
    ]
    head = next(m.name for m in metrics if m.headline)
    rows.sort(key=lambda row: _order(row, head))
    return Table(block, task, metrics, tuple(rows), floor, ceiling, tuple(notes))


def _order(row: Row, headline: str) -> tuple[int, float, str]:
    standing = row.cells[headline].standing
    return ROLES.index(row.role), standing.rank if standing else math.inf, row.model


def _summaries(
    metric: MetricCard, task: str, jobs: Mapping[str, Mapping[int, Record]]
) -> tuple[dict[str, Summary], list[str]]:
    """Summary of one metric by model, and the models whose values are of another version."""
    summaries, stale = {}, []
    for model in sorted(jobs):
        entries = [_metrics(r, task) or {} for _, r in sorted(jobs[model].items())]
        found = [e[metric.name] for e in entries if metric.name in e]
        valid = [e for e in found if e.get("version", 1) == metric.version]
        if len(valid) < len(found):
            stale.append(model)
        triples = [[_number(e.get(k)) for e in valid] for k in ("value", "low", "high")]
        summaries[model] = summarise(*triples)
    return summaries, stale


def _metrics(record: Record, task: str) -> Mapping[str, Any] | None:
    """What a task measured; None where it was not asked or failed."""
    entry: Mapping[str, Any] = record.get("scores", {}).get(task, {})
    return entry.get("metrics")


def _rescaled(
    summaries: Mapping[str, Summary],
    metric: MetricCard,
    floor: str,
    ceiling: str,
    roles: Mapping[str, str],
) -> dict[str, Rescaled]:
    """Rescaled values; above the ceiling is suspicious unless leaks lie below it in this metric."""
    bottom, top = summaries.get(floor), summaries.get(ceiling)
    result = {m: rescale(s, bottom, top, metric) for m, s in summaries.items()}
    leaks = [r.value for m, r in result.items() if roles[m] == "leak" and not math.isnan(r.value)]
    if not leaks or max(leaks) > 1:
        for model, r in result.items():
            if r.note == ABOVE:
                result[model] = Rescaled(r.value, r.interval, MEMORISING)
    return result


def _cost(records: Sequence[Record]) -> Cost:
    found = [r.get("resources") or {} for r in records]

    def values(key: str) -> list[float]:
        numbers = [_number(r.get(key)) for r in found]
        return [x for x in numbers if not math.isnan(x)]

    def mean(key: str) -> float:
        return math.fsum(values(key)) / len(values(key)) if values(key) else math.nan

    return Cost(
        mean("fit_seconds"),
        mean("samples_per_second"),
        max(values("peak_memory_bytes"), default=math.nan),
        max(values("peak_device_bytes"), default=math.nan),
        mean("parameters"),
        ", ".join(
            sorted({str((r.get("environment") or {}).get("device") or "") for r in records} - {""})
        ),
    )


def _number(value: Any) -> float:
    """Float of a JSON number; null is NaN."""
    return math.nan if value is None else float(value)

"""What to know of the records of one data set: what is missing, odd or failed, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from genobench.report.tables import Failure, Record
from genobench.run.record import cut_short
from genobench.run.retries import in_words
from genobench.task import TaskCard


def notes_on(
    kept: Sequence[Record],
    replaced: int,
    older: Mapping[str, int],
    scored: Sequence[str],
    tasks: Mapping[str, TaskCard],
) -> list[str]:
    """Notes for the tables of one data set.

    Parameters
    ----------
    kept
        The records that count.
    replaced
        How many were left out because newer ones took their place.
    older
        By model, how many were left out because it has changed since.
    scored, tasks
        Tasks that anything was measured for, and cards by name.
    """
    return [
        *_common_notes(replaced, kept),
        *_version_notes(older),
        *(f"Task {t} has scores but no card here: not shown." for t in scored if t not in tasks),
        *_skipped_notes(kept),
        *_impossible_notes(kept),
        *_budget_notes(kept),
        *_batch_notes(kept),
        *_tuning_notes(kept),
    ]


def version(record: Record) -> tuple[str | bytes, ...]:
    """What makes records of one model comparable: its source, its settings, its devices."""
    job = record["job"]
    budget = job.get("budget") or {}
    return (
        str(record.get("software", {}).get("plugin_sha256", "")),
        orjson.dumps(job.get("settings", {}), option=orjson.OPT_SORT_KEYS),
        f"{budget.get('device', '')} {budget.get('processes', 1)}",
    )


def _common_notes(old: int, kept: Sequence[Record]) -> list[str]:
    """One seed, records that newer ones took the place of, seeds that a model lacks."""
    have: dict[str, set[int]] = {}
    for record in kept:
        have.setdefault(record["job"]["model"], set()).add(int(record["job"]["seed"]))
    seeds = sorted(set().union(*have.values()))
    notes = []
    if len(seeds) == 1:
        notes.append("One training seed: nothing here says how far another would have led.")
    if old:
        notes.append(
            f"{old} older record{'s' if old > 1 else ''} of the same model and seed "
            f"{'were' if old > 1 else 'was'} left out."
        )
    absent = {m: ", ".join(str(s) for s in seeds if s not in have[m]) for m in sorted(have)}
    return notes + [f"{m} has no record of seed {which}." for m, which in absent.items() if which]


def _version_notes(older: Mapping[str, int]) -> list[str]:
    """How many records were left out because their model, or where it ran, has changed since."""
    return [
        f"{m}: {n} older record{'s' if n > 1 else ''} of another version (source, settings or "
        f"device) {'were' if n > 1 else 'was'} left out."
        for m, n in sorted(older.items())
    ]


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


def _impossible_notes(records: Iterable[Record]) -> list[str]:
    """Tasks that these data do not allow, each said once."""
    reasons = {item for record in records for item in impossible(record).items()}
    return [
        f"Task {task} is not possible on these data: {why.rstrip('.')}."
        for task, why in sorted(reasons)
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


def _batch_notes(records: Iterable[Record]) -> list[str]:
    """Fits that did not run with the batch that was asked for: another batch is another model."""
    used: dict[str, list[str]] = {}
    for record in records:
        if lowered := (record.get("resources") or {}).get("batch_used"):
            used.setdefault(record["job"]["model"], []).append(in_words(lowered))
    return [
        f"{m}: {len(sizes)} fit{'s' if len(sizes) > 1 else ''} ran out of memory with the batch of "
        f"the settings, and used {' or '.join(sorted(set(sizes)))} instead."
        for m, sizes in sorted(used.items())
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


def impossible(record: Record) -> dict[str, str]:
    """Tasks that could not be scored for want of a reference, and why."""
    failed = [task for task, entry in record.get("scores", {}).items() if "error" in entry]
    if not failed:
        return {}
    from genobench.run.ledger import without_reference  # and all that runs jobs

    return {task: reason for task in failed if (reason := without_reference(record, task))}


def failures(record: Record) -> list[Failure]:
    """The fit that failed, or every task that failed on its sample."""
    if record["status"] != "ok":
        error, phase = record.get("error") or {}, str(record.get("phase", ""))
        return [_failure(record, record["status"], phase, error)]
    without = impossible(record)
    failed = {
        t: e["error"]
        for t, e in record.get("scores", {}).items()
        if "error" in e and t not in without
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

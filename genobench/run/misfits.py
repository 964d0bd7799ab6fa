"""Why records of several runs do not fit together: one check per reason, each a line per case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from genobench import registry
from genobench.run import data_words
from genobench.run.repeat import scored_by

Record = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One record and where it lies."""

    path: Path
    run: Path
    record: Record


def title(record: Record) -> str:
    return f"{record['job']['model']} seed {record['job']['seed']}"


def groups(
    entries: Iterable[T], key: Callable[[T], tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], list[T]]]:
    """Entries that share a key, in the order in which the keys turn up."""
    found: dict[tuple[Any, ...], list[T]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    yield from found.items()


def other_results(entries: Sequence[Entry]) -> Iterator[str]:
    """One job, two results."""
    for _, same in groups(entries, lambda e: (e.record["key"],)):
        first = same[0]
        for other in same[1:]:
            if what := _difference(first.record, other.record):
                yield (
                    f"{title(first.record)}: one job with different results ({what}) in "
                    f"{first.path} and {other.path}; `genobench reproduce` tells which stands, "
                    "move the other away"
                )


def _difference(one: Record, two: Record) -> str:
    """The first result in which two records of one job differ; costs may differ."""
    if one["outputs"] != two["outputs"]:
        return "synthetic sample"
    if one["determinism"] != two["determinism"]:
        return "determinism"
    for task in sorted(set(one["scores"]) & set(two["scores"])):
        a, b = one["scores"][task], two["scores"][task]
        if a["key"] != b["key"]:
            return f"task {task}: other versions of task or metrics"
        if "error" in a or "error" in b:
            continue
        for name in dict.fromkeys((*a["metrics"], *b["metrics"])):
            values = [
                {k: v for k, v in side["metrics"].get(name, {}).items() if k != "seconds"}
                for side in (a, b)
            ]
            if values[0] != values[1]:
                return f"{task}/{name}"
    return ""


def other_data(entries: Sequence[Entry]) -> Iterator[str]:
    """One name, two data sets or two splits.

    Other options of one data set are other data too; runs that have one selection in common may
    have further ones.
    """
    for (key,), same in groups(entries, lambda e: (e.record["job"]["data_key"],)):
        splits = {e.record["inputs"]["split_sha256"]: e for e in reversed(same)}
        if len(splits) > 1:
            one, two, *_ = splits.values()
            yield (
                f"{one.record['job']['data']} ({key[:8]}): split otherwise in {one.path} than in "
                f"{two.path}; other versions of genobench or numpy made them"
            )
    named = groups(entries, lambda e: (e.record["job"]["data"], e.record["job"]["suite"]))
    for (data, suite), same in named:
        by_run = {
            run: {e.record["job"]["data_key"]: e for e in group}
            for (run,), group in groups(same, lambda e: (e.run,))
        }
        (first, keys), *others = by_run.items()
        for run, more in others:
            if not set(keys) & set(more):
                yield (
                    f"{data}, suite {suite}: {first} has other data than {run} under this name: "
                    f"{_data(next(iter(keys.values())))} against {_data(next(iter(more.values())))}"
                )


def _data(entry: Entry) -> str:
    job = entry.record["job"]
    words = " ".join(data_words.beside(entry.path, job["data_key"]))
    return f"{job['data_key'][:8]}" + (f" ({words})" if words else "")


def other_versions(entries: Sequence[Entry]) -> Iterator[str]:
    """One model, two versions: tables show one of them alone."""
    for (model, data, suite, _), same in groups(entries, _asked_of):
        newest = {
            run: max(group, key=lambda e: (e.record["finished"], e.record["key"]))
            for (run,), group in groups(same, lambda e: (e.run,))
        }
        (first, one), *others = newest.items()
        for run, two in others:
            if what := _other_version(one.record, two.record):
                yield (
                    f"{model} on {data}, suite {suite}: {what} in {first} than in {run}; run it "
                    "again in one of them, so that its seeds can stand in one row"
                )


def _asked_of(entry: Entry) -> tuple[Any, ...]:
    job = entry.record["job"]
    return job["model"], job["data"], job["suite"], job["data_key"]


def _other_version(one: Record, two: Record) -> str:
    if one["software"]["plugin_sha256"] != two["software"]["plugin_sha256"]:
        return "another source"
    if one["job"]["settings"] != two["job"]["settings"]:
        return "other settings"
    devices = [_devices(r["job"]["budget"]) for r in (one, two)]
    return f"another device ({devices[0]}, {devices[1]})" if devices[0] != devices[1] else ""


def _devices(budget: Mapping[str, Any]) -> str:
    """What a fit had: ``cuda``, or ``2 x cuda``."""
    several = budget.get("processes", 1)
    return f"{several} x {budget['device']}" if several > 1 else str(budget["device"])


def other_metrics(entries: Sequence[Entry]) -> Iterator[str]:
    """One metric, two versions; one line for each task and run."""
    first: dict[tuple[str, str], tuple[int, Entry]] = {}
    said: set[tuple[str, Path]] = set()
    for entry in entries:
        for task, score in entry.record["scores"].items():
            for name, metric in score.get("metrics", {}).items():
                version, known = first.setdefault((task, name), (metric["version"], entry))
                if version == metric["version"] or entry.run in (known.run, *_runs(said, task)):
                    continue
                said.add((task, entry.run))
                yield (
                    f"{task}/{name}: version {version} in {known.path}, {metric['version']} in "
                    f"{entry.path}; run the older one's command again: only the scores are made "
                    "anew"
                )


def _runs(said: Iterable[tuple[str, Path]], task: str) -> set[Path]:
    return {run for of, run in said if of == task}


def other_tasks(entries: Sequence[Entry]) -> Iterator[str]:
    """One task, two sources: all of one run by the installed task, all of another by another.

    Of two sources that are both not installed, keys do not tell whether they are one; see
    `genobench.run.merging`.
    """
    for task in task_names(entries):
        known = ((e, is_current(e.record, task)) for e in entries)
        states = {
            run: {current for _, current in group if current is not None}
            for (run,), group in groups(known, lambda pair: (pair[0].run,))
        }
        now = [run for run, state in states.items() if state == {True}]
        before = [run for run, state in states.items() if state == {False}]
        if now and before:
            yield (
                f"task {task}: {now[0]} is scored by the task as it is installed here, "
                f"{before[0]} by another version; run the latter's command again: only the scores "
                "are made anew"
            )


def task_names(entries: Iterable[Entry]) -> list[str]:
    return sorted({task for entry in entries for task in entry.record["scores"]})


def is_current(record: Record, task: str) -> bool | None:
    """Whether a score is of the task as installed; None when nothing tells."""
    plugin = registry.tasks().get(task)
    return scored_by(record, plugin) if plugin is not None else None

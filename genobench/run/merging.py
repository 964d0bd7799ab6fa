"""Finished runs of several people as one: what fits together, what does not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genobench import __version__
from genobench.errors import GenobenchError
from genobench.run import misfits
from genobench.run.misfits import Entry, groups, is_current, task_names, title
from genobench.run.store import Store, read_record, write_bytes

Record = Mapping[str, Any]
CHECKS = (
    misfits.other_results,
    misfits.other_data,
    misfits.other_versions,
    misfits.other_metrics,
    misfits.other_tasks,
)
MOST = 12  # reasons shown; the rest is counted


@dataclass(frozen=True)
class Source:
    """What one folder holds.

    Attributes
    ----------
    run
        The folder.
    entries
        Records of jobs that ended well.
    left_out
        One line per job that did not, or that is not finished.
    problems
        One line per file that is no record.
    """

    run: Path
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """Several runs as one, in memory.

    Attributes
    ----------
    records
        By key of the job, as they will be written.
    options
        By data key, the words of the command line that name the data.
    sources
        What each folder gave.
    warnings
        What one should know, and need not mend.
    """

    records: Mapping[str, Record]
    options: Mapping[str, str]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...] = field(default=())


def read_run(run: Path) -> Source:
    """Records below one folder: of a run, of leaderboards, or a folder of records itself.

    Raises
    ------
    GenobenchError
        When it is no folder, or holds no record.
    """
    if not run.is_dir():
        raise GenobenchError(f"{run}: no such folder; name what `genobench run --out` made")
    folder = run / "records" if (run / "records").is_dir() else run
    files = sorted(p for p in folder.rglob("*.json") if not p.name.startswith("."))
    if not files:
        raise GenobenchError(f"{folder}: no records there; has the run begun?")
    entries, left_out, problems = [], [], []
    for path in files:
        try:
            entry = Entry(path, run, read_record(path))
        except GenobenchError as error:
            problems.append(str(error))
            continue
        if why := _unfinished(entry.record):
            left_out.append(f"{path}: {title(entry.record)}: {why}")
        else:
            entries.append(entry)
    return Source(run, tuple(entries), tuple(left_out), tuple(problems))


def _unfinished(record: Record) -> str:
    """Why a record has no place among results; "" when it has."""
    if record["status"] != "ok":
        return f"{record['status']} in {record['phase']}"
    return "" if record["scores"] else "not scored yet"


def merge(runs: Sequence[Path], out: Path) -> Merged:
    """Join ``runs``, and what ``out`` holds already, without writing anything.

    Raises
    ------
    GenobenchError
        With every reason why they do not fit together.
    """
    before = [out] if (out / "records").is_dir() and any((out / "records").glob("*.json")) else []
    found: dict[Path, Path] = {}
    for run in (*before, *runs):
        found.setdefault(run.resolve(), run)
    sources = tuple(read_run(run) for run in found.values())
    problems = [problem for source in sources for problem in source.problems]
    entries = [entry for source in sources for entry in source.entries]
    for check in CHECKS:
        problems += check(entries)
    if problems:
        shown = [f"  - {problem}" for problem in problems[:MOST]]
        more = [f"  and {len(problems) - MOST} more"] if len(problems) > MOST else []
        raise GenobenchError(
            "\n".join(["these runs do not fit together; nothing was written:", *shown, *more])
        )
    records: dict[str, Record] = {}
    for entry in entries:
        key = entry.record["key"]
        records[key] = _joined(records[key], entry.record) if key in records else entry.record
    return Merged(records, _options(entries), sources, tuple(_warnings(entries)))


def write(merged: Merged, out: Path) -> int:
    """Write what `merge` joined into the store ``out``; how many records are new or changed."""
    written = 0
    store = Store(out)
    with store.locked():
        for key, record in sorted(merged.records.items()):
            if not store.record_path(key).is_file() or store.read_record(key) != record:
                store.write_record(record)
                written += 1
        for key, words in sorted(merged.options.items()):
            _note_options(store.data_folder(key), words)
    return written


def _note_options(folder: Path, words: str) -> None:
    """Keep the words that name a data set where `genobench leaderboard --from` looks for them."""
    text = f"{words}\n".encode()
    try:
        folder.mkdir(exist_ok=True)
        write_bytes(folder / "options.txt", text)
    except OSError as error:
        raise GenobenchError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _joined(first: Record, second: Record) -> Record:
    """Scores of both; costs, environment and times are those of the first."""
    scores = dict(first["scores"])
    for task, entry in second["scores"].items():
        if task not in scores or ("error" in scores[task] and "error" not in entry):
            scores[task] = entry
    return {**first, "scores": scores}


def _options(entries: Iterable[Entry]) -> dict[str, str]:
    """Words that name each data set, as published: without anybody's folders."""
    from genobench.report.leaderboard import data_options

    found: dict[str, str] = {}
    for run in {entry.run: None for entry in entries}:
        for key, words in data_options(run).items():
            found.setdefault(key, words)
    for entry in entries:
        kept = entry.path.parent / f"{entry.record['job']['data_key']}.options"
        if kept.is_file():
            found.setdefault(entry.record["job"]["data_key"], kept.read_text().strip())
    used = {entry.record["job"]["data_key"] for entry in entries}
    return {key: words for key, words in found.items() if key in used}


def _warnings(entries: Sequence[Entry]) -> Iterator[str]:
    versions: dict[str, list[str]] = {}
    for (version, run), _ in groups(entries, lambda e: (e.record["software"]["genobench"], e.run)):
        versions.setdefault(version, []).append(str(run))
    if set(versions) - {__version__}:
        each = "; ".join(f"{v}: {', '.join(runs)}" for v, runs in sorted(versions.items()))
        yield f"made by other versions of genobench than this one, {__version__}: {each}"
    runs = {entry.run for entry in entries}
    for task in task_names(entries):
        if len(runs) > 1 and any(is_current(e.record, task) is False for e in entries):
            yield (
                f"task {task} has changed since these records were scored; whether all were scored "
                "by one and the same version of it cannot be told"
            )

"""A record for people to read, and the command that repeats its job."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genobench.report.numerals import duration, memory, operations
from genobench.report.plain import align, listing, wrap

LOG_LINES = 20
ELSEWHERE = "runs/repeated"  # for records that lie in no run of one's own


def sheet(path: Path, record: Mapping[str, Any], width: int) -> Iterator[str]:
    """The record in ``path``: what it was, what came of it, its log, how to repeat it."""
    yield str(record["key"])
    yield from listing([[name, str(value)] for name, value in _facts(record)], width)
    for task, entry in sorted(record["scores"].items()):
        yield ""
        yield from _scores(task, entry, width)
    if error := record["error"]:
        yield ""
        yield from wrap(f"{error['type']}: {error['message']}", width)
    yield ""
    yield from _log(path, record, width)
    yield ""
    yield "Repeat it with"
    yield f"  {repeat_command(path, record)}"
    if record["status"] == "ok":
        yield "Repeat it and compare with"
        yield f"  {reproduce_command(path)}"


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    job, inputs, resources = record["job"], record["inputs"], record["resources"]
    environment, software = record["environment"], record["software"]
    yield "model", job["model"]
    yield "settings", ", ".join(f"{k} = {v}" for k, v in job["settings"].items()) or "defaults"
    yield "seed", job["seed"]
    yield "suite", job["suite"]
    yield "data", f"{job['data']}, trait {inputs['trait']}, {inputs['m']:,} SNPs"
    yield (
        "people",
        ", ".join(
            f"{part} {inputs[f'n_{part}']:,}" for part in ("train", "validation", "test", "control")
        ),
    )
    yield "split seed", job["split_seed"]
    yield "status", f"{record['status']} ({record['phase']})"
    yield "finished", record["finished"]
    yield "determinism", record["determinism"]
    if environment:
        names = dict.fromkeys(environment.get(k, "") for k in ("device", "device_name", "cpu"))
        yield "device", ", ".join(name for name in names if name)
        yield "threads", environment["threads"]
        if processes := environment.get("processes"):
            yield "processes", processes
    yield "versions", ", ".join(f"{k} {v}" for k, v in software.items() if "sha256" not in k)
    yield from ((name, _cost(name, v)) for name, v in resources.items() if v is not None)


def _cost(name: str, value: Any) -> str:
    """One of the resources in its unit."""
    from genobench.run.retries import in_words

    if name == "batch_used":
        return in_words(value)
    if name == "memory_retries":
        return "; ".join(f"{in_words(e['batch'])} in {e['phase']}: {e['what']}" for e in value)
    if name.endswith("_bytes"):
        return memory(float(value))
    if "flops" in name:
        return f"{operations(float(value))}FLOP"
    if name.endswith("_seconds"):
        return duration(float(value))
    return brief(value)


def _scores(task: str, entry: Mapping[str, Any], width: int) -> Iterator[str]:
    if "error" in entry:
        yield task
        text = f"{entry['error']['type']}: {entry['error']['message']}"
        yield from wrap(text, width, "  ", "    ")
        return
    if "skipped" in entry:
        yield task
        yield from wrap(f"skipped: {entry['skipped']}", width, "  ", "    ")
        return
    rows = [
        [f"  {name}", brief(e["value"]), f"{brief(e['low'])} to {brief(e['high'])}"
         if e["low"] is not None and e["high"] is not None else "-"]
        for name, e in entry["metrics"].items()
    ]  # fmt: skip
    yield from align([[task, "value", "95 % over people"], *rows])


def brief(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _log(path: Path, record: Mapping[str, Any], width: int) -> Iterator[str]:
    """The end of what the job printed; without its log what the record kept of it."""
    log = log_of(path)
    lines = log_tail(path, record)
    if log.is_file():
        yield f"{log}:" if lines else f"{log}: nothing was printed"
    else:
        yield "No log lies with this record: logs stay with the run" + (
            "; it kept:" if lines else ""
        )
    for line in lines:
        yield from wrap(line, width, "  ", "    ") or [""]


def log_of(path: Path) -> Path:
    """Log of the job whose record is ``path``."""
    return path.parent.parent / "logs" / f"{path.stem}.log"


def log_tail(path: Path, record: Mapping[str, Any]) -> list[str]:
    """The last lines of a job's log without ids, which older versions and killed runs left."""
    from genobench.run.prepared import people
    from genobench.run.record import without_ids
    from genobench.run.store import Store

    log = log_of(path)
    if not log.is_file():
        return list(record["error"]["last_lines"]) if record["error"] else []
    private: Iterable[str] = people(
        Store(path.parent.parent).data_folder(str(record["job"]["data_key"]))
    )
    return without_ids(log.read_text(errors="replace").splitlines()[-LOG_LINES:], private)


def repeat_command(path: Path, record: Mapping[str, Any]) -> str:
    """One command that runs the job of a record again.

    Where the card's settings are no longer the record's, ``genobench run`` would run another job;
    ``genobench reproduce`` takes all from the record.
    """
    from genobench.run.data_words import beside

    job, run = record["job"], path.parent.parent
    spec = _spec(run, record)
    if not _settings_stand(spec, job):
        return reproduce_command(path)
    data = beside(path, job["data_key"]) or ["--data", job["data"]]
    # in its own run a record that is a result would be replaced by its repetition
    here = run / "records" == path.parent and record["status"] != "ok"
    out = run if here else Path(ELSEWHERE)
    words = [
        *("genobench", "run", "--models", spec, "--suite", job["suite"], *data),
        *("--seeds", str(job["seed"]), *_tasks(record), *_limits(record)),
        *("--device", job["budget"]["device"], "--overwrite", "always", "--out", str(out)),
    ]
    return shlex.join(words)


def reproduce_command(path: Path) -> str:
    """The command that also compares."""
    return shlex.join(["genobench", "reproduce", str(path)])


def _spec(run: Path, record: Mapping[str, Any]) -> str:
    """How the model is named on this machine: files of one's own with their folders."""
    from genobench.entrant import on_command_line
    from genobench.run.store import Store

    job, known = record["job"], Store(run).specs()
    spec = known.get(record["software"]["plugin_sha256"], job["spec"])
    variant = job.get("variant", "")
    return on_command_line(spec, variant, known.get(job["model"], variant.removeprefix("@")))


def _settings_stand(spec: str, job: Mapping[str, Any]) -> bool:
    """Whether ``genobench run`` gives the model the settings of the record, as far as one can tell.

    A model that is not here is named as it was; settings whose file is not here are in the record.
    """
    from genobench.entrant import find_entrant
    from genobench.errors import GenobenchError
    from genobench.run.suites import suites

    suite = suites().get(job["suite"])
    try:
        entrant = find_entrant(spec)
    except GenobenchError:
        return not job.get("variant", "").startswith("@")
    return suite is None or entrant.settings_for(suite.settings) == job["settings"]


def _tasks(record: Mapping[str, Any]) -> list[str]:
    """The tasks, unless they are those of every run."""
    from genobench.registry import tasks

    asked = list(record["scores"])
    usual = {name for name, plugin in tasks().items() if not plugin.card.study}
    return ["--tasks", ",".join(asked)] if asked and set(asked) != usual else []


def _limits(record: Mapping[str, Any]) -> list[str]:
    """The time limit unless it is the suite's, and as many jobs at a time as give its threads."""
    from genobench.run.environment import cores
    from genobench.run.suites import suites

    job, words = record["job"], []
    suite, seconds = suites().get(job["suite"]), float(job["budget"]["seconds"])
    if suite is None or seconds != suite.timeout_seconds:
        words += ["--timeout", f"{seconds:g}s"]
    if most := job["budget"].get("device_memory_bytes"):
        words += ["--device-memory", str(most)]
    if (processes := job["budget"].get("processes", 1)) > 1:
        words += ["--gpus-per-fit", str(processes)]
    threads, each = record["environment"].get("threads"), cores() // processes
    usual = max(1, each // max(1, cores() // 2))
    if threads and threads != usual and each // (jobs := max(1, each // threads)) == threads:
        words += ["--jobs", str(jobs)]
    return words

"""The record of one job: how it is built, checked, and kept free of names and paths."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from genobench.errors import GenobenchError
from genobench.run.job import Job
from genobench.task import Estimate

SCHEMA = 1
LAST_LINES = 20
LINE_LENGTH = 300
Status = Literal["ok", "failed", "timeout", "memory", "crashed", "interrupted"]


def opened(
    job: Job, *, inputs: Mapping[str, Any], software: Mapping[str, str], started: str
) -> dict[str, Any]:
    """Record of a job before anything is known of its outcome."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "key": job.key,
        "job": {
            "model": job.model,
            "spec": _basename(job.spec),
            "suite": job.suite,
            "settings": dict(job.settings),
            "data": _basename(job.data),
            "data_key": job.data_key,
            "split_seed": job.split_seed,
            "seed": job.seed,
            "budget": {
                "seconds": job.limits.seconds,
                "memory_bytes": job.limits.memory_bytes,
                "device": job.device,
            },
        },
        "software": {**software, "plugin_sha256": job.plugin_sha256},
        "inputs": dict(inputs),
        "status": "interrupted",
        "phase": "load",
        "error": None,
        "environment": {},
        "resources": {},
        "determinism": "not measured",
        "outputs": None,
        "learning": [],
        "scores": {},
        "started": started,
        "finished": started,
    }
    if job.limits.device_memory_bytes:
        content["job"]["budget"]["device_memory_bytes"] = job.limits.device_memory_bytes
    if job.processes > 1:
        content["job"]["budget"]["processes"] = job.processes
    if job.variant:
        content["job"]["variant"] = job.variant
    if job.tuning is not None:
        content["tuning"] = dict(job.tuning)
    return content


def score_entry(
    estimates: Mapping[str, Estimate], *, key: str, seed: int, seconds: float, versions: Any
) -> dict[str, Any]:
    """A task's score as it stands in a record."""
    metrics = {
        name: {
            "value": float(e.value),
            "low": float(e.low),
            "high": float(e.high),
            "n": int(e.n),
            "seconds": float(e.seconds),
            "version": int(versions[name]),
        }
        for name, e in estimates.items()
    }
    return {"key": key, "seed": seed, "seconds": seconds, "metrics": metrics}


def score_skipped(reason: str, *, key: str, seed: int) -> dict[str, Any]:
    """A task that does not apply to this model, as it stands in a record: done, with no metric."""
    return {"key": key, "seed": seed, "seconds": 0.0, "metrics": {}, "skipped": reason}


def score_failure(error: Mapping[str, Any], *, key: str, seed: int, seconds: float) -> Any:
    """A task that failed on this sample, as it stands in a record: an error in place of metrics."""
    return {"key": key, "seed": seed, "seconds": seconds, "error": dict(error)}


def failure(
    *,
    kind: str,
    message: str,
    exit_code: int | None,
    signal: str | None,
    last_lines: Sequence[str],
    people: Iterable[str] = (),
    limit: float | None = None,
) -> dict[str, Any]:
    """What went wrong, without paths and without ids of ``people``.

    ``limit`` is the one that it ran into: seconds or bytes.
    """
    lines = [message, *last_lines[-LAST_LINES:]]
    clean = [line[:LINE_LENGTH] for line in redacted(lines, people)]
    error = {
        "type": kind,
        "message": clean[0],
        "exit_code": exit_code,
        "signal": signal,
        "last_lines": clean[1:],
    }
    return error if limit is None else {**error, "limit": limit}


def redacted(lines: Sequence[str], people: Iterable[str] = ()) -> list[str]:
    """Lines with folders cut from paths and without ids; see `without_ids`."""
    # Ids may hold slashes, so that they go before the folders do.
    return [_FOLDERS.sub("", line) for line in without_ids(lines, people)]


def without_ids(lines: Sequence[str], people: Iterable[str] = ()) -> list[str]:
    """Lines with ids of people, the user and the machine blanked.

    An id is blanked wherever it stands whole, the longest first: between characters that are
    neither letter nor digit, or at an end of the line. A count or a shape that equals somebody's
    id goes with it; the line numbers of a traceback stay. Ids of one character are no more than
    letters and digits, and stay too.
    """
    private = frozenset(p for p in (*people, *_own_names()) if len(p) > 1)
    lengths = sorted({len(p) for p in private}, reverse=True)
    return [_blanked(line, private, lengths) for line in lines]


def _blanked(line: str, private: Collection[str], lengths: Sequence[int]) -> str:
    """One line with every whole occurrence of a ``private`` text replaced."""
    pieces, at = [], 0
    number = _CODE_LINE.match(line)
    kept = range(*number.span(1)) if number else range(0)
    for start in _starts(line):
        if start < at or start in kept:
            continue
        for length in lengths:
            end = start + length
            if line[start:end] in private and _whole(line, start, end):
                pieces += [line[at:start], "<id>"]
                at = end
                break
    return "".join([*pieces, line[at:]])


def _starts(line: str) -> Iterator[int]:
    """Places where something whole may begin: not inside a word."""
    before = False
    for place, character in enumerate(line):
        word = character.isalnum() or character == "_"
        if not (before and word):
            yield place
        before = word


def _whole(line: str, start: int, end: int) -> bool:
    """Whether a stretch that begins something also ends it, rather than inside a word."""
    return end >= len(line) or re.match(r"\w\w", line[end - 1 : end + 1]) is None


_CODE_LINE = re.compile(r'\s*File "[^"]*", line (\d+)')
_FOLDERS = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\":;,/\\]+[/\\])+")


@cache
def _own_names() -> tuple[str, ...]:
    """Names of this machine and of whoever runs it."""
    user = os.environ.get("LOGNAME") or os.environ.get("USER") or ""
    return tuple(n for n in (platform.node(), user) if len(n) > 2 and n not in _COMMON_NAMES)


_COMMON_NAMES = ("root", "user", "localhost")  # they identify nobody


FIT_SHARE = 0.75  # of a job's time limit, given to the generator as its own budget
BUDGET_MARGIN = 0.02  # a fit that stops this close to its budget has used it up


def exhausted(fit_seconds: float, budget: float) -> bool:
    """Whether a fit took all the time that it was given, and might have gone on."""
    return fit_seconds >= (1 - BUDGET_MARGIN) * budget


def cut_short(content: Mapping[str, Any]) -> bool:
    """Whether the fit of a record ended because its time was up.

    Records of before there was such a field are judged by the limit they were made under.
    """
    resources = content.get("resources") or {}
    if (said := resources.get("budget_exhausted")) is not None:
        return bool(said)
    limit = (content["job"].get("budget") or {}).get("seconds")
    took = resources.get("fit_seconds")
    return took is not None and limit is not None and exhausted(took, FIT_SHARE * limit)


def now() -> str:
    """The time as records have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_json(content: Mapping[str, Any], *, where: str) -> str:
    """Record as JSON text: not-a-number and infinities become null; checked against the schema."""
    plain = _finite(content)
    check(plain, where=where)
    return json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n"


def check(content: Any, *, where: str) -> None:
    """Raise a GenobenchError that names the first place where a record breaks the schema."""
    from jsonschema.exceptions import best_match

    try:
        worst = best_match(_validator().iter_errors(content))
        finite = _finite(content) == content
    except RecursionError as error:
        raise GenobenchError(f"{where}: not a valid record: nested too deeply") from error
    if worst is not None:
        place = "/".join(map(str, worst.absolute_path)) or "the record"
        raise GenobenchError(f"{where}: not a valid record: {place}: {worst.message[:200]}")
    if not finite:
        raise GenobenchError(f"{where}: not a valid record: a number in it is not finite")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(files("genobench.run").joinpath("record.schema.json").read_text())
    return Draft202012Validator(schema)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _basename(spec: str) -> str:
    return re.split(r"[/\\]", spec)[-1]

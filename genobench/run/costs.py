"""What jobs have cost before: the seconds to expect of those that are to be run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from genobench import bounded
from genobench.errors import GenobenchError
from genobench.run.plan import Todo
from genobench.run.store import read_record

KEPT = Path("leaderboards") / "records"  # of the working folder: records that were published
SPENT = {"fit": "total_seconds", "score": "score_seconds"}  # by action


def before(
    todos: Sequence[Todo], records: Iterable[Mapping[str, Any]], kept: Path = KEPT
) -> list[Mapping[str, Any]]:
    """Records of a run, and published ones of the same models and suites."""
    asked = {(t.job.model, t.job.suite) for t in todos}
    return [*records, *_published(kept, asked)]


def _published(folder: Path, asked: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """Those of leaderboards that can be read: what they cost is nice to know, and no more."""
    found = []
    for path in sorted(folder.glob("*/*.json")):
        try:
            job = dict(dict(bounded.read_json(path)).get("job") or {})
            if (job.get("model"), job.get("suite")) in asked:
                found.append(read_record(path))
        except (OSError, ValueError, TypeError, GenobenchError):
            continue
    return found


def expected(
    todos: Sequence[Todo], records: Iterable[Mapping[str, Any]]
) -> dict[tuple[str, str], float]:
    """Mean seconds by action and model, of jobs that ended well on the same kind of device.

    Of those on the same data; of a model that was not run on these, on any data in the suite.
    """
    here = {t.job.data_key for t in todos}
    alike = {(t.job.suite, t.job.device) for t in todos}
    found: dict[bool, dict[tuple[str, str], list[float]]] = {True: {}, False: {}}
    for record in records:
        job, spent = record["job"], record["resources"]
        if record["status"] != "ok" or (job["suite"], job["budget"]["device"]) not in alike:
            continue
        costs = found[job["data_key"] in here]
        for action, name in SPENT.items():
            if seconds := spent.get(name):
                costs.setdefault((action, job["model"]), []).append(float(seconds))
    means = {of: fmean(seconds) for of, seconds in (found[False] | found[True]).items()}
    return {of: means[of] for t in todos if (of := (t.action, t.job.model)) in means}


def of_a_task(records: Iterable[Mapping[str, Any]]) -> float:
    """Mean seconds that a task took to score a sample; NaN where no record says it."""
    entries = [entry for record in records for entry in record["scores"].values()]
    spent = [float(seconds) for entry in entries if (seconds := entry.get("seconds"))]
    return fmean(spent) if spent else math.nan


def together(seconds: Sequence[float], slots: int) -> float:
    """Time that jobs take, so many at a time: not less than the longest of them."""
    return max(sum(seconds) / slots, max(seconds)) if seconds else 0.0

"""What is asked, what of it is there already, and what remains to be run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from genobench.run.job import Asked, Job, Limits
from genobench.run.record import cut_short
from genobench.run.store import Store

Overwrite = Literal["only-missing", "failed", "always", "never"]
Action = Literal["fit", "score", "none"]


@dataclass(frozen=True, eq=False)
class Todo:
    """One job and what is to be done about it.

    Attributes
    ----------
    job
        The job.
    action
        ``fit`` it and score its sample, only ``score`` the sample that is stored, or ``none``.
    tasks
        Tasks to score.
    state
        What its record says now: ``missing``, ``done``, ``scores missing``, ``scores failed``,
        ``cut short`` (a fit that used up a smaller time limit), or the status of a failed fit.
    record
        Its record, if there is one.
    lowered
        Batch sizes to begin with, where they are not those of the settings.
    """

    job: Job
    action: Action
    tasks: tuple[Asked, ...]
    state: str
    record: Mapping[str, Any] | None
    lowered: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """A benchmark before it is run.

    Attributes
    ----------
    todos
        One per job asked, controls first.
    tasks
        Tasks asked.
    data_ready
        False when the data are yet to be prepared; then nothing of them can be there.
    """

    todos: tuple[Todo, ...]
    tasks: tuple[Asked, ...]
    data_ready: bool

    @property
    def remaining(self) -> tuple[Todo, ...]:
        """Jobs that would be run."""
        return tuple(t for t in self.todos if t.action != "none")

    @property
    def kept_failures(self) -> tuple[Todo, ...]:
        """Jobs whose failures stay as they are."""
        good = ("missing", "done", "scores missing", "cut short")
        return tuple(t for t in self.kept if t.state not in good)

    @property
    def kept(self) -> tuple[Todo, ...]:
        """Jobs whose records stay as they are."""
        return tuple(t for t in self.todos if t.action == "none")


def decide(store: Store, job: Job, tasks: Sequence[Asked], mode: Overwrite) -> Todo:
    """What is to be done about one job.

    ``only-missing`` repeats nothing that has a record, interrupted jobs aside; ``failed`` also
    repeats fits and scores that failed; ``always`` repeats all; ``never`` runs nothing. A score
    whose task or metric has changed since counts as missing; a fit is repeated for it only when
    its sample is gone. What ran into a limit, or was cut short by one, counts as missing under a
    larger limit.
    """
    record = store.read_record(job.key)
    everything = tuple(tasks)
    action: Action
    todo: tuple[Asked, ...]
    if record is None or record["status"] == "interrupted":
        action, todo, state = "fit", everything, "missing" if record is None else "interrupted"
    elif record["status"] != "ok":
        state = record["status"]
        again = mode == "failed" or _may_now_fit(record["error"], record, job.limits)
        action, todo = ("fit", everything) if again else ("none", ())
    elif cut_short(record) and _larger(job.limits.seconds, record["job"]["budget"]["seconds"]):
        action, todo, state = "fit", everything, "cut short"
    else:
        action, todo, state = _scores(store, job, tasks, mode, record)
    if mode == "always":
        action, todo = "fit", everything
    elif mode == "never":
        action, todo = "none", ()
    return Todo(job, action, todo, state, record)


def _scores(
    store: Store,
    job: Job,
    tasks: Sequence[Asked],
    mode: Overwrite,
    record: Mapping[str, Any],
) -> tuple[Action, tuple[Asked, ...], str]:
    """What a finished fit still lacks."""
    scores = record["scores"]
    current = {
        t.task: scores[t.task]
        for t in tasks
        if t.task in scores and scores[t.task]["key"] == t.score_key(job)
    }
    missing = [t for t in tasks if t.task not in current]
    failed = [t for t in tasks if "error" in current.get(t.task, {})]
    state = "scores missing" if missing else "scores failed" if failed else "done"
    again = [
        t
        for t in failed
        if mode == "failed" or _may_now_fit(scores[t.task]["error"], record, job.limits)
    ]
    todo = (*missing, *again)
    if not todo:
        return "none", (), state
    if not store.sample_path(job.key).exists():
        return "fit", tuple(tasks), state
    return "score", todo, state


def _may_now_fit(error: Mapping[str, Any], record: Mapping[str, Any], limits: Limits) -> bool:
    """Whether something failed for want of time or memory of which there is more now.

    Errors of before limits were kept in them are judged by the limits of the job's record.
    """
    budget = record["job"]["budget"]
    before, now = {
        "Timeout": (budget["seconds"], limits.seconds),
        "MemoryLimit": (budget["memory_bytes"], limits.memory_bytes),
        "OutOfMemoryError": (
            budget.get("device_memory_bytes"),
            limits.device_memory_bytes or math.inf,
        ),
    }.get(error["type"], (None, None))
    return now is not None and _larger(now, error.get("limit", before))


def _larger(now: float, before: float | None) -> bool:
    """Whether a limit was raised; a share of the machine that differs a little is none."""
    return before is not None and now > 1.01 * before

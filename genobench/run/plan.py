"""What is asked, what of it is there already, and what remains to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from genobench.run.job import Asked, Job
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
        What its record says now: ``missing``, ``done``, ``scores missing``, ``scores failed``, or
        the status of a failed fit.
    record
        Its record, if there is one.
    """

    job: Job
    action: Action
    tasks: tuple[Asked, ...]
    state: str
    record: Mapping[str, Any] | None


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
    def kept(self) -> tuple[Todo, ...]:
        """Jobs whose records stay as they are."""
        return tuple(t for t in self.todos if t.action == "none")


def decide(store: Store, job: Job, tasks: Sequence[Asked], mode: Overwrite) -> Todo:
    """What is to be done about one job.

    ``only-missing`` repeats nothing that has a record, interrupted jobs aside; ``failed`` also
    repeats fits and scores that failed; ``always`` repeats all; ``never`` runs nothing. A score
    whose task or metric has changed since counts as missing; a fit is repeated for it only when
    its sample is gone.
    """
    record = store.read_record(job.key)
    everything = tuple(tasks)
    action: Action
    todo: tuple[Asked, ...]
    if record is None or record["status"] == "interrupted":
        action, todo, state = "fit", everything, "missing" if record is None else "interrupted"
    elif record["status"] != "ok":
        state = record["status"]
        action, todo = ("fit", everything) if mode == "failed" else ("none", ())
    else:
        action, todo, state = _scores(store, job, tasks, mode, record["scores"])
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
    scores: Mapping[str, Mapping[str, Any]],
) -> tuple[Action, tuple[Asked, ...], str]:
    """What a finished fit still lacks."""
    current = {
        t.task: scores[t.task]
        for t in tasks
        if t.task in scores and scores[t.task]["key"] == t.score_key(job)
    }
    missing = [t for t in tasks if t.task not in current]
    failed = [t for t in tasks if "error" in current.get(t.task, {})]
    state = "scores missing" if missing else "scores failed" if failed else "done"
    todo = tuple([*missing, *failed] if mode == "failed" else missing)
    if not todo:
        return "none", (), state
    if not store.sample_path(job.key).exists():
        return "fit", tuple(tasks), state
    return "score", todo, state

"""The two stages of a benchmark as work for the executor: references, then jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from genobench.run.child import Ended, Slot
from genobench.run.events import Said, What
from genobench.run.executor import Work
from genobench.run.job import Asked, Job, Limits
from genobench.run.ledger import REFERENCE, Ledger, explain, refuse_full_disk
from genobench.run.plan import Todo
from genobench.run.progress import Tracker
from genobench.run.record import FIT_SHARE
from genobench.run.store import Store


class References:
    """Statistics of the real people, one child per task; shared by all jobs.

    Attributes
    ----------
    errors
        Task -> why its reference could not be made.
    """

    def __init__(
        self,
        store: Store,
        data: Path,
        limits: Limits,
        tracker: Tracker,
        *,
        people: Callable[[], Collection[str]],
    ) -> None:
        self.store, self.data, self.limits, self.tracker = store, data, limits, tracker
        self.people = people
        self.errors: dict[str, dict[str, Any]] = {}

    def absent(self, todos: Sequence[Todo]) -> list[Asked]:
        """Tasks that ``todos`` need and whose reference is not stored."""
        needed = {task.reference_key: task for todo in todos for task in todo.tasks}
        return [t for t in needed.values() if not self._path(t).exists()]

    def work(self, task: Asked) -> Work:
        """Prepare one task's reference."""
        key, seed, log = task.reference_key, 0, self.store.log_path(task.reference_key)
        log.unlink(missing_ok=True)
        order = {
            "mode": "reference",
            "data": str(self.data),
            "spec": task.spec,
            "sha256": task.sha256,
            "seed": task.reference_seed,
            "path": str(self._path(task)),
        }

        def ended(end: Ended) -> None:
            status, problem = "ok", ""
            if not end.finished:
                refuse_full_disk(self.store, end)
                status, error = explain(end, people=self.people())
                problem = f"{REFERENCE}{error['message']}"
                self.errors[task.task] = {**error, "message": problem}
            self.store.redact_log(key, self.people)
            self.tracker.finished(key, task.task, seed, "reference", status, problem)

        return Work(
            order,
            self.limits,
            log,
            on_end=ended,
            on_start=lambda slot: self.tracker.started(
                key, task.task, seed, "reference", slot.index
            ),
        )

    def _path(self, task: Asked) -> Path:
        return self.store.reference_path(task.task, task.reference_key)


class Jobs:
    """Fits and scores.

    Parameters
    ----------
    store, data, tracker
        Where results go, the folder of the prepared data, who is told.
    inputs, software
        As they stand in every record.
    people
        Gives the ids that no record may hold.
    """

    def __init__(
        self,
        store: Store,
        data: Path,
        tracker: Tracker,
        *,
        inputs: Mapping[str, Any],
        software: Mapping[str, str],
        people: Callable[[], Collection[str]],
    ) -> None:
        self.store, self.data, self.tracker = store, data, tracker
        self.inputs, self.software, self.people = inputs, software, people

    def work(self, todo: Todo, errors: Mapping[str, Mapping[str, Any]]) -> Work | None:
        """One job; None when all that it lacked are scores without a reference."""
        ledger = Ledger(
            self.store, todo, inputs=self.inputs, software=self.software, people=self.people
        )
        for task in set(errors) & set(ledger.open_tasks):
            ledger.refuse(task, errors[task])
        ledger.keep()
        if ledger.fitted and not ledger.open_tasks:
            self._finished(ledger)
            return None
        self.store.log_path(todo.job.key).unlink(missing_ok=True)
        return self._child(ledger)

    def _child(self, ledger: Ledger) -> Work:
        """Child process for what ``ledger`` lacks."""
        job = ledger.todo.job

        def start(slot: Slot) -> None:
            what: What = "score" if ledger.fitted else "fit"
            self.tracker.started(job.key, job.model, job.seed, what, slot.index)

        def hear(message: dict[str, Any]) -> None:
            ledger.hear(message)
            self.tracker.heard(job.key, job.model, job.seed, ledger.phase, message)

        def end(ended: Ended) -> Work | None:
            again = ledger.end(ended)
            self.store.redact_log(job.key, self.people)
            if again:
                if not ledger.fitted:
                    self.tracker.on_event(Said(f"{job.title}: {ledger.retries.told}"))
                return self._child(ledger)
            self._finished(ledger)
            return None

        return Work(
            self._order(job, ledger),
            ledger.limits,
            self.store.log_path(job.key),
            job=job,
            on_start=start,
            on_message=hear,
            on_heard=ledger.keep,
            on_end=end,
        )

    def _finished(self, ledger: Ledger) -> None:
        todo = ledger.todo
        what: What = "score" if todo.action == "score" else "fit"
        status, problem = ledger.outcome()
        self.tracker.finished(todo.job.key, todo.job.model, todo.job.seed, what, status, problem)
        self.tracker.child_seconds += ledger.spent
        self.tracker.harness_seconds += ledger.overhead

    def _order(self, job: Job, ledger: Ledger) -> dict[str, Any]:
        outputs = ledger.record["outputs"]
        return {
            "mode": "job",
            "fit": not ledger.fitted,
            "data": str(self.data),
            "spec": job.spec,
            "plugin_sha256": job.plugin_sha256,
            "settings": {**job.settings, **ledger.retries.lowered},
            "note": "" if ledger.fitted else ledger.retries.told,
            "device": job.device,
            "processes": job.processes,
            "device_memory_bytes": job.limits.device_memory_bytes,
            "fit_seconds": FIT_SHARE * ledger.limits.seconds,
            "fit_seed": job.fit_seed,
            "sample_seed": job.sample_seed,
            "sample": str(self.store.sample_path(job.key)),
            "sample_sha256": outputs["synthetic_sha256"] if outputs else None,
            "tasks": [
                {
                    "task": task.task,
                    "spec": task.spec,
                    "sha256": task.sha256,
                    "versions": dict(task.versions),
                    "reference": str(self.store.reference_path(task.task, task.reference_key)),
                    "key": task.score_key(job),
                    "seed": task.score_seed(job),
                }
                for task in ledger.open_tasks.values()
            ],
        }

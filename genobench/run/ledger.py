"""From what a job's children say to the job's record, which is written as pieces arrive."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from genobench.errors import GenobenchError
from genobench.run import record
from genobench.run.child import Ended
from genobench.run.job import Asked, Limits
from genobench.run.plan import Todo
from genobench.run.retries import Retries
from genobench.run.store import Store

DEAR_SECONDS = 0.5  # that a result took, from which on none is to be lost
REFERENCE = "reference: "  # begins the error of a score whose reference could not be made
INTERRUPTS = ("SIGTERM", "SIGINT", "SIGHUP")


class Ledger:
    """The record of one job while it is made.

    Parameters
    ----------
    store
        Where it is written.
    todo
        What is run; the stored record is continued when only scores are missing.
    inputs, software
        As they stand in the record.
    people
        Gives the ids that may not appear in it.
    """

    def __init__(
        self,
        store: Store,
        todo: Todo,
        *,
        inputs: Mapping[str, Any],
        software: Mapping[str, str],
        people: Callable[[], Collection[str]],
    ) -> None:
        self.store, self.todo, self.people = store, todo, people
        self.open_tasks: dict[str, Asked] = {t.task: t for t in todo.tasks}
        self.fitted = todo.action == "score"
        self.phase = "load"
        self._unwritten = False
        self.spent = self.overhead = 0.0  # seconds of this run's children; of them the harness's
        self._phase_began = time.monotonic()
        self._worked = 0.0  # seconds that the child now running has spent on fit, sample, score
        if self.fitted and todo.record is not None:
            self.record = copy.deepcopy(dict(todo.record))
        else:
            self.record = record.opened(
                todo.job, inputs=inputs, software=software, started=record.now()
            )
        before = self.record["resources"]
        lowered = before.get("batch_used", {}) if self.fitted else todo.lowered
        self.retries = Retries(todo.job.limits, lowered)
        self.lost_workers = 0
        self._spent_before = float(before.get("total_seconds") or 0.0)
        self._overhead_before = float(before.get("harness_seconds") or 0.0)

    @property
    def limits(self) -> Limits:
        """Of the next child; fits that are tried again share their time."""
        return self.todo.job.limits if self.fitted else self.retries.limits

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in one message of the child that runs now."""
        if message.get("at") == "phase":
            self.phase = message["phase"]
            self._phase_began = time.monotonic()
        elif message.get("at") == "batch":
            self.retries.sizes = message["sizes"]
        elif message.get("at") == "fit":
            self._take_fit(message)
        elif message.get("at") == "score":
            self._take_score(message["task"], message["entry"])

    def keep(self) -> None:
        """Write what was heard since the record was last written."""
        if self._unwritten and self.fitted:  # before it is fitted there is no result
            self._write()

    def refuse(self, task: str, error: Mapping[str, Any]) -> None:
        """Enter that ``task`` cannot be scored, because its reference could not be made."""
        asked = self.open_tasks[task]
        job = self.todo.job
        entry = record.score_failure(
            error, key=asked.score_key(job), seed=asked.score_seed(job), seconds=0.0
        )
        self._take_score(task, entry)

    def end(self, ended: Ended) -> bool:
        """Take in how the child ended; True when another one must fit, or score what is left.

        Raises
        ------
        GenobenchError
            When the disk refused the sample: then nothing else can be stored either.
        """
        again = False
        if not ended.finished:
            self.keep()
            refuse_full_disk(self.store, ended)
            again = self._take_failure(ended)
        self.lost_workers += ended.lost_workers
        if self.lost_workers:
            self.record["resources"]["lost_workers"] = self.lost_workers
        self.spent += ended.seconds
        if self.fitted:
            self.overhead += max(0.0, ended.seconds - self._worked)
        self._worked = 0.0
        if self.fitted or not again:  # a job that is tried again has not come to anything yet
            self._write()
        return again

    def outcome(self) -> tuple[str, str]:
        """See `outcome`."""
        return outcome(self.record, {t.task: t.score_key(self.todo.job) for t in self.todo.tasks})

    def _take_fit(self, message: Mapping[str, Any]) -> None:
        for part in ("resources", "determinism", "environment", "learning", "outputs"):
            self.record[part] = message[part]
        self.record |= {"status": "ok", "phase": "done", "error": None}
        self.fitted = True
        parts = ("fit_seconds", "sample_seconds", "resample_seconds")
        self._enter(sum(message["resources"][part] for part in parts))

    def _take_score(self, task: str, entry: Mapping[str, Any]) -> None:
        self.record["scores"][task] = dict(entry)
        self.open_tasks.pop(task, None)
        self._enter(float(entry["seconds"] or 0.0))

    def _enter(self, seconds: float) -> None:
        """Count what a result took; what took long is written at once, other results together."""
        self._worked += seconds
        self._unwritten = True
        if self.fitted and seconds > DEAR_SECONDS:
            self._write()

    def _take_failure(self, ended: Ended) -> bool:
        """Lay it to the fit or to the task that ran; True when there is more to be done."""
        last = ended if self.fitted else self.retries.whole(ended)
        status, error = explain(last, people=self.people())
        if not self.fitted:
            if status == "memory" and ended.phase == "fit":
                if self.retries.take(ended, error):
                    return True
                error["message"] += f"; {self.retries.obstacle(ended.seconds)}"
            self.record |= {"status": status, "phase": ended.phase, "error": error}
            return False
        if status == "interrupted":
            return False  # what is scored stays; the rest is missing and is run next time
        blamed = ended.phase.removeprefix("score:")
        for task in [blamed] if blamed in self.open_tasks else list(self.open_tasks):
            self._take_score(task, self._failed_score(task, error))
        return bool(self.open_tasks)

    def _failed_score(self, task: str, error: Mapping[str, Any]) -> dict[str, Any]:
        asked, job = self.open_tasks[task], self.todo.job
        entry: dict[str, Any] = record.score_failure(
            error,
            key=asked.score_key(job),
            seed=asked.score_seed(job),
            seconds=round(time.monotonic() - self._phase_began, 3),
        )
        return entry

    def _write(self) -> None:
        resources = self.record["resources"]
        self.retries.note(resources)
        scores = self.record["scores"].values()
        resources["total_seconds"] = self._spent_before + self.spent
        if self.fitted:
            resources["harness_seconds"] = self._overhead_before + self.overhead
            resources["score_seconds"] = sum(s["seconds"] or 0.0 for s in scores)
        # a clock that was put back meanwhile makes no job end before it began
        self.record["finished"] = max(record.now(), self.record["started"])
        self.store.write_record(self.record)
        self._unwritten = False


def outcome(content: Mapping[str, Any] | None, keys: Mapping[str, str]) -> tuple[str, str]:
    """Status of a job as asked (``keys`` of its scores by task), and what failed, in a line.

    Besides the statuses of records there are ``missing``, ``scores missing``, ``scores failed``.
    A task without a reference failed as well, but for no fault of this job: it is not among what
    failed, and is reported once for all jobs.
    """
    if content is None:
        return "missing", ""
    if content["status"] != "ok":
        return str(content["status"]), str(content["error"]["message"])
    stored = content["scores"]
    current = {task: stored[task] for task in keys if stored.get(task, {}).get("key") == keys[task]}
    failed = {task: s["error"]["message"] for task, s in current.items() if "error" in s}
    if failed:
        own = [f"{t}: {m}" for t, m in failed.items() if not m.startswith(REFERENCE)]
        return "scores failed", "; ".join(own)
    return ("ok" if len(current) == len(keys) else "scores missing"), ""


def without_reference(content: Mapping[str, Any], task: str) -> str:
    """Why ``task`` could not be scored for want of a reference; "" when it was not that."""
    error = content.get("scores", {}).get(task, {}).get("error") or {}
    message = str(error.get("message") or "")
    if not message.startswith(REFERENCE):
        return ""
    return message.removeprefix(REFERENCE).removeprefix(f"{task}: ")


def explain(ended: Ended, people: Collection[str] = ()) -> tuple[record.Status, dict[str, Any]]:
    """Status and error of a child that did not finish."""
    status: record.Status
    if ended.stopped:
        status = "timeout" if ended.stopped == "timeout" else "memory"
        kind = "Timeout" if status == "timeout" else "MemoryLimit"
        message = f"stopped after {ended.seconds:.1f} s in {ended.phase}: over its {_LIMIT[status]}"
    elif ended.error is not None:
        kind, message = str(ended.error["type"]), str(ended.error["message"])
        status = "memory" if ended.error.get("memory") else "failed"
    elif ended.signal in INTERRUPTS:
        status, kind = "interrupted", "Interrupted"
        message = f"somebody sent {ended.signal} in {ended.phase}"
    elif ended.signal is not None:
        status, kind, message = "crashed", "Crash", f"died of {ended.signal} in {ended.phase}"
        if ended.short_of_memory:
            status, kind = "memory", "OutOfMemoryKill"
        if ended.signal == "SIGKILL":
            message += (
                "; the system does this when memory runs out: then let fewer run at a time (--jobs)"
            )
    else:
        status, kind = "crashed", "Exit"
        message = f"left with exit code {ended.exit_code} in {ended.phase} without an exception"
    error = record.failure(
        kind=kind,
        message=message,
        exit_code=ended.exit_code,
        signal=ended.signal,
        last_lines=ended.last_lines,
        people=people,
        limit=ended.limit,
    )
    if ended.error is None:
        error["message"] = message  # our own words, which hold no id, only figures that look so
    return status, error


_LIMIT = {"timeout": "time limit (--timeout)", "memory": "memory limit (--memory)"}


def refuse_full_disk(store: Store, ended: Ended) -> None:
    """Raise when the child's own writing failed for want of disk: going on would lose work."""
    if ended.error is not None and ended.phase == "save" and ended.error["disk"]:
        raise GenobenchError(
            f"{store.root}: cannot be written ({ended.error['message']}). Records written so far "
            "are safe: make room, and run again; only what is missing is run"
        )

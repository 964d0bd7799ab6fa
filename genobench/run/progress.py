"""How far a benchmark is, how long it should take, and what comes next."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from genobench.run.events import JobFinished, JobPhase, JobStarted, Listener, Progress, What
from genobench.run.executor import Work
from genobench.run.plan import Todo


class Tracker:
    """Counts, remembers durations, and tells the listener.

    Parameters
    ----------
    on_event
        Told of every start, phase and end.
    slots
        Children that run at a time.
    """

    def __init__(self, on_event: Listener, slots: int) -> None:
        self.on_event, self.slots = on_event, slots
        self.total = self.done = 0
        self.child_seconds = self.harness_seconds = 0.0
        self._durations: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._left: dict[str, tuple[str, str]] = {}  # key -> (what, model) of what is not done
        self._begun: set[str] = set()
        self._running: dict[str, float] = {}  # key -> when it was started

    def expect(
        self, todos: Sequence[Todo], records: Sequence[Mapping[str, Any]], *, references: int
    ) -> None:
        """Learn what is to be done, and from old records of the same data how long that takes."""
        self.total = len(todos) + references
        self._left = {t.job.key: (t.action, t.job.model) for t in todos}
        same = {(t.job.data_key, t.job.suite, t.job.device) for t in todos}
        for record in records:
            job, seconds = record["job"], record["resources"].get("total_seconds")
            if seconds and (job["data_key"], job["suite"], job["budget"]["device"]) in same:
                self._durations["fit", job["model"]].append(seconds)

    def started(self, key: str, name: str, seed: int, what: What, slot: int) -> None:
        """A child was started."""
        self._begun.add(name)
        self._running.setdefault(key, time.monotonic())
        self.on_event(JobStarted(key, name, seed, what, slot, self._progress()))

    def heard(self, key: str, name: str, seed: int, phase: str, message: Any) -> None:
        """A child sent ``message``; phases and learning points are passed on."""
        if message.get("at") in ("phase", "learning"):
            point = message.get("point")
            self.on_event(JobPhase(key, name, seed, phase, point, self._progress()))

    def finished(
        self, key: str, name: str, seed: int, what: What, status: str, problem: str
    ) -> None:
        """A job or a reference came to its end."""
        seconds = time.monotonic() - self._running.pop(key, time.monotonic())
        self._left.pop(key, None)
        self.done += 1
        if status == "ok":
            self._durations[what, name].append(seconds)
        self.on_event(
            JobFinished(key, name, seed, what, status, problem, seconds, self._progress())
        )

    def pick(self, waiting: Sequence[Work]) -> int:
        """Controls first, then each model once, then the longest, so that slots end together."""

        def rank(index: int) -> tuple[int, float, int]:
            job = waiting[index].job
            assert job is not None
            if job.control:
                return 0, 0.0, index
            if job.model not in self._begun:
                return 1, 0.0, index
            return 2, -self._expected("fit", job.model), index

        return min(range(len(waiting)), key=rank)

    def _expected(self, what: str, model: str) -> float:
        """Mean seconds of what is like it; of anything, when nothing is."""
        like = self._durations.get((what, model)) or [
            s for durations in self._durations.values() for s in durations
        ]
        return fmean(like) if like else 0.0

    def _progress(self) -> Progress:
        if not any(self._durations.values()):
            return Progress(self.total, self.done, None)
        now = time.monotonic()
        seconds, overdue = 0.0, False
        for key, (what, model) in self._left.items():
            spent = now - self._running[key] if key in self._running else 0.0
            rest = self._expected(what, model) - spent
            seconds += max(0.0, rest)
            overdue |= rest < 0
        busy = min(self.slots, max(1, len(self._left)))
        return Progress(self.total, self.done, seconds / busy, overdue)

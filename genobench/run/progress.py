"""How far a benchmark is, how long it should take, and what comes next."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from genobench.run import costs
from genobench.run.events import JobFinished, JobPhase, JobStarted, Listener, Progress, What
from genobench.run.executor import Work
from genobench.run.plan import Todo

REFERENCE: Final = "reference"


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
        self._before: dict[tuple[str, str], float] = {}  # mean seconds of the same in old records
        self._estimates: dict[
            tuple[str, str], float
        ] = {}  # until a duration is added; name "" stands for the whole kind
        self._references = 0  # that are yet to be begun
        self._left: dict[str, tuple[str, str]] = {}  # key -> (what, model) of what is not done
        self._begun: set[str] = set()
        self._running: dict[str, float] = {}  # key -> when it was started

    def expect(
        self, todos: Sequence[Todo], records: Sequence[Mapping[str, Any]], *, references: int
    ) -> None:
        """Learn what is to be done, and from old records how long that takes."""
        self.total = len(todos) + references
        self._references = references
        self._left = {t.job.key: (t.action, t.job.model) for t in todos}
        known = costs.before(todos, records)
        self._before = costs.expected(todos, known)
        if not math.isnan(seconds := costs.of_a_task(known)):
            self._before[REFERENCE, ""] = seconds
        self._estimates.clear()

    def started(self, key: str, name: str, seed: int, what: What, slot: int) -> None:
        """A child was started."""
        self._begun.add(name)
        if what == REFERENCE:
            self._references = max(0, self._references - 1)
            self._left[key] = what, name
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
            self._estimates.clear()
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

    def _expected(self, what: str, name: str) -> float:
        """Mean seconds of the same in this run, in old records at this run's pace, or of its kind.

        Where nothing is known of its kind, of anything.
        """
        if (what, name) not in self._estimates:
            if own := self._durations.get((what, name)):
                seconds = fmean(own)
            elif (what, name) in self._before:
                seconds = self._before[what, name] * self._pace()
            else:
                seconds = self._typical(what)
            self._estimates[what, name] = seconds
        return self._estimates[what, name]

    def _typical(self, what: str) -> float:
        """Mean over everything of one kind, or over everything; 0 where nothing is known."""
        if (what, "") not in self._estimates:
            pace = self._pace()
            known = {of: seconds * pace for of, seconds in self._before.items()}
            known |= {of: fmean(spent) for of, spent in self._durations.items() if spent}
            kind = [s for (of, _), s in known.items() if of == what] or list(known.values())
            self._estimates[what, ""] = fmean(kind) if kind else 0.0
        return self._estimates[what, ""]

    def _pace(self) -> float:
        """How many times as long as in old records jobs take here, of those that ended."""
        same = [of for of in self._durations if of in self._before]
        spent = sum(fmean(self._durations[of]) for of in same)
        return spent / sum(self._before[of] for of in same) if same else 1.0

    def _progress(self) -> Progress:
        if not any(self._durations.values()) and not self._before:
            return Progress(self.total, self.done, None)
        now = time.monotonic()
        waiting = Counter(self._left.values())  # what is alike is counted, not looked at in turn
        rests = []
        for key, began in self._running.items():
            if of := self._left.get(key):
                waiting[of] -= 1
                rests.append(self._expected(*of) - (now - began))
        overdue = any(rest < 0 for rest in rests)
        rests = [max(0.0, rest) for rest in rests]
        rests += [self._expected(REFERENCE, "of a task")] * self._references
        for of, count in waiting.items():
            rests += [self._expected(*of)] * count
        seconds = costs.together(rests, self.slots)
        return Progress(self.total, self.done, seconds, overdue)

"""Runs work on the workers of a Dask cluster: what `executor.execute` does on this machine.

Each job is sent to one worker that has room for it; there the same child process is started as
here (`cluster_worker`). Its phases arrive as they begin, its results when it has ended, after the
sample: no record tells of a sample that is not stored. A job whose worker is lost is given to
another one, a few times at most.
"""

from __future__ import annotations

import queue as waiting_line
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from genobench.errors import GenobenchError
from genobench.run import cluster_parcel, cluster_worker
from genobench.run.child import Ended
from genobench.run.cluster_carrier import Carrier
from genobench.run.cluster_crew import RESOURCE, Crew, Place, WorkerLostError
from genobench.run.cluster_parcel import Parcel
from genobench.run.executor import Queue, Work

ATTEMPTS = 3  # of one job whose workers are lost
HEAR_SECONDS = 0.2


@dataclass(eq=False)
class Attempt:
    """One piece of work on one worker."""

    name: str
    work: Work
    place: Place
    index: int
    parcel: Parcel
    began: float
    phase: str = "load"
    future: Any = None


class Cluster:
    """The hands of a run.

    Parameters
    ----------
    crew
        The workers.
    jobs
        At most so many jobs at a time in all; None: as many as the workers take.
    """

    def __init__(self, crew: Crew, jobs: int | None) -> None:
        self.crew, self.jobs = crew, jobs
        self.run = f"run-{uuid.uuid4().hex}"
        self.carrier = Carrier(crew, self.run)
        self.running: dict[str, Attempt] = {}
        self.losses: Counter[Work] = Counter()
        self._inbox: waiting_line.SimpleQueue[tuple[str, Any]] = waiting_line.SimpleQueue()
        crew.client.subscribe_topic(self.run, self._take_in)

    def execute(self, queue: Queue) -> None:
        """Run everything in ``queue``; on any exception, Ctrl-C included, jobs are cancelled.

        Raises
        ------
        GenobenchError
            When the scheduler is lost, or no worker can be used.
        """
        try:
            while queue.waiting or self.running:
                gone = self.crew.look()
                for attempt in [a for a in self.running.values() if a.place in gone]:
                    self._lose(attempt, "it left the cluster", queue)
                if not self.running:
                    self.crew.require()
                while queue.waiting and (place := self._roomiest()) is not None:
                    self._begin(queue.pop(), place, queue)
                self._hear(queue)
        finally:
            self._cancel([a.future for a in self.running.values() if a.future is not None])
            self.running.clear()

    def _roomiest(self) -> Place | None:
        """The worker that can take most jobs more; None when all are busy."""
        if self.jobs is not None and len(self.running) >= self.jobs:
            return None
        busy = Counter(attempt.place.address for attempt in self.running.values())
        room = {p: p.jobs - busy[p.address] for p in self.crew.places.values()}
        best = max(room, key=lambda place: room[place], default=None)
        return best if best is not None and room[best] > 0 else None

    def _begin(self, work: Work, place: Place, queue: Queue) -> None:
        """Send one piece of work to a worker."""
        taken = {attempt.index for attempt in self.running.values()}
        index = next(i for i in count() if i not in taken)
        name = uuid.uuid4().hex
        parcel = cluster_parcel.pack(work.order)
        attempt = Attempt(name, work, place, index, parcel, monotonic())
        self.running[name] = attempt
        slot = self.crew.slot(place, index)
        work.on_start(slot)
        try:
            self.carrier.send(place, parcel, name)
        except WorkerLostError as error:
            self._lose(attempt, str(error), queue)
            return
        future = self.crew.client.submit(
            cluster_worker.carry_out,
            parcel.order,
            slot=asdict(slot),
            limits=asdict(work.limits),
            run=self.run,
            attempt=name,
            key=f"{self.run}-{name}",
            workers=[place.address],
            resources={RESOURCE: 1} if place.declared else None,
            pure=False,
        )
        attempt.future = future
        future.add_done_callback(lambda _: self._inbox.put((name, None)))

    def _take_in(self, event: tuple[float, Any]) -> None:
        """What a job says while it runs; called in a thread of Dask's."""
        _, said = event
        self._inbox.put((said["attempt"], said["message"]))

    def _hear(self, queue: Queue) -> None:
        """Pass on what was said, after waiting a moment for something to be."""
        with suppress(waiting_line.Empty):
            item = self._inbox.get(timeout=HEAR_SECONDS)
            while True:
                attempt = self.running.get(item[0])
                if attempt is not None:  # not one that was given up
                    self._attend(attempt, item[1], queue)
                item = self._inbox.get_nowait()

    def _attend(self, attempt: Attempt, message: dict[str, Any] | None, queue: Queue) -> None:
        if message is not None:
            attempt.phase = message.get("phase", attempt.phase)
            attempt.work.on_message(message)
            return
        try:
            result = self._result(attempt)
            self.carrier.fetch(attempt.place, attempt.parcel, attempt.name, result["made"])
        except WorkerLostError as error:
            self._lose(attempt, str(error), queue)
            return
        self._end(attempt, result, queue)

    def _result(self, attempt: Attempt) -> dict[str, Any]:
        """What a worker returned.

        Raises
        ------
        WorkerLostError
            When it was lost, or closed, before.
        GenobenchError
            When it could not do its part; that a job fails is a result like any other.
        """
        from distributed import CancelledError, KilledWorker

        try:
            return dict(attempt.future.result())
        except (CancelledError, KilledWorker, OSError, cluster_worker.UnwantedError) as error:
            raise WorkerLostError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        except GenobenchError:
            raise
        except Exception as error:
            raise GenobenchError(
                f"worker {attempt.place.address} cannot run jobs: {type(error).__name__}: {error}. "
                "What was finished is kept: mend or stop that worker, and run again"
            ) from error

    def _end(self, attempt: Attempt, result: dict[str, Any], queue: Queue) -> None:
        """Pass on the results, as if the child had ended here."""
        del self.running[attempt.name]
        attempt.future.release()
        self.carrier.discard(attempt.place, attempt.name)
        work = attempt.work
        _append(work.log, result["log"])
        _refuse_full_worker(attempt, result["ended"])
        for message in result["messages"]:
            work.on_message(message)
        ended = Ended(**result["ended"] | {"lost_workers": self.losses[work]})
        if (more := work.on_end(ended)) is not None:
            queue.waiting.insert(0, more)

    def _lose(self, attempt: Attempt, why: str, queue: Queue) -> None:
        """Give the job of a lost worker to the next one, or give it up.

        When it is the scheduler that is lost, that is raised instead.
        """
        self.crew.present()
        del self.running[attempt.name]
        if attempt.future is not None:
            self._cancel([attempt.future])
        work, place = attempt.work, attempt.place
        if place.address in self.crew.places:  # it is there, but unwell
            self.crew.leave_aside(place, why)
        self.losses[work] += 1
        turn = f"attempt {self.losses[work]} of {ATTEMPTS}"
        title = work.job.title if work.job is not None else work.order["spec"]
        self.crew.say(f"{title}: its worker {place.address} was lost ({why}); {turn}")
        _append(
            work.log, f"[worker lost in {attempt.phase}: {place.address}: {why}; {turn}]\n".encode()
        )
        if self.losses[work] < ATTEMPTS:
            queue.waiting.insert(0, work)
            return
        if (more := work.on_end(_given_up(attempt))) is not None:
            queue.waiting.insert(0, more)

    def _cancel(self, futures: list[Any]) -> None:
        """Workers see within a second that nobody waits, and stop the child; see `carry_out`."""
        if futures and self.crew.client.status == "running":
            with suppress(OSError):
                self.crew.client.cancel(futures, force=True)


def _given_up(attempt: Attempt) -> Ended:
    message = (
        f"its worker was lost {ATTEMPTS} times, last in {attempt.phase}: the job may bring workers "
        "down (memory of the node, time limit of the queue), or the cluster is unwell"
    )
    return Ended(
        stopped="",
        exit_code=None,
        signal=None,
        phase=attempt.phase,
        error={"type": "WorkerLost", "message": message, "disk": False},
        finished=False,
        seconds=monotonic() - attempt.began,
        last_lines=(),
        lost_workers=ATTEMPTS,
    )


def _refuse_full_worker(attempt: Attempt, ended: dict[str, Any]) -> None:
    """Raise when the worker's disk refused the sample: the next job would fare no better."""
    error = ended["error"]
    if error is not None and ended["phase"] == "save" and error["disk"]:
        raise GenobenchError(
            f"worker {attempt.place.address}: its scratch folder cannot be written "
            f"({error['message']}). What was finished is kept: give its --local-directory more "
            "room, and run again; only what is missing is run"
        )


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise GenobenchError(
            f"{path}: cannot be written ({error.strerror or error}). What was finished is kept: "
            "make room, and run again"
        ) from error

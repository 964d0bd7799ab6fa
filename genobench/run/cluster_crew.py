"""Who works for a run on a cluster: workers as they come and go, and what each may do at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genobench.errors import GenobenchError
from genobench.run import cluster_worker, environment
from genobench.run.child import Slot
from genobench.run.job import Device

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 120  # to take a piece of a file, or less
RESOURCE = "genobench"  # `dask worker --resources genobench=1`: so many jobs at a time


class WorkerLostError(Exception):
    """A worker does not answer any more."""


@dataclass(frozen=True, eq=False)
class Place:
    """One worker.

    Attributes
    ----------
    address, host
        Where it is.
    jobs
        How many it does at a time: its resource ``genobench``, else one per thread, and one per
        GPU.
    declared
        It has the resource, so that other runs on this cluster see when it is taken.
    nthreads, cores
        Threads it was started with, and the processor cores it may use.
    memory
        Bytes for its jobs; 0: whatever the machine has.
    machine_memory
        Bytes of the machine.
    gpu
        The one of its jobs; empty on ``cpu``.
    gpus
        All that it sees.
    sent
        Keys of the bundles that it has.
    """

    address: str
    host: str
    jobs: int
    declared: bool
    nthreads: int
    cores: frozenset[int]
    memory: int
    machine_memory: int
    gpu: str
    gpus: tuple[str, ...]
    sent: set[str] = field(default_factory=set)


class Crew:
    """The workers of one scheduler.

    Parameters
    ----------
    client
        Of Dask, connected.
    where
        What ``--cluster`` says.
    device
        On ``cuda`` a worker without a GPU is left aside; None: not known yet.
    say
        Told, in a line, who comes, goes, or cannot be used.
    """

    def __init__(
        self, client: Any, where: str, device: Device | None, say: Callable[[str], None]
    ) -> None:
        self.client, self.where, self.device, self.say = client, where, device, say
        self.places: dict[str, Place] = {}
        self.aside: dict[str, str] = {}  # address -> why it is not used
        self._looked = 0.0
        self._waiting = False

    def look(self) -> list[Place]:
        """Take in who is there now, once a second at most; the workers that are gone.

        Raises
        ------
        GenobenchError
            When the scheduler is gone.
        """
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return []
        known = self._workers()
        self._looked = time.monotonic()
        gone = [place for address, place in self.places.items() if address not in known]
        for place in gone:
            del self.places[place.address]
            self.say(f"worker {place.address} is gone")
        self.aside = {a: why for a, why in self.aside.items() if a in known}
        self._greet({a: i for a, i in known.items() if a not in {*self.places, *self.aside}})
        return gone

    def present(self) -> list[str]:
        """Addresses of the workers that are used, and there now."""
        known = self._workers()
        return [address for address in self.places if address in known]

    def require(self) -> None:
        """Raise when workers are there and none of them can be used; say when none is there."""
        if self.places:
            self._waiting = False
        elif self.aside:
            reasons = "; ".join(sorted(set(self.aside.values())))
            raise GenobenchError(f"{self.where}: no worker can be used: {reasons}")
        elif not self._waiting:
            self._waiting = True
            self.say(f"{self.where}: waiting for workers")

    def ask(self, place: Place, function: Callable[..., Any], *given: Any) -> Any:
        """Have a worker call a function of `genobench.run.cluster_worker`.

        Raises
        ------
        WorkerLostError
            When it does not answer.
        """
        try:
            return self.call([place.address], function, *given)[place.address]
        except (OSError, KeyError) as error:
            raise WorkerLostError(f"it does not answer: {error}") from error

    def call(
        self, workers: list[str], function: Callable[..., Any], *given: Any, on_error: str = "raise"
    ) -> dict[str, Any]:
        """What each of some workers answers; a frozen one holds the run up for so long only."""
        answers: dict[str, Any] = self.client.sync(
            self.client._run,  # `Client.run` itself waits for ever
            function,
            *given,
            workers=workers,
            on_error=on_error,
            callback_timeout=ANSWER_SECONDS,
        )
        return answers

    def leave_aside(self, place: Place, why: str) -> None:
        """Use a worker no more."""
        self.places.pop(place.address, None)
        self._set_aside(place.address, why)

    def slot(self, place: Place, index: int) -> Slot:
        """Share of a worker's machine that one of its jobs has.

        What the worker was given, when it says how many jobs it takes; otherwise an equal part of
        its cores, which workers of one machine may have in common.
        """
        if place.declared:
            threads = place.nthreads // place.jobs
        else:
            threads = len(place.cores) // sum(p.jobs for p in self._beside(place))
        device = self.device or "cpu"
        return Slot(index, device, place.gpu, max(1, threads))

    def memory_share(self, place: Place) -> int:
        """Bytes that one job of a worker may use."""
        if place.memory:
            return place.memory // place.jobs
        return place.machine_memory // sum(p.jobs for p in self._beside(place))

    def _beside(self, place: Place) -> Iterable[Place]:
        """The workers that share cores with one, itself included."""
        return [p for p in self.places.values() if p.host == place.host and p.cores & place.cores]

    def _workers(self) -> Mapping[str, Any]:
        """What the scheduler knows of each worker."""
        try:
            if self.client.status != "running":
                raise lost(self.where)
            return dict(self.client.scheduler_info(n_workers=-1)["workers"])
        except OSError as error:
            raise lost(self.where) from error

    def _greet(self, newcomers: Mapping[str, Any]) -> None:
        if not newcomers:
            return
        try:
            answers = self.call(list(newcomers), cluster_worker.greet, on_error="return")
        except OSError:
            return  # gone again; the next look tells
        for address, known in newcomers.items():
            answer = answers.get(address)
            if isinstance(answer, OSError) or answer is None:
                continue
            if isinstance(answer, Exception):
                self._set_aside(address, f"genobench does not run there ({answer})")
            elif why := self._obstacle(answer):
                self._set_aside(address, why)
            else:
                self._take_on(address, known, answer)

    def _obstacle(self, answer: Mapping[str, Any]) -> str:
        """Why a worker cannot be used; "" when it can."""
        here, there = environment.software(), answer["software"]
        other = [
            f"{name} {there.get(name, 'not there')} (here: {here.get(name, 'not there')})"
            for name in sorted({*here, *there})
            if here.get(name) != there.get(name)
        ]
        if other:
            return f"other software than here: {', '.join(other)}; install the same"
        if self.device == "cuda" and not answer["gpus"]:
            return "it sees no GPU (--device cuda)"
        return ""

    def _take_on(self, address: str, known: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        gpus = tuple(answer["gpus"])
        twins = sum(p.host == answer["host"] and p.gpus == gpus for p in self.places.values())
        declared = int((known.get("resources") or {}).get(RESOURCE, 0))
        nthreads = int(known["nthreads"])
        on_gpu = self.device == "cuda"
        self.places[address] = Place(
            address=address,
            host=answer["host"],
            jobs=min(declared, nthreads) or (1 if on_gpu else nthreads),
            declared=declared > 0,
            nthreads=nthreads,
            cores=frozenset(answer["cores"]),
            memory=int(known.get("memory_limit") or 0),
            machine_memory=int(answer["memory"]),
            gpu=gpus[twins % len(gpus)] if on_gpu else "",
            gpus=gpus,
        )

    def _set_aside(self, address: str, why: str) -> None:
        self.aside[address] = why
        self.say(f"worker {address} is not used: {why}")


def lost(where: str) -> GenobenchError:
    """The scheduler is gone."""
    return GenobenchError(
        f"{where}: the connection to the Dask scheduler is lost. What was finished is kept: see "
        "that the scheduler runs, then run the same command again; only what is missing is run"
    )

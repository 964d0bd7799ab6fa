"""Runs work in child processes, a few at a time, within limits."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from genobench.errors import GenobenchError
from genobench.run.child import Child, Ended, Slot
from genobench.run.environment import cores
from genobench.run.fork_server import ForkServers
from genobench.run.job import Device, Job, Limits

POLL_SECONDS = 0.2
ENDING_SECONDS = 0.01  # while a child is about to end
KEEP_SECONDS = 0.05  # at most, from what a child says until it is kept


@dataclass(frozen=True, eq=False)
class Work:
    """What one child process does.

    Attributes
    ----------
    order
        JSON-able order for the worker.
    limits, log
        What it may use, and where it prints to.
    job
        The job it belongs to, if it belongs to one.
    on_start, on_message, on_end
        Called in this process as things happen. ``on_end`` may return more work, done next.
    on_heard
        Called a moment after something was said, with whatever followed it: time to keep it. Not
        when the child has ended, which ``on_end`` tells.
    """

    order: Mapping[str, Any]
    limits: Limits
    log: Path
    on_end: Callable[[Ended], Work | None]
    job: Job | None = None
    on_message: Callable[[dict[str, Any]], None] = field(default=lambda _: None)
    on_start: Callable[[Slot], None] = field(default=lambda _: None)
    on_heard: Callable[[], None] = field(default=lambda: None)


class Queue:
    """Work that waits, handed out in its order unless ``pick`` chooses.

    Parameters
    ----------
    work
        In order.
    pick
        Given what waits, the index of what comes next; the first by default.
    """

    def __init__(
        self, work: Sequence[Work], pick: Callable[[Sequence[Work]], int] = lambda _: 0
    ) -> None:
        self.waiting = list(work)
        self.pick = pick

    def pop(self) -> Work:
        """What comes next."""
        return self.waiting.pop(self.pick(self.waiting))


def execute(
    queue: Queue,
    slots: Sequence[Slot],
    each_turn: Callable[[], None] = lambda: None,
    servers: ForkServers | None = None,
) -> None:
    """Run everything in ``queue``, one piece of work per slot at a time.

    ``servers`` fork the children, which otherwise start by themselves.
    On any exception, Ctrl-C included, all children are stopped before it travels on; ``each_turn``,
    which is called again and again, may raise one.
    """
    running: dict[Slot, _Running] = {}
    try:
        while queue.waiting or running:
            each_turn()
            for slot in slots:
                if slot not in running and queue.waiting:
                    work = queue.pop()
                    child = Child(work.order, slot, work.limits, work.log, servers)
                    running[slot] = _Running(work, child)
                    work.on_start(slot)
            _wait(list(running.values()))
            for slot, one in list(running.items()):
                if (ended := one.attend()) is not None:
                    del running[slot]
                    if (more := one.work.on_end(ended)) is not None:
                        queue.waiting.insert(0, more)
    finally:
        with ExitStack() as last:  # each of them, whatever befalls the others
            for one in running.values():
                last.callback(one.child.close)
                last.callback(one.child.stop)
                last.callback(one.keep)


@dataclass(eq=False)
class _Running:
    """A piece of work and its child; since when there is something said that was not kept."""

    work: Work
    child: Child
    unkept: float | None = None

    def attend(self) -> Ended | None:
        """Pass on what the child said; how it ended, if it did."""
        over = self.child.process.poll() is not None
        for message in self.child.messages():  # after the poll, so that the last words are heard
            if self.unkept is None:
                self.unkept = time.monotonic()
            self.work.on_message(message)
        if over:
            return self._closed()
        if self.patience == 0:
            self.keep()
        self.child.enforce()
        return None

    @property
    def patience(self) -> float:
        """Seconds until it is to be attended to, whether or not it says anything."""
        if self.unkept is not None:
            return max(0.0, self.unkept + KEEP_SECONDS - time.monotonic())
        return ENDING_SECONDS if self.child.ending else POLL_SECONDS

    def keep(self) -> None:
        """Have what was said kept."""
        if self.unkept is not None:
            self.work.on_heard()
            self.unkept = None

    def _closed(self) -> Ended:
        try:
            return self.child.close()
        except BaseException:  # how it ended cannot be told: what it said is kept
            self.keep()
            raise


def _wait(running: Sequence[_Running]) -> None:
    """Until a child says something or ends, or it is time to look after one."""
    descriptors = [d for one in running for d in one.child.descriptors]
    select.select(descriptors, [], [], min(one.patience for one in running))


def make_slots(jobs: int | None, device: Device, each: int = 1) -> list[Slot]:
    """Slots of this machine.

    Parameters
    ----------
    jobs
        How many at a time; None: one per GPU, or one per two cores without.
    device
        GPUs are dealt out in turn; on ``cpu`` none is visible.
    each
        Processes of one fit: so many GPUs belong to a slot, or they share its cores.
    """
    if jobs is not None and jobs < 1:
        raise GenobenchError(f"--jobs {jobs}: at least one job must run at a time")
    gpus = visible_gpus() if device == "cuda" else []
    if device == "cuda" and not gpus:
        raise GenobenchError("--device cuda: no GPU is visible here; try --device cpu or auto")
    if each > 1 and device == "cuda":
        gpus = _groups(gpus, each)
    count = jobs or (len(gpus) or max(1, cores() // 2))
    threads = max(1, cores() // (count * each))
    return [Slot(i, device, gpus[i % len(gpus)] if gpus else "", threads) for i in range(count)]


def _groups(gpus: Sequence[str], each: int) -> list[str]:
    """GPUs that work on one fit, between commas; what is left over joins no group."""
    if len(gpus) < each:
        raise GenobenchError(
            f"a fit on {each} GPUs (--gpus-per-fit): {len(gpus)} visible here; ask for fewer, or "
            "try --device cpu"
        )
    if parts := [gpu for gpu in gpus if gpu.startswith("MIG-")]:
        raise GenobenchError(
            f"a fit on {each} GPUs (--gpus-per-fit): {parts[0]} is part of a divided GPU, and such "
            "parts cannot work together"
        )
    return [",".join(gpus[i : i + each]) for i in range(0, len(gpus) - each + 1, each)]


def resolve_device(device: str) -> Device:
    """What ``auto``, ``cpu`` or ``cuda`` means here; auto takes a GPU if there is one."""
    if device == "auto":
        return "cuda" if visible_gpus() else "cpu"
    if device not in ("cpu", "cuda"):
        raise GenobenchError(f"unknown device {device!r}; one of auto, cpu, cuda")
    return "cuda" if device == "cuda" else "cpu"


def visible_gpus() -> list[str]:
    """Identifiers of the GPUs one may use, without importing torch.

    ``CUDA_VISIBLE_DEVICES`` rules, as set by a cluster; otherwise the driver's list, in which the
    parts of a divided GPU stand in its place.
    """
    if (given := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [g.strip() for g in given.split(",") if g.strip() not in ("", "-1")]
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    parts = re.findall(r"UUID: (MIG-[\w\-/]+)", listing)
    return parts or re.findall(r"UUID: (GPU-[\w\-]+)", listing)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP act like Ctrl-C: clean up, then KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)

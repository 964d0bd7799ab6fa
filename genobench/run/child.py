"""One child process as its parent sees it: started, watched, stopped with everything it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from genobench.run.capped_log import CappedLog
from genobench.run.environment import memory_kills
from genobench.run.fork_server import Forked, ForkServers, ServerLostError
from genobench.run.forking import MESSAGES
from genobench.run.job import Limits

GRACE_SECONDS = 1.0  # between the polite signal and the other one
LOOK_SECONDS = 0.2  # between two looks at its memory
NEAR = 0.75  # of its memory limit: who dies by force there died for want of memory
LINGER_SECONDS = 3.0  # between a job's last message and the end of its process


@dataclass(frozen=True)
class Slot:
    """A share of the machine: CPU threads, and a GPU or none.

    Attributes
    ----------
    index
        0-based.
    device
        ``cpu`` or ``cuda``.
    gpu
        What ``CUDA_VISIBLE_DEVICES`` is set to; empty hides all GPUs. Several between commas: one
        for each process of a fit.
    threads
        CPU threads of one process.
    """

    index: int
    device: str
    gpu: str
    threads: int

    def variables(self) -> dict[str, str]:
        """Environment of a child in this slot."""
        names = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")
        count = {
            f"{name}_THREADS" if name == "VECLIB_MAXIMUM" else f"{name}_NUM_THREADS": str(
                self.threads
            )
            for name in names
        }
        first = self.gpu.split(",")[0]
        return {**os.environ, **count, "CUDA_VISIBLE_DEVICES": first, "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes
    ----------
    stopped
        ``timeout`` or ``memory`` when the parent stopped it; empty otherwise.
    limit
        The limit it was stopped for: seconds or bytes; None otherwise.
    exit_code, signal
        Exit status, or the name of the signal that ended it.
    phase, error
        What it was at, and the exception it reported.
    finished
        It said that it had done everything.
    seconds
        Wall-clock time.
    last_lines
        The end of what it printed.
    lost_workers
        Workers of a cluster that were lost with this job before.
    short_of_memory
        Somebody else killed it by force while memory was short.
    """

    stopped: str
    exit_code: int | None
    signal: str | None
    phase: str
    error: Mapping[str, Any] | None
    finished: bool
    seconds: float
    last_lines: tuple[str, ...]
    limit: float | None = None
    lost_workers: int = 0
    short_of_memory: bool = False


class Child:
    """A worker in a session of its own.

    Parameters
    ----------
    order
        What it is to do; see `genobench.run.worker`.
    slot, limits
        Where it runs, and what it may use.
    log
        File for what it prints.
    servers
        Fork it, where they can; without them it starts by itself.
    """

    def __init__(
        self,
        order: Mapping[str, Any],
        slot: Slot,
        limits: Limits,
        log: Path,
        servers: ForkServers | None = None,
    ) -> None:
        self.limits = limits
        self.phase = "load"
        self.error: Mapping[str, Any] | None = None
        self.finished = False
        self._stopped = ""
        self._over: float | None = None
        self._most, self._kills = 0, memory_kills()  # bytes at its largest; the system's count
        self._seen: dict[int, psutil.Process] = {}
        self._pending = b""
        self._log = CappedLog(log)
        self.started = self._looked = time.monotonic()
        try:
            told = self._start(slot.variables(), servers, str(order.get("data", "")))
        except ServerLostError:
            told = self._start(slot.variables(), None)
        self._end = _end_of(self.process.pid)
        self._open = {self._messages, self._output}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
        full = {
            **order,
            "messages": told,
            "spawned": self.started,
            "threads": slot.threads,
            "gpus": slot.gpu,
        }
        with contextlib.suppress(BrokenPipeError):  # it died at once; its end is seen below
            _write_all(self._orders, json.dumps(full).encode() + b"\n")

    def _start(self, variables: dict[str, str], servers: ForkServers | None, data: str = "") -> int:
        """Start the process, with new pipes; the descriptor there that it sends messages to."""
        orders, self._orders = os.pipe()
        self._output, output = os.pipe()
        self._messages, messages = os.pipe()
        with contextlib.ExitStack() as failed:
            for own in (self._orders, self._output, self._messages):
                failed.callback(os.close, own)
            try:
                self.process: subprocess.Popen[bytes] | Forked
                if servers is not None:
                    self.process = servers.fork(variables, (orders, output, messages), data)
                else:
                    self.process = subprocess.Popen(
                        [sys.executable, "-P", "-m", "genobench.run.worker"],
                        stdin=orders,
                        stdout=output,
                        stderr=output,
                        pass_fds=(messages,),
                        env=variables,
                        start_new_session=True,
                    )
            finally:
                for theirs in (orders, output, messages):
                    os.close(theirs)
            failed.pop_all()
        return messages if servers is None else MESSAGES

    @property
    def descriptors(self) -> frozenset[int]:
        """What becomes readable when the child says something, or ends."""
        return frozenset(self._open if self._end is None else {*self._open, self._end})

    @property
    def ending(self) -> bool:
        """It has nothing more to say: its end is near, and is to be looked for."""
        silent = self._over is not None or self._messages not in self._open
        return silent and self._end is None

    @property
    def seconds(self) -> float:
        """Wall-clock time since the start."""
        return time.monotonic() - self.started

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it has said since last asked; its output goes to the log."""
        self._log.write(self._drain(self._output))
        self._pending += self._drain(self._messages)
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            message = _message(line)
            if message.get("at") == "phase":
                self.phase = message["phase"]
            elif message.get("at") == "error":
                self.error = message
            elif message.get("at") == "done":
                self.finished = True
            if message.get("at") in ("error", "done") and self._over is None:
                self._over = time.monotonic()
            yield message

    def enforce(self) -> None:
        """Stop it when it is past a limit, or lingers after its last message."""
        if self.process.poll() is not None:
            return
        if self._over is not None:
            if time.monotonic() - self._over > LINGER_SECONDS:
                self.stop()
        elif self.seconds > self.limits.seconds:
            self._stopped = "timeout"
            self.stop()
        elif time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            held = self._tree_bytes()
            self._most = max(self._most, held)
            if held > self.limits.memory_bytes:
                self._stopped = "memory"
                self.stop()

    def stop(self) -> None:
        """End it and its group: politely, which leaves a traceback in the log, then by force."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self._log.write(self._drain(self._output))
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> Ended:
        """Sweep up what outlived it; how it ended. Call when the process has ended."""
        code = self.process.wait()
        short = memory_kills() > self._kills or self._most > NEAR * self.limits.memory_bytes
        self._signal(signal.SIGKILL)
        for straggler in self._seen.values():
            with contextlib.suppress(psutil.Error):
                straggler.kill()  # psutil makes sure that the pid was not given away meanwhile
        seconds = self.seconds
        for descriptor in (self._orders, self._output, self._messages, self._end):
            if descriptor is not None:
                os.close(descriptor)
        self._log.close()
        return Ended(
            stopped=self._stopped,
            exit_code=code if code >= 0 else None,
            signal=signal.Signals(-code).name if code < 0 else None,
            phase=self.phase,
            error=self.error,
            finished=self.finished,
            seconds=seconds,
            last_lines=self._log.last_lines(),
            limit={"timeout": self.limits.seconds, "memory": self.limits.memory_bytes}.get(
                self._stopped
            ),
            short_of_memory=short and code == -signal.SIGKILL and not self._stopped,
        )

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)  # a session's leader: its pid is the group

    def _drain(self, descriptor: int) -> bytes:
        """What can be read now, a few megabytes at most: a chatty child starves nobody."""
        chunks: list[bytes] = []
        while descriptor in self._open and len(chunks) < 64:
            try:
                chunk = os.read(descriptor, 65536)
            except BlockingIOError:
                break
            if chunk:
                chunks.append(chunk)
            else:
                self._open.discard(descriptor)
        return b"".join(chunks)

    def _tree_bytes(self) -> int:
        """Resident memory of the process and its descendants, which are remembered."""
        total = 0
        try:
            root = psutil.Process(self.process.pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return 0
        for process in tree:
            if process.pid != root.pid:
                self._seen.setdefault(process.pid, process)
            with contextlib.suppress(psutil.Error):
                total += int(process.memory_info().rss)
        return total


def _end_of(pid: int) -> int | None:
    """Descriptor that becomes readable when a process ends; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an old system, or the process is gone
        return None


def _write_all(descriptor: int, content: bytes) -> None:
    """All of it, were it more than a pipe takes at once."""
    while content:
        content = content[os.write(descriptor, content) :]


def _message(line: bytes) -> dict[str, Any]:
    """One message; what is none (a plug-in wrote into the pipe) is passed over."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

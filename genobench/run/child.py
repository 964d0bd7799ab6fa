"""One child process as its parent sees it: started, watched, stopped with everything it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from genobench.errors import GenobenchError
from genobench.run.job import Limits

LOG_BYTES = 2**20  # of each log; the end of what is longer is kept apart
TAIL_LINES = 60
GRACE_SECONDS = 1.0  # between the polite signal and the other one
LOOK_SECONDS = 0.2  # between two looks at its memory
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
        What ``CUDA_VISIBLE_DEVICES`` is set to; empty hides all GPUs.
    threads
        CPU threads.
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
        return {**os.environ, **count, "CUDA_VISIBLE_DEVICES": self.gpu, "PYTHONHASHSEED": "0"}


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
    """

    def __init__(self, order: Mapping[str, Any], slot: Slot, limits: Limits, log: Path) -> None:
        self.limits = limits
        self.phase = "load"
        self.error: Mapping[str, Any] | None = None
        self.finished = False
        self._stopped = ""
        self._over: float | None = None
        self._looked = 0.0
        self._seen: dict[int, psutil.Process] = {}
        self._pending = b""
        self._log = _CappedLog(log)
        read, write = os.pipe()
        self.started = time.monotonic()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "genobench.run.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(write,),
                env=slot.variables(),
                start_new_session=True,
            )
        finally:
            os.close(write)
        self._messages = read
        self._open = {read}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._output = self.process.stdout.fileno()
        self._open.add(self._output)
        for descriptor in (read, self._output):
            os.set_blocking(descriptor, False)
        full = {**order, "messages": write, "spawned": self.started, "threads": slot.threads}
        with contextlib.suppress(BrokenPipeError):  # it died at once; its end is seen below
            self.process.stdin.write(json.dumps(full).encode() + b"\n")
            self.process.stdin.flush()

    @property
    def descriptors(self) -> frozenset[int]:
        """What becomes readable when the child says something."""
        return frozenset(self._open)

    @property
    def ending(self) -> bool:
        """It has nothing more to say: its end is near."""
        return self._over is not None or self._messages not in self._open

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
            if self._tree_bytes() > self.limits.memory_bytes:
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
        self._signal(signal.SIGKILL)
        for straggler in self._seen.values():
            with contextlib.suppress(psutil.Error):
                straggler.kill()  # psutil makes sure that the pid was not given away meanwhile
        seconds = self.seconds
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        os.close(self._messages)
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


class _CappedLog:
    """What a child prints, on disk up to a limit, with the end in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.full = path, False
        with self._room():
            self.file = path.open("ab", buffering=0)
        self.left = LOG_BYTES
        self.skipped = 0
        self.tail: deque[bytes] = deque([b""], maxlen=TAIL_LINES)

    def write(self, content: bytes) -> None:
        if not content:
            return
        kept = b"" if self.full else content[: self.left]
        self._put(kept)
        self.left -= len(kept)
        self.skipped += len(content) - len(kept)
        first, *more = content[-LOG_BYTES:].split(b"\n")
        self.tail[-1] = (self.tail[-1] + first)[-4096:]
        self.tail.extend(line[-4096:] for line in more)

    def last_lines(self) -> tuple[str, ...]:
        lines = [line.decode(errors="replace").rstrip() for line in self.tail]
        return tuple(line for line in lines if line)

    def close(self) -> None:
        if self.skipped and not self.full:
            end = "\n".join(self.last_lines())
            note = f"\n[{self.skipped:,} bytes in all left out here; the end was:]\n{end}\n"
            self._put(note.encode())
        self.file.close()

    def _put(self, content: bytes) -> None:
        """All of it: a disk that becomes full takes the beginning, and refuses what is left."""
        left = memoryview(content)
        with self._room():
            while left:
                left = left[self.file.write(left) :]

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """Says what to do when the disk refuses; once, so that what runs can still be stopped."""
        try:
            yield
        except OSError as error:
            self.full = True
            raise GenobenchError(
                f"{self.path}: cannot be written ({error.strerror or error}). Records written so "
                "far are safe: make room, and run again; only what is missing is run"
            ) from error


def _message(line: bytes) -> dict[str, Any]:
    """One message; what is none (a plug-in wrote into the pipe) is passed over."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

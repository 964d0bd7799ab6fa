"""A fit in several processes: the job's own is rank 0, which starts the others and watches them.

They run `genobench.run.rank_worker` in the group of the job's process, end with it at the latest,
and count among its memory; what they print goes to its log. They meet over a file in the folder of
the samples, then over the loopback. Whatever one of them dies of ends the job with that error.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError
from genobench.run import environment
from genobench.run.lifeline import Messages
from genobench.run.store import PART

MEETING_SECONDS = 600.0  # that ranks wait for each other before they give up
ENDING_SECONDS = 30.0  # between the end of rank 0's fit and those of the others
LOOK_SECONDS = 0.1  # between two looks at the others
CAUSE_SECONDS = 0.5  # in which the first cause turns up where several ranks fail together
BLAME_SECONDS = 5.0  # in which another rank may turn out to be the cause of an error of rank 0
OVER = "over"  # set in the store when the fit has ended everywhere


@contextmanager
def beside(order: Mapping[str, Any], messages: Messages) -> Iterator[None]:
    """Within the block this process is rank 0 of ``order["processes"]`` that fit together.

    Raises
    ------
    GenobenchError
        When the others have not ended soon after this one.
    """
    sample = Path(order["sample"])
    folder = sample.with_name(f".{sample.name}.{os.getpid()}.ranks{PART}")
    folder.mkdir(mode=0o700)
    order = {**order, "meeting": str(folder / "meeting")}
    try:
        others = _Others(order, messages)
        try:
            store = join(order, 0)
            yield
            others.finish()
            leave(store)
        except Exception:
            others.wait(BLAME_SECONDS)  # does not return when one of them has failed
            raise
        finally:
            others.bury()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def join(order: Mapping[str, Any], rank: int) -> Any:
    """Join the group as ``rank``; the store that all ranks share."""
    from torch import distributed

    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    store = distributed.FileStore(order["meeting"], order["processes"])  # type: ignore[attr-defined]
    hook = sys.excepthook
    distributed.init_process_group(
        "nccl" if order["device"] == "cuda" else "gloo",
        store=store,
        rank=rank,
        world_size=order["processes"],
        timeout=timedelta(seconds=MEETING_SECONDS),
    )
    sys.excepthook = hook  # torch's own loses what a hook prints that ends the process
    return store


def leave(store: Any) -> None:
    """Dissolve the group: every rank has ended its fit."""
    from torch import distributed

    store.set(OVER, "")
    distributed.destroy_process_group()


class _Others:
    """The other ranks, and a thread that hears and watches them until all have fitted."""

    def __init__(self, order: Mapping[str, Any], messages: Messages) -> None:
        self.messages = messages
        self.world = int(order["processes"])
        self._folder = Path(order["meeting"]).parent
        self._kills = environment.memory_kills()
        self._read, write = os.pipe()
        self.processes = {rank: _start(order, rank, write) for rank in range(1, self.world)}
        os.close(write)
        self._pending = b""
        self._failed: list[dict[str, Any]] = []
        self._done: set[int] = set()
        self._buried = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="genobench ranks")
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until all have fitted, so long at most; does not return when one of them has failed."""
        self._thread.join(seconds)

    def finish(self) -> None:
        """Wait for those that still fit, but not for ever."""
        self.wait(ENDING_SECONDS)
        if self._thread.is_alive():
            late = sorted(set(self.processes) - self._done)
            raise GenobenchError(
                f"rank {late[0]} of {self.world} still fits {ENDING_SECONDS:.0f} s after rank 0 "
                "has ended: all ranks must take the same steps; genobench.parallel.over and agreed "
                "tell them alike when to stop"
            )

    def bury(self) -> None:
        """End them; nobody minds any more how."""
        self._buried.set()
        for process in self.processes.values():
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()  # not before: it is what the process hangs on

    def _watch(self) -> None:
        while self._done < set(self.processes) and not self._buried.wait(LOOK_SECONDS):
            if self._gone() or self._failed:
                self._end()

    def _gone(self) -> dict[int, int]:
        """Exit status of those that ended before they had fitted."""
        codes = {rank: process.poll() for rank, process in self.processes.items()}
        self._hear()  # after the look, so that the last words are heard
        return {r: code for r, code in codes.items() if code is not None and r not in self._done}

    def _hear(self) -> None:
        """Take in what they have said."""
        while select.select([self._read], [], [], 0)[0] and (said := os.read(self._read, 65536)):
            *lines, self._pending = (self._pending + said).split(b"\n")
            for line in lines:
                with suppress(ValueError, KeyError):  # a plug-in wrote into the pipe
                    self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if message["at"] == "done":
            self._done.add(message["rank"])
        elif message["at"] == "error":
            self._failed.append(message)

    def _end(self) -> None:
        """End this process with what the first of them has failed with.

        Others fail after it, for want of it; of those that were killed none has said anything.
        """
        spoke = bool(self._failed)
        if self._buried.wait(CAUSE_SECONDS):
            return
        gone = self._gone()
        killed = [rank for rank, code in gone.items() if code < 0]
        if spoke:  # and torch then aborts those that wait for who has failed
            killed = [rank for rank in killed if gone[rank] != -signal.SIGABRT]
        if self._failed and not killed:
            error = self._failed[0]
            message = f"rank {error['rank']} of {self.world}: {error['message']}"
            told = {"type": error["type"], "disk": error["disk"], "memory": error["memory"]}
        else:
            rank = (killed or list(gone))[0]
            how = _ending(gone[rank])
            message = f"rank {rank} of {self.world} {how} in {self.messages.current}"
            short = environment.memory_kills() > self._kills
            told = {"type": "Crash", "disk": False, "memory": short and bool(killed)}
        shutil.rmtree(self._folder, ignore_errors=True)  # what this process leaves undone
        self.messages.send("error", phase=self.messages.current, message=message, **told)
        self.messages.leave(1)


def _start(order: Mapping[str, Any], rank: int, write: int) -> subprocess.Popen[bytes]:
    """Start one rank, with its device alone to be seen."""
    gpus = order["gpus"].split(",")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "genobench.run.rank_worker"],
        stdin=subprocess.PIPE,
        pass_fds=(write,),
        env={**os.environ, "CUDA_VISIBLE_DEVICES": gpus[rank] if order["gpus"] else ""},
    )
    assert process.stdin is not None
    line = json.dumps({**order, "rank": rank, "messages": write}).encode() + b"\n"
    with suppress(BrokenPipeError):  # it died at once, which is seen later
        process.stdin.write(line)
        process.stdin.flush()
    return process


def _ending(code: int) -> str:
    """An exit status in words."""
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"left with exit code {code} without an exception"

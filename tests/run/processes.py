"""Processes that tests start, wait for, and look after: Dask's among them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil


def wait(condition: Callable[[], Any], seconds: float) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def all_gone(pids: Collection[int], seconds: float) -> bool:
    """Whether these processes end in time."""
    return wait(lambda: all(map(gone, pids)), seconds)


def gone(pid: int) -> bool:
    """No such process, or one that waits to be buried."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


class Dask:
    """A scheduler and its workers: processes of their own, on the loopback."""

    def __init__(self, folder: Path, *, tls: tuple[Path, ...] = ()) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{port}"
        self.security = [
            word
            for option, path in zip(("ca-file", "cert", "key"), tls, strict=False)
            for word in (f"--tls-{option}", str(path))
        ]
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start(
            "scheduler", "--host", self.address.rpartition(":")[0], "--port", str(port),
            "--no-dashboard", "--no-show", *self.security,
        )  # fmt: skip

    def start(self, what: str, *words: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{what}{len(self.processes)}.log").open("wb")
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, *words]
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def worker(self, *words: str) -> subprocess.Popen[bytes]:
        """One worker, without a nanny that would start it anew."""
        return self.start(
            "worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(self.folder), *self.security, *words,
        )  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()

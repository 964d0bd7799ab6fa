"""Children that have nothing to import: a server did so once, and forks one for each job.

To import numpy, pandas and the harness takes more processor time than a small job. A server has
done it (`genobench.run.forking`), in the environment of one slot, since libraries read that when
they are loaded. What it forks becomes a child of the process that asked, which waits for it and
stops it like one that it started itself, and which loses nothing when the server is killed. Where
none can be had (on systems other than Linux), every child starts by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from genobench.run.forking import NO_DATA

ANSWER_SECONDS = 30.0  # in which a server must have imported everything and forked
_SET_SUBREAPER, _GET_SUBREAPER = 36, 37  # of Linux's prctl
_Surroundings = tuple[Path, frozenset[tuple[str, str]]]  # working folder and environment
_adopting = threading.Lock()  # who adopts is a property of the whole process


class ServerLostError(Exception):
    """No server could fork: the child must start by itself."""


class Forked:
    """A child that a server forked, seen as `subprocess.Popen` shows others."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        """Exit status once it has ended."""
        code = self._waited(0)
        assert code is not None
        return code

    def _waited(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # SIGCHLD is ignored here; Popen takes it so as well
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class ForkServers:
    """Servers of this process, one for each environment, started when first needed.

    Leaving the block, or `close`, ends them; what they forked runs on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[_Surroundings, _Server] = {}
        self._barren: set[_Surroundings] = set()  # where no server ever handed a child over

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all servers."""
        with self._lock:
            while self._servers:
                self._servers.popitem()[1].close()

    def fork(
        self, variables: Mapping[str, str], descriptors: Sequence[int], data: str = ""
    ) -> Forked:
        """A new session with these as its standard input, its output, and its messages.

        Parameters
        ----------
        variables
            Its whole environment.
        descriptors
            Three, which stay open here.
        data
            Folder of the split that it reads, if it reads one.

        Raises
        ------
        ServerLostError
            When there is no server here, or it died before it had answered.
        """
        if sys.platform != "linux":
            raise ServerLostError("only Linux hands children over")
        with self._lock, contextlib.ExitStack() as failed:
            try:
                key = Path.cwd(), frozenset(variables.items())
                if key in self._barren:
                    raise ServerLostError("none could be had before")
                if key in self._servers and not self._servers[key].alive:
                    self._servers.pop(key).close()
                if key not in self._servers:
                    self._servers[key] = _Server(variables)
                # what it answers later would be taken for the answer to another question
                failed.callback(self._give_up, key)
                child = self._servers[key].fork(descriptors, data)
                self._servers[key].served = True
            except OSError as error:
                raise ServerLostError(str(error)) from error
            failed.pop_all()
            return child

    def _give_up(self, key: _Surroundings) -> None:
        """Remove a server that did not do; where none ever did, no other is tried."""
        server = self._servers.pop(key)
        if not server.served:
            self._barren.add(key)
        server.close()


class _Server:
    """One server process and the socket that leads to it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ANSWER_SECONDS)
        self._ready, self.served = False, False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "genobench.run.forking"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(variables),
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """It was not killed."""
        return self._process.poll() is None

    def fork(self, descriptors: Sequence[int], data: str) -> Forked:
        """A child of this process; an OSError when there is none."""
        if not self._ready:
            self._answer()
            self._ready = True
        with _adopts():
            socket.send_fds(self._control, [os.fsencode(data) or NO_DATA], list(descriptors))
            pid = int(self._answer())
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # fails if it is not ours
        return Forked(pid)

    def _answer(self) -> bytes:
        answer = self._control.recv(32)
        if not answer:
            raise ConnectionResetError("the server has died")
        return answer

    def close(self) -> None:
        """End it: it is idle, or of no use."""
        self._control.close()
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def _adopts() -> Iterator[None]:
    """Within the block orphans among the descendants become children of this process."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    with _adopting:
        before = ctypes.c_int()
        prctl(_GET_SUBREAPER, ctypes.byref(before), 0, 0, 0)
        prctl(_SET_SUBREAPER, 1, 0, 0, 0)
        try:
            yield
        finally:
            prctl(_SET_SUBREAPER, before.value, 0, 0, 0)

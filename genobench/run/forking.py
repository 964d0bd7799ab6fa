"""The process that has imported what every job needs, and forks one child for each.

Started by `genobench.run.fork_server` as ``python -m genobench.run.forking``, with one end of a
socket as its standard input. It says when it is ready; then each request brings the three
descriptors of a child and the folder of its data, which are read once for all children, and is
answered with the child's pid, 0 where there is none.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

MESSAGES = 3  # where a child sends its messages, beside 0, 1 and 2
READY = b"ready"
NO_DATA = b"\0"
REQUEST_BYTES = 4096  # of a request: a path is no longer


def main() -> None:
    """Be a server; in each child, its worker.

    OpenBLAS and jemalloc stop their threads for a fork and begin anew after it. Python's own cannot
    do so: with one of them about, there is no server.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it may be ignored where this was started
    os.dup2(1, MESSAGES)  # the place is taken, so that no file of the data comes to lie there
    import numpy as np
    import safetensors.numpy  # noqa: F401

    from genobench import registry
    from genobench.run import worker

    if not registry.announced():  # to look for plug-ins of others may run code of theirs
        registry.generators()
        registry.tasks()
    if threading.active_count() > 1:
        sys.exit("a thread was started")
    gc.freeze()  # the pages of what is imported stay shared
    _settle(_serve(socket.socket(fileno=0)))
    np.random.seed()  # noqa: NPY002  # no two children draw the same, as if started apart
    worker.main()


def _serve(control: socket.socket) -> list[int]:
    """Fork as often as asked, until nobody is there to ask; returns in each child."""
    from genobench.run.read_ahead import read_ahead

    control.send(READY)
    while True:
        asked, descriptors, *_ = socket.recv_fds(control, REQUEST_BYTES, 3)
        if not asked:
            os._exit(0)
        if asked != NO_DATA:
            read_ahead(Path(os.fsdecode(asked)))
            gc.freeze()
        pid = _fork_away()
        if not pid:
            control.detach()
            return descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(pid)


def _fork_away() -> bytes:
    """Fork a session without a parent, which falls to who adopts it; its pid, b"" in it."""
    read, write = os.pipe()
    if between := os.fork():
        os.close(write)
        os.waitpid(between, 0)  # from now on the child is the adopter's
        with open(read, "rb") as told:  # noqa: PTH123
            return told.read() or b"0"
    try:
        child = os.fork()
    except OSError:
        os._exit(1)
    if child:
        os._exit(0)
    os.setsid()
    os.write(write, str(os.getpid()).encode())
    os.close(write)
    return b""


def _settle(descriptors: Sequence[int]) -> None:
    """Take the descriptors' places; of what else the server had open leave all but files.

    Those are of the data: memory maps hold them.
    """
    orders, output, messages = descriptors
    for descriptor, place in ((orders, 0), (output, 1), (output, 2), (messages, MESSAGES)):
        os.dup2(descriptor, place)
    for left in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # that of the listing itself
            if left > MESSAGES and (
                left in descriptors or not stat.S_ISREG(os.fstat(left).st_mode)
            ):
                os.close(left)


if __name__ == "__main__":
    main()

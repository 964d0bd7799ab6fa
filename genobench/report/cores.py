"""Work shared out among the cores of the machine."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from genobench.errors import GenobenchError
from genobench.run import environment

_PDEATHSIG = 1  # of Linux's prctl

T = TypeVar("T")
R = TypeVar("R")


def over_cores(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` of every item, in their order.

    On Linux each core takes one after the other: this process the first, children forked from it
    what comes next. They inherit ``work`` and items; only results are pickled. Everything is done
    here with one core, elsewhere, in such a child itself, and in a process with threads of Python's
    own, where a fork may hang. It may also where OpenMP has threads, as after torch has computed:
    ``work`` must not use it then.

    Raises
    ------
    GenobenchError
        When a child was killed. Errors of ``work`` are raised as they are; what has not begun then
        is left undone.
    """
    several = min(environment.cores(), len(items))
    alone = bool(_inherited) or threading.active_count() > 1
    if several < 2 or alone or not sys.platform.startswith("linux"):
        return [work(item) for item in items]
    with _handed_down(work, items), _children(several - 1) as pool:
        try:
            others = {i: pool.submit(_done, i) for i in range(1, len(items))}
            found = {0: work(items[0])}
            found |= {i: work(items[i]) for i, other in others.items() if other.cancel()}
            found |= {i: other.result() for i, other in others.items() if i not in found}
        except BrokenProcessPool as error:
            raise GenobenchError(
                "a process that did part of the work has died; the system kills some when memory "
                "runs out"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return [found[i] for i in range(len(items))]


_inherited: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []


@contextmanager
def _handed_down(work: Callable[[T], R], items: Sequence[T]) -> Iterator[None]:
    """What children find in their memory."""
    _inherited.append((work, items))
    try:
        yield
    finally:
        _inherited.pop()


@contextmanager
def _children(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are forked when they are first asked for something."""
    context = get_context("fork")
    with warnings.catch_warnings():  # of OpenBLAS's threads, which stop for a fork
        warnings.filterwarnings("ignore", "This process .* is multi-threaded")
        with ProcessPoolExecutor(count, context, _begun, (os.getpid(),)) as pool:
            yield pool


def _begun(parent: int) -> None:
    """In a child: end with the parent, who also hears of Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _done(number: int) -> Any:
    """In a child: the work on one item."""
    work, items = _inherited[-1]
    return work(items[number])

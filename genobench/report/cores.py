"""Work shared out among the cores of the machine."""

from __future__ import annotations

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

T = TypeVar("T")
R = TypeVar("R")


def over_cores(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` of every item, in their order.

    On Linux each core takes a share, one of them in this process, the others in children forked
    from it. They inherit ``work`` and items; only results are pickled. In a process with threads of
    Python's own a fork may hang, so there, with one core and elsewhere, everything is done here.

    Raises
    ------
    GenobenchError
        When a child was killed. Errors of ``work`` are raised as they are.
    """
    several = min(environment.cores(), len(items))
    if several < 2 or not sys.platform.startswith("linux") or threading.active_count() > 1:
        return [work(item) for item in items]
    own = range(0, len(items), several)
    found: dict[int, R] = {}
    with _handed_down(work, items), ProcessPoolExecutor(several - 1, get_context("fork")) as pool:
        with warnings.catch_warnings():  # of OpenBLAS's threads, which stop for a fork
            warnings.filterwarnings("ignore", "This process .* is multi-threaded")
            others = {i: pool.submit(_done, i) for i in range(len(items)) if i not in own}
        found |= {i: work(items[i]) for i in own}
        try:
            found |= {i: other.result() for i, other in others.items()}
        except BrokenProcessPool as error:
            raise GenobenchError(
                "a process that did part of the work was killed; the system does this when memory "
                "runs out"
            ) from error
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


def _done(number: int) -> Any:
    """In a child: the work on one item."""
    work, items = _inherited[-1]
    return work(items[number])

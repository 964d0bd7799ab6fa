"""Population counts in compiled loops, and slices of rows shared out among threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numba import config, types
from numba.extending import intrinsic

T = TypeVar("T")


@intrinsic  # type: ignore[untyped-decorator]
def ones(_context: Any, _word: Any) -> Any:
    """Number of ones in a word: the processor's own instruction (numba offers none)."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def in_threads(part: Callable[[slice], T], n: int, *, slices: int = 1) -> list[T]:
    """``part`` of each slice of ``n`` rows, ``slices`` for each of the threads numba was given."""
    threads = max(1, min(config.NUMBA_NUM_THREADS, n // 64))
    edges = np.linspace(0, n, threads * slices + 1).astype(int).tolist()
    rows = [slice(a, b) for a, b in pairwise(edges)]
    if threads == 1:
        return [part(r) for r in rows]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(part, rows))

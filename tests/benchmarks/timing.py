"""Timings that stand beside each other: taken in turn, the best of several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def best_in_turn(*calls: Callable[[], Any], rounds: int) -> list[float]:
    """Least wall seconds of each call; every round makes all of them, after one for warming up."""
    best = [math.inf] * len(calls)
    for round_ in range(rounds + 1):
        for number, call in enumerate(calls):
            started = time.perf_counter()
            call()
            if round_:
                best[number] = min(best[number], time.perf_counter() - started)
    return best


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of log seconds on log size: 1 where cost is in proportion to size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])

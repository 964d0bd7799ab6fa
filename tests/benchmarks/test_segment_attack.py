"""The windowed attack is linear in people and in variants, and quick."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.metrics.membership import windowed_scores


def seconds(people: int, variants: int, make_cohort: Callable[..., Cohort]) -> float:
    """Least of three runs with as many candidates, synthetic and reference people."""
    thirds = np.split(make_cohort(3 * people, variants, 1, founders=60).genotypes, 3)
    candidates, synthetic, reference = thirds
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        windowed_scores(candidates, synthetic, reference, np.zeros(variants))
        spent.append(time.perf_counter() - started)
    return min(spent)


@pytest.mark.benchmark_suite
def test_windowed_attack_is_linear(make_cohort: Callable[..., Cohort], benchmark: Any) -> None:
    """Four times the people or the variants cost at most six times the seconds."""
    base = seconds(1_000, 256, make_cohort)
    found = {
        "base": base,
        "four times the people": seconds(4_000, 256, make_cohort),
        "four times the variants": seconds(1_000, 1_024, make_cohort),
    }
    benchmark.extra_info.update(found)
    thirds = np.split(make_cohort(3_000, 256, 1, founders=60).genotypes, 3)
    benchmark.pedantic(windowed_scores, args=(*thirds, np.zeros(256)), rounds=3)
    assert found["four times the people"] < 6 * base
    assert found["four times the variants"] < 6 * base

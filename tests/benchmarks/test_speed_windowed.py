"""The windowed attack is linear in people and in variants: the fitted exponents say so."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.metrics.membership import windowed_scores

from .ledger import Recorder
from .test_speed_privacy import people
from .timing import exponent

MOST = 1.2
CHROMOSOME = 128
PEOPLE = ((4_000, 256), (8_000, 256), (16_000, 256), (32_000, 256))  # candidates, variants
VARIANTS = ((4_000, 256), (4_000, 512), (4_000, 1_024), (4_000, 2_048))


def attack(genotypes: NDArray[np.int8]) -> None:
    """As many candidates as synthetic people and as the attacker has of his own.

    Chromosomes are equally long at every size: a short one has fewer windows for its variants.
    """
    candidates, synthetic, reference = np.split(genotypes, 3)
    chromosomes = np.arange(genotypes.shape[1]) // CHROMOSOME
    windowed_scores(candidates, synthetic, reference, chromosomes)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(900)
def test_windowed_attack_is_linear(benchmark: Any, record: Recorder) -> None:
    """Seconds against people, and against variants, over four sizes each."""
    rng = np.random.default_rng(0)
    sizes = sorted({*PEOPLE, *VARIANTS})
    inputs = {(n, m): np.ascontiguousarray(people(3 * n, rng)[:, :m]) for n, m in sizes}
    best = dict.fromkeys(sizes, math.inf)
    for _ in range(3):
        for size in sizes:
            started = time.perf_counter()
            attack(inputs[size])
            best[size] = min(best[size], time.perf_counter() - started)
    benchmark.pedantic(attack, args=(inputs[sizes[0]],), rounds=1)
    for name, axis, chosen in (("people", 0, PEOPLE), ("variants", 1, VARIANTS)):
        fitted = exponent([size[axis] for size in chosen], [best[size] for size in chosen])
        spent = ", ".join(f"{best[size]:.2g}" for size in chosen)
        note = f"{chosen[0][axis]:,} to {chosen[-1][axis]:,}: {spent} s"
        record(
            f"windowed attack, exponent in {name}", fitted, target=MOST, better="lower", note=note
        )

"""Every pair of a biobank compared for relatives: pairs per second, against matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench.data import kinship_planes
from genobench.data.kinship import BANDS, TILE, kinship_tile
from genobench.data.kinship_planes import MOST_INDEPENDENT, encode, related_pairs

from .ledger import Recorder
from .timing import best_in_turn

PEOPLE = 20_000
BIOBANK = 458_724


@pytest.mark.benchmark_suite
@pytest.mark.timeout(900)
def test_relatives_among_all_pairs(benchmark: Any, record: Recorder) -> None:
    """Strangers at as many SNPs as a biobank is compared at; nobody is related."""
    draw = np.random.default_rng(0)
    frequency = draw.uniform(0.05, 0.5, MOST_INDEPENDENT)
    genotypes = draw.binomial(2, frequency, (PEOPLE, MOST_INDEPENDENT)).astype(np.int8)
    people = encode(lambda columns: genotypes[:, columns], np.arange(MOST_INDEPENDENT), PEOPLE)
    found = benchmark.pedantic(related_pairs, args=(people,), kwargs={"least": BANDS[1]}, rounds=1)
    assert len(found[0]) == 0
    seconds, by_tile = best_in_turn(
        lambda: related_pairs(people, least=BANDS[1]),
        lambda: kinship_tile(genotypes[:TILE], genotypes[TILE : 2 * TILE]),
        rounds=3,
    )
    rate, plain = PEOPLE * (PEOPLE - 1) / 2 / seconds, TILE**2 / by_tile
    what = f"kinship of all pairs at {MOST_INDEPENDENT:,} SNPs"
    record(what, rate / 1e6, "million pairs/s")
    record(f"{what}, times matrix products", rate / plain, "x")
    minutes = BIOBANK * (BIOBANK - 1) / 2 / rate / 60
    note = f"in proportion to pairs; {kinship_planes.STRETCHES} stretches, each kept when finished"
    record(f"{what}, projected to {BIOBANK:,} people", minutes, "min", better="lower", note=note)

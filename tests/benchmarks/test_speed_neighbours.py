"""Exact nearest neighbours: near the machine's own limit, far ahead of brute force, same integers.

The limit is the same arithmetic (exclusive or, population count, addition) on words that never
leave the L1 cache, with no distance kept: nothing that computes these distances bit by bit can be
faster. It runs on as many threads as the search.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import config, njit
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from genobench import bits
from genobench.metrics import neighbours
from genobench.metrics.neighbours import encode, minimum, mutual, nearest
from genobench.metrics.neighbours_product import nearest_by_product

from .ledger import Recorder
from .timing import best_in_turn

VARIANTS, QUERIES, BASE, K = 2_048, 4_000, 60_000, 5
FEW = 24  # queries for brute force, which takes as long for them
LIMIT_ROUNDS = 4_000_000
ROUNDS = 5


@njit(nogil=True)  # type: ignore[untyped-decorator]
def limit(words: Any, rounds: int) -> Any:
    """Ones in ``words`` against ``rounds`` other words; a plain sum, which vectorises fully."""
    total = np.uint64(0)
    for r in range(rounds):
        other = np.uint64(r * 0x9E3779B9)
        for j in range(words.size):
            total += bits.ones(words[j] ^ other)
    return total


def people(n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """(n, VARIANTS) at allele frequencies .05 to .5; what they are does not matter for speed."""
    frequency = rng.uniform(0.05, 0.5, VARIANTS)
    return rng.binomial(2, frequency, (n, VARIANTS)).astype(np.int8)


@pytest.fixture(scope="module")
def cohorts() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Queries and base."""
    rng = np.random.default_rng(0)
    return people(QUERIES, rng), people(BASE, rng)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(600)
def test_near_the_limit_and_far_from_brute_force(
    cohorts: tuple[NDArray[np.int8], NDArray[np.int8]], benchmark: Any, record: Recorder
) -> None:
    """Pairs per second as shares of the limit and multiples of scikit-learn's, answers equal."""
    q, b = (encode(g) for g in cohorts)
    words = np.random.default_rng(1).integers(0, 1 << 62, 2_048).astype(np.uint64)  # half of L1
    brute = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="manhattan", n_jobs=-1)
    brute.fit(cohorts[1].astype(np.float64))
    few = cohorts[0][:FEW].astype(np.float64)
    threads = config.NUMBA_NUM_THREADS
    seconds = best_in_turn(
        lambda: bits.in_threads(lambda rows: limit(words, rows.stop - rows.start), LIMIT_ROUNDS),
        lambda: minimum(q, b),
        lambda: nearest(q, b, K),
        lambda: mutual(q, b),
        lambda: brute.kneighbors(few),
        rounds=ROUNDS,
    )
    pairs = QUERIES * BASE
    amounts = (LIMIT_ROUNDS * words.size / q.words.shape[1], pairs, pairs, pairs, FEW * BASE)
    top, least, listed, both, sklearn = (n / s / 1e6 for n, s in zip(amounts, seconds, strict=True))
    benchmark.pedantic(minimum, args=(q, b), rounds=1)
    unit = "million pairs/s"
    record(f"limit: xor, popcount, add in L1, on {threads} thread(s)", top, unit)
    record("nearest person, distance alone", least, unit)
    record("nearest person, share of the limit", least / top, target=0.40)
    record(f"{K} nearest with indices", listed, unit)
    record(f"{K} nearest with indices, share of the limit", listed / top, target=0.22)
    record("nearest both ways in one pass, share of the limit", both / top)
    record("scikit-learn, brute force, manhattan", sklearn, unit)
    record(f"{K} nearest with indices, times scikit-learn", listed / sklearn, "x", target=300)
    distances, indices = nearest(q, b, K)
    expected, who = brute.kneighbors(few)
    np.testing.assert_array_equal(distances[:FEW], expected)
    untied = np.diff(expected, axis=1).all(axis=1)  # scikit-learn does not order equals
    assert untied.any()
    np.testing.assert_array_equal(indices[:FEW][untied, :-1], who[untied, :-1])
    np.testing.assert_array_equal(minimum(q, b), distances[:, 0])


@pytest.mark.benchmark_suite
@pytest.mark.timeout(600)
def test_the_product_gives_the_same_answer(
    cohorts: tuple[NDArray[np.int8], NDArray[np.int8]], benchmark: Any, record: Recorder
) -> None:
    """The int8 matrix product on torch's CPU device: slower here, equal to the last integer."""
    q, b = encode(cohorts[0][:1_000]), encode(cohorts[1][:20_000])

    def product() -> neighbours.Found:
        found = nearest_by_product(q.words, b.words, K, exclude_self=False, device="cpu")
        return neighbours.Found(*found)

    (seconds,) = best_in_turn(product, rounds=2)
    note = "the path for CUDA; no CUDA device was at hand, so its speed there is not known"
    rate = q.n * b.n / seconds / 1e6
    record("int8 matrix product on torch's CPU device", rate, "million pairs/s", note=note)
    found = benchmark.pedantic(product, rounds=1)
    counted = nearest(q, b, K, device="cpu")
    np.testing.assert_array_equal(found[0], counted[0])
    np.testing.assert_array_equal(found[1], counted[1])


@pytest.mark.benchmark_suite
def test_inner_loop_counts_eight_words_at_once(
    cohorts: tuple[NDArray[np.int8], NDArray[np.int8]], benchmark: Any, record: Recorder
) -> None:
    """Where the processor counts the ones of 512 bits, the compiled loop uses that instruction."""
    flags = Path("/proc/cpuinfo")
    if not flags.is_file() or "avx512_vpopcntdq" not in flags.read_text():
        pytest.skip("this processor has no vector population count")
    few = tuple(g[:8] for g in cohorts)
    benchmark.pedantic(nearest, args=(*few, 1), rounds=1)
    kernel = njit(nogil=True)(neighbours._rows.py_func)  # compiled here: a cached one has no text
    words = [encode(g).words for g in few]
    four, columns = (words[0][0],) * 4, np.ascontiguousarray(words[1].T)
    kernel(four, columns, 0, *np.zeros((4, 8), np.int64))
    (assembly,) = kernel.inspect_asm().values()
    wide = len(re.findall(r"vpopcntq[^\n]*%zmm", assembly))
    record("vector population counts in the inner loop (16 words)", wide, target=16)

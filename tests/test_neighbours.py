"""Exact nearest neighbours: equal to a distance matrix, for every width of the packed words."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from genobench.errors import GenobenchError
from genobench.metrics import neighbours
from genobench.metrics.neighbours import encode, minimum, nearest

WIDTHS = (1, 63, 64, 65, 2048)


def people(n: int, m: int, seed: int = 0) -> NDArray[np.int8]:
    """Random genotypes."""
    return np.random.default_rng(seed).integers(0, 3, (n, m)).astype(np.int8)


@pytest.mark.parametrize("m", WIDTHS)
def test_equals_the_distance_matrix(m: int) -> None:
    """Distances and neighbours as from scipy's L1; equal distances come by index."""
    queries, base = people(40, m, 1), people(90, m, 2)
    matrix = cdist(queries, base, "cityblock")
    order = np.argsort(matrix, axis=1, kind="stable")[:, :7]
    distances, indices = nearest(queries, base, 7)
    assert distances.dtype == np.int32
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(distances, np.take_along_axis(matrix, order, 1))
    np.testing.assert_array_equal(minimum(encode(queries), encode(base)), matrix.min(1))


@pytest.mark.parametrize("m", WIDTHS)
def test_exclude_self(m: int) -> None:
    """Nobody is a neighbour of himself, though a duplicate of him may be."""
    cohort = people(70, m)
    matrix = cdist(cohort, cohort, "cityblock")
    np.fill_diagonal(matrix, np.inf)
    distances, indices = nearest(cohort, cohort, 3, exclude_self=True)
    np.testing.assert_array_equal(indices, np.argsort(matrix, 1, kind="stable")[:, :3])
    np.testing.assert_array_equal(minimum(cohort, cohort, exclude_self=True), distances[:, 0])


def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of many blocks, searched by three threads, gives the one-block answer."""
    queries, base = people(230, 40, 1), people(300, 40, 2)
    whole = nearest(queries, base, 4), minimum(base, base, exclude_self=True)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 1)
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 3)
    parts = nearest(queries, base, 4), minimum(base, base, exclude_self=True)
    np.testing.assert_array_equal(parts[0][0], whole[0][0])
    np.testing.assert_array_equal(parts[0][1], whole[0][1])
    np.testing.assert_array_equal(parts[1], whole[1])


def test_nobody_asks() -> None:
    """No query gives no row."""
    distances, indices = nearest(people(0, 5), people(4, 5), 2)
    assert distances.shape == indices.shape == (0, 2)


def test_read_only_input_is_taken() -> None:
    """A cohort hands its genotypes out read-only."""
    cohort = people(5, 9)
    cohort.flags.writeable = False
    assert minimum(cohort, cohort).tolist() == [0] * 5


def test_bad_input_is_named() -> None:
    """Missing calls, other variants, too few candidates, other people under exclude_self."""
    holed = people(4, 6)
    holed[2, 3] = -1
    with pytest.raises(GenobenchError, match="person 2, variant 3"):
        encode(holed)
    with pytest.raises(GenobenchError, match="6 variants against 7"):
        minimum(people(4, 6), people(4, 7))
    with pytest.raises(GenobenchError, match="4 asked of 3"):
        nearest(people(4, 6), people(4, 6), 4, exclude_self=True)
    with pytest.raises(GenobenchError, match="same people"):
        minimum(people(4, 6), people(5, 6), exclude_self=True)
    with pytest.raises(GenobenchError, match="shape"):
        encode(people(4, 0))

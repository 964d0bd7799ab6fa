"""Exact nearest neighbours: equal to a distance matrix, for every width of the packed words.

The matrix product that serves CUDA devices is tested on torch's CPU device.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import config
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from genobench.errors import GenobenchError
from genobench.metrics import neighbours, neighbours_product
from genobench.metrics.neighbours import encode, minimum, mutual, nearest
from genobench.metrics.neighbours_product import nearest_by_product

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
    alone = nearest(cohort, cohort, 1, exclude_self=True)  # meets each pair once
    np.testing.assert_array_equal(alone[0], distances[:, :1])
    np.testing.assert_array_equal(alone[1], indices[:, :1])
    np.testing.assert_array_equal(minimum(cohort, cohort, exclude_self=True), distances[:, 0])


@pytest.mark.parametrize("n", range(1, 10))
def test_any_number_of_queries(n: int) -> None:
    """People are searched four at a time; what is left over is searched as well."""
    queries, base = people(n, 20, 1), people(11, 20, 2)
    matrix = cdist(queries, base, "cityblock")
    distances, indices = nearest(queries, base, 11)
    np.testing.assert_array_equal(indices, np.argsort(matrix, 1, kind="stable"))
    np.testing.assert_array_equal(distances, np.sort(matrix, 1))


@pytest.mark.parametrize("m", WIDTHS)
def test_mutual_equals_two_searches(m: int) -> None:
    """One pass gives the k nearest one way and the nearest the other, of equals the first."""
    one, other = people(71, m, 1), people(200, m, 2)
    for k in (1, 5):
        there, back = mutual(one, other, k)
        for found, known in ((there, nearest(one, other, k)), (back, nearest(other, one, 1))):
            assert found.distances.dtype == np.int32
            np.testing.assert_array_equal(found.distances, known.distances)
            np.testing.assert_array_equal(found.indices, known.indices)


@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("k", [1, 6])
@pytest.mark.parametrize("m", WIDTHS)
def test_product_gives_the_same_integers(m: int, k: int, exclude_self: bool) -> None:
    """The int8 matrix product, in tiles that divide nothing evenly: as by population counts."""
    base = people(150, m, 2)
    queries = base if exclude_self else people(70, m, 1)
    found = nearest_by_product(
        encode(queries).words,
        encode(base).words,
        k,
        exclude_self=exclude_self,
        device="cpu",
        tile=(32, 64),
    )
    counted = nearest(queries, base, k, exclude_self=exclude_self)
    assert [part.dtype for part in found] == [part.dtype for part in counted]
    np.testing.assert_array_equal(found[0], counted[0])
    np.testing.assert_array_equal(found[1], counted[1])


def test_product_of_equal_people_goes_by_index() -> None:
    """Ties across tiles are broken by the row, and nobody finds himself among his twins."""
    twins = np.repeat(people(1, 40), 100, axis=0)
    words = encode(twins).words
    distances, indices = nearest_by_product(
        words, words, 3, exclude_self=True, device="cpu", tile=(32, 33)
    )
    assert not distances.any()
    assert indices[0].tolist() == [1, 2, 3]
    assert indices[2].tolist() == [0, 1, 3]
    assert indices[99].tolist() == [0, 1, 2]


def test_device_is_cuda_only_where_torch_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` goes to CUDA with enough pairs, ``cpu`` never; asking for an absent one is named."""
    asked = []

    def product(*_: object, device: str, **__: object) -> neighbours.Found:
        asked.append(device)
        return neighbours.Found(np.zeros((9, 1), np.int32), np.zeros((9, 1), np.int64))

    monkeypatch.setattr(neighbours_product, "nearest_by_product", product)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(neighbours, "CUDA_PAIRS", 81)
    cohort = people(9, 5)
    minimum(cohort, cohort)
    with pytest.raises(GenobenchError, match="torch sees none"):
        minimum(cohort, cohort, device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    minimum(cohort, cohort, device="cpu")
    minimum(cohort[:8], cohort)
    assert asked == []
    minimum(cohort, cohort)
    minimum(cohort[:8], cohort, device="cuda")
    mutual(cohort, cohort)  # once each way
    assert asked == ["cuda"] * 4


def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of many blocks, searched by three threads, gives the one-block answer."""
    queries, base = people(230, 40, 1), people(300, 40, 2)
    whole = [nearest(queries, base, 4), nearest(base, base, 1, exclude_self=True)]
    whole += mutual(queries, base, 3)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 1)
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 3)
    parts = [nearest(queries, base, 4), nearest(base, base, 1, exclude_self=True)]
    parts += mutual(queries, base, 3)
    for part, known in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(part[0], known[0])
        np.testing.assert_array_equal(part[1], known[1])


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
    with pytest.raises(GenobenchError, match="1 asked of 0"):
        mutual(people(0, 6), people(4, 6))
    with pytest.raises(GenobenchError, match="same people"):
        minimum(people(4, 6), people(5, 6), exclude_self=True)
    with pytest.raises(GenobenchError, match="shape"):
        encode(people(4, 0))

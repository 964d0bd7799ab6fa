"""Precision, recall, density, coverage: a naive implementation, a hand-worked case, validity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import manifold
from genobench.metrics.manifold import (
    Manifold,
    Neighbourhoods,
    cover,
    curve_areas,
    distance_rows,
    manifold_curve,
    radii,
)


def _naive(synthetic: Genotypes, real: Genotypes, k: int) -> tuple[float, float, float, float]:
    """From the definitions, person by person, in plain Python."""

    def distance(x: Any, y: Any) -> int:
        return sum(abs(int(a) - int(b)) for a, b in zip(x, y, strict=True))

    def radius(people: Genotypes, i: int) -> int:
        others = [distance(people[i], people[j]) for j in range(len(people)) if j != i]
        return sorted(others)[k - 1]

    n, s = len(real), len(synthetic)
    r_real = [radius(real, i) for i in range(n)]
    r_made = [radius(synthetic, j) for j in range(s)]
    d = [[distance(real[i], synthetic[j]) for j in range(s)] for i in range(n)]
    precision = sum(any(d[i][j] < r_real[i] for i in range(n)) for j in range(s)) / s
    recall = sum(any(d[i][j] < r_made[j] for j in range(s)) for i in range(n)) / n
    density = sum(d[i][j] < r_real[i] for i in range(n) for j in range(s)) / (k * s)
    coverage = sum(min(d[i]) < r_real[i] for i in range(n)) / n
    return precision, recall, density, coverage


def _values(found: Manifold) -> tuple[float, float, float, float]:
    parts = (found.precision, found.recall, found.density, found.coverage)
    return tuple(part.value for part in parts)  # type: ignore[return-value]


def test_by_hand() -> None:
    """Three and three people on two SNPs, k = 1."""
    real = np.array([[0, 0], [1, 0], [2, 2]], np.int8)  # radii 1, 1, 3
    made = np.array([[0, 0], [2, 1], [2, 2]], np.int8)  # radii 3, 1, 1
    (found,) = manifold_curve(made, real, ks=(1,))
    assert radii(real, ks=(1,)).ravel().tolist() == [1, 1, 3]
    # person 1 lies in the ball of real 1, persons 2 and 3 in that of real 3;
    # real 1 and 2 lie in the ball of person 1, real 3 in that of person 3
    assert _values(found) == (1, 1, 1, 2 / 3)


@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.integers(7, 25),
    st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=30, deadline=None)
def test_equals_the_definition(seed: int, m: int, n: int, ks: list[int]) -> None:
    """Any small cohorts, repeated people and ties included, at several k at once."""
    rng = np.random.default_rng(seed)
    made, real = (rng.integers(0, 3, (n, m)).astype(np.int8) for _ in range(2))
    for found, k in zip(manifold_curve(made, real, ks=tuple(ks)), ks, strict=True):
        assert found.k == k
        np.testing.assert_allclose(_values(found), _naive(made, real, k), atol=1e-12)


def test_equals_the_definition_across_chunks(monkeypatch: Any, make_cohort: Any) -> None:
    """The same when distances come a few rows at a time, and with radii handed in."""
    made, real = (make_cohort(50, 32, s).genotypes for s in (1, 2))
    monkeypatch.setattr(manifold, "ROWS", 7)
    (found,) = manifold_curve(made, real, real_radii=radii(real, ks=(5,)))
    np.testing.assert_allclose(_values(found), _naive(made, real, 5), atol=1e-12)


def test_distances_are_exact_at_2048_snps() -> None:
    """The matrix product gives whole L1 distances, as summed in int64."""
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, 3, (20, 2048)).astype(np.int8) for _ in range(2))
    ((rows, found),) = distance_rows(one, two)
    expected = np.abs(one[:, None].astype(np.int64) - two[None]).sum(axis=2)
    assert rows == slice(0, 20)
    assert (found == expected).all()


def test_fresh_collapse_and_independent_sites(make_cohort: Any) -> None:
    """Fresh people score high and below 1; 20 repeated people lose recall; `hwe`, precision."""
    train, test = (make_cohort(500, 128, s).genotypes for s in (1, 2))
    (fresh,) = manifold_curve(train, test)
    assert 0.8 < fresh.precision.value < 1
    assert 0.8 < fresh.recall.value < 1
    assert fresh.coverage.value > 0.9
    assert 0.7 < fresh.density.value < 1.1
    assert abs(fresh.precision.value - fresh.recall.value) < 0.08
    (collapse,) = manifold_curve(train[np.arange(500) % 20], test)
    assert collapse.recall.value < 0.05
    assert collapse.coverage.value < 0.4
    assert collapse.precision.value > 0.6
    rng = np.random.default_rng(0)
    hwe = rng.binomial(2, train.mean(axis=0) / 2, train.shape).astype(np.int8)
    (independent,) = manifold_curve(hwe, test)
    assert independent.precision.high < 0.2
    assert independent.coverage.high < 0.2
    assert independent.density.high < 0.1


def test_copies_of_the_test_people_break_the_ceiling(make_cohort: Any) -> None:
    """Memorised people reach 1, above what fresh people can."""
    test = make_cohort(300, 128, 1).genotypes
    (copied,) = manifold_curve(test, test)
    assert copied.precision.value == copied.recall.value == copied.coverage.value == 1


def test_coverage_falls_with_noise_and_all_rise_with_k(make_cohort: Any) -> None:
    """Precision and coverage fall along noise; balls grow with k."""
    train, test = (make_cohort(400, 128, s).genotypes for s in (1, 2))
    rng = np.random.default_rng(0)
    redrawn = rng.binomial(2, train.mean(axis=0) / 2, train.shape).astype(np.int8)
    order = rng.random(train.shape)
    curve = [
        manifold_curve(np.where(order < q, redrawn, train).astype(np.int8), test)[0]
        for q in (0, 0.2, 0.5, 1)
    ]
    for part in ("precision", "coverage", "density"):
        values = [getattr(found, part).value for found in curve]
        assert values == sorted(values, reverse=True)
    by_k = manifold_curve(train, test, ks=(1, 3, 5, 10, 50))
    for part in ("precision", "recall", "coverage"):
        values = [getattr(found, part).value for found in by_k]
        assert values == sorted(values)


KS = (3, 5, 10, 50)


def _areas(made: Genotypes, real: Genotypes) -> Any:
    """As the task has it: halves, and the real curve between the real ones."""
    one, two = ((g[: len(g) // 2], g[len(g) // 2 : len(g) // 2 * 2]) for g in (made, real))
    around = radii(two[0], ks=KS), radii(two[1], ks=KS)
    covered = cover(two[0], two[1], around[1]), cover(two[1], two[0], around[0])
    return curve_areas(one, two, ks=KS, real_radii=around, real_cover=covered)


def test_neighbourhoods_are_scikit_learns(make_cohort: Any) -> None:
    """Distances to the nearest others, brute force; radii are their columns."""
    brute = pytest.importorskip("sklearn.neighbors")
    g = make_cohort(80, 48, 1).genotypes
    model = brute.NearestNeighbors(n_neighbors=10, metric="manhattan", algorithm="brute").fit(g)
    found = Neighbourhoods.of(g, 10)
    assert (found.distances == model.kneighbors()[0]).all()
    assert (found.radii((3, 10)) == found.distances[:, [2, 9]]).all()
    assert (found.radii((3, 10)) == radii(g, ks=(3, 10))).all()


def test_cover_by_hand() -> None:
    """Balls of radius 1 and 2: who lies in them, at both, one or no radius, and in one alone."""
    people = np.array([[0, 0, 0, 0], [2, 2, 0, 0]], np.int8)
    queries = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], np.int8)
    around = np.array([[1, 2], [1, 4]], np.int32)
    found = cover(queries, people, around)
    assert found.share.tolist() == [1, 1 / 2, 1 / 2]
    # only the first ball: person 1 twice; both: person 2 (distance 3 < 4); only the second: 3
    assert found.lone == pytest.approx([2 / 6, 1 / 6])


def test_areas_are_differences_of_curves(make_cohort: Any) -> None:
    """Mean over k and over both halves of precision and recall, less those of the real halves."""
    made, real = (make_cohort(120, 48, s).genotypes for s in (1, 2))
    a, b = real[:60], real[60:]

    def curve(one: Genotypes, two: Genotypes) -> Any:
        found = manifold_curve(one, two, ks=KS)
        return np.mean([(at.precision.value, at.recall.value) for at in found], axis=0)

    wanted = (curve(made[:60], a) + curve(made[60:], b)) / 2 - (curve(b, a) + curve(a, b)) / 2
    assert [i.value for i in _areas(made, real)] == pytest.approx(wanted.tolist())


def test_areas_of_fresh_people_average_zero(make_cohort: Any) -> None:
    """0 on average over 20 pairs of samples, inside most intervals."""
    found = [
        _areas(make_cohort(240, 96, 2 * s).genotypes, make_cohort(240, 96, 2 * s + 1).genotypes)
        for s in range(20)
    ]
    for area, least in zip(zip(*found, strict=True), (17, 17), strict=True):
        assert np.mean([i.value for i in area]) == pytest.approx(0, abs=0.01)
        assert sum(i.low < 0 < i.high for i in area) >= least


def test_areas_tell_what_is_wrong(make_cohort: Any) -> None:
    """Typical people only: precision above, recall below. Noise: precision below."""
    train, test = (make_cohort(800, 128, s).genotypes for s in (1, 2))
    typical = train[np.argsort(radii(train, ks=(5,))[:, 0])[:400]]
    precision, recall = _areas(np.random.default_rng(0).permutation(typical), test[:400])
    assert precision.low > 0.02
    assert recall.high < -0.02
    rng = np.random.default_rng(1)
    redrawn = rng.binomial(2, train.mean(axis=0) / 2, train.shape).astype(np.int8)
    order = rng.random(train.shape)
    areas = [
        _areas(np.where(order < q, redrawn, train).astype(np.int8), test)[0] for q in (0, 0.3, 0.6)
    ]
    assert [a.value for a in areas] == sorted((a.value for a in areas), reverse=True)
    assert areas[-1].high < -0.2
    precision, recall = _areas(train[np.arange(800) % 20], test)
    assert recall.high < -0.5


def test_copied_test_people_lie_above_the_real_curve(make_cohort: Any) -> None:
    """Every real person has a synthetic twin: both areas are above 0."""
    test = make_cohort(400, 128, 1).genotypes
    assert min(area.low for area in _areas(test, test)) > 0


def test_order_and_counted_allele_do_not_matter(make_cohort: Any) -> None:
    """Exactly the same after shuffling either side and counting other alleles."""
    made, real = (make_cohort(120, 64, s).genotypes for s in (1, 2))
    rng = np.random.default_rng(0)
    flip = np.arange(64) % 3 == 0
    one, two = (np.where(flip, 2 - rng.permutation(g), rng.permutation(g)) for g in (made, real))
    flipped = [np.where(flip, 2 - g, g).astype(np.int8) for g in (made, real)]
    assert one.shape == two.shape
    expected = _values(manifold_curve(made, real)[0])
    assert _values(manifold_curve(flipped[0], flipped[1])[0]) == expected
    shuffled = _values(manifold_curve(rng.permutation(made), rng.permutation(real))[0])
    np.testing.assert_allclose(shuffled, expected, atol=1e-12)


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Unequal numbers, too few people for k, other variants, missing calls, foreign radii."""
    g = make_cohort(20, 16, 1).genotypes
    missing = g.copy()
    missing[3, 2] = -1
    for made, real, words, ks in (
        (g[:10], g, "equal numbers", (5,)),
        (g[:5], g[:5], "needs 6", (5,)),
        (g[:, :4], g, "4 variants", (5,)),
        (missing, g, "person 3, variant 2", (5,)),
        (g, g, "at least one k", ()),
    ):
        with pytest.raises(GenobenchError, match=words):
            manifold_curve(made, real, ks=ks)
    with pytest.raises(GenobenchError, match="real_radii"):
        manifold_curve(g, g, real_radii=radii(g, ks=(1, 2)))
    for wrong in (np.array([[3, 2]]), np.array([[-1, 2]]), np.zeros((4, 0))):
        with pytest.raises(GenobenchError, match="ascending"):
            Neighbourhoods(wrong.astype(np.int32))
    with pytest.raises(GenobenchError, match="1 to 3"):
        Neighbourhoods.of(g, 3).radii((4,))
    around = radii(g, ks=(1,))
    real = cover(g, g, around)
    with pytest.raises(GenobenchError, match="equal numbers"):
        curve_areas(
            (g, g[:9]), (g, g), ks=(1,), real_radii=(around, around), real_cover=(real, real)
        )

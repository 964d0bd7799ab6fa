"""Relatives of synthetic people in train: against the definition, planted, and by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.metrics import kinship
from genobench.metrics.kinship import BANDS, closest, excess

People = NDArray[np.int8]


def unrelated(n: int, m: int = 10_000, seed: int = 0) -> tuple[People, NDArray[np.bool_]]:
    """People and their two haplotypes (n, 2, m), independent SNPs."""
    rng = np.random.default_rng(seed)
    haplotypes = rng.random((n, 2, m)) < rng.uniform(0.2, 0.5, m)
    return haplotypes.sum(1).astype(np.int8), haplotypes


def child(first: NDArray[np.bool_], second: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """(2, m): one haplotype from each parent (2, m), every SNP inherited on its own."""
    which = np.random.default_rng(seed).integers(0, 2, (2, first.shape[1]))
    rows = [
        np.take_along_axis(p, w[None], 0)[0] for p, w in zip((first, second), which, strict=True)
    ]
    return np.stack(rows)


def shares(synthetic: People, holdout: People, training: People) -> dict[str, float]:
    """Excess of each band."""
    own, other = closest(synthetic, training), closest(holdout, training)
    return {band: excess(own, other, least=least).value for band, least in BANDS.items()}


def test_equals_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """1/2 - 1/4 sum (g - h)^2 / min(het), pair by pair; tiles of any size change nothing."""
    people, training = unrelated(23, 60)[0], unrelated(17, 60, seed=1)[0]
    people[3], training[5] = 0, 0  # nobody heterozygous: undefined for all their pairs
    expected = np.full(23, -np.inf)
    for i, g in enumerate(people.astype(float)):
        for h in training.astype(float):
            if het := min((g == 1).sum(), (h == 1).sum()):
                expected[i] = max(expected[i], 0.5 - ((g - h) ** 2).sum() / het / 4)
    np.testing.assert_allclose(closest(people, training), expected, rtol=1e-6)
    monkeypatch.setattr(kinship, "TILE", 5)
    np.testing.assert_allclose(closest(people, training), expected, rtol=1e-6)


def test_planted_relatives_are_in_their_band() -> None:
    """Copies with 2 % of the calls redrawn, children, grandchildren and great-grandchildren."""
    everybody, haplotypes = unrelated(240)
    training, holdout = everybody[:80], everybody[200:]
    generations = [haplotypes[:40]]
    for degree in range(3):  # each with an unrelated partner
        partners = haplotypes[80 + 40 * degree : 120 + 40 * degree]
        pairs = zip(generations[-1], partners, strict=True)
        generations.append(
            np.stack([child(a, b, 100 * degree + i) for i, (a, b) in enumerate(pairs)])
        )
    rng = np.random.default_rng(1)
    copies = training[:40].copy()
    redrawn = rng.random(copies.shape) < 0.02
    copies[redrawn] = everybody[80:120][redrawn]
    people = [copies, *(g.sum(1).astype(np.int8) for g in generations[1:])]
    bands = list(BANDS)
    for degree, relatives in enumerate(people):
        found = shares(relatives, holdout, training)
        assert found[bands[degree]] > 0.9, degree
        if degree:
            assert found[bands[degree - 1]] < 0.1, degree


def test_difference_of_shares_as_published() -> None:
    """56 of 70 against 48 of 80: Newcombe 1998, table II, method 10 gives .2000 (.0524, .3339)."""
    synthetic, holdout = (
        np.where(np.arange(n) < hits, 1.0, 0.0).astype(np.float32)
        for hits, n in ((56, 70), (48, 80))
    )
    found = excess(synthetic, holdout, least=0.177)
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    nobody = excess(np.zeros(50, np.float32), np.zeros(60, np.float32), least=0.177)
    assert nobody.low < nobody.value == 0 < nobody.high


def test_fresh_people_pass_where_everybody_looks_related(
    make_cohort: Callable[..., Cohort],
) -> None:
    """On 96 SNPs in LD the closest of 300 is a relative by chance, of test people as well."""
    people = make_cohort(900, 96, 3, founders=60).genotypes
    own, other = closest(people[600:], people[:300]), closest(people[300:600], people[:300])
    assert (other > BANDS["third"]).mean() > 0.5
    for band, least in BANDS.items():
        found = excess(own, other, least=least)
        assert found.low <= 0 <= found.high, band


def test_interval_covers(make_cohort: Callable[..., Cohort]) -> None:
    """Over 100 draws of fresh people about 5 % of the intervals miss 0."""
    everybody = make_cohort(3000, 64, 3, founders=60).genotypes
    rng, missed = np.random.default_rng(0), 0
    for _ in range(100):
        t, h, s = np.split(everybody[rng.permutation(3000)[:450]], 3)
        found = excess(closest(s, t), closest(h, t), least=BANDS["first"])
        missed += not found.low <= 0 <= found.high
    assert missed <= 11  # 5 expected, and three standard deviations

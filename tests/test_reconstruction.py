"""Round trips: identity returns everything, a constant nothing, PCA levels stand in order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import reconstruction as metrics
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("reconstruction")
CARD, Reconstruction = PLUGIN.card, PLUGIN.load()
LEVELS = ("pca80", "pca90", "pca95", "pca99")
Scores = dict[str, Estimate]


@pytest.fixture(scope="module")
def split(make_cohort: Any) -> Split:
    """600 training, 200 validation, 300 test and 300 control people; 128 SNPs."""
    everybody = make_cohort(1400, 128, 41)
    return Split(*(everybody.take(rows) for rows in np.split(np.arange(1400), [600, 800, 1100])))


@pytest.fixture(scope="module")
def statistics(split: Split) -> dict[str, Any]:
    """The PCA levels."""
    found: dict[str, Any] = Reconstruction().prepare(split, seed=0)
    return found


def score(split: Split, statistics: dict[str, Any], back: Genotypes | None) -> Scores:
    """Scores of a round trip, checked against the card."""
    reference = Reference(split, statistics, back)
    return validated(Reconstruction().score(split.train, reference, seed=0), CARD)


def test_identity_returns_everybody(split: Split, statistics: dict[str, Any]) -> None:
    """Concordance, r2 and LD of 1, in every bin."""
    found = score(split, statistics, split.test.genotypes.copy())
    own = {name: e for name, e in found.items() if not name.startswith("pca")}
    assert len(own) >= 8
    for name, estimate in own.items():
        assert estimate.value == pytest.approx(1), name
        assert estimate.n == 300


def test_a_constant_returns_nobody(split: Split, statistics: dict[str, Any]) -> None:
    """Everybody the most frequent genotype: concordant by frequency, and nothing is left."""
    g = split.test.genotypes
    mode = np.array([np.bincount(column, minlength=3).argmax() for column in g.T], dtype=np.int8)
    found = score(split, statistics, np.tile(mode, (len(g), 1)))
    assert found["concordance"].value == pytest.approx((g == mode).mean())
    assert found["concordance"].value > 0.4
    assert found["r2"].value == 0
    assert math.isnan(found["ld_r2_corr"].value)
    shuffled = np.random.default_rng(0).permutation(g)
    other = score(split, statistics, shuffled)
    assert other["r2"].high < 0.02
    assert other["ld_r2_corr"].value == pytest.approx(1)


def test_pca_levels_rise_with_the_variance_kept(split: Split, statistics: dict[str, Any]) -> None:
    """80 to 99 %: each keeps more, none keeps all but nearly so; every model sees the same."""
    found = score(split, statistics, split.test.genotypes.copy())
    for name in ("r2", "concordance", "het_concordance"):
        values = [found[f"{level}_{name}"].value for level in LEVELS]
        assert values == sorted(values), name
        assert values[-1] > 0.95
    assert 0.6 < found["pca80_r2"].value < 0.95
    again = score(split, statistics, split.control.genotypes)
    for level in LEVELS:
        assert again[f"{level}_r2"] == replace(
            found[f"{level}_r2"], seconds=again[f"{level}_r2"].seconds
        )
    assert set(found) <= set(CARD.metrics)


def test_a_round_trip_through_the_same_components_meets_its_level(
    split: Split, statistics: dict[str, Any]
) -> None:
    """What `prepare` says of 90 % is what a model that keeps 90 % is given."""
    chromosome = split.test.variants["chrom"].to_numpy().astype(np.int64)
    (trip,) = metrics.pca_round_trips(
        split.train.genotypes, split.test.genotypes, chromosome=chromosome, shares=[0.9]
    )
    found = score(split, statistics, trip)
    for name in ("r2", "concordance", "het_concordance"):
        assert found[name].value == found[f"pca90_{name}"].value
    assert found["ld_r2_corr"].value > 0.9


def test_pca_agrees_with_scikit_learn(split: Split) -> None:
    """One chromosome at a time, as many components as reach the share, rounded."""
    from sklearn.decomposition import PCA

    train, people = split.train.genotypes, split.test.genotypes
    chromosome = split.test.variants["chrom"].to_numpy().astype(np.int64)
    trips = metrics.pca_round_trips(train, people, chromosome=chromosome, shares=[0.8, 1.0])
    expected = np.empty_like(people)
    for number in np.unique(chromosome):
        columns = chromosome == number
        pca = PCA(n_components=0.8, svd_solver="full").fit(train[:, columns].astype(float))
        back = pca.inverse_transform(pca.transform(people[:, columns].astype(float)))
        expected[:, columns] = np.rint(back).clip(0, 2)
    np.testing.assert_array_equal(trips[0], expected)
    np.testing.assert_array_equal(trips[1], people)


def test_noise_lies_between(split: Split, statistics: dict[str, Any]) -> None:
    """The more calls are redrawn, the less comes back."""
    g, rng = split.test.genotypes, np.random.default_rng(1)
    hwe = rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)
    order = rng.random(g.shape)
    scores = [score(split, statistics, np.where(order < t, hwe, g)) for t in (0, 0.1, 0.4, 1)]
    for name in ("r2", "concordance", "het_concordance"):
        values = [found[name].value for found in scores]
        assert values == sorted(values, reverse=True), name


def test_forgotten_carriers_show_in_their_bin(split: Split) -> None:
    """Rare alleles dropped: the bin's concordance stays high, its carriers are gone."""
    rng = np.random.default_rng(4)
    real = rng.binomial(2, np.repeat([0.01, 0.4], 20), (500, 40)).astype(np.int8)
    back = real.copy()
    back[:, :20] = 0
    flip = np.zeros(40, dtype=bool)
    assert metrics.concordance(back[:, :20], real[:, :20]).value > 0.97
    assert metrics.carrier_concordance(back[:, :20], real[:, :20], flip=flip[:20]).value == 0
    assert metrics.carrier_concordance(back[:, 20:], real[:, 20:], flip=flip[20:]).value == 1
    other = metrics.carrier_concordance(2 - back[:, :20], 2 - real[:, :20], flip=~flip[:20])
    assert other.value == 0


def test_shares_and_r2_by_hand() -> None:
    """Four people, three variants, one of them constant among people."""
    real = np.array([[0, 1, 2], [1, 1, 2], [2, 0, 2], [1, 0, 2]], dtype=np.int8)
    back = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 2], [0, 0, 1]], dtype=np.int8)
    assert metrics.concordance(back, real).value == pytest.approx(9 / 12)
    assert metrics.het_concordance(back, real).value == pytest.approx(2 / 4)
    flip = np.array([False, False, True])
    # carriers: three at the first variant, two at the second, none at the third (all have 2)
    assert metrics.carrier_concordance(back, real, flip=flip).value == pytest.approx(3 / 5)
    expected = np.mean([np.corrcoef(real[:, j], back[:, j])[0, 1] ** 2 for j in (0, 1)])
    assert metrics.dosage_r2(back, real).value == pytest.approx(expected)
    constant = np.full((4, 3), 2, dtype=np.int8)
    assert math.isnan(metrics.dosage_r2(constant, constant).value)
    assert math.isnan(metrics.het_concordance(constant, constant).value)


def test_the_interval_of_a_share_covers_it() -> None:
    """People differ in how well they return: the interval over people holds the expectation."""
    rng, inside = np.random.default_rng(6), 0
    for _ in range(200):
        real = rng.integers(0, 3, (80, 40)).astype(np.int8)
        kept = rng.random((80, 40)) < rng.beta(8, 2, 80)[:, None]
        back = np.where(kept, real, (real + 1) % 3).astype(np.int8)
        found = metrics.concordance(back, real)
        inside += found.low <= 0.8 <= found.high
    assert inside >= 182


def test_without_a_round_trip_nothing_is_said(split: Split, statistics: dict[str, Any]) -> None:
    """A synthetic file has no model behind it."""
    assert score(split, statistics, None) == {}


def test_bad_input_is_named(split: Split) -> None:
    """Other numbers of people, other variants, wrong shares, few people."""
    g = split.test.genotypes
    with pytest.raises(GenobenchError, match="300 people went in, 10 came back"):
        metrics.concordance(g[:10], g)
    with pytest.raises(GenobenchError, match="64 variants, real people 128"):
        metrics.dosage_r2(g[:, :64], g)
    with pytest.raises(GenobenchError, match=r"variance kept: \[1.5\]"):
        metrics.pca_round_trips(g, g, chromosome=np.zeros(128, dtype=np.int64), shares=[1.5])
    with pytest.raises(GenobenchError, match="chromosome"):
        metrics.pca_round_trips(g, g, chromosome=np.zeros(5, dtype=np.int64), shares=[0.5])
    few = replace(split, test=split.test.take(slice(0, 20)))
    with pytest.raises(GenobenchError, match="20 test people, 40 are the least"):
        Reconstruction().prepare(few, seed=0)

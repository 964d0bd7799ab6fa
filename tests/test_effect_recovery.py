"""Effect recovery: real people recover the truth, shuffled labels do not, copies are training."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.data import gwas
from genobench.data.simulated_trait import SimulatedTrait, marginal_effects, simulate_trait
from genobench.data.source import MemorySource
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import effects, moments
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("effect_recovery")
CARD, EffectRecovery = PLUGIN.card, PLUGIN.load()
Scores = dict[str, Estimate]
CohortMaker = Callable[..., Cohort]


def known(make_cohort: CohortMaker, prevalence: float | None) -> Reference:
    """4,400 people, 160 SNPs, 20 of them causal; no SNP is chosen by association."""
    cohort = make_cohort(4400, 160, 51)
    spec = SimulatedTrait(h2=0.6, causal=20, seed=4, prevalence=prevalence)
    trait, truth = simulate_trait(spec, MemorySource(cohort))
    tagged = marginal_effects(cohort.genotypes, np.arange(cohort.m), truth.genetic)
    variants = cohort.variants.assign(causal=truth.beta != 0, beta=truth.beta, marginal_beta=tagged)
    everybody = replace(cohort, variants=variants, trait=trait)
    edges = np.cumsum([0, 2000, 400, 1000, 1000])
    split = Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))
    return Reference(split, EffectRecovery().prepare(split, seed=0))


@pytest.fixture(scope="module")
def quantitative(make_cohort: CohortMaker) -> Reference:
    """A quantitative trait with known effects."""
    return known(make_cohort, None)


@pytest.fixture(scope="module")
def binary(make_cohort: CohortMaker) -> Reference:
    """Three in ten above the threshold of a liability with known effects."""
    return known(make_cohort, 0.3)


def score(reference: Reference, genotypes: Genotypes, labels: Labels) -> Scores:
    """Scores, checked against the card."""
    train = reference.split.train
    assert train.trait is not None
    like = train.take(np.zeros(len(genotypes), dtype=int))
    people = Cohort(genotypes, train.variants, like.samples, replace(train.trait, values=labels))
    return validated(EffectRecovery().score(people, reference, seed=1), CARD)


@pytest.mark.parametrize("kind", ["quantitative", "binary"])
def test_real_people_recover_the_truth(kind: str, request: pytest.FixtureRequest) -> None:
    """Fresh people: slope 1 on the trait's or the liability's scale, and no gap."""
    reference = request.getfixturevalue(kind)
    control = reference.split.control
    found = score(reference, control.genotypes, control.labels)
    assert set(found) == set(CARD.metrics)
    assert found["effect_slope"].low < 1 < found["effect_slope"].high
    assert found["effect_slope"].value == pytest.approx(1, abs=0.12)
    assert found["effect_corr"].value > 0.8
    assert found["effect_corr_gap"].low < 0.02
    assert found["joint_corr_gap"].low < 0.02
    assert found["power"].low > 0.1
    assert abs(found["power_gap"].value) < 0.2
    assert found["sign_errors"].value == 0


@pytest.mark.parametrize("kind", ["quantitative", "binary"])
def test_copies_have_the_slope_of_the_training_people(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """To the last digit, and every gap is 0."""
    reference = request.getfixturevalue(kind)
    train = reference.split.train
    found = score(reference, train.genotypes, train.labels)
    for name in ("effect_slope", "effect_corr", "joint_corr", "power"):
        assert found[name].value == pytest.approx(found[f"real_{name}"].value, rel=1e-9)
    for name in ("effect_corr_gap", "joint_corr_gap", "power_gap"):
        assert found[name].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", ["quantitative", "binary"])
def test_shuffled_labels_recover_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """Slope and power about 0; the gaps say how much was lost."""
    reference = request.getfixturevalue(kind)
    train = reference.split.train
    labels = np.random.default_rng(0).permutation(train.labels)
    found = score(reference, train.genotypes, labels)
    assert found["effect_slope"].low < 0.1 < 0.6 < found["real_effect_slope"].low
    assert abs(found["effect_slope"].value) < 0.15
    assert found["power"].value <= 0.1
    assert found["effect_corr_gap"].high < -0.3
    assert found["power_gap"].high < -0.3


def test_independent_sites_keep_marginal_effects_and_lose_the_causal_ones(
    binary: Reference,
) -> None:
    """Right frequencies per class: each SNP's effect is there, and the LD that tells them apart,
    gone.
    """
    train = binary.split.train
    rng, g = np.random.default_rng(1), np.empty(train.genotypes.shape, dtype=np.int8)
    for label in (0, 1):
        rows = np.flatnonzero(train.labels == label)
        p = train.genotypes[rows].mean(axis=0) / 2
        g[rows] = rng.binomial(2, p, (len(rows), train.m))
    found = score(binary, g, train.labels)
    assert found["effect_corr_gap"].value > -0.1
    assert found["joint_corr_gap"].high < -0.03
    assert found["joint_corr_gap"].value < found["effect_corr_gap"].low


def test_shrunken_effects_show_in_the_slope_alone(quantitative: Reference) -> None:
    """Labels half noise: half the effect, the same direction."""
    control = quantitative.split.control
    labels = (0.5 * control.labels).astype(np.float32)
    found = score(quantitative, control.genotypes, labels)
    whole = score(quantitative, control.genotypes, control.labels)
    assert found["effect_slope"].value == pytest.approx(whole["effect_slope"].value / 2, rel=1e-4)
    assert found["effect_corr"].value == pytest.approx(whole["effect_corr"].value, rel=1e-4)


def test_marginal_effects_are_those_of_statsmodels_and_scipy(binary: Reference) -> None:
    """Slope and p-value of one regression per SNP; liability by the normal density."""
    from scipy import stats

    people = binary.split.test
    found = effects.Estimated.of(people.genotypes, people.labels, "quantitative")
    for column in (0, 17, 101):
        line = stats.linregress(people.genotypes[:, column].astype(float), people.labels)
        assert found.marginal[column] == pytest.approx(line.slope, rel=1e-5)
        assert found.p[column] == pytest.approx(line.pvalue, rel=1e-3)
    share = float(people.labels.mean())
    liability = effects.Estimated.of(people.genotypes, people.labels, "binary")
    np.testing.assert_allclose(
        liability.marginal, found.marginal / stats.norm.pdf(stats.norm.ppf(share)), rtol=1e-6
    )


def test_numbers_by_hand() -> None:
    """Slope, correlation, power and wrong signs of four variants."""
    truth, scale = np.array([1.0, -1.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0, 0.5])
    rng = np.random.default_rng(3)
    g, y = rng.integers(0, 3, (60, 4)).astype(np.int8), rng.normal(size=60).astype(np.float32)
    found = effects.Estimated.of(g, y, "quantitative")
    each = np.array([np.polyfit(column.astype(float), y, 1)[0] for column in g.T])
    np.testing.assert_allclose(found.marginal, each, rtol=1e-5)
    a, b = truth * scale, each * scale
    slope, cosine = a @ b / (a @ a), a @ b / np.sqrt((a @ a) * (b @ b))
    assert effects.marginal_slope(found, truth, scale).value == pytest.approx(slope, rel=1e-5)
    correlation = effects.marginal_correlation(found, truth, scale)
    assert correlation.value == pytest.approx(cosine, rel=1e-5)
    c = found.joint * scale
    joint = effects.joint_correlation(found, truth, scale)
    assert joint.value == pytest.approx(a @ c / np.sqrt((a @ a) * (c @ c)))
    nobody = effects.Estimated.of(g, np.ones_like(y), "quantitative")
    assert effects.marginal_correlation(nobody, truth, scale).value == 0
    gap = effects.marginal_gap(nobody, found, truth, scale)
    assert gap.value == pytest.approx(-cosine, rel=1e-5)
    assert effects.joint_gap(nobody, found, truth, scale).value == pytest.approx(-joint.value)
    assert math.isnan(effects.marginal_slope(found, np.zeros(4), scale).value)
    p, estimate = np.array([0.001, 0.01, 0.001, 0.5]), np.array([0.5, 0.5, 1.0, 1.0])
    causal = truth != 0
    assert effects.power(p, causal).value == pytest.approx(2 / 3)
    assert effects.sign_errors(p, estimate, truth).value == pytest.approx(1 / 2)
    assert effects.power_gap(p, np.ones(4), causal).value == pytest.approx(2 / 3)
    assert math.isnan(effects.power(p, np.zeros(4, dtype=bool)).value)
    assert math.isnan(effects.sign_errors(np.ones(4), estimate, truth).value)
    with pytest.raises(GenobenchError, match="differ"):
        effects.marginal_slope(found, truth[:3], scale)
    with pytest.raises(GenobenchError, match="7 labels for 60 people"):
        effects.Estimated.of(g, y[:7], "quantitative")


def test_counted_allele_does_not_matter(quantitative: Reference) -> None:
    """Counting the other allele of every second SNP turns signs and changes no number."""
    split = quantitative.split
    sign = np.where(np.arange(split.train.m) % 2, 1.0, -1.0)

    def turned(part: Cohort) -> Cohort:
        g = np.where(sign < 0, 2 - part.genotypes, part.genotypes).astype(np.int8)
        variants = part.variants.assign(
            beta=part.variants["beta"] * sign, marginal_beta=part.variants["marginal_beta"] * sign
        )
        return replace(part, genotypes=g, variants=variants)

    other = Split(*(turned(part) for part in vars(split).values()))
    reference = Reference(other, EffectRecovery().prepare(other, seed=0))
    one = EffectRecovery().score(split.control, quantitative, seed=0)
    two = EffectRecovery().score(other.control, reference, seed=0)
    for name, estimate in one.items():
        assert two[name].value == pytest.approx(estimate.value, rel=1e-4), name


def test_degenerate_cohorts_have_no_effects(quantitative: Reference) -> None:
    """One label for everybody, or one person over and over: 0 and NaN, no crash."""
    train = quantitative.split.train
    for genotypes, labels in (
        (train.genotypes, np.ones_like(train.labels)),
        (np.tile(train.genotypes[:1], (train.n, 1)), train.labels),
    ):
        found = score(quantitative, genotypes, labels)
        assert found["effect_slope"].value == found["effect_corr"].value == 0
        assert found["power"].value == 0
        assert math.isnan(found["sign_errors"].value)


def test_intervals_over_people_hold_what_they_promise(make_cohort: CohortMaker) -> None:
    """New people and new traits: the slope's interval holds 1, that of a gap 0, in most.

    Of 60 a 95 % interval that is right holds fewer than 53 once in 400 times.
    """
    slopes = gaps = 0
    for seed in range(60):
        cohort = make_cohort(1200, 96, seed, world=5)
        spec = SimulatedTrait(0.5, 20, seed)
        trait, truth = simulate_trait(spec, MemorySource(cohort))
        scale = cohort.genotypes.std(axis=0)
        tagged = marginal_effects(cohort.genotypes, np.arange(96), truth.genetic)
        one, two = (
            effects.Estimated.of(cohort.genotypes[rows], trait.values[rows], "quantitative")
            for rows in (slice(0, 600), slice(600, 1200))
        )
        slope = effects.marginal_slope(one, tagged, scale)
        gap = effects.marginal_gap(one, two, tagged, scale)
        slopes += slope.low <= 1 <= slope.high
        gaps += gap.low <= 0 <= gap.high
    assert slopes >= 53
    assert gaps >= 53


def test_without_a_truth_nothing_is_said(toy_split: Split) -> None:
    """A measured trait has no known effects; the harness refuses it with words of its own."""
    assert EffectRecovery().prepare(toy_split, seed=0) == {}
    assert EffectRecovery().score(toy_split.control, Reference(toy_split, {}), seed=0) == {}


def test_bad_input_is_named(quantitative: Reference) -> None:
    """Other variants, no trait, few people."""
    control: Any = quantitative.split.control
    task = EffectRecovery()
    with pytest.raises(GenobenchError, match="50 variants, real people 160"):
        task.score(control.take(variants=slice(0, 50)), quantitative, seed=0)
    with pytest.raises(GenobenchError, match="need the trait"):
        task.score(control.with_trait(None), quantitative, seed=0)
    with pytest.raises(GenobenchError, match="needs 10"):
        task.score(control.take(slice(0, 5)), quantitative, seed=0)


def test_many_training_people_are_widened_a_few_at_a_time(
    binary: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same truth and effects, in less memory than a float64 copy of the training people."""
    split, whole = binary.split, binary.statistics
    monkeypatch.setattr(moments, "WHOLE", 0)
    monkeypatch.setattr(moments, "CELLS", 1 << 14)
    monkeypatch.setattr(gwas, "CHUNK_CELLS", 1 << 14)
    EffectRecovery().prepare(split, seed=0)  # compiles
    tracemalloc.start()
    try:
        found = EffectRecovery().prepare(split, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * split.train.genotypes.nbytes
    assert found["scale"] == pytest.approx(whole["scale"], abs=1e-12)
    assert found["train_joint"] == pytest.approx(whole["train_joint"], abs=1e-6)

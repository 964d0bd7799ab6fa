"""The fidelity task: its card, and every control in its role."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import frequency, ld, manifold
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("fidelity")
CARD, Fidelity = PLUGIN.card, PLUGIN.load()
Scores = dict[str, Estimate]
# compare halves, folds or permutations of people, so that the order of the people decides
DRAWN = {
    *("two_sample_auc", "pc_wasserstein", "pc_variance_ratio", "pc_frechet"),
    *("window4_tv", "window8_tv", "precision_area", "recall_area", "mmd_p"),
}


def _cohort(genotypes: Genotypes, like: Cohort) -> Cohort:
    """Synthetic people as the harness hands them over."""
    samples = like.samples.iloc[np.zeros(len(genotypes), int)].assign(
        fid=[f"syn{i}" for i in range(len(genotypes))], sex=0
    )
    return Cohort(genotypes, like.variants, samples)


def _made(train: Cohort) -> dict[str, Cohort]:
    """Synthetic cohorts of the training size, by what is wrong with them."""
    g, rng = train.genotypes, np.random.default_rng(0)
    hwe = rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)
    lost = g.copy()
    lost[:, ::8] = 0
    made = {
        "copy": g,
        "noise20": np.where(rng.random(g.shape) < 0.2, hwe, g).astype(np.int8),
        "hwe": hwe,
        "collapse": g[rng.integers(0, 25, len(g))],
        "lost": lost,
    }
    return {name: _cohort(genotypes, train) for name, genotypes in made.items()}


@pytest.fixture(scope="module", autouse=True)
def _short_training() -> Iterator[None]:
    """A quarter of a second for the encoder; these data are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genobench.tasks._fidelity_reference.VISITS", 3e6)
        yield


@pytest.fixture(scope="module")
def split(make_cohort: Any) -> Split:
    """800 training, 200 validation, 500 test and 500 control people; 128 SNPs."""
    everybody = make_cohort(2000, 128, 11)
    parts = np.split(np.arange(2000), [800, 1000, 1500])
    return Split(*(everybody.take(rows) for rows in parts))


@pytest.fixture(scope="module")
def reference(split: Split) -> Reference:
    """The test people's statistics."""
    return Reference(split, Fidelity().prepare(split, seed=0))


@pytest.fixture(scope="module")
def scores(split: Split, reference: Reference) -> dict[str, Scores]:
    """Scores of the control people and of every made cohort."""
    cohorts = {"real": _cohort(split.control.genotypes, split.control), **_made(split.train)}
    return {
        name: validated(Fidelity().score(c, reference, seed=1), CARD) for name, c in cohorts.items()
    }


def test_card_and_scores_have_the_same_metrics(scores: dict[str, Scores]) -> None:
    """Every metric on the card is measured and in bounds; the interval is there when promised."""
    assert CARD.class_name == "Fidelity"
    assert CARD.floors == ("hwe",)
    assert len(CARD.metrics) == 39
    for found in scores.values():
        assert set(found) == set(CARD.metrics)
        for name, estimate in found.items():
            assert math.isfinite(estimate.value)
            assert estimate.n == 500
            if CARD.metrics[name].interval == "none":
                assert math.isnan(estimate.low)
            elif not math.isnan(estimate.low):
                assert estimate.low <= estimate.value <= estimate.high
    assert all(
        CARD.metrics[n].interval == "none" or not math.isnan(e.low) for n, e in found.items()
    )


def test_headline_is_the_two_sample_auc() -> None:
    """Ranked by the distance of the AUC from one half."""
    (headline,) = (m for m in CARD.metrics.values() if m.headline)
    assert headline.name == "two_sample_auc"
    assert headline.loss(0.5) == 0
    assert headline.loss(0.4) == pytest.approx(headline.loss(0.6))


def test_fresh_people_pass_everything(scores: dict[str, Scores]) -> None:
    """The `real` control: targets inside (or next to) the interval, everything else near best."""
    real = scores["real"]
    assert real["two_sample_auc"].low < 0.5 < real["two_sample_auc"].high
    for name, card in CARD.metrics.items():
        if card.better == "target" and name != "density":  # which is below its target for anybody
            spread = (real[name].high - real[name].low) / 2
            assert abs(real[name].value - card.target) < 1.5 * spread, name
    assert real["af_max_z"].value < 4.5
    assert real["new_monomorphic"].value == 0
    assert real["ld_r2_corr"].value > 0.95
    assert real["ld_decay"].value < 0.1
    assert abs(real["ld_far"].value) < 0.001
    assert real["precision"].value > 0.75
    assert real["recall"].value > 0.75
    assert real["coverage"].value > 0.9
    assert real["ld_reliability"].value > 0.95
    assert real["ld_score_corr"].value > 0.9
    assert real["three_point_corr"].value > 0.8
    assert real["site_f_rmse"].value < 2 * math.sqrt(2 / 500)
    assert real["mmd_p"].value > 0.02
    assert real["pc_frechet"].value < 0.1
    assert real["fred"].value < 0.1
    assert real["ancestry_shares"].value < 0.15


def test_independent_sites_pass_frequencies_and_fail_the_rest(scores: dict[str, Scores]) -> None:
    """`hwe`: right SNP by SNP; LD, structure, manifold and the trees find it out."""
    hwe, real = scores["hwe"], scores["real"]
    assert hwe["af_rmse"].value < 1.5 * real["af_rmse"].value
    assert hwe["new_monomorphic"].value == 0
    assert hwe["two_sample_auc"].low > 0.97
    assert hwe["ld_r2_corr"].high < 0.3
    assert abs(hwe["ld_r2_slope"].value) < 0.05
    assert hwe["ld_decay"].low > 0.8
    assert hwe["het_sd_ratio"].high < 0.9
    assert hwe["pc_variance_ratio"].high < 0.5
    assert hwe["pc_wasserstein"].low > real["pc_wasserstein"].high
    assert hwe["precision"].high < 0.3
    assert hwe["coverage"].high < 0.3
    assert hwe["ld_score_corr"].high < 0.5
    assert abs(hwe["ld_score_slope"].value) < 0.1
    assert hwe["window4_tv"].low > 0.2
    assert hwe["window8_tv"].low > 0.3
    assert abs(hwe["three_point_slope"].value) < 0.1
    assert hwe["precision_area"].high < -0.4
    assert hwe["mmd2"].low > 0
    assert hwe["mmd_p"].value < 0.01
    for name in ("pc_frechet", "fred"):
        assert hwe[name].low > 2 * real[name].high, name


def test_collapse_is_found(scores: dict[str, Scores]) -> None:
    """25 people repeated: precision stays, recall and coverage go, the headline sees it."""
    collapse = scores["collapse"]
    assert collapse["recall"].value < 0.05
    assert collapse["coverage"].value < 0.5
    assert collapse["precision"].value > 0.6
    assert collapse["two_sample_auc"].low > 0.95
    assert collapse["ld_far"].low > 0.005
    assert collapse["af_max_z"].value > 6
    assert collapse["recall_area"].high < -0.5
    assert collapse["mmd2"].low > 0
    assert collapse["window8_tv"].low > 0.1
    assert collapse["fred"].low > 2 * scores["real"]["fred"].high
    assert collapse["site_f_rmse"].low > scores["real"]["site_f_rmse"].high


def test_lost_sites_are_counted(scores: dict[str, Scores]) -> None:
    """Every eighth SNP made constant: one eighth lost, frequencies and LD notice."""
    assert scores["lost"]["new_monomorphic"].value == pytest.approx(1 / 8, abs=0.02)
    assert scores["lost"]["af_max_z"].value > 10
    assert scores["lost"]["ld_r2_slope"].value < scores["real"]["ld_r2_slope"].value


def test_copies_look_perfect_here(scores: dict[str, Scores]) -> None:
    """Copied training people win fidelity as fresh ones do: leaks are the privacy task's."""
    assert abs(scores["copy"]["two_sample_auc"].value - 0.5) < 0.08
    assert scores["copy"]["ld_r2_corr"].value > 0.95


def test_noise_lies_between(scores: dict[str, Scores]) -> None:
    """A fifth of the calls redrawn: worse than copies, better than independent sites."""
    rising = ("ld_r2_slope", "precision", "coverage", "pc_variance_ratio", "het_sd_ratio")
    for name in (*rising, "ld_score_slope", "three_point_slope", "precision_area"):
        values = [scores[s][name].value for s in ("hwe", "noise20", "copy")]
        assert values == sorted(values), name
    for name in ("window4_tv", "window8_tv", "pc_frechet", "fred", "mmd2", "ld_decay"):
        values = [scores[s][name].value for s in ("copy", "noise20", "hwe")]
        assert values == sorted(values), name


def test_same_seed_same_scores(split: Split, reference: Reference) -> None:
    """Nothing but the seed decides; the order of synthetic people and the labels do not matter."""
    made = _cohort(split.train.genotypes[:500], split.train)
    first, second = (Fidelity().score(made, reference, seed=5) for _ in range(2))
    shuffled = _cohort(made.genotypes[::-1], split.train)
    again = Fidelity().score(shuffled, reference, seed=5)
    for name, estimate in first.items():
        assert estimate.value == second[name].value
        if name not in DRAWN:
            assert again[name].value == pytest.approx(estimate.value, rel=1e-5, abs=1e-9), name


def test_reference_survives_storage(split: Split, reference: Reference, tmp_path: Path) -> None:
    """Split and statistics from disk, as in a worker, give the same scores."""
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {k: np.ascontiguousarray(v) for k, v in reference.statistics.items()}
    safetensors.save_file(arrays, tmp_path / "reference.safetensors")
    split.save(tmp_path / "split")
    stored = Reference(
        Split.load(tmp_path / "split"), safetensors.load_file(tmp_path / "reference.safetensors")
    )
    made = _cohort(split.train.genotypes[:500], split.train)
    one, two = (Fidelity().score(made, r, seed=2) for r in (reference, stored))
    assert {k: e.value for k, e in one.items()} == {k: e.value for k, e in two.items()}


def test_metrics_are_the_functions_of_the_metrics_folder(
    split: Split, reference: Reference
) -> None:
    """With as many synthetic as test people, the task adds no arithmetic of its own."""
    made, real = split.control.genotypes, split.test.genotypes
    found = Fidelity().score(_cohort(made, split.control), reference, seed=0)
    assert found["af_rmse"].value == pytest.approx(frequency.frequency_rmse(made, real).value)
    (at_five,) = manifold.manifold_curve(made, real, ks=(5,))
    assert found["recall"].value == at_five.recall.value
    assert found["coverage"].value == at_five.coverage.value
    which = ld.pairs(
        chromosome=split.test.variants["chrom"].astype(np.int64).to_numpy(),
        position=split.test.variants["pos"].to_numpy(np.int64),
        frequency=frequency.allele_frequency(real),
        reach=16,
    )
    one, two = (ld.r2_band(g, reach=16) for g in (made, real))
    assert found["ld_r2_corr"].value == pytest.approx(ld.r2_correlation(one, two, which).value)


def test_fewer_synthetic_than_test_people(split: Split, reference: Reference) -> None:
    """120 synthetic people meet 120 test people, and fresh ones still pass."""
    made = _cohort(split.control.genotypes[:120], split.control)
    found = validated(Fidelity().score(made, reference, seed=0), CARD)
    assert {e.n for e in found.values()} == {120}
    assert found["precision"].value > 0.6
    assert found["two_sample_auc"].low < 0.5 < found["two_sample_auc"].high


def test_snps_without_ld_are_reported_as_uninformative(split: Split) -> None:
    """Real people without LD (a clumped panel): correlation, slope and decay are empty."""
    rng = np.random.default_rng(0)
    p = split.train.genotypes.mean(axis=0) / 2
    parts = {
        name: replace(part, genotypes=rng.binomial(2, p, (part.n, part.m)).astype(np.int8))
        for name, part in vars(split).items()
    }
    clumped = Split(**parts)
    reference = Reference(clumped, Fidelity().prepare(clumped, seed=0))
    found = validated(Fidelity().score(clumped.control, reference, seed=0), CARD)
    empty = {k for k, e in found.items() if math.isnan(e.value)}
    assert {"ld_r2_corr", "ld_r2_slope", "ld_decay"} <= empty
    assert {"ld_score_corr", "ld_score_slope"} <= empty
    assert {"three_point_corr", "three_point_slope"} <= empty
    assert found["ld_reliability"].value < 0.5
    assert found["ld_r2_rmse"].value < 0.02
    assert found["two_sample_auc"].low < 0.5 < found["two_sample_auc"].high


@pytest.mark.parametrize("m", [1, 2, 7])
def test_few_variants(split: Split, m: int) -> None:
    """Any width: what cannot be measured is NaN, nothing crashes."""
    narrow = Split(**{k: part.take(variants=slice(0, m)) for k, part in vars(split).items()})
    reference = Reference(narrow, Fidelity().prepare(narrow, seed=0))
    found = validated(Fidelity().score(narrow.control, reference, seed=0), CARD)
    assert math.isfinite(found["two_sample_auc"].value)
    assert math.isfinite(found["af_rmse"].value)


def test_without_population_labels_ancestry_is_left_out(split: Split) -> None:
    """No column, one population, or labels of too few people: every other metric is there."""
    control = split.control
    everybody = {k: part.samples for k, part in vars(split).items()}
    for labels in (None, "P0", ""):
        parts = {}
        for name, part in vars(split).items():
            samples = everybody[name].drop(columns="population")
            if labels is not None:
                samples = samples.assign(population=labels)
                samples.loc[:4, "population"] = "few"
            parts[name] = replace(part, samples=samples)
        unlabelled = Split(**parts)
        reference = Reference(unlabelled, Fidelity().prepare(unlabelled, seed=0))
        found = Fidelity().score(control, reference, seed=0)
        missing = set(CARD.metrics) - set(found)
        assert missing == {n for n, c in CARD.metrics.items() if "population" in c.needs}
        assert missing == {"ancestry_fst", "ancestry_shares"}


def test_counted_alleles_do_not_matter(split: Split, reference: Reference) -> None:
    """Other alleles counted everywhere: the same scores, but for trees and trained weights."""
    flip = np.arange(split.test.m) % 3 == 0
    parts = {
        name: replace(part, genotypes=np.where(flip, 2 - part.genotypes, part.genotypes))
        for name, part in vars(split).items()
    }
    flipped = Split(**parts)
    other = Reference(flipped, Fidelity().prepare(flipped, seed=0))
    made = split.train.take(slice(0, 500)), flipped.train.take(slice(0, 500))
    one = Fidelity().score(made[0], reference, seed=1)
    two = Fidelity().score(made[1], other, seed=1)
    for name in set(one) - {"two_sample_auc", "fred"}:
        assert two[name].value == pytest.approx(one[name].value, rel=0.01, abs=1e-4), name
    assert two["fred"].value == pytest.approx(one["fred"].value, rel=0.3)


def test_scores_move_along_mixtures_with_independent_sites(
    split: Split, reference: Reference
) -> None:
    """The larger the share of independent-site people, the worse, metric by metric."""
    g, rng = split.train.genotypes[:500], np.random.default_rng(7)
    wrong = rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)
    rows = rng.random(len(g))[:, None]
    found = [
        Fidelity().score(
            _cohort(np.where(rows < q, wrong, g).astype(np.int8), split.train), reference, seed=1
        )
        for q in (0, 0.25, 0.5, 1)
    ]
    for name in ("window4_tv", "window8_tv", "mmd2", "pc_frechet", "fred", "two_sample_auc"):
        values = [scores[name].value for scores in found]
        assert values == sorted(values), name
    for name in ("ld_score_slope", "three_point_slope", "precision_area", "coverage"):
        values = [scores[name].value for scores in found]
        assert values == sorted(values, reverse=True), name


def test_wide_data_are_sampled_in_runs(make_cohort: Any, monkeypatch: Any) -> None:
    """More SNPs than the encoder and the windows look at: runs are drawn, fresh people pass."""
    everybody = make_cohort(700, 400, 3)
    parts = np.split(np.arange(700), [300, 350, 525])
    split = Split(*(everybody.take(rows) for rows in parts))
    monkeypatch.setattr("genobench.tasks._fidelity_reference.WIDE", 192)
    facts = Fidelity().prepare(split, seed=0)
    assert facts["columns"].shape == facts["window_columns"].shape == (192,)
    assert facts["mean_encoder"].shape == (192,)
    assert len(np.unique(facts["stretch"])) >= 2
    found = Fidelity().score(split.control, Reference(split, facts), seed=0)
    assert set(found) == set(CARD.metrics)
    assert abs(found["window4_tv"].value) < 0.1


def test_one_synthetic_person_repeated(split: Split, reference: Reference) -> None:
    """The worst collapse still gets scores, and bad ones."""
    alone = _cohort(np.tile(split.test.genotypes[:1], (600, 1)), split.train)
    found = validated(Fidelity().score(alone, reference, seed=0), CARD)
    assert found["two_sample_auc"].value > 0.95
    assert found["recall"].value < 0.05
    assert found["new_monomorphic"].value > 0.9
    assert found["het_sd_ratio"].value == 0


def test_bad_input_is_named(split: Split, reference: Reference) -> None:
    """Too few people, other variants, missing calls."""
    few = split.control.take(slice(0, 20))
    with pytest.raises(GenobenchError, match="20 people, but this metric needs 40"):
        Fidelity().score(few, reference, seed=0)
    with pytest.raises(GenobenchError, match="64 variants, real people 128"):
        Fidelity().score(split.control.take(variants=slice(0, 64)), reference, seed=0)
    missing = split.control.genotypes.copy()
    missing[5, 6] = -1
    with pytest.raises(GenobenchError, match="person 5, variant 6"):
        Fidelity().score(_cohort(missing, split.control), reference, seed=0)
    with pytest.raises(GenobenchError, match="20 test people, 40"):
        Fidelity().prepare(replace(split, test=few), seed=0)

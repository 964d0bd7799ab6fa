"""Verdicts in words: made from tables of chosen values, so that every branch is known by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import hypergeom, mannwhitneyu, norm

from genobench.metrics.auc import detectable_auc
from genobench.registry import generators, tasks
from genobench.report import association, attacks, closeness, fidelity, utility
from genobench.report.collect import build
from genobench.report.sheet import Sheet, Verdict, corrected, enumerated, percent
from genobench.report.verdicts import JUDGES, place, verdicts

Values = Mapping[str, tuple[float, float]]  # metric -> value, half width of its 95 % interval
PEOPLE = 800  # candidates: as many members as non-members
FILE = "syn.bed"


def sheet(task: str, rows: Mapping[str, Values], n: int = PEOPLE) -> Sheet:
    """Table of one task with the file and controls, as `genobench score` and `run` build it."""
    card = tasks()[task].card

    def entry(metric: str, value: float, half: float) -> dict[str, Any]:
        ends = (math.nan, math.nan) if math.isnan(half) else (value - half, value + half)
        version = card.metrics[metric].version
        return {"value": value, "low": ends[0], "high": ends[1], "n": n, "version": version}

    records = [
        {
            "key": model,
            "job": {"model": model, "suite": "outside", "data": "x", "data_key": "",
                    "split_seed": 0, "seed": 0},
            "inputs": {}, "status": "ok", "resources": {},
            "scores": {task: {"metrics": {m: entry(m, *v) for m, v in values.items()}}},
        }
        for model, values in rows.items()
    ]  # fmt: skip
    cards = {name: plugin.card for name, plugin in generators().items()}
    block = build(records, cards, {task: card}).blocks[0]
    return Sheet(block.tables[0], block, FILE)


def said(found: list[Verdict], what: str) -> Verdict:
    """The verdict on one thing."""
    (verdict,) = [v for v in found if v.what == what]
    return verdict


NULL = {
    "strongest_attack_auc": (0.51, 0.05), "windowed_attack_auc": (0.50, 0.04),
    "calibrated_attack_auc": (0.49, 0.04), "nearest_attack_auc": (0.51, 0.04),
    "windowed_attack_tpr1": (0.01, 0.01), "duplicates_train": (0.0, 0.004),
    "closer_to_train": (0.5, 0.04), "nn_distance_ratio": (1.0, 0.02),
}  # fmt: skip
LEAK = {
    **NULL, "strongest_attack_auc": (0.62, 0.05), "windowed_attack_auc": (0.62, 0.04),
}  # fmt: skip
LEVELS = {"real": NULL, "copy": {**LEAK, "strongest_attack_auc": (1.0, 0.001)}, "mosaic16": LEAK}


def test_every_metric_named_is_on_a_card() -> None:
    """A renamed metric would drop out of the verdicts unseen."""
    known = {m for plugin in tasks().values() for m in plugin.card.metrics}
    named = {*attacks.ATTACKS, *attacks.RATES, *attacks.BOUNDS, *attacks.GROUPS}
    named |= {*attacks.INFERENCE, *attacks.FLOORS.values(), attacks.HEADLINE, attacks.SMALLEST}
    named |= {closeness.COPIES, closeness.EXCESS, closeness.RATIO}
    named |= {*closeness.RELATIVES, *closeness.LEANING}
    named |= {*fidelity.METRICS, fidelity.LD, fidelity.RELIABILITY, fidelity.REPEATS}
    named |= {m for p in utility.PREDICTORS for m in (p.gap, *(x[0] for x in p.measures))}
    named |= {*utility.AUGMENTED, utility.LABELS, *association.METRICS}
    assert named <= known, named - known
    places = {task: place(plugin.card) for task, plugin in tasks().items()}
    assert (places["privacy"], places["fidelity"], places["prs_utility"]) == (0, 2, 3)
    assert places["association"] == 4
    assert len(JUDGES) == 5


def test_smallest_leak_is_that_of_the_mann_whitney_test() -> None:
    """.5 + (1.96 + .8416) SE for one attack; by simulation that AUC is found in 80 % of draws."""
    n = 200
    error = math.sqrt((2 * n + 1) / (12 * n * n))
    assert detectable_auc(n, n) == pytest.approx(0.5 + (1.959964 + 0.841621) * error)
    assert detectable_auc(n, n, tests=4) > detectable_auc(n, n)
    assert detectable_auc(5, 5, tests=4) == 1.0
    shift = math.sqrt(2) * float(norm.ppf(detectable_auc(n, n)))
    draw = np.random.default_rng(0)
    found = [
        mannwhitneyu(draw.normal(shift, 1, n), draw.normal(0, 1, n)).pvalue < 0.05
        for _ in range(400)
    ]
    assert 0.73 < np.mean(found) < 0.87


def test_chance_of_a_rate_allows_for_the_threshold() -> None:
    """Against simulation; Clopper and Pearson's interval over members would reject too often."""
    n, draw = 200, np.random.default_rng(1)
    rates = []
    for _ in range(4_000):
        others = np.sort(draw.random(n))[::-1]
        rates.append(float((draw.random(n) > others[2]).mean()))  # 1 % of 200 lie above
    observed = float(np.mean(np.array(rates) >= 0.03))
    assert attacks.chance_of(0.03, n, 0.01) == pytest.approx(observed, abs=0.02)
    assert np.mean([attacks.chance_of(r, n, 0.01) < 0.05 for r in rates]) < 0.06
    assert attacks.chance_of(0.0, n, 0.01) == 1.0
    assert attacks.chance_of(0.5, n, 0.01) < 1e-20
    assert attacks.chance_of(0.5, 0, 0.01) == 1.0


@pytest.mark.parametrize(("n", "allowed"), [(3, 0.01), (50, 0.1), (1200, 0.001), (90_000, 0.01)])
def test_chance_of_a_rate_is_a_hypergeometric_tail(n: int, allowed: float) -> None:
    """As scipy has it, from nobody found to all."""
    above = int(allowed * n)
    for caught in sorted({0, 1, n // 100, n // 50, n // 10, n}):
        drawn = min(above + caught, 2 * n)
        expected = hypergeom.sf(caught - 1, 2 * n, n, drawn)
        assert attacks.chance_of(caught / n, n, allowed) == pytest.approx(expected, rel=1e-8)


def test_leak_is_named_with_attack_and_interval() -> None:
    """Also what it means, and where the controls stand."""
    found = verdicts(*_parts(sheet("privacy", {FILE: LEAK, **LEVELS})))
    verdict = said(found, "membership attacks")
    assert verdict.level == "fail"
    assert verdict.sentence.startswith(
        "Leak detected: the windowed attack tells training people from others with AUC 0.620 "
        "(95 % 0.580 to 0.660), where chance is 0.5: short segments of training people recur."
    )
    assert "real 0.510, copy 1.000, mosaic16 0.620" in verdict.sentence
    entry = next(e for e in verdict.evidence if e.metric == "windowed_attack_auc")
    assert (entry.value, entry.low, entry.real) == (0.62, 0.58, 0.5)


def test_no_leak_comes_with_its_power() -> None:
    """And with the leaks that the same attacks do find in the same people."""
    found = verdicts(*_parts(sheet("privacy", {FILE: NULL, **LEVELS})))
    verdict = said(found, "membership attacks")
    smallest = detectable_auc(400, 400, tests=4)
    assert verdict.level == "pass"
    assert verdict.sentence.startswith("No leak detected by these attacks: windowed, ")
    assert f"could have shown is AUC {smallest:.3f}" in verdict.sentence
    assert "400 training people against 400 others" in verdict.sentence
    assert "Known leaks are found in the same way: copy" in verdict.sentence
    assert {v.level for v in found} == {"pass"}


def test_the_task_s_own_power_is_preferred() -> None:
    """It knows of families, which count once."""
    row = {**NULL, "detectable_auc": (0.577, math.nan)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS})))
    assert "is AUC 0.577" in said(found, "membership attacks").sentence


def test_attacks_that_miss_a_known_leak_prove_nothing() -> None:
    """Nothing found where a leak that is known to be there is not found either: uninformative."""
    levels = {**LEVELS, "mosaic16": NULL}
    verdict = said(
        verdicts(*_parts(sheet("privacy", {FILE: NULL, **levels}))), "membership attacks"
    )
    assert verdict.level == "uninformative"
    assert verdict.sentence.startswith("No leak detected")
    assert "missed as well: mosaic16" in verdict.sentence


def test_several_attacks_are_corrected_for() -> None:
    """An interval that excludes .5 on its own, but not among as many attacks, is no leak."""
    row = {**NULL, "nearest_attack_auc": (0.545, 0.04)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS})))
    assert said(found, "membership attacks").level == "pass"
    row["nearest_attack_auc"] = (0.57, 0.04)
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS})))
    assert said(found, "membership attacks").level == "fail"
    assert corrected(1) == 1
    assert corrected(4) == pytest.approx(float(ndtri(0.025 / 4) / ndtri(0.025)))


def test_few_sure_finds_are_a_leak() -> None:
    """AUC hides one row in a hundred; the rate of finds at few false alarms does not."""
    row = {**NULL, "windowed_attack_tpr1": (0.06, 0.02)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS})))
    verdict = said(found, "membership attacks")
    assert verdict.level == "fail"
    assert "finds 6.0 % of the training people while it accuses 1.0 % of others" in verdict.sentence


def test_bound_of_epsilon_is_a_leak_by_itself() -> None:
    """As for one row in a hundred that is copied."""
    row = {**NULL, "epsilon_holdout": (0.83, math.nan)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS})))
    assert said(found, "membership attacks").sentence.startswith(
        "Leak detected: eps >= 0.830, at 95 %."
    )


def test_groups_and_labels_have_verdicts_of_their_own() -> None:
    """Outliers first; labels of members guessed better than others'."""
    row = {**NULL, "outlier_attack_auc": (0.8, 0.1), "label_inference_nearest": (0.3, 0.1)}
    levels = {name: {**values, "outlier_attack_auc": (0.5, 0.1)} for name, values in LEVELS.items()}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **levels})))
    assert said(found, "tails").sentence.startswith(
        "Leak detected among people unlike others, AUC 0.800"
    )
    assert said(found, "label inference").level == "fail"
    levels["real"] = {**levels["real"], "label_inference_nearest": (0.25, 0.1)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **levels})))
    assert said(found, "label inference").level == "pass", "no more than fresh real people show"
    row |= {"outlier_attack_auc": (0.55, 0.1), "label_inference_nearest": (0.05, 0.1)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **levels})))
    assert said(found, "tails").level == "uninformative", "no control is found either"
    assert said(found, "label inference").level == "pass"


@pytest.mark.parametrize(
    ("share", "real", "level", "words"),
    [
        ((0.0, 0.004), (0.0, 0.004), "pass", "That alone proves nothing"),
        ((0.05, 0.01), (0.0, 0.004), "fail", "Copies: 40 of 800 synthetic people"),
        ((0.00125, 0.0025), (0.0, 0.004), "concern", "Look at these rows"),
        ((0.05, 0.01), (0.05, 0.01), "pass", "coincide by chance"),
    ],
)
def test_identical_rows(
    share: tuple[float, float], real: tuple[float, float], level: str, words: str
) -> None:
    """Against what fresh real people show: short panels coincide by chance."""
    rows = {FILE: {**NULL, "duplicates_train": share}, "real": {**NULL, "duplicates_train": real}}
    verdict = said(verdicts(*_parts(sheet("privacy", rows))), "verbatim copies")
    assert verdict.level == level
    assert words in verdict.sentence


def test_above_the_ceiling_in_distance() -> None:
    """Closer to the training people than fresh real people are, by more than the intervals."""
    row = {**NULL, "nn_distance_ratio": (0.07, 0.01)}
    verdict = said(
        verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS}))),
        "distance to the training people",
    )
    assert verdict.level == "concern"
    assert verdict.sentence.startswith(
        "Above the ceiling: closer to the training people than fresh real people are; suspected "
        "memorising."
    )
    row["closer_to_train"] = (0.8, 0.04)
    verdict = said(
        verdicts(*_parts(sheet("privacy", {FILE: row, **LEVELS}))),
        "distance to the training people",
    )
    assert verdict.level == "fail"


def test_farther_than_the_hold_out_is_not_close() -> None:
    """Closer than the second real sample, but no closer than test people are."""
    levels = {**LEVELS, "real": {**NULL, "nn_distance_ratio": (1.1, 0.01)}}
    row = {**NULL, "nn_distance_ratio": (1.01, 0.01)}
    found = verdicts(*_parts(sheet("privacy", {FILE: row, **levels})))
    assert said(found, "distance to the training people").level == "pass"


def test_relatives_beyond_those_of_test_people() -> None:
    """First degree is a failure, third degree a concern."""
    none, many = {"kinship_first": (0.0, 0.01), "kinship_third": (0.0, 0.01)}, (0.3, 0.02)
    for metric, level in (("kinship_first", "fail"), ("kinship_third", "concern")):
        rows = {FILE: {**NULL, **none, metric: many}, "real": {**NULL, **none}}
        assert said(verdicts(*_parts(sheet("privacy", rows))), "relatives").level == level
    rows = {FILE: {**NULL, **none}, "real": {**NULL, **none}}
    assert said(verdicts(*_parts(sheet("privacy", rows))), "relatives").level == "pass"


REAL = {
    "af_rmse": (0.012, 0.002), "ld_r2_corr": (0.98, 0.01), "recall": (0.90, 0.02),
    "two_sample_auc": (0.5, 0.03), "pc_variance_ratio": (1.0, 0.05),
}  # fmt: skip
HWE = {
    "af_rmse": (0.012, 0.002), "ld_r2_corr": (0.0, 0.02), "recall": (0.60, 0.03),
    "two_sample_auc": (1.0, 0.001), "pc_variance_ratio": (0.2, 0.02),
}  # fmt: skip


def fidelity_of(**changes: tuple[float, float]) -> list[Verdict]:
    """Verdicts on a cohort as good as fresh real people but for ``changes``."""
    rows = {FILE: {**REAL, **changes}, "real": REAL, "hwe": HWE}
    return verdicts(*_parts(sheet("fidelity", rows)))


def test_fresh_people_agree() -> None:
    """Everything passes, with both numbers."""
    found = fidelity_of()
    assert {v.level for v in found} == {"pass"}
    assert "(AF RMSE 0.012, fresh real people 0.012)" in said(found, "allele frequencies").sentence
    assert "above the ceiling" not in {v.what for v in found}


def test_what_disagrees_is_weighed_between_floor_and_ceiling() -> None:
    """A slight difference passes, half of the way is where a concern becomes a failure."""
    assert said(fidelity_of(ld_r2_corr=(0.93, 0.01)), "linkage disequilibrium").level == "pass"
    concern = said(fidelity_of(ld_r2_corr=(0.7, 0.02)), "linkage disequilibrium")
    assert concern.level == "concern"
    assert "nearer to" not in concern.sentence
    fail = said(fidelity_of(ld_r2_corr=(0.3, 0.02)), "linkage disequilibrium")
    assert fail.level == "fail"
    assert fail.sentence.startswith("Neighbouring SNPs do not go together as in real people")
    assert "nearer to `hwe` (0.000) than to real people" in fail.sentence
    assert said(fidelity_of(pc_variance_ratio=(1.7, 0.1)), "population structure").level == "fail"


def test_what_holds_its_target_agrees() -> None:
    """Even where the second real sample happens to lie on the other side."""
    rows = {
        FILE: {**REAL, "pc_variance_ratio": (1.2, 0.18)},
        "real": {**REAL, "pc_variance_ratio": (0.9, 0.05)},
        "hwe": HWE,
    }
    verdict = said(verdicts(*_parts(sheet("fidelity", rows))), "population structure")
    assert verdict.level == "pass"
    rows[FILE] = {**REAL, "pc_variance_ratio": (1.8, 0.15)}
    verdict = said(verdicts(*_parts(sheet("fidelity", rows))), "population structure")
    assert verdict.level == "fail"


def test_without_a_floor_the_error_of_real_people_is_the_scale() -> None:
    """Independent sites get frequencies right, so they are no floor for these."""
    assert said(fidelity_of(af_rmse=(0.014, 0.002)), "allele frequencies").level == "pass"
    assert said(fidelity_of(af_rmse=(0.03, 0.002)), "allele frequencies").level == "concern"
    fail = said(fidelity_of(af_rmse=(0.1, 0.002)), "allele frequencies")
    assert fail.level == "fail"
    assert "hwe" not in fail.sentence


def test_better_than_fresh_real_people_is_suspicious() -> None:
    """Above the ceiling by more than the intervals, in a metric without a target."""
    verdict = said(fidelity_of(recall=(0.99, 0.01)), "above the ceiling")
    assert verdict.level == "concern"
    assert "suspected memorising" in verdict.sentence
    assert "recall 0.990, fresh real people 0.900" in verdict.sentence


def test_ld_on_clumped_snps_is_uninformative() -> None:
    """Neither the file nor real people have a value: real against real agrees below .5."""
    none = (math.nan, math.nan)
    rows = {
        name: {**values, "ld_r2_corr": none, "ld_r2_rmse": (0.01, 0.001),
               "ld_reliability": (0.13, math.nan)}
        for name, values in {FILE: REAL, "real": REAL, "hwe": HWE}.items()
    }  # fmt: skip
    verdict = said(verdicts(*_parts(sheet("fidelity", rows))), "linkage disequilibrium")
    assert verdict.level == "uninformative"
    assert verdict.sentence.startswith("LD cannot be judged on these SNPs: real against real")
    assert "of 0.130 below 0.5" in verdict.sentence


def utility_of(
    auc: float,
    gap: tuple[float, float],
    half: float = 0.03,
    real: float = 0.0,
    **more: tuple[float, float],
) -> list[Verdict]:
    """Verdicts on a cohort whose joint predictor reaches ``auc``; fresh real people gain `real`."""
    rows = {
        FILE: {"joint_auc": (auc, half), "joint_gap": gap, **more},
        "real": {"joint_auc": (0.77, half), "joint_gap": (real, 0.02), "label_lift": (0.2, 0.05)},
        "cond_hwe": {"joint_auc": (0.70, half), "joint_gap": (-0.07, 0.02)},
    }
    return verdicts(*_parts(sheet("prs_utility", rows)))


@pytest.mark.parametrize(
    ("auc", "gap", "half", "level", "words"),
    [
        (0.77, (0.0, 0.02), 0.03, "pass", "does as well as one trained on real people"),
        (0.70, (-0.07, 0.02), 0.03, "concern", "loses 0.070 (95 % 0.050 to 0.090)"),
        (0.70, (-0.07, 0.02), 0.03, "concern", "74 % of the real signal is kept"),
        (0.55, (-0.22, 0.02), 0.03, "fail", "19 % of the real signal is kept"),
        (0.51, (-0.01, 0.02), 0.03, "uninformative", "No signal in the real data: AUC 0.520"),
        (0.60, (0.0, 0.09), 0.06, "uninformative", "too few test people to tell"),
    ],
)
def test_loss_against_real_training_people(
    auc: float, gap: tuple[float, float], half: float, level: str, words: str
) -> None:
    """Loss with its interval and the share of the signal kept; nothing to lose at chance."""
    verdict = said(utility_of(auc, gap, half), "joint predictor")
    assert verdict.level == level
    assert words in verdict.sentence


def test_a_loss_that_real_people_have_too_is_stated() -> None:
    """It is no fault of the file, but "does as well" would be untrue."""
    verdict = said(utility_of(0.71, (-0.06, 0.02), real=-0.05), "joint predictor")
    assert verdict.level == "pass"
    assert "loses 0.060" in verdict.sentence
    assert "not clearly more than fresh real people do (0.050)" in verdict.sentence


def test_shuffled_labels_are_told() -> None:
    """No lift over shuffled labels, where real people have one."""
    found = utility_of(0.5, (-0.27, 0.03), label_lift=(0.0, 0.05))
    assert said(found, "labels").level == "fail"
    found = utility_of(0.77, (0.0, 0.02), label_lift=(0.2, 0.05))
    assert "labels" not in {v.what for v in found}


def test_augmentation_that_helps_and_harms() -> None:
    """By how many real people there are."""
    found = utility_of(0.77, (0.0, 0.02), augment_10=(0.1, 0.02), augment_100=(-0.05, 0.02))
    verdict = said(found, "augmentation")
    assert verdict.level == "concern"
    assert "helps on top of 10 % (+0.100); it does harm on top of all (-0.050)" in verdict.sentence


def association_of(z: tuple[float, float], real: tuple[float, float]) -> list[Verdict]:
    """Verdicts on a cohort whose z-scores agree with those of test people like this."""
    rows = {
        FILE: {"z_correlation": z},
        "real": {"z_correlation": real},
        "hwe": {"z_correlation": (0.0, 0.05)},
    }
    return verdicts(*_parts(sheet("association", rows)))


def test_association_is_compared_with_other_real_people() -> None:
    """Nothing can be lost where real people do not agree with real people."""
    found = association_of((0.78, 0.05), (0.8, 0.05))
    assert said(found, "association").level == "pass"
    assert said(association_of((0.2, 0.05), (0.8, 0.05)), "association").level == "fail"
    silent = said(association_of((0.0, 0.05), (0.03, 0.05)), "association")
    assert silent.level == "uninformative"
    assert silent.sentence.startswith("No signal in the real data")


def test_numbers_for_people() -> None:
    """Percentages with as many digits as they carry, lists as they are said."""
    shares = [percent(x) for x in (1, 0.634, 0.012, 0.0004, 0)]
    assert shares == ["100 %", "63 %", "1.2 %", "0.04 %", "0 %"]
    assert enumerated(["a"]) == "a"
    assert enumerated(["a", "b", "c"]) == "a, b and c"


def _parts(made: Sheet) -> tuple[Any, Any, str]:
    return made.table, made.block, made.model

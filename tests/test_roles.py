"""Every control is in its role in the committed records, and every entrant clears its floors.

A control outside its role means that a metric has gone blind, whatever the entrants scored.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from genobench.registry import generators

RECORDS = Path(__file__).parent.parent / "leaderboards" / "records"
BLOCKS = sorted(p.name for p in RECORDS.iterdir() if p.is_dir())
LD_RICH = [b for b in BLOCKS if not b.startswith("penncath")]  # LD there is uninformative
BINARY = [b for b in BLOCKS if b.startswith(("default", "hla1000g"))]  # with signal and power
SIGNAL_FREE = [b for b in BLOCKS if b.startswith("penncath")]  # the negative control
NOT_COLLAPSED = [b for b in BLOCKS if b.startswith(("default", "hla1000g", "kg805", "mice"))]
ENTRANTS = [n for n, p in generators().items() if p.card.role == "entrant"]

Scores = dict[str, list[dict[str, dict[str, float]]]]  # model -> per seed: metric -> estimate


def scores(block: str) -> Scores:
    """All estimates of one block of records."""
    found: Scores = defaultdict(list)
    for path in sorted((RECORDS / block).glob("*.json")):
        record: dict[str, Any] = json.loads(path.read_text())
        assert record["status"] == "ok", path
        tasks = record["scores"].values()
        found[record["job"]["model"]].append({k: v for t in tasks for k, v in t["metrics"].items()})
    return found


def mean(block: str, model: str, metric: str) -> float:
    """Mean over seeds."""
    values = [s[metric]["value"] for s in scores(block)[model]]
    return sum(values) / len(values)


def test_the_embedded_cohort_is_there() -> None:
    """The default leaderboard is complete: every generator, three seeds."""
    found = scores("default-smoke")
    assert set(found) == set(generators())
    assert all(len(seeds) >= 3 for seeds in found.values())


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("leak", ["copy", "noise05", "mosaic16"])
def test_leaks_are_caught(block: str, leak: str) -> None:
    """The strongest attack's corrected interval excludes chance, for every seed."""
    assert all(s["strongest_attack_auc"]["low"] > 0.5 for s in scores(block)[leak])


@pytest.mark.parametrize("block", BLOCKS)
def test_mosaic_is_caught_by_its_windows(block: str) -> None:
    """Segment copying shows in the windowed attack."""
    assert all(s["windowed_attack_auc"]["low"] > 0.5 for s in scores(block)["mosaic16"])


@pytest.mark.parametrize("block", LD_RICH)
@pytest.mark.parametrize("floor", ["hwe", "cond_hwe"])
def test_independent_sites_lose_ld(block: str, floor: str) -> None:
    """Without LD the correlation of r2 is nil and trees tell the cohort from real people."""
    for s in scores(block)[floor]:
        assert s["ld_r2_corr"]["high"] < 0.2
        assert s["two_sample_auc"]["low"] > 0.9


@pytest.mark.parametrize("block", BINARY)
def test_marginals_are_not_enough(block: str) -> None:
    """Per-class frequencies keep the marginal score and lose the joint predictor."""
    for s in scores(block)["cond_hwe"]:
        assert s["joint_gap"]["high"] < 0
        assert s["prs_gap"]["low"] > s["joint_gap"]["value"]


@pytest.mark.parametrize("block", BLOCKS)
def test_real_people_pass(block: str) -> None:
    """No attack finds real people who were not trained on; they keep LD, and utility at par."""
    for s in scores(block)["real"]:
        assert s["strongest_attack_auc"]["low"] <= 0.5
        assert s["joint_gap"]["high"] >= 0
    if block in LD_RICH:
        assert mean(block, "real", "ld_r2_corr") > 0.9
        assert 0.9 < mean(block, "real", "ld_r2_slope") < 1.1


@pytest.mark.parametrize("block", BINARY)
@pytest.mark.parametrize("model", ENTRANTS)
def test_entrants_clear_their_floors(block: str, model: str) -> None:
    """Better than independent sites on LD and recall, better than shuffled labels on utility."""
    if model not in scores(block):
        pytest.skip(f"{model} was not run on {block}")
    assert mean(block, model, "ld_r2_corr") > mean(block, "hwe", "ld_r2_corr") + 0.5
    assert mean(block, model, "recall") > mean(block, "hwe", "recall")
    assert mean(block, model, "label_lift") > 0


@pytest.mark.parametrize("block", NOT_COLLAPSED)
@pytest.mark.parametrize("model", ENTRANTS)
def test_no_entrant_collapses(block: str, model: str) -> None:
    """Half of the recall of fresh real people at least, and nearer to these than the floors."""
    assert mean(block, model, "recall") >= 0.5 * mean(block, "real", "recall")
    for floor in ("hwe", "cond_hwe"):
        assert mean(block, model, "ld_r2_corr") > mean(block, floor, "ld_r2_corr")
        assert mean(block, model, "two_sample_auc") < mean(block, floor, "two_sample_auc")


@pytest.mark.parametrize("block", SIGNAL_FREE)
def test_nobody_finds_signal_where_there_is_none(block: str) -> None:
    """No entrant's TSTR AUC lies above chance: one-sided at .05 over all of them together.

    Seeds share the test people, so that their mean is no more certain than one of them.
    """
    predictors = ("prs_auc", "joint_auc", "xgb_auc")
    found = {m: s for m, s in scores(block).items() if m in ENTRANTS}
    limit = NormalDist().inv_cdf(1 - 0.05 / (len(predictors) * len(found)))
    for model, seeds in found.items():
        for predictor in predictors:
            estimates = [s[predictor] for s in seeds]
            error = max((e["high"] - e["low"]) / (2 * 1.96) for e in estimates)
            excess = sum(e["value"] for e in estimates) / len(estimates) - 0.5
            assert excess < limit * error, (model, predictor)

"""Strength of generators: what is marked as a failure, and what stands on the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from genobench.generator import Card
from genobench.published import Published
from genobench.registry import tasks
from genobench.report import strength
from genobench.report.collect import build
from genobench.report.detectors import Finding
from genobench.report.failure_modes import FAILURES, judge
from genobench.report.learning import curves_of, learned
from genobench.report.learning_figure import write_learning
from genobench.report.tables import Tables

TASKS = {name: plugin.card for name, plugin in tasks().items()}
TASK_OF = {m: t for t in ("fidelity", "privacy", "prs_utility", "association")
           for m in TASKS[t].metrics}  # fmt: skip
REAL = {
    "recall": 0.8, "af_slope_rare": 1.0, "af_slope_low": 1.0, "af_slope_common": 1.0,
    "new_monomorphic": 0.0, "het_ratio": 1.0, "ld_r2_slope": 1.0, "ld_decay": 0.02, "ld_far": 0.0,
    "two_sample_auc": 0.5, "duplicates_within": 0.0, "duplicates_excess": 0.0,
    "closer_to_train": 0.5, "aa_truth": 0.5, "aa_syn": 0.5, "strongest_attack_auc": 0.5,
    "detectable_auc": 0.54, "effect_slope": 1.0, "inside_gap": 0.0, "label_lift": 0.2,
    "joint_gap": 0.0,
}  # fmt: skip
COPY = {"duplicates_excess": 0.4, "closer_to_train": 0.72, "aa_truth": 0.0, "aa_syn": 0.0,
        "strongest_attack_auc": 1.0, "inside_gap": 0.3}  # fmt: skip
COLLAPSED = {"recall": 0.01, "aa_truth": 0.05, "aa_syn": 0.99, "duplicates_within": 0.4,
             "ld_r2_slope": 0.4}  # fmt: skip
FIGURE = Published("Kept", ".9", "Cows", "Other data", "fidelity.recall")
CARDS = {
    "real": Card("real", "Real", "Real people", role="ceiling"),
    "copy": Card("copy", "Copy", "Copies", role="leak"),
    "sound": Card("sound", "Sound", "A sound model", published=(FIGURE,)),
    "broken": Card("broken", "Broken", "A broken model"),
}


def record(model: str, seed: int, values: Mapping[str, float], **changes: Any) -> dict[str, Any]:
    """A record whose values lie narrowly between their ends, apart by little between seeds."""
    scores: dict[str, Any] = {}
    for name, value in values.items():
        x = value + 0.0004 * (seed - 1)
        entry = {"value": x, "low": x - 0.004, "high": x + 0.004, "n": 500, "version": 1}
        entry["version"] = TASKS[TASK_OF[name]].metrics[name].version
        scores.setdefault(TASK_OF[name], {"metrics": {}})["metrics"][name] = entry
    made: dict[str, Any] = {
        "schema": 1, "key": f"{model}{seed}".encode().hex(), "status": "ok", "phase": "done",
        "error": None, "environment": {"device": "cpu"}, "software": {}, "inputs": {"m": 64},
        "job": {"model": model, "suite": "smoke", "settings": {}, "data": "toy",
                "data_key": "d" * 64, "split_seed": 0, "seed": seed},
        "resources": {"fit_seconds": 10.0}, "learning": [], "scores": scores,
        "finished": f"2025-01-0{seed + 1}T00:00:00Z",
    }  # fmt: skip
    return made | changes


def tables(real: Mapping[str, float] = REAL, **models: Mapping[str, float]) -> Tables:
    """Tables of the controls and of models given by what differs from real people."""
    all_of = {"real": real, "copy": {**REAL, **COPY}}
    all_of |= {name: {**REAL, **values} for name, values in models.items()}
    return build(
        [record(m, seed, values) for m, values in all_of.items() for seed in range(3)], CARDS, TASKS
    )


def findings(found: Tables, model: str) -> dict[str, list[Finding]]:
    """By failure."""
    return dict(zip((f.name for f in FAILURES), judge(found.blocks[0], model), strict=True))


def marks(found: Tables, model: str) -> dict[str, list[str]]:
    """Marks other than none, by failure."""
    all_of: dict[str, list[str]] = {
        name: [f.mark for f in fs] for name, fs in findings(found, model).items()
    }
    return {name: row for name, row in all_of.items() if any(row)}


def test_healthy_model_has_no_mark() -> None:
    """Nor have real people; values a little off are within the tolerance."""
    found = tables(sound={"recall": 0.76, "ld_r2_slope": 0.95, "aa_truth": 0.56})
    assert marks(found, "sound") == {}
    assert marks(found, "real") == {}


def test_collapse_is_marked() -> None:
    """Recall, repeats, both parts of the adversarial accuracy and LD; nothing else."""
    assert marks(tables(broken=COLLAPSED), "broken") == {
        "mode collapse": ["✗", "✗"],
        "adversarial accuracy": ["✗", "✗"],
        "LD damage": ["✗", "", ""],
    }


def test_copies_are_marked() -> None:
    """Copies memorise, and what they show of effects is the training people's own."""
    found = marks(tables(), "copy")
    assert set(found) == {"memorising", "adversarial accuracy", "membership, underpowered attack"}
    assert found["memorising"] == ["✗", "✗"]


def test_inflated_effects_are_marked_beyond_the_training_people() -> None:
    """They chose the SNPs, so that as much as they show is no fault of a generator."""
    name = "over-guidance, lost effects"
    assert marks(tables(broken={"inside_gap": 0.31}), "broken") == {}
    assert marks(tables(broken={"inside_gap": 0.4}), "broken")[name] == ["", "✗"]
    assert marks(tables(broken={"effect_slope": 2.0}), "broken")[name] == ["✗", ""]
    assert marks(tables(broken={"effect_slope": 0.2}), "broken")[name] == ["✗", ""]


def test_nobody_is_blamed_for_what_real_people_show() -> None:
    """Where the ceiling is off the ideal, so may a generator be, between both."""
    real = {**REAL, "aa_truth": 0.7, "ld_decay": 0.3, "ld_r2_slope": 1.2}
    off = {"aa_truth": 0.75, "ld_decay": 0.35, "ld_r2_slope": 0.95}
    assert marks(tables(real, sound=off), "sound") == {}
    assert set(marks(tables(sound=off), "sound")) == {"adversarial accuracy", "LD damage"}


def test_chance_is_told_from_failure() -> None:
    """Beyond the tolerance but within the interval is a question."""
    found = tables(broken={"ld_r2_slope": 0.8})
    assert marks(found, "broken") == {"LD damage": ["✗", "", ""]}
    wide = [record("broken", s, {**REAL, "ld_r2_slope": 0.8}) for s in range(3)]
    for made in wide:
        entry = made["scores"]["fidelity"]["metrics"]["ld_r2_slope"]
        entry["low"], entry["high"] = 0.4, 1.2
    others = [record("real", s, REAL) for s in range(3)]
    assert marks(build([*wide, *others], CARDS, TASKS), "broken") == {"LD damage": ["?", "", ""]}


def test_silence_of_a_weak_attack_is_a_question() -> None:
    """An attack that could only have seen a large leak proves nothing by not seeing one."""
    name = "membership, underpowered attack"
    assert marks(tables(sound={"detectable_auc": 0.65}), "sound")[name] == ["?"]
    found = tables(broken={"detectable_auc": 0.65, "strongest_attack_auc": 0.6})
    assert findings(found, "broken")[name] == [Finding("0.60 (0.65)", "✗")]


def test_ignored_labels_are_marked_where_labels_mean_something() -> None:
    """Without a lift in real people nobody can be told to have ignored labels."""
    assert marks(tables(broken={"label_lift": 0.0}), "broken") == {"label ignored": ["✗"]}
    nothing = {**REAL, "label_lift": 0.0}
    assert marks(tables(nothing, sound={"label_lift": 0.0}), "sound") == {"label ignored": ["?"]}


def test_luck_with_seeds_is_marked() -> None:
    """Seeds that differ by more than the people measured on explain."""
    lucky = [record("broken", s, {**REAL, "joint_gap": 0.1 * s}) for s in range(3)]
    found = build([*lucky, *(record("real", s, REAL) for s in range(3))], CARDS, TASKS)
    assert marks(found, "broken") == {"seed luck": ["", "✗", ""]}


def test_missing_metrics_give_a_dash() -> None:
    """A model that was scored in one task, or in none, has its row all the same."""
    few = [record("sound", s, {"recall": 0.8, "het_ratio": 1.0}) for s in range(3)]
    dead = record("broken", 0, {}, status="crashed", phase="fit",
                  error={"type": None, "message": "", "signal": "SIGSEGV"})  # fmt: skip
    text = strength.render(build([*few, dead], CARDS, TASKS), CARDS)
    assert re.search(r"\| `sound` \| – \| – \| – \| – \| – \| – \| 1\.00 \| – ", text)
    assert re.search(r"\| `broken` (\| – ){11}\|", text)


def test_published_figures_stand_beside_ours() -> None:
    """With the value of real people, and generators without a figure are named."""
    text = strength.render(tables(sound={}, broken={}), CARDS)
    ours = "toy 0.800 (real 0.800) [`recall`]"
    assert f"| Kept | .9 | Cows | {ours} | Other data |" in text
    assert re.search(r"No published figure .*: `broken`, \*real\*, \*copy\*\.", text)


def test_over_all_data_sets() -> None:
    """How often each failure was found, of how often it was looked for."""
    text = strength.render(tables(sound={}, broken=COLLAPSED), CARDS)
    assert re.search(r"\| `broken` \| 1 / 1 ✗ \| 0 / 1 \| 1 / 1 ✗ ", text)
    assert re.search(r"\| `sound` (\| 0 / 1 ){11}\|", text)


def test_page_is_the_same_twice() -> None:
    """Bytes follow from the records, whatever their order."""
    made = [record(m, s, REAL) for m in ("sound", "real") for s in range(3)]
    pages = {strength.render(build(order, CARDS, TASKS), CARDS) for order in (made, made[::-1])}
    assert len(pages) == 1


def test_no_records() -> None:
    """An empty folder has a page as well."""
    assert "No records yet." in strength.render(build([], CARDS, TASKS), CARDS)


LOSS = [{"seconds": float(t), "step": 10.0 * t, "validation": v}
        for t, v in ((2, 9.0), (4, 5.0), (6, 4.0), (8, 3.0), (10, 6.0))]  # fmt: skip


def test_losses_fall() -> None:
    """The best loss is the least, even where the last is larger than the first."""
    (curve,) = curves_of(record("sound", 0, {}, learning=LOSS))
    assert curve.points[0] == (0.2, 9.0)
    assert curve.best == (0.8, 3.0)
    assert curve.late == 0
    late = [*LOSS[:4], {"seconds": 10.0, "step": 100.0, "validation": 1.0}]
    (curve,) = curves_of(record("sound", 0, {}, learning=late))
    assert curve.late == pytest.approx(0.25)


def test_likelihoods_and_f1_rise() -> None:
    """Held-out log-likelihoods, and the value that is told with precision and recall."""
    tree = [{"seconds": 1.0 + t, "step": t, "held_out": -9.0 + t} for t in range(3)]
    game = [{"seconds": 1.0 + t, "step": t, "validation": 0.1 * t, "precision": 1.0, "recall": 0.0}
            for t in range(3)]  # fmt: skip
    assert [curves_of(record("sound", 0, {}, learning=x))[0].best[1] for x in (tree, game)] == [
        -7.0, 0.2,
    ]  # fmt: skip


def test_a_search_is_no_curve() -> None:
    """Points without a step, single points and fits without a time are left out."""
    search = [{"seconds": 1.0 + t, "theta": 0.1 * t, "held_out": -9.0 + t} for t in range(3)]
    assert curves_of(record("sound", 0, {}, learning=search)) == []
    assert curves_of(record("sound", 0, {}, learning=LOSS[:1])) == []
    assert curves_of(record("sound", 0, {}, learning=LOSS, resources={})) == []


def test_stages_stand_in_order_of_time() -> None:
    """Not in that of their names: what learned first is told first."""
    first = [{"b_step": float(i), "b_validation": 1.0 / i, "seconds": float(i)} for i in (1, 2)]
    then = [{"a_step": float(i), "a_validation": 2.0 / i, "seconds": 4.0 + i} for i in (1, 2)]
    made = build([record("sound", 0, REAL, learning=[*first, *then])], CARDS, TASKS)
    found = learned(made.blocks[0])
    assert [line.quantity for line in found] == ["b_validation", "a_validation"]


def test_learning_is_told_and_drawn(tmp_path: Path) -> None:
    """Mean over seeds on the page, whose figure is written; who has no curve is named."""
    made = [record("sound", s, REAL, learning=LOSS) for s in range(3)]
    found = build([*made, *(record("real", s, REAL) for s in range(3))], CARDS, TASKS)
    assert [len(line.curves) for line in learned(found.blocks[0])] == [3]
    text = strength.render(found, CARDS)
    assert "![Learning curves](toy-smoke/learning.png)" in text
    assert "| `sound` | validation | 9.000 | 3.000 | 80 % | 0 % |" in text
    assert "No learning curve in the records of `real`." in text
    first = write_learning(found.blocks[0], tmp_path).read_bytes()
    assert first == write_learning(found.blocks[0], tmp_path / "again").read_bytes()
    assert len(first) > 5000

"""Keys of jobs, and records as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from genobench import registry
from genobench.errors import GenobenchError
from genobench.run import record
from genobench.run.child import Ended
from genobench.run.job import Job, Limits, asked
from genobench.run.ledger import explain
from genobench.run.lifeline import CURVE_POINTS, Curve
from genobench.task import Estimate

JOB = Job(
    model="hwe",
    spec="hwe",
    plugin_sha256="1" * 64,
    settings={"width": 3, "depth": 2},
    suite="smoke",
    data="toy",
    data_key="2" * 64,
    split_sha256="3" * 64,
    split_seed=0,
    seed=0,
    device="cpu",
    limits=Limits(60.0, 10**9),
)


@pytest.mark.parametrize(
    "change",
    [
        {"plugin_sha256": "9" * 64},
        {"settings": {"width": 4, "depth": 2}},
        {"data_key": "9" * 64},
        {"split_sha256": "9" * 64},
        {"seed": 1},
        {"device": "cuda"},
        {"suite": "small"},
        {"model": "vae"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_tells_jobs_apart(change: dict[str, object]) -> None:
    """Whatever decides the outcome is in the key."""
    assert replace(JOB, **change).key != JOB.key  # type: ignore[arg-type]


def test_key_ignores_what_changes_nothing() -> None:
    """Limits, the order of settings, and how a file was named."""
    assert replace(JOB, limits=Limits(1.0, 1)).key == JOB.key
    assert replace(JOB, settings={"depth": 2, "width": 3}).key == JOB.key
    assert replace(JOB, data="renamed.bed").key == JOB.key


def test_seeds_are_apart() -> None:
    """Fitting and sampling, models and seeds draw from streams of their own."""
    seeds = {
        seed
        for model in ("hwe", "vae")
        for user in range(3)
        for seed in (
            replace(JOB, model=model, seed=user).fit_seed,
            replace(JOB, model=model, seed=user).sample_seed,
        )
    }
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)


def write_task(folder: Path, version: int, source: str = "") -> registry.TaskPlugin:
    """A task plug-in on disk."""
    (folder / "toy.py").write_text(f"class Toy: pass\n{source}")
    (folder / "toy.toml").write_text(
        'class = "Toy"\ntitle = "t"\nquestion = "q"\nfloors = []\n[metrics.gap]\ntitle = "g"\n'
        f'better = "lower"\nreading = "r"\nversion = {version}\nheadline = true\n'
    )
    return registry.find_task(f"{folder / 'toy.py'}:Toy")


def test_scores_are_keyed_apart_from_fits(tmp_path: Path) -> None:
    """Source, metric version, split and job each move a score's key; a task moves no job's."""
    usual = {"split_sha256": "3" * 64, "split_seed": 0}
    keys = {
        asked(write_task(tmp_path, 1), **usual).score_key(JOB),  # type: ignore[arg-type]
        asked(write_task(tmp_path, 2), **usual).score_key(JOB),  # type: ignore[arg-type]
        asked(write_task(tmp_path, 1, "x = 1"), **usual).score_key(JOB),  # type: ignore[arg-type]
        asked(write_task(tmp_path, 1), **usual).score_key(replace(JOB, seed=1)),  # type: ignore[arg-type]
    }
    assert len(keys) == 4
    task = asked(write_task(tmp_path, 1), **usual)  # type: ignore[arg-type]
    other = asked(write_task(tmp_path, 1), split_sha256="4" * 64, split_seed=0)
    assert task.reference_key != other.reference_key
    assert task.score_seed(JOB) == task.score_seed(replace(JOB, model="vae"))


def test_not_a_number_is_null() -> None:
    """In records there is no NaN and no infinity."""
    entry = record.score_entry(
        {"gap": Estimate(0.5, math.nan, math.inf, n=3)},
        key="5" * 64,
        seed=1,
        seconds=0.1,
        versions={"gap": 2},
    )
    content = record.opened(
        JOB,
        inputs={
            **{f"n_{part}": 1 for part in ("train", "validation", "test", "control")},
            **{"data": "toy", "trait": "t", "kind": "binary", "m": 1, "split_sha256": "3" * 64},
        },
        software={"genobench": "0", "python": "3"},
        started=record.now(),
    )
    error = record.failure(kind="E", message="m", exit_code=1, signal=None, last_lines=[])
    text = record.to_json(content | {"error": error, "scores": {"toy": entry}}, where="here")
    metric = json.loads(text)["scores"]["toy"]["metrics"]["gap"]
    assert metric == {
        "value": 0.5,
        "low": None,
        "high": None,
        "n": 3,
        "seconds": 0.0,
        "version": 2,
    }


def test_invalid_record_is_not_written() -> None:
    """The message names the place."""
    with pytest.raises(GenobenchError, match="here: not a valid record"):
        record.to_json({"schema": 1}, where="here")


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("no file /home/alice/data/cohort.bed", "no file cohort.bed"),
        ('File "/home/alice/x/model.py", line 3', 'File "model.py", line 3'),
        (r"C:\Users\alice\cohort.bed is gone", "cohort.bed is gone"),
        ("NA12878 and HG-001 have no label", "<id> and <id> have no label"),
        ("shape (100, 24), 1/2 coding, 12 of 100", "shape (100, 24), 1/2 coding, 12 of 100"),
        ("person 1234567 is missing", "person <id> is missing"),
        ("no luck with 1234.", "no luck with <id>."),
        ("12345, x1234, 1234x", "12345, x1234, 1234x"),
        ("A:1 and A:12", "<id> and A:12"),
        ("KeyError: 'HG/001'", "KeyError: '<id>'"),
        ("S000@lab, S000", "<id>, <id>"),
        ('File "m.py", line 1234, in fit', 'File "m.py", line 1234, in fit'),
        ("n/a", "n/a"),
    ],
)
def test_redaction(line: str, clean: str) -> None:
    """Folders and whole ids go; words and numbers that are nobody's id stay."""
    people = {"NA12878", "HG-001", "1234", "1234567", "A:1", "HG/001", "S000", "S000@lab", "1"}
    assert record.redacted([line], people) == [clean]


def test_own_words_keep_their_figures() -> None:
    """What the harness says holds no id, only figures that may look like one."""
    ended = Ended("timeout", None, "SIGTERM", "fit", None, False, 60.0, ("60 is gone",), 60.0)
    status, error = explain(ended, people={"60"})
    assert (status, error["limit"]) == ("timeout", 60.0)
    assert "after 60.0 s" in error["message"]
    assert error["last_lines"] == ["<id> is gone"]


def test_failure_keeps_the_end() -> None:
    """Twenty lines, none of them endless."""
    error = record.failure(
        kind="E",
        message="m" * 5000,
        exit_code=None,
        signal="SIGKILL",
        last_lines=[f"{i} {'x' * 900}" for i in range(70)],
    )
    assert len(error["last_lines"]) == 20
    assert error["last_lines"][-1].startswith("69 ")
    assert max(map(len, (error["message"], *error["last_lines"]))) <= 300


def test_learning_curve_is_thinned() -> None:
    """At most 200 points of any number, evenly, the last one always."""
    curve = Curve()
    for step in range(1, 5001):
        curve.add({"step": step, "validation": math.nan if step == 5000 else 1 / step})
    points = curve.points()
    steps = [p["step"] for p in points]
    assert len(points) <= CURVE_POINTS
    assert (steps[0], steps[-1]) == (1.0, 5000.0)
    assert points[-1]["validation"] is None
    gaps = {b - a for a, b in pairwise(steps[:-1]) if a is not None and b is not None}
    assert len(gaps) == 1

"""Leaderboards: what is built from records, written, checked and shown."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.report import collect, leaderboard, markdown
from genobench.report.collect import build
from genobench.report.headline import points
from genobench.report.plots.headline import write_headline
from genobench.report.reading import read_records
from genobench.report.scale import MEMORISING
from genobench.report.tables import Block, Table, Tables
from genobench.report.terminal import show
from genobench.run import environment
from genobench.task import MetricCard, TaskCard

UTILITY = TaskCard(
    "prs_utility",
    "Utility",
    "Utility",
    "Is it as useful?",
    ("cond_hwe", "hwe"),
    {
        "joint_gap": MetricCard(
            "joint_gap", "Joint AUC gap", "higher", "Gap to real.", "DeLong", headline=True
        ),
        "marginal_gap": MetricCard("marginal_gap", "Marginal AUC gap", "higher", "Per SNP."),
        "slope": MetricCard("slope", "Calibration slope", "target", "Spread.", target=1.0),
    },
)
PRIVACY = TaskCard(
    "privacy",
    "Privacy",
    "Privacy",
    "Does it leak?",
    ("copy",),
    {
        "attack_auc": MetricCard(
            "attack_auc", "Attack AUC", "target", "Chance is .5", "bootstrap", target=0.5,
            headline=True,
        ),
        "duplicates": MetricCard("duplicates", "Duplicates", "lower", "Rows of training people."),
    },
)  # fmt: skip
TASKS = {"prs_utility": UTILITY, "privacy": PRIVACY}
ROLES = {"real": "ceiling", "copy": "leak", "hwe": "floor", "cond_hwe": "floor"}
MODELS = ("real", "copy", "hwe", "cond_hwe", "snpgen", "vae", "wgan_gp", "gumbel_gan")
CARDS = {
    m: Card(m, m.title(), f"Model {m}", role=ROLES.get(m, "entrant"))  # type: ignore[arg-type]
    for m in MODELS
}
GAP = dict(zip(MODELS, (-0.01, 0.0, -0.30, -0.12, -0.03, -0.05, -0.05, -0.2), strict=True))
AUC = dict(zip(MODELS, (0.5, 1.0, 0.5, 0.52, 0.55, 0.51, 0.52, 0.51), strict=True))


def record(model: str, seed: int, data: str = "default", **changes: Any) -> dict[str, Any]:
    """A record of a job that went well."""
    noise = np.random.default_rng([seed, *model.encode()])

    def metric(value: float, half: float) -> dict[str, Any]:
        x = value + 0.004 * noise.standard_normal()
        return {"value": x, "low": x - half, "high": x + half, "n": 600, "seconds": 0.1,
                "version": 1}  # fmt: skip

    gap, auc = GAP.get(model, -0.1), AUC.get(model, 0.6)
    made: dict[str, Any] = {
        "schema": 1,
        "key": f"{data}{model}{seed}".encode().hex(),
        "job": {"model": model, "suite": "smoke", "settings": {}, "data": data,
                "data_key": "d" * 64, "split_seed": 0, "seed": seed},
        "software": {"genobench": "0.1.0", "numpy": "2.0"},
        "inputs": {"trait": "disease", "kind": "binary", "n_train": 1500, "n_test": 600, "m": 512},
        "status": "ok",
        "phase": "done",
        "error": None,
        "environment": {"device": "cpu", "cpu": "A CPU"},
        "resources": {"fit_seconds": 12.5 + seed, "samples_per_second": 4e4,
                      "peak_memory_bytes": 5e8, "peak_device_bytes": None, "parameters": 123456},
        "scores": {
            "prs_utility": {"metrics": {"joint_gap": metric(gap, 0.02),
                                        "marginal_gap": metric(gap / 2, 0.02),
                                        "slope": metric(0.9, 0.1)}},
            "privacy": {"metrics": {"attack_auc": metric(auc, 0.015),
                                    "duplicates": metric(float(model == "copy"), 0.0)}},
        },
        "finished": f"2025-01-0{seed + 1}T00:00:00Z",
    }  # fmt: skip
    return made | changes


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    good = [record(m, s) for m in MODELS for s in range(3)]
    dead = record(
        "gumbel_gan", 2, status="crashed", phase="fit", scores={},
        error={"type": None, "message": "", "signal": "SIGSEGV", "last_lines": ["a | b <c>"]},
    )  # fmt: skip
    return [r for r in good if r["key"] != dead["key"]] + [dead]


@pytest.fixture(scope="module")
def tables(records: list[dict[str, Any]]) -> Tables:
    return build(records, CARDS, TASKS)


def _table(tables: Tables, task: str = "prs_utility") -> Table:
    return next(t for t in tables.blocks[0].tables if t.task.name == task)


def test_controls_stand_below_and_are_not_ranked(tables: Tables) -> None:
    """Entrants come in order of rank, then ceiling, floors and leaks."""
    rows = _table(tables).rows
    assert [r.model for r in rows][4:] == ["real", "cond_hwe", "hwe", "copy"]
    assert rows[0].model == "snpgen"
    assert all((r.cells["joint_gap"].standing is not None) == r.ranked for r in rows)


def test_floor_is_zero_and_ceiling_is_one(tables: Tables) -> None:
    """Every metric is put between the first floor of the task and the ceiling."""
    cells = {r.model: r.cells["joint_gap"].rescaled for r in _table(tables).rows}
    assert cells["cond_hwe"].value == pytest.approx(0)
    assert cells["real"].value == pytest.approx(1)
    assert cells["hwe"].value < 0, "never clipped"


def test_uninformative_metric_has_no_rescaled_value(tables: Tables) -> None:
    """Floor and ceiling have the same calibration slope, so nothing can be put between."""
    cells = {r.model: r.cells["slope"].rescaled for r in _table(tables).rows}
    assert math.isnan(cells["vae"].value)
    assert "cannot be told apart" in cells["vae"].note


def test_above_the_ceiling_is_suspicious_where_copies_win(records: list[dict[str, Any]]) -> None:
    """A generator that beats fresh real people as the copies do is marked."""
    boosted = json.loads(json.dumps(records))
    for r in boosted:
        if r["job"]["model"] in ("copy", "vae"):
            for estimate in r["scores"]["prs_utility"]["metrics"].values():
                for key in ("value", "low", "high"):
                    estimate[key] += 0.3
    table = _table(build(boosted, CARDS, TASKS))
    notes = {r.model: r.cells["joint_gap"].rescaled.note for r in table.rows}
    assert notes["vae"] == MEMORISING
    assert notes["snpgen"] == ""


def test_failed_jobs_count_as_asked_and_name_their_reason(tables: Tables) -> None:
    """Two of three seeds count, and the third is listed with signal and last line."""
    (row,) = [r for r in _table(tables).rows if r.model == "gumbel_gan"]
    assert (row.done, row.asked) == (2, 3)
    assert row.cells["joint_gap"].summary.n_seeds == 2
    (failure,) = tables.blocks[0].failures
    assert (failure.seed, failure.phase) == (2, "fit")
    assert failure.reason == "a | b <c> (signal SIGSEGV)"
    assert (
        "a \\| b &lt;c&gt; (signal SIGSEGV)"
        in leaderboard.files(tables)["default-smoke/privacy.md"]
    )


def test_metric_versions_never_mix(records: list[dict[str, Any]]) -> None:
    """Values of another version than the card's are missing, and a note says so."""
    mixed = json.loads(json.dumps(records))
    for r in mixed:
        if r["job"]["model"] == "vae":
            r["scores"]["prs_utility"]["metrics"]["joint_gap"]["version"] = 7
    table = _table(build(mixed, CARDS, TASKS))
    (row,) = [r for r in table.rows if r.model == "vae"]
    assert math.isnan(row.cells["joint_gap"].summary.value)
    assert row.cells["joint_gap"].standing is None
    assert not math.isnan(row.cells["slope"].summary.value)
    assert any(n.startswith("vae: Joint AUC gap is of another version") for n in table.notes)


def test_one_seed_and_no_controls() -> None:
    """Nothing is rescaled, there is no interval over seeds, and the notes say so."""
    table = _table(build([record("vae", 0), record("snpgen", 0)], CARDS, TASKS))
    assert [r.model for r in table.rows] == ["snpgen", "vae"]
    cell = table.rows[0].cells["joint_gap"]
    assert math.isnan(cell.summary.seeds.low)
    assert not math.isnan(cell.summary.people.low)
    assert math.isnan(cell.rescaled.value)
    notes = " ".join(table.notes)
    assert "One training seed" in notes
    assert "No floor was scored" in notes
    assert "No ceiling was scored" in notes


def test_unknown_model_and_task_are_named(records: list[dict[str, Any]]) -> None:
    """A plug-in that is not installed here is ranked under its own name."""
    extra = record("theirs", 0)
    extra["scores"]["theirs"] = {"metrics": {}}
    table = _table(build([*records, extra], CARDS, TASKS))
    assert "theirs" in [r.title for r in table.rows if r.ranked]
    assert "Task theirs has scores but no card here: not shown." in table.notes
    assert "theirs has no record of seed 1, 2." in table.notes


def test_newest_record_counts() -> None:
    """An older record of the same model and seed is left out and counted."""
    old = record("vae", 0, finished="2020-01-01T00:00:00Z", key="00", status="failed", scores={})
    block = build([record("vae", 0), old], CARDS, TASKS).blocks[0]
    assert (block.jobs_done, block.jobs_asked, block.failures) == (1, 1, ())
    assert any("1 older record" in n for n in block.tables[0].notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"software": {"plugin_sha256": "a"}},
        {"job": {"settings": {"width": 2}}},
        {"job": {"budget": {"device": "cuda"}}},
    ],
    ids=["source", "settings", "device"],
)
def test_versions_of_a_model_never_mix(changes: dict[str, Any]) -> None:
    """Only records like the newest one count, and what was left out is said."""
    old = [record("vae", s, finished="2024-01-01T00:00:00Z") for s in range(3)]
    new = record("vae", 1, finished="2025-01-01T00:00:00Z", key="f" * 64)
    for part, content in changes.items():
        new[part] = new[part] | content
    block = build([*old, new, *(record("hwe", s) for s in range(3))], CARDS, TASKS).blocks[0]
    row = next(r for r in block.tables[0].rows if r.model == "vae")
    assert (row.done, row.cells["attack_auc"].summary.n_seeds) == (1, 1)
    notes = " ".join(block.tables[0].notes)
    assert "vae: 3 older records of another version" in notes
    assert "hwe:" not in notes


def test_fit_that_used_up_its_time_is_noted() -> None:
    """Of old records, too, which tell their limit only."""
    told = record("vae", 0)
    told["resources"] = told["resources"] | {"budget_exhausted": True}
    untold = record("vae", 1)
    untold["job"] = untold["job"] | {"budget": {"seconds": 18.0, "device": ""}}
    notes = " ".join(
        build([told, untold, record("hwe", 0)], CARDS, TASKS).blocks[0].tables[0].notes
    )
    assert "vae: 2 of 2 fits used up the time given" in notes
    assert "hwe: 1" not in notes


def test_another_batch_than_asked_for_is_noted() -> None:
    """A fit made with a smaller one for want of memory is not quite the model of the settings."""
    lowered = [record("vae", seed) for seed in range(2)]
    for made, size in zip(lowered, (64, 128), strict=True):
        made["resources"] = made["resources"] | {"batch_used": {"batch": size}}
    blocks = build([*lowered, record("vae", 2), record("hwe", 0)], CARDS, TASKS).blocks
    notes = " ".join(blocks[0].tables[0].notes)
    assert "vae: 2 fits ran out of memory" in notes
    assert "used batch 128 or batch 64 instead" in notes
    assert "hwe: 1 fit" not in notes


def test_operations_and_energy_stand_among_the_costs() -> None:
    """Columns of what somebody measured; none of what nobody did."""
    counted = record("vae", 0)
    counted["resources"] = counted["resources"] | {"fit_flops": 1.43e13}
    table = build([counted, record("hwe", 0)], CARDS, TASKS).blocks[0].tables[0]
    text = markdown.costs(table)
    assert "FLOP of fit" in text
    assert "14.3 T" in text
    assert "Energy" not in text
    line = next(x for x in leaderboard.lines(table) if x["model"] == "vae")
    assert line["fit_flops"] == 1.43e13
    assert math.isnan(line["device_energy_joules"])


def test_task_without_reference_is_said_once() -> None:
    """In a note, rather than as a failure of each model."""
    records = [record(m, 0) for m in MODELS]
    for r in records:
        r["scores"]["fidelity"] = {
            "error": {"type": "GenobenchError", "message": "reference: 12 test people"}
        }
    block = build(records, CARDS, TASKS).blocks[0]
    assert block.failures == ()
    assert block.jobs_done == 0
    said = [n for n in block.tables[0].notes if "12 test people" in n]
    assert said == ["Task fidelity is not possible on these data: 12 test people."]


def test_other_preparations_of_the_data_stand_apart() -> None:
    """The same data set under another trait or selection is another block."""
    other = record("vae", 0, key="ff")
    other["job"] = other["job"] | {"data_key": "e" * 64}
    names = [b.name for b in build([record("vae", 0), other], CARDS, TASKS).blocks]
    assert names == ["default-smoke-dddddddd", "default-smoke-eeeeeeee"]


def test_no_overall_rank_below_five_data_sets(tables: Tables) -> None:
    """One sentence says why."""
    rows, reason = tables.overall["privacy"]
    assert rows == []
    assert reason.startswith("No overall rank: 1 data set was run")


def test_overall_rank_over_five_data_sets() -> None:
    """Mean rank and its interval over data sets."""
    many = [record(m, s, f"d{d}") for d in range(5) for m in MODELS for s in range(2)]
    tables = build(many, CARDS, TASKS)
    rows, reason = tables.overall["prs_utility"]
    assert reason == ""
    assert rows[0].model == "snpgen"
    assert rows[-1].model == "gumbel_gan"
    assert all(r.interval.low <= r.mean_rank <= r.interval.high for r in rows)
    assert "| snpgen | 1.000 |" in leaderboard.files(tables)["README.md"]


def test_order_of_records_does_not_matter(records: list[dict[str, Any]]) -> None:
    """Every byte is the same for records in reverse."""
    assert leaderboard.files(build(records, CARDS, TASKS)) == leaderboard.files(
        build(records[::-1], CARDS, TASKS)
    )


def test_csv_is_long_complete_and_inert() -> None:
    """One line per model and metric; a model's name is no formula."""
    tables = build([record("=vae", 0), record("snpgen", 0)], CARDS, TASKS)
    lines = list(
        csv.DictReader(io.StringIO(leaderboard.files(tables)["default-smoke/privacy.csv"]))
    )
    assert len(lines) == 2 * len(PRIVACY.metrics)
    assert {line["model"] for line in lines} == {"'=vae", "snpgen"}
    first = next(x for x in lines if x["model"] == "snpgen" and x["metric"] == "attack_auc")
    assert float(first["people_low"]) < float(first["value"]) < float(first["people_high"])
    assert first["seeds_low"] == ""


def _store(folder: Path, records: list[dict[str, Any]]) -> Path:
    (folder / "records").mkdir(parents=True)
    for r in records:
        (folder / "records" / f"{r['key']}.json").write_text(json.dumps(r))
    return folder


def test_adopt_write_check(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    """Adopted records give pages that agree with them until somebody edits one."""
    home = tmp_path / "leaderboards"
    assert len(leaderboard.adopt(_store(tmp_path / "run", records), home)) == len(records)
    leaderboard.write(leaderboard.rebuild(home, CARDS, TASKS), home)
    assert leaderboard.check(home, CARDS, TASKS) == []

    page = home / "default-smoke" / "privacy.md"
    page.write_text(page.read_text().replace("snpgen", "mine"))
    (home / "default-smoke" / "prs_utility.csv").unlink()
    (home / "gone-smoke").mkdir()
    (home / "gone-smoke" / "privacy.md").write_text("old")
    found = "\n".join(leaderboard.check(home, CARDS, TASKS))
    assert "default-smoke/privacy.md: differs from its records" in found
    assert "mine" in found
    assert "default-smoke/prs_utility.csv: missing" in found
    assert "gone-smoke/privacy.md: no record stands behind it" in found
    assert f"genobench leaderboard --out {home}" in found

    leaderboard.write(leaderboard.rebuild(home, CARDS, TASKS), home)
    assert leaderboard.check(home, CARDS, TASKS) == []


def test_shared_out_work_gives_the_same(
    records: list[dict[str, Any]], tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of many records are made by all cores, to the byte as by one."""
    monkeypatch.setattr(environment, "cores", lambda: 2)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(collect, "MANY", 0)
    shared = build(records, CARDS, TASKS)
    assert leaderboard.files(shared) == leaderboard.files(tables)


def test_program_ends_with_all_said(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    """It ends without taking its records apart: what it printed has arrived, and its exit code."""
    home = _store(tmp_path / "run", records)
    command = [sys.executable, "-m", "genobench", "leaderboard", "--out", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(map(os.path.exists, done.stdout.split()))
    assert str(home / "index.html") in done.stdout.split()
    (home / "index.html").unlink()
    (home / "index.html").mkdir()
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "cannot write the leaderboards" in failed.stderr


def test_a_picture_that_cannot_be_written_is_said_so(tmp_path: Path, tables: Tables) -> None:
    """Naming the folder, as of a page; no page is written beside what is missing."""

    def draw(block: Block) -> list[Path]:
        raise PermissionError(13, "not yours", block.name)

    with pytest.raises(GenobenchError, match=r"boards: cannot write .* not yours"):
        leaderboard.write(tables, tmp_path / "boards", draw)
    assert not (tmp_path / "boards").exists()


def test_check_notices_a_changed_record(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    """A value that is edited in a record shows in the tables."""
    home = tmp_path / "leaderboards"
    leaderboard.adopt(_store(tmp_path / "run", records), home)
    leaderboard.write(leaderboard.rebuild(home, CARDS, TASKS), home)
    path = next(p for p in home.rglob("*.json") if json.loads(p.read_text())["scores"])
    changed = json.loads(path.read_text())
    changed["scores"]["privacy"]["metrics"]["attack_auc"]["value"] += 0.2
    path.write_text(json.dumps(changed))
    assert leaderboard.check(home, CARDS, TASKS)


def test_adopting_again_replaces(tmp_path: Path) -> None:
    """A later run of the same model and seed takes the place of the earlier one."""
    home = tmp_path / "home"
    leaderboard.adopt(_store(tmp_path / "one", [record("vae", 0), record("vae", 1)]), home)
    leaderboard.adopt(_store(tmp_path / "two", [record("vae", 0, key="ab")]), home)
    assert sorted(r["job"]["seed"] for r in read_records(home / "records")) == [0, 1]


def test_terminal_tables_fit_eighty_columns(tables: Tables) -> None:
    """Plain text, no line wider than the terminal, failures with their reason."""
    text = show(tables, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for model in MODELS:
        assert model in text
    assert "SIGSEGV" in text


def test_headline_figure(tmp_path: Path, tables: Tables) -> None:
    """Every model with both values is a point; PNG and PDF are written."""
    found = {p.model: p for p in points(tables.blocks[0])}
    assert set(found) == set(MODELS)
    assert found["copy"].role == "leak"
    assert found["copy"].privacy.value == pytest.approx(1.0, abs=0.02)
    paths = write_headline(tables.blocks[0], tmp_path)
    assert [p.suffix for p in paths] == [".png", ".pdf"]
    assert all(p.stat().st_size > 5000 for p in paths)


def test_pictures_are_drawn_anew_when_they_show_something_new(
    tmp_path: Path, tables: Tables
) -> None:
    """Otherwise they stay as they are; one that is broken, or lacks its PDF, is drawn again."""
    block = tables.blocks[0]
    png, pdf = write_headline(block, tmp_path)
    drawn, at = png.read_bytes(), png.stat().st_mtime_ns
    write_headline(block, tmp_path)
    assert png.stat().st_mtime_ns == at
    png.write_bytes(b"no picture")
    pdf.unlink()
    write_headline(block, tmp_path)
    assert png.read_bytes() == drawn
    assert pdf.is_file()
    fewer = build([record(m, s) for m in MODELS[:-1] for s in range(2)], CARDS, TASKS).blocks[0]
    write_headline(fewer, tmp_path)
    assert png.read_bytes() != drawn


def test_two_thousand_records_in_seconds() -> None:
    """The cost grows with the records, not with their square."""
    many = [record(m, s, f"d{d}") for d in range(50) for m in MODELS for s in range(5)]
    started = time.process_time()
    leaderboard.files(build(many, CARDS, TASKS))
    assert time.process_time() - started < 6

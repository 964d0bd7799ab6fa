"""The page of ablations: which entrants it compares, and what it says of their difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genobench.generator import Card
from genobench.registry import tasks
from genobench.report import ablations
from genobench.report.collect import build
from genobench.report.leaderboard import write
from genobench.report.tables import Tables

TASKS = {name: plugin.card for name, plugin in tasks().items()}
CARDS = {
    "real": Card("real", "Real", "Real people", role="ceiling"),
    "net": Card("net", "Net", "A net"),
    "tree": Card("tree", "Tree", "A tree"),
}


def record(model: str, seed: int, recall: float) -> dict[str, Any]:
    """A record with one metric, narrow over people, with the seed's own deviation."""
    value = recall + 0.01 * (seed - 1)
    entry = {"value": value, "low": value - 0.2, "high": value + 0.2, "n": 500,
             "version": TASKS["fidelity"].metrics["recall"].version}  # fmt: skip
    return {
        "schema": 1, "key": f"{model}{seed}".encode().hex(), "status": "ok", "phase": "done",
        "error": None, "environment": {"device": "cpu"}, "software": {}, "inputs": {"m": 64},
        "job": {"model": model, "suite": "small", "settings": {}, "data": "toy",
                "data_key": "d" * 64, "split_seed": 0, "seed": seed},
        "resources": {"fit_seconds": 10.0, "parameters": 1234}, "learning": [],
        "scores": {"fidelity": {"metrics": {"recall": entry}}},
        "finished": f"2025-01-0{seed + 1}T00:00:00Z",
    }  # fmt: skip


def tables(recall: dict[str, float], seeds: int = 3) -> Tables:
    """Tables of models given by their recall."""
    made = [record(m, seed, value) for m, value in recall.items() for seed in range(seeds)]
    return build(made, CARDS, TASKS)


def row(page: str, name: str) -> list[str]:
    """Cells of the first row whose first cell holds ``name``."""
    line = next(line for line in page.splitlines() if line.startswith("|") and name in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_variant_stands_beside_its_generator() -> None:
    """With the difference, its t interval over seeds, and a mark where that excludes 0."""
    page = ablations.render(
        tables({"real": 0.9, "net": 0.7, "tree": 0.5, "net(wide=true)": 0.5, "net@tuned": 0.71}),
        CARDS,
    )
    assert row(page, "Metric") == ["Metric", "Real", "net", "(wide=true)", "@tuned"]
    # deviations -.01, 0, .01: standard error .01 / sqrt 3 each, t(4) = 2.776 of their difference
    half = 2.7764 * 0.01 * (2 / 3) ** 0.5
    assert f"{half:.3f}" == "0.023"
    assert row(page, "recall")[1:] == [
        "0.900", "0.700", "0.500 (-0.200 ± 0.023 ●)", "0.710 (+0.010 ± 0.023)",
    ]  # fmt: skip
    assert row(page, "Parameters")[2:] == ["1,234"] * 3
    assert "tree" not in page


def test_one_seed_has_no_interval() -> None:
    """Then the difference stands alone, without a mark."""
    page = ablations.render(tables({"net": 0.7, "net(wide=true)": 0.5}, seeds=1), CARDS)
    assert row(page, "recall")[1:] == ["–", "0.690", "0.490 (-0.200)"]


@pytest.mark.parametrize("models", [{"net": 0.7, "tree": 0.6}, {"net(wide=true)": 0.7}])
def test_no_page_without_a_pair(models: dict[str, float]) -> None:
    """A variant alone has nothing to be compared with."""
    assert ablations.render(tables(models), CARDS) == ""


def test_page_goes_with_its_records(tmp_path: Path) -> None:
    """It is written, removed when nothing is left to compare, and other leaderboards stay."""
    other = tmp_path / "other" / "README.md"
    (other.parent / "records").mkdir(parents=True)
    other.write_text("theirs")
    write(tables({"net": 0.7, "net(wide=true)": 0.5}), tmp_path)
    assert (tmp_path / ablations.FILE).is_file()
    write(tables({"net": 0.7}), tmp_path)
    assert not (tmp_path / ablations.FILE).exists()
    assert other.read_text() == "theirs"

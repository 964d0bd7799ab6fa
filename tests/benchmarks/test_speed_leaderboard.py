"""Tables of ten thousand records in seconds, and a page of many models that opens at once.

The records are the committed ones, copied under other names and seeds with their values moved a
little: as long as real ones, learning curves, portraits and all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.report.portrait import SUFFIX

from ..page.browser import Browser, installed
from .ledger import Recorder

KEPT = Path(__file__).parents[2] / "leaderboards" / "records" / "default-smoke"


def templates() -> dict[str, dict[str, Any]]:
    """A record of every committed model."""
    records = [json.loads(path.read_text()) for path in sorted(KEPT.glob("*.json"))]
    assert records
    return {record["job"]["model"]: record for record in records if record["status"] == "ok"}


def portraits() -> dict[str, Path]:
    """A portrait of every committed model that has one."""
    paths = {path: path.with_suffix(".json").read_text() for path in KEPT.glob(f"*{SUFFIX}")}
    found = {json.loads(text)["job"]["model"]: path for path, text in paths.items()}
    assert found
    return found


def fill(folder: Path, models: int, data_sets: int, seeds: int) -> None:
    """Write records of so many models on so many data sets with so many training seeds."""
    rng = np.random.default_rng(0)
    known, drawn = templates(), portraits()
    for data in range(data_sets):
        kept = folder / "records" / f"data{data}-small"
        kept.mkdir(parents=True)
        for number in range(models):
            model = list(known)[number % len(known)]
            name = model if number < len(known) else f"{model}{number}"
            for seed in range(seeds):
                made = varied(known[model], name, f"data{data}", seed, rng)
                (kept / f"{made['key']}.json").write_text(json.dumps(made, indent=1))
                if seed == 0 and model in drawn:
                    shutil.copy(drawn[model], kept / f"{made['key']}{SUFFIX}")


def varied(
    record: dict[str, Any], model: str, data: str, seed: int, rng: np.random.Generator
) -> dict[str, Any]:
    """The record under another name."""
    key = hashlib.sha256(f"{model}{data}{seed}".encode()).hexdigest()
    job = record["job"] | {"model": model, "data": data, "data_key": data, "seed": seed}
    scores = {
        task: entry | {"metrics": {m: moved(e, rng) for m, e in entry["metrics"].items()}}
        for task, entry in record["scores"].items()
        if "metrics" in entry
    }
    return record | {"key": key, "job": job, "scores": scores}


def moved(entry: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A value and its interval, a hundredth away."""
    step = 0.01 * rng.normal() * (entry["value"] or 0.0)
    ends = {k: v + step for k in ("value", "low", "high") if (v := entry[k]) is not None}
    return entry | ends


def leaderboard(folder: Path) -> float:
    """Seconds that the command takes."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "genobench", "leaderboard", "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


@pytest.mark.benchmark_suite
@pytest.mark.timeout(900)
def test_ten_thousand_records(tmp_path: Path, benchmark: Any, record: Recorder) -> None:
    """With the pictures drawn, and again when they show nothing new."""
    fill(tmp_path, models=20, data_sets=6, seeds=84)
    what = "leaderboard of 10,080 records"
    record(f"{what}, pictures drawn", leaderboard(tmp_path), "s", better="lower")
    again = benchmark.pedantic(leaderboard, args=(tmp_path,), rounds=1)
    record(what, again, "s", target=5, better="lower", note="no picture shows anything new")


@pytest.mark.benchmark_suite
@pytest.mark.timeout(900)
def test_page_of_many_models(tmp_path: Path, benchmark: Any, record: Recorder) -> None:
    """20 models on 6 data sets with 5 seeds each."""
    fill(tmp_path / "boards", models=20, data_sets=6, seeds=5)
    what = "page of 20 models, 6 data sets, 5 seeds"
    seconds = benchmark.pedantic(leaderboard, args=(tmp_path / "boards",), rounds=1)
    note = "with tables and pictures"
    record(f"{what}, built in", seconds, "s", target=20, better="lower", note=note)
    page = tmp_path / "boards" / "index.html"
    record(f"{what}, size", page.stat().st_size / 1e6, "MB", target=5, better="lower")
    program = installed()
    if program is None:
        record(f"{what}, opens in", None, "s", target=1, better="lower", note="no Chromium")
        return
    with closing(Browser(program)) as browser:
        browser.open(page.as_uri())
        took = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.until("document.querySelector('noscript') === null")
        whole = browser.run("performance.now()")
    record(f"{what}, opens in", took / 1000, "s", target=1, better="lower")
    note = "closed parts, too, which are made when nothing else is to be done"
    record(f"{what}, is whole in", whole / 1000, "s", better="lower", note=note)

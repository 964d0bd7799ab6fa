"""The run itself is killed with ``kill -9`` at every moment, and the same command goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.run.processes import all_gone

from .conftest import COUNTED, MOMENTS, striking

WAITING = """
    (FOLDER / "begun").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.05)
"""
DRIVER = Path(__file__).with_name("driver.py")


def drive(bench: Any, blow: str, task: str, models: list[str]) -> subprocess.CompletedProcess[str]:
    """One run in a process of its own."""
    command = [sys.executable, str(DRIVER), str(bench.out), task, blow, *models]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def whole(bench: Any) -> dict[str, dict[str, Any]]:
    """Records by model, read as any reader would."""
    return {r["job"]["model"]: r for r in bench.store.records()}


def fits(bench: Any) -> list[str]:
    """Models in the order in which they were fitted."""
    path = bench.plugins / "fits"
    return path.read_text().split() if path.exists() else []


@pytest.fixture(scope="module")
def blows(shared_bench: Any) -> Any:
    """One store, one run per moment, each killed by the job that it watches, and a last one."""
    bench, task = shared_bench, shared_bench.task("one")
    first = bench.generator("first", COUNTED, card='role = "floor"')
    models = [first] + [
        bench.generator(f"m{i}", striking(moment, "parent", f"struck{i}"))
        for i, moment in enumerate(MOMENTS)
    ]
    bench.codes, bench.seen, bench.children = {}, {}, {}
    for number, moment in enumerate(MOMENTS):
        bench.codes[moment] = drive(bench, "", task, models[: number + 2]).returncode
        bench.children[moment] = int((bench.plugins / f"struck{number}").read_text())
        bench.seen[moment] = whole(bench)
    bench.last = drive(bench, "", task, models)
    bench.after = whole(bench)
    return bench


@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=MOMENTS)
def test_killed_by_a_blow(blows: Any, number: int) -> None:
    """Its children die with it; what was finished before it stands; nothing half is a record."""
    moment, model = MOMENTS[number], f"m{number}"
    assert blows.codes[moment] == -signal.SIGKILL
    assert all_gone([blows.children[moment]], 10)
    seen = blows.seen[moment]
    done = ["first", *(f"m{i}" for i in range(number))]
    assert all(seen[name] == blows.after[name] for name in done)
    if moment == "score:one":
        assert (seen[model]["status"], seen[model]["scores"]) == ("ok", {})
        assert seen[model]["outputs"] == blows.after[model]["outputs"]
    else:
        assert model not in seen


def test_same_command_goes_on(blows: Any) -> None:
    """Every job is there in the end, fitted no more often than it had to be; no litter."""
    assert blows.last.stdout.strip() == f"{{'ok': {len(MOMENTS) + 1}}}", blows.last.stderr
    assert all("metrics" in r["scores"]["one"] for r in blows.after.values())
    twice = {"sample", "resample", "save", "half-saved", "unsaid"}
    assert fits(blows).count("first") == 1
    for number, moment in enumerate(MOMENTS):
        assert fits(blows).count(f"m{number}") == (2 if moment in twice else 1), moment
    assert not list(blows.out.glob("*/.*.part"))


@pytest.mark.parametrize("turn", [1, 2])
def test_killed_while_a_record_is_written(bench: Any, turn: int) -> None:
    """The half of it has another name: the old record, or none, is read, and the job goes on.

    It is written when a fit that took a second was told, and at the end.
    """
    slow = COUNTED.replace("    return", "    time.sleep(1)\n    return")
    task, models = bench.task("one"), [bench.generator("counted", slow)]
    assert drive(bench, f"writing records {turn}", task, models).returncode == -signal.SIGKILL
    assert len(list((bench.out / "records").glob(".*.part"))) == 1
    assert {r["status"] for r in whole(bench).values()} == ({"ok"} if turn == 2 else set())
    assert drive(bench, "", task, models).stdout.strip() == "{'ok': 1}"
    assert fits(bench) == ["counted"] * (1 if turn == 2 else 2)
    assert not list(bench.out.glob("*/.*.part"))


def test_killed_while_data_are_prepared(bench: Any) -> None:
    """Half-prepared data are swept and prepared anew, not read."""
    task, models = bench.task("one"), [bench.generator("counted", COUNTED)]
    assert drive(bench, "preparing dies", task, models).returncode == -signal.SIGKILL
    (scratch,) = (bench.out / "data").glob(".*.part")
    assert not (scratch / "test.npy").exists()
    assert not (bench.out / "data" / ("1" * 64)).exists()
    assert drive(bench, "preparing", task, models).stdout.strip() == "{'ok': 1}"
    assert not list(bench.out.glob("*/.*.part"))
    assert (bench.out / "data" / ("1" * 64) / "test.npy").is_file()
    assert fits(bench) == ["counted"]


def test_two_runs_on_one_store(bench: Any) -> None:
    """The second is refused at once and told by whom; the first ends as if nothing had been."""
    waits = COUNTED.replace("    return", f"{WAITING}    return")
    task, models = bench.task("one"), [bench.generator("waits", waits)]
    command = [sys.executable, str(DRIVER), str(bench.out), task, "", *models]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        deadline = time.monotonic() + 60
        while not (bench.plugins / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        second = drive(bench, "", task, models)
        (bench.plugins / "go").touch()
        said = first.communicate(timeout=60)[0]
    assert second.returncode == 2
    assert f"(process {first.pid}) writes to this folder" in second.stderr
    assert "wait for it, stop it, or give another --out" in second.stderr
    assert said.strip() == "{'ok': 1}"
    assert fits(bench) == ["waits"]
    assert json.loads(next((bench.out / "records").glob("*.json")).read_text())["status"] == "ok"

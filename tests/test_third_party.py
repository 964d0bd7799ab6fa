"""A generator in somebody else's package: installed, found by its entry point, checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "fixtures" / "third_party"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the package is installed; a copy is built, which leaves traces."""
    folder = tmp_path_factory.mktemp("third_party")
    source, target = folder / "source", folder / "site"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index"]
    how = ["--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run([*pip, *how], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return {**os.environ, "PYTHONPATH": str(target), "COLUMNS": "80"}


def genobench(environment: dict[str, str], *words: str, code: int = 0) -> str:
    """Standard output of a command that ends with ``code``."""
    done = subprocess.run(
        [sys.executable, "-m", "genobench", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_listed_and_shown(installed: dict[str, str]) -> None:
    """With its card, like those that come with the benchmark; without the package it is not."""
    found: list[dict[str, Any]] = json.loads(genobench(installed, "list", "models", "--json"))
    (entry,) = [model for model in found if model["model"] == "redrawn"]
    assert entry == {
        "model": "redrawn", "role": "entrant", "year": None, "labels": "strata", "paper": None,
        "title": "Calls redrawn SNP by SNP", "parameters": {}, "parallel": "none",
    }  # fmt: skip
    assert "Calls redrawn SNP by SNP" in genobench(installed, "show", "redrawn")
    bare = {k: v for k, v in installed.items() if k != "PYTHONPATH"}
    others = json.loads(genobench(bare, "list", "models", "--json"))
    assert [model for model in found if model != entry] == others


def test_keeps_the_contract(installed: dict[str, str]) -> None:
    """Every promise is tried on it, by name, in a table of 80 columns at most."""
    text = genobench(installed, "check", "redrawn")
    assert "redrawn: 14 of 15 promises kept, 1 skipped" in text
    assert max(map(len, text.splitlines())) <= 80


def test_built_by_name_from_python(installed: dict[str, str]) -> None:
    """Its class is that of the installed package, wrapped as its card asks."""
    code = (
        "import genobench; model = genobench.generators['redrawn'](most=50); "
        "print(type(model).__name__, type(model.generator).__module__, model.settings())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=installed, check=True
    )
    assert done.stdout.split() == ["PerStratum", "their_generators.redrawn", "{'most':", "50}"]


def test_reasons_fit_the_terminal(installed: dict[str, str], tmp_path: Path) -> None:
    """What is broken is named with its reason, the plug-in's line of an exception, the counts."""
    genobench(installed, "new", "mine", "--folder", str(tmp_path))
    path = tmp_path / "mine.py"
    line = "        draws = np.random.default_rng(seed)"
    assert line in path.read_text()
    broken = "        assert len(labels) > 0, 'nobody was asked for, which is too few ' * 4\n"
    path.write_text(path.read_text().replace(line, broken + line))
    asked = ("--only", "any_number_of_people,learns,repeats_round_trips")
    text = genobench(installed, "check", f"{path}:Mine", *asked, code=1)
    where = path.read_text().splitlines().index(broken.rstrip("\n")) + 1
    assert f"mine.py, line {where}: AssertionError: nobody was asked for" in " ".join(text.split())
    assert "1 of 3 promises kept, 1 broken, 1 skipped" in " ".join(text.split())
    table = text.partition("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert len(table.splitlines()) > 4

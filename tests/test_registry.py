"""Finding plug-ins: folder, file, entry point; and what happens when they are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.registry import (
    _metric_sources,
    _sources,
    find_generator,
    find_task,
    generators,
    tasks,
)

MODULE = """
from genobench.generator import Generator

class Mine(Generator):
    def fit(self, train, validation, *, seed, budget): return self
    def sample(self, labels, *, seed): return None
    def state(self): return {}
    def restore(self, state): pass

class NotAGenerator: pass
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    return path


def test_controls_come_first() -> None:
    """The reference levels stand before the entrants, so that a broken set-up shows early."""
    roles = [p.card.role for p in generators().values()]
    assert roles == sorted(roles, key=("ceiling", "leak", "floor", "entrant").index)
    assert {"real", "copy", "noise05", "mosaic16", "hwe", "cond_hwe"} <= set(generators())


def test_file_without_card(module: Path) -> None:
    """A file is enough to begin with."""
    plugin = find_generator(f"{module}:Mine")
    assert plugin.card.name == "mine"
    assert plugin.load().__name__ == "Mine"
    assert find_generator(plugin.spec).checksum == plugin.checksum


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cond_hw", "did you mean cond_hwe"),
        ("nothing-like-it", "genobench list models"),
        ("nowhere.py:Mine", "no such file"),
        ("nowhere.py", "nowhere.py:ClassName"),
    ],
)
def test_unknown_generator(spec: str, message: str) -> None:
    """An unknown name is answered with near matches or with what to do."""
    with pytest.raises(GenobenchError, match=message):
        find_generator(spec)


def test_unknown_task() -> None:
    """Tasks answer likewise."""
    with pytest.raises(GenobenchError, match="did you mean fidelity"):
        find_task("fidelty")


@pytest.mark.parametrize(
    ("name", "message"),
    [("Mien", "did you mean Mine"), ("NotAGenerator", "does not inherit")],
)
def test_wrong_class(module: Path, name: str, message: str) -> None:
    """The class must be there and be a generator."""
    with pytest.raises(GenobenchError, match=message):
        find_generator(f"{module}:{name}").load()


def test_checksum_follows_source_and_card(module: Path) -> None:
    """Editing a module, or how it is run, makes another plug-in of it; prose does not."""
    seen = set()
    shared = module.parent / "_shared.py"
    for path, text in (
        (module, MODULE + "# edited"),
        (module.with_suffix(".toml"), 'class = "Mine"\ntitle = "a"'),  # as without a card
        (module.with_suffix(".toml"), 'class = "Mine"\ntitle = "b"'),
        (module.with_suffix(".toml"), 'class = "Mine"\ntitle = "b"\nconditioning = "strata"'),
        (module, "from ._shared import x\n" + MODULE),
        (shared, "x = 1"),
        (shared, "x = 2"),
    ):
        path.write_text(text)
        seen.add(find_generator(f"{module}:Mine").checksum)
    assert len(seen) == 5


TASK = """
from genobench.metrics.near import score
from genobench.task import Task

class Toy(Task):
    pass
"""
TASK_CARD = """
class = "Toy"
title = "t"
question = "q"
floors = []
[metrics.gap]
title = "g"
better = "lower"
reading = "r"
headline = true
"""


def test_task_checksum_follows_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the metrics it imports, directly or through others, however it does; of no others."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    monkeypatch.setattr("genobench.registry._metrics_folder", lambda: metrics)
    (tmp_path / "toy.py").write_text(TASK)
    (tmp_path / "toy.toml").write_text(TASK_CARD)
    sources = {
        "near": "from genobench.metrics import far\nx = 1",
        "far": "def late():\n    from .farther import y\n    import genobench.metrics.farthest",
        "farther": "y = 1",
        "farthest": "z = 1",
        "other": "w = 1",
    }

    def checksum(**changes: str) -> str:
        for name, text in (sources | changes).items():
            (metrics / f"{name}.py").write_text(text)
        return find_task(f"{tmp_path / 'toy.py'}:Toy").checksum

    before = checksum()
    assert checksum() == before
    assert checksum(other="w = 2") == before
    for name in ("near", "far", "farther", "farthest"):
        assert checksum(**{name: f"{sources[name]}  # edited"}) != before


def test_installed_tasks_lead_to_their_metrics() -> None:
    """A metric of each task's own is among its sources; generators look at no metric."""
    for task, metric in (("fidelity", "two_sample"), ("privacy", "membership")):
        plugin = tasks()[task]
        found = {p.stem for p in _metric_sources(_sources(plugin.path))}
        assert {metric, "intervals"} <= found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = 'x'", "key 'class' is missing"),
        ("class = 'A'", "title"),
        ("class = 'A'\ntitle = 'x'\ncolour = 3", "unknown key.*colour"),
        ("class = 'A'\ntitle = 'x'\nrole = 'king'", "entrant, ceiling, floor, leak"),
        ("class = 'A'\ntitle = 'x'\n[settings.huge]\na = 1", "huge"),
        ("class = ", "not valid TOML"),
    ],
)
def test_bad_card(tmp_path: Path, text: str, message: str) -> None:
    """A card that does not read says which file and key."""
    path = tmp_path / "card.toml"
    path.write_text(text)
    with pytest.raises(GenobenchError, match=message) as caught:
        Card.read(path)
    assert "card.toml" in str(caught.value)


def test_entry_point(tmp_path: Path) -> None:
    """Another distribution's generator is found through its entry point, without an import."""
    (tmp_path / "theirs.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "theirs.toml").write_text('class = "Theirs"\ntitle = "Theirs"')
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[genobench.generators]\ntheirs = theirs:Theirs\n")
    code = "from genobench.registry import generators; print(generators()['theirs'].card.title)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=False
    )
    assert done.stdout == "Theirs\n", done.stderr

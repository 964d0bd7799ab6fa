"""What a server has read its children have as well, unless a file was written since."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.run import read_ahead as module
from genobench.run.read_ahead import read_ahead, split_in

TELLS = """
def fit(self, train, validation, *, seed, budget):
    from genobench.run.read_ahead import _read
    (FOLDER / "misses").write_text(str(_read.cache_info().misses))
    (FOLDER / "hits").write_text(str(_read.cache_info().hits))
    return super().fit(train, validation, seed=seed, budget=budget)
"""


@pytest.fixture
def folder(tmp_path: Path, tiny_split: Split, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A split on disk; ``reads`` in it counts how often it was read."""
    tiny_split.save(tmp_path / "data")
    reads, load = tmp_path / "reads", Split.load

    def counted(place: Path) -> Split:
        with reads.open("a") as file:
            file.write("1")
        return load(place)

    monkeypatch.setattr(Split, "load", counted)
    module._read.cache_clear()
    return tmp_path / "data"


def reads(folder: Path) -> int:
    """How often the split was read."""
    path = folder.with_name("reads")
    return len(path.read_text()) if path.exists() else 0


def test_it_is_read_once(folder: Path, tiny_split: Split) -> None:
    """And is what was stored."""
    read_ahead(folder)
    assert reads(folder) == 1
    assert split_in(folder).checksum == tiny_split.checksum
    assert reads(folder) == 1


def test_what_was_written_since_is_read_anew(folder: Path) -> None:
    """In place or by rename, were it of the same size."""
    read_ahead(folder)
    trait = folder / "trait.json"
    known = json.loads(trait.read_text())
    other = {**known, "name": known["name"][::-1] + "_"}
    trait.write_text(json.dumps(other))
    assert split_in(folder).train.trait.name == other["name"]  # type: ignore[union-attr]
    part = folder / "trait.part"
    part.write_text(json.dumps(other).replace("_", "-"))
    part.rename(trait)
    assert split_in(folder).train.trait.name == other["name"].replace("_", "-")  # type: ignore[union-attr]


def test_large_data_are_left_to_the_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that reads them would keep everybody waiting."""
    monkeypatch.setattr(module, "SMALL_BYTES", 1000)
    read_ahead(folder)
    assert reads(folder) == 0


def test_damage_is_told_by_who_needs_the_data(folder: Path) -> None:
    """A server goes on, and the job names the folder; likewise where there is none."""
    (folder / "train.npy").write_bytes(b"no array")
    read_ahead(folder)
    with pytest.raises(GenobenchError, match="data: not a prepared data set"):
        split_in(folder)
    read_ahead(folder / "none")
    with pytest.raises(GenobenchError, match="none: not a prepared data set"):
        split_in(folder / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has fork servers")
def test_jobs_find_what_their_server_has_read(bench: Any) -> None:
    """Once for a reference and a job, each of a process of its own."""
    assert bench.run([bench.generator("tells", TELLS)], [bench.task("one")]).statuses == {"ok": 1}
    assert (bench.plugins / "misses").read_text() == "1"
    assert int((bench.plugins / "hits").read_text()) > 0

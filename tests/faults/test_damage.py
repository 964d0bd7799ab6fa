"""Damaged files of a store, of the cache and of a fitted model: refused by name, or made anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data import cache, convert, public
from genobench.data import prepare as preparation
from genobench.errors import GenobenchError
from genobench.registry import find_generator
from genobench.run import prepared

from .conftest import COUNTED


def flip(path: Path, at: float = 0.9) -> None:
    """One bit of a file, most of the way to its end."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)


def halve(path: Path) -> None:
    """The second half is lost."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Nothing is left but the name."""
    path.write_bytes(b"")


DAMAGE = [flip, halve, empty]


@pytest.fixture
def done(bench: Any) -> Any:
    """A store with one finished job, and what would be asked next: another task."""
    bench.models = [bench.generator("counted", COUNTED)]
    bench.tasks = [bench.task("one")]
    bench.run(bench.models, bench.tasks)
    bench.before = bench.record("counted")
    bench.more = [*bench.tasks, bench.task("two")]
    return bench


def fits(bench: Any) -> int:
    """How often the model was fitted."""
    return len((bench.plugins / "fits").read_text().split())


@pytest.mark.parametrize("damage", [lambda path: flip(path, 0), halve, empty])
def test_record(done: Any, damage: Callable[[Path], None]) -> None:
    """The run stops before anything is computed; without the file its job alone is repeated."""
    path = done.store.record_path(done.before["key"])
    damage(path)
    text = path.read_bytes()
    with pytest.raises(GenobenchError, match="move the file away, then run again") as caught:
        done.run(done.models, done.tasks)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == text
    assert fits(done) == 1
    path.rename(done.out / "away.json")
    assert done.run(done.models, done.tasks).statuses == {"ok": 1}
    assert done.record("counted")["outputs"] == done.before["outputs"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_sample(done: Any, damage: Callable[[Path], None]) -> None:
    """It is not scored; old scores stand; the message says how to have it made again."""
    path = done.store.sample_path(done.before["key"])
    damage(path)
    assert done.run(done.models, done.more).statuses == {"scores failed": 1}
    scores = done.record("counted")["scores"]
    assert scores["one"] == done.before["scores"]["one"]
    message = scores["two"]["error"]["message"]
    assert "delete the file and run again with --overwrite failed" in message
    path.unlink()
    assert done.run(done.models, done.more, overwrite="failed").statuses == {"ok": 1}
    assert done.record("counted")["outputs"] == done.before["outputs"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_reference(done: Any, damage: Callable[[Path], None]) -> None:
    """Nothing is scored against it; the fit stands and is not repeated."""
    (path,) = (done.out / "references").iterdir()
    damage(path)
    models = [*done.models, done.generator("late", COUNTED)]
    assert done.run(models, done.tasks).statuses == {"ok": 1, "scores failed": 1}
    message = done.record("late")["scores"]["one"]["error"]["message"]
    assert f"{path.name}: damaged" in message
    assert "delete the file and run again with --overwrite failed" in message
    before = done.record("late")
    path.unlink()
    assert done.run(models, done.tasks, overwrite="failed").statuses == {"ok": 2}
    assert done.record("late")["outputs"] == before["outputs"]
    assert done.record("counted") == done.before
    assert fits(done) == 2


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["train.npy", "test.labels.npy", "test.samples.tsv", "inputs.json"]
)
def test_prepared_data(
    done: Any,
    name: str,
    damage: Callable[[Path], None],
    tiny_split: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is computed on them; prepared anew, the finished job counts."""
    folder = done.store.data_folder(done.data.key)
    prepared.note_checksums(folder)
    damage(folder / name)
    with pytest.raises(GenobenchError, match=r"delete the folder .*and run again") as caught:
        done.run(done.models, done.more)
    assert str(folder) in str(caught.value)
    assert done.record("counted") == done.before
    shutil.rmtree(folder)
    monkeypatch.setattr(
        preparation, "prepare", lambda spec, say: SimpleNamespace(split=tiny_split, report={})
    )
    assert done.run(done.models, done.more).statuses == {"ok": 1}
    assert done.record("counted")["outputs"] == done.before["outputs"]
    assert fits(done) == 1


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["settings.json", "state.safetensors"])
def test_fitted_model(
    tmp_path: Path, toy: Cohort, name: str, damage: Callable[[Path], None]
) -> None:
    """A model that `fit` left is refused by the file's name."""
    from genobench.generator import Budget

    model = find_generator("cond_hwe").load()().fit(toy, toy, seed=0, budget=Budget())
    model.save(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(GenobenchError, match=f"{name}.*fit the model again"):
        type(model).load(tmp_path)


@pytest.mark.parametrize("damage", DAMAGE)
def test_cached_cohort(tmp_path: Path, toy: Cohort, damage: Callable[[Path], None]) -> None:
    """It is not taken: whoever asks makes it again."""
    path = tmp_path / "cohort.npz"
    cache.store(toy, path)
    damage(path)
    found = cache.fetch(path)
    assert found is None or found.checksum == toy.checksum
    cache.store(toy, path)
    again = cache.fetch(path)
    assert again is not None
    np.testing.assert_array_equal(again.genotypes, toy.genotypes)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("ending", ["bed", "bim", "fam", "pheno.tsv", "done"])
def test_converted_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    ending: str,
) -> None:
    """A named data set whose files in the cache have changed is converted anew."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(public, "fetch", lambda *a, **k: {})
    turns = []

    def to_plink(name: str, sources: object, bed: Path, pheno: Path) -> None:
        turns.append(name)
        bed.parent.mkdir(exist_ok=True)
        for path in (bed, bed.with_suffix(".bim"), bed.with_suffix(".fam"), pheno):
            path.write_text(f"{path.suffix} of {name}\n" * 5)

    monkeypatch.setattr(convert, "to_plink", to_plink)
    local = public.get("mice")
    public.get("mice")
    assert turns == ["mice"]
    path = local.bed.with_suffix(f".{ending}")
    before = path.read_bytes()
    damage(path)
    assert public.get("mice") == local
    assert turns == ["mice", "mice"]
    assert path.read_bytes() == before

"""The store: one writer, files complete or absent, nothing foreign mixed in."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from genobench.errors import GenobenchError
from genobench.run import record
from genobench.run.job import Job, Limits
from genobench.run.store import Store, read_record, write_whole


def job(**changes: Any) -> Job:
    """A job of nothing in particular."""
    usual: dict[str, Any] = {
        "model": "hwe",
        "spec": "hwe",
        "plugin_sha256": "1" * 64,
        "settings": {"width": 3},
        "suite": "smoke",
        "data": "toy",
        "data_key": "2" * 64,
        "split_sha256": "3" * 64,
        "split_seed": 0,
        "seed": 0,
        "device": "cpu",
        "limits": Limits(60.0, 10**9),
    }
    return Job(**{**usual, **changes})


def failed_record(**changes: Any) -> dict[str, Any]:
    """A valid record of a failed job."""
    inputs = {"data": "toy", "trait": "t", "kind": "binary", "m": 3, "split_sha256": "3" * 64}
    inputs |= {f"n_{part}": 5 for part in ("train", "validation", "test", "control")}
    content = record.opened(
        job(),
        inputs=inputs,
        software={"genobench": "0", "python": "3"},
        started=record.now(),
    )
    error = record.failure(
        kind="ValueError", message="no", exit_code=1, signal=None, last_lines=["a", "b"]
    )
    return content | {"status": "failed", "error": error} | changes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store that has been used."""
    store = Store(tmp_path / "out")
    with store.locked():
        pass
    return store


def test_record_comes_back(store: Store) -> None:
    """What was written is read, and only once it is whole."""
    content = failed_record()
    store.write_record(content)
    assert store.read_record(content["key"]) == content
    assert store.read_record("f" * 64) is None
    assert [r["key"] for r in store.records()] == [content["key"]]


def test_full_disk_keeps_the_old_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way says so, leaves the old record and no litter."""
    store.write_record(failed_record())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GenobenchError, match=r"No space left on device.*make room"):
        store.write_record(failed_record(phase="fit"))
    assert store.records()[0]["phase"] == "load"
    assert sorted(p.name for p in (store.root / "records").iterdir()) == [
        f"{failed_record()['key']}.json"
    ]


def test_write_is_by_rename(tmp_path: Path) -> None:
    """While a file is being written, its name shows the old content."""
    path = tmp_path / "file"
    path.write_text("old")
    write_whole(path, lambda file: (file.write(b"new"), path.read_text() == "old" or 1 / 0))
    assert path.read_text() == "new"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """An --out below a plain file is refused with a sentence."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(GenobenchError, match="cannot be written"),
        Store(tmp_path / "file" / "out").locked(),
    ):
        pass


def test_folder_that_cannot_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only folder is refused before anything is computed."""
    real = Path.open

    def read_only(self: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        if mode != "r":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(self, mode, *args, **more)

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(GenobenchError, match="Read-only file system"), store.locked():
        pass


def test_one_writer(store: Store) -> None:
    """The second run is refused and told which process holds the folder; later it may."""
    second = Store(store.root)
    with (
        store.locked(),
        pytest.raises(GenobenchError, match=rf"process {os.getpid()}\)"),
        second.locked(),
    ):
        pass
    with Store(store.root).locked():
        pass


def test_litter_of_killed_runs_is_swept(store: Store) -> None:
    """Half-written files and folders go when the next run begins."""
    store.write_record(failed_record())
    (store.root / "samples" / ".a.npy.7.part").write_bytes(b"half")
    scratch = store.root / "data" / ".b.7.part"
    scratch.mkdir()
    (scratch / "train.npy").write_bytes(b"half")
    with store.locked():
        assert not list(store.root.glob("*/.*"))
    assert len(store.records()) == 1


def test_data_are_complete_or_absent(store: Store) -> None:
    """A preparation that raises leaves no folder; one that ends well does."""
    folder = store.data_folder("d")

    def prepare(good: bool) -> None:
        with store.building(folder) as scratch:
            (scratch / "file").write_text("")
            if not good:
                raise FileNotFoundError("pheno.tsv")

    with pytest.raises(FileNotFoundError, match="pheno"):  # the user's file, not the store's
        prepare(good=False)
    assert not list((store.root / "data").iterdir())
    prepare(good=True)
    assert [p.name for p in folder.iterdir()] == ["file"]


def test_too_small_a_disk_is_refused(store: Store) -> None:
    """Before the run, not in its middle."""
    store.require_space(0)
    with pytest.raises(GenobenchError, match="MiB are free"):
        store.require_space(2**60)


def broken(**changes: Any) -> str:
    """Text of a record with some keys replaced."""
    return json.dumps(failed_record() | changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{half of a rec", "not a readable record"),
        ("", "not a readable record"),
        ("[]", "schema None"),
        (broken(schema=7), "schema 7, this genobench reads schema 1"),
        (broken(status="great"), "status: 'great' is not one of"),
        (broken(key="4" * 64), "holds the record of job 4444"),
        (broken(surprise=1), "surprise"),
        (broken(error=None), "not a valid record"),
    ],
)
def test_foreign_records_are_refused(store: Store, text: str, words: str) -> None:
    """Neither used nor touched; the message names the file and says what to do."""
    path = store.record_path(failed_record()["key"])
    path.write_text(text)
    with pytest.raises(GenobenchError, match=words) as caught:
        store.records()
    assert str(path) in str(caught.value)
    assert any(advice in str(caught.value) for advice in ("move the file away", "another --out"))
    with pytest.raises(GenobenchError):
        read_record(path)
    assert path.read_text() == text

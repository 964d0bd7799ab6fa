"""The data of a benchmark, prepared once and kept in its store."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench import bounded
from genobench.data import prepare as preparation
from genobench.errors import GenobenchError
from genobench.run.events import Listener, Said
from genobench.run.store import Store

if TYPE_CHECKING:
    from genobench.data.prepare import DataSpec
    from genobench.data.split import Split

CHECKSUMS = "sha256.txt"
WORDS = frozenset({"options.txt", "options.local.txt"})  # of the command line that name the data


def ensure(store: Store, data: DataSpec, on_event: Listener) -> None:
    """Prepare ``data`` unless it is there, complete or not at all."""
    if is_ready(store, data):
        return
    with store.building(store.data_folder(data.key)) as folder:
        done = preparation.prepare(data, say=lambda text: on_event(Said(text)))
        done.split.save(folder)
        (folder / "report.json").write_text(json.dumps(done.report, indent=1) + "\n")
        (folder / "inputs.json").write_text(json.dumps(describe(data, done.split), indent=1) + "\n")
        note_checksums(folder)
        _make_way(store.data_folder(data.key))


def _make_way(folder: Path) -> None:
    """Remove a folder that holds the words alone, as merged runs do; they are noted anew."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= WORDS:
        shutil.rmtree(folder)


def note_options(store: Store, data: DataSpec) -> None:
    """Keep beside the prepared data the words of the command line that name them.

    ``options.txt`` is published with leaderboards and says ``path/to/cohort.bed``;
    ``options.local.txt`` has the paths as they are, to repeat a job on this machine.
    """
    folder = store.data_folder(data.key)
    if not folder.is_dir():
        return
    for name, public in (("options.txt", True), ("options.local.txt", False)):
        words = shlex.join(option_words(data, public=public))
        store.write_text(folder / name, f"{words}\n")


def option_words(data: DataSpec, *, public: bool) -> list[str]:
    """Words of the command line that name ``data``; what has its default is left out."""
    words = ["--data", _path(data.name, public=public) if data.is_path else data.name]
    for field in fields(data):
        value = getattr(data, field.name)
        if field.name == "name" or value is None or value == field.default:
            continue
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words.append(f"--{field.name.replace('_', '-')}")
        words.append(_path(text, public=public) if isinstance(value, Path) else text)
    return words


def _path(name: str, *, public: bool) -> str:
    """A file in full, or without saying where somebody keeps it."""
    return f"path/to/{Path(name).name}" if public else str(Path(name).absolute())


def is_ready(store: Store, data: DataSpec) -> bool:
    """Whether ``data`` has been prepared."""
    return (store.data_folder(data.key) / "inputs.json").exists()


def inputs(store: Store, data: DataSpec) -> dict[str, Any]:
    """What records say of the data; without reading a genotype."""
    path = store.data_folder(data.key) / "inputs.json"
    try:
        return dict(bounded.read_json(path))
    except (OSError, ValueError) as error:
        raise GenobenchError(
            f"{path}: not readable ({error}); delete the folder {path.parent} and run again: the "
            "data are prepared anew"
        ) from error


def note_checksums(folder: Path) -> None:
    """Write down what every file in a folder of prepared data is."""
    lines = [_checksum(path) for path in sorted(folder.iterdir()) if path.is_file()]
    (folder / CHECKSUMS).write_text("".join(f"{line}\n" for line in lines))


def _checksum(path: Path) -> str:
    """As `sha256sum` prints it."""
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}"


def _lines(path: Path) -> list[str]:
    return bounded.read_text(path).splitlines()


def verify(store: Store, data: DataSpec) -> None:
    """Raise unless the prepared data are still those whose checksums were noted."""
    from genobench.data.split import Split

    folder = store.data_folder(data.key)
    try:
        noted = folder / CHECKSUMS
        if noted.is_file():
            found = [_checksum(folder / line.split("  ", 1)[1]) for line in _lines(noted)]
            same = found == _lines(noted)
        else:  # prepared before there were any
            same = Split.load(folder).checksum == inputs(store, data)["split_sha256"]
    except (GenobenchError, OSError, ValueError, LookupError):
        same = False
    if not same:
        raise GenobenchError(
            f"{folder}: damaged: not the data that were prepared there; delete the folder and run "
            "again: they are prepared anew, and what was finished on them is kept"
        )


def describe(data: DataSpec, split: Split) -> dict[str, Any]:
    """The ``inputs`` of a record: sizes, trait and checksum, nothing of anybody."""
    trait = split.train.trait
    assert trait is not None
    return {
        "data": Path(data.name).name,
        "trait": trait.name,
        "kind": trait.kind,
        **{f"n_{part.name}": getattr(split, part.name).n for part in fields(split)},
        "m": split.train.m,
        "split_sha256": split.checksum,
    }


@cache
def people(folder: Path) -> frozenset[str]:
    """Ids of everybody in a prepared data set, which no record may hold."""
    found: set[str] = set()
    for path in folder.glob("*.samples.tsv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                found |= {str(row["fid"]), str(row["iid"])}
    return frozenset(found)


def report(store: Store, data: DataSpec) -> Mapping[str, Any]:
    """What was dropped, chosen and split when the data were prepared."""
    return dict(bounded.read_json(store.data_folder(data.key) / "report.json"))

"""What a job needs on a worker of a cluster, and what comes back; no shared filesystem is assumed.

Files that several jobs read (the split, a reference, a plug-in of the user's own) travel in bundles
known by their content, once to each worker; a stored sample goes with its job. All of it travels in
pieces, so that neither end nor the scheduler ever holds a whole cohort.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PIECE_BYTES = 32 * 2**20
BUNDLES, OWN = "bundles", "own"  # first part of a path in an order that travels
MADE = "made"  # what a job makes, under this name in its folder on the worker


@dataclass(frozen=True)
class Bundle:
    """Files that lie in one folder on the worker.

    Attributes
    ----------
    key
        SHA-256 (hex) of their names and contents.
    files
        Path here by name there.
    """

    key: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Parcel:
    """One order as it travels.

    Attributes
    ----------
    order
        Its paths begin with ``bundles/KEY/`` or ``own/``.
    bundles
        What several jobs read.
    own
        What this job alone reads, by name.
    result
        Where what it makes is put here; None when it makes nothing.
    """

    order: Mapping[str, Any]
    bundles: tuple[Bundle, ...]
    own: Mapping[str, Path]
    result: Path | None


def pack(order: Mapping[str, Any]) -> Parcel:
    """The order of a job or of a reference, and the files that it needs."""
    bundles: dict[str, Bundle] = {}
    makes = "path" if order["mode"] == "reference" else "sample" if order["fit"] else ""

    def taken(files: Mapping[str, Path]) -> str:
        bundle = Bundle(_content_key(files), files)
        bundles[bundle.key] = bundle
        return f"{BUNDLES}/{bundle.key}"

    def change(field: str, text: str) -> str:
        if field == makes:
            return f"{OWN}/{MADE}"
        if field == "sample":
            return f"{OWN}/{Path(text).name}"
        if field == "data":
            return taken(_split_files(Path(text)))
        if field == "spec":
            path, _, class_name = text.rpartition(":")
            if not path.endswith(".py"):
                return text
            return f"{taken(_plugin_files(Path(path)))}/{Path(path).name}:{class_name}"
        return f"{taken({Path(text).name: Path(text)})}/{Path(text).name}"

    packed = with_paths(order, change)
    sample = order.get("sample")
    own = {Path(sample).name: Path(sample)} if sample and not makes else {}
    return Parcel(packed, tuple(bundles.values()), own, Path(order[makes]) if makes else None)


def unpacked(order: Mapping[str, Any], bundles: Path, own: Path) -> dict[str, Any]:
    """The order with paths of the machine it has come to."""
    places = {BUNDLES: bundles, OWN: own}

    def change(_: str, text: str) -> str:
        place, slash, rest = text.partition("/")
        return str(places[place] / rest) if slash and place in places else text

    return with_paths(order, change)


def with_paths(order: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """The order with each of its paths changed, given the field's name and its text."""
    fields = [f for f in ("data", "spec", "sample", "path", "reference") if order.get(f)]
    changed = {**order, **{f: change(f, order[f]) for f in fields}}
    if "tasks" in order:
        changed["tasks"] = [with_paths(task, change) for task in order["tasks"]]
    return changed


def pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """Where each piece of a file begins, and its bytes; one empty piece of an empty file."""
    with path.open("rb") as file:
        at = 0
        while True:
            content = file.read(PIECE_BYTES)
            if content or not at:
                yield at, content
            at += len(content)
            if len(content) < PIECE_BYTES:
                return


def _split_files(folder: Path) -> dict[str, Path]:
    """What `genobench.data.split.Split` reads; nothing that says where the data lay."""
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.suffix in (".npy", ".tsv") or path.name == "trait.json"
    }


def _plugin_files(path: Path) -> dict[str, Path]:
    """A module of the user's own, its card, and the shared modules beside it."""
    found = [path, path.with_suffix(".toml"), *sorted(path.parent.glob("_*.py"))]
    return {p.name: p for p in found if p.is_file()}


def _content_key(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        state = path.stat()
        digest.update(f"{name}\0{_file_sha256(path, state.st_mtime_ns, state.st_size)}\n".encode())
    return digest.hexdigest()


@cache
def _file_sha256(path: Path, changed: int, size: int) -> str:
    """Checksum of a file, read again only when its time or its size has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

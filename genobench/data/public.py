"""Named open data sets, fetched and converted.

The upstream files are fetched once (pooch, SHA-256), converted once, and
kept in the cache as a PLINK file set with a phenotype table beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genobench.data.catalogue import (
    CARDS,
    DataSetCard,
    RemoteFile,
    available,
    find,
    identity,
)
from genobench.errors import GenobenchError

__all__ = ["LocalDataSet", "available", "fetch", "find", "get"]


@dataclass(frozen=True)
class LocalDataSet:
    """A data set on disk: what any user's own files look like."""

    bed: Path
    pheno: Path


def get(
    name: str, *, raw: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> LocalDataSet:
    """PLINK files and phenotype table of a named data set, fetched and converted when absent.

    Parameters
    ----------
    name
        One of `available`, except the simulated one.
    raw
        Folder with the upstream files, as NAME/FILE; default ``$GENOBENCH_RAW``, else ``raw`` in
        the cache folder, where missing ones are downloaded to.
    say
        Told what is going on.

    Raises
    ------
    GenobenchError
        Unknown name; files that can neither be found nor downloaded, each with its address, its
        SHA-256 and where to put it; a file of another checksum.
    """
    card = find(name)
    if not card.files:
        raise GenobenchError(f"{name} is simulated: there is nothing to fetch")
    from genobench.data import cache

    folder = cache.folder() / "plink"
    stem = f"{name}-{identity(card)[:12]}"
    local = LocalDataSet(folder / f"{stem}.bed", folder / f"{stem}.pheno.tsv")
    done = folder / f"{stem}.done"  # written last: without it a conversion was interrupted
    if not _is_whole(local, done):
        sources = fetch(card, raw=raw, say=say)
        say(f"converting {name}")
        from genobench.data import convert

        done.unlink(missing_ok=True)
        convert.to_plink(name, sources, local.bed, local.pheno)
        part = done.with_suffix(f".{os.getpid()}.part")
        part.write_text(_checksums(local))
        part.replace(done)
    return local


def _is_whole(local: LocalDataSet, done: Path) -> bool:
    """Whether the files are those that were converted here; spoilt ones are converted anew."""
    try:
        return done.read_text() == _checksums(local)
    except (OSError, ValueError):
        return False


def _checksums(local: LocalDataSet) -> str:
    """SHA-256 of the four files, a line each."""
    tables = [local.bed.with_suffix(ending) for ending in (".bim", ".fam")]
    lines = []
    for path in (local.bed, *tables, local.pheno):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


def fetch(
    card: DataSetCard, *, raw: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> dict[str, Path]:
    """Paths of the upstream files by file name, downloaded where absent, all verified."""
    folder = _raw_folder(raw) / card.name
    found, absent = {}, []
    for file in card.files:
        path = _already_there(file, card.name, folder)
        if path is None:
            absent.append(file)
        else:
            found[file.name] = path
    for file in absent:
        say(f"downloading {file.address}")
        found[file.name] = _download(file, folder, absent)
    return found


def _raw_folder(raw: Path | None) -> Path:
    from genobench.data import cache

    named = raw or os.environ.get("GENOBENCH_RAW")
    return Path(named) if named else cache.folder() / "raw"


def _already_there(file: RemoteFile, name: str, folder: Path) -> Path | None:
    """The file in this set's folder or in that of another set that shares it."""
    beside = [c.name for c in CARDS if c.name != name and file in c.files]
    for path in (folder / file.name, *(folder.parent / other / file.name for other in beside)):
        if path.is_file():
            _verify(path, file)
            return path
    return None


def _verify(path: Path, file: RemoteFile) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != file.sha256:
        raise GenobenchError(
            f"{path}: SHA-256 is {found}, but {file.sha256} is pinned: "
            f"remove the file and fetch it again from {file.address}"
        )


def _download(file: RemoteFile, folder: Path, absent: list[RemoteFile]) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            file.address, known_hash=f"sha256:{file.sha256}", fname=file.name, path=folder
        )
    except (OSError, ValueError, requests.RequestException) as error:
        wanted = "\n".join(
            f"  {f.address}\n    sha256 {f.sha256}\n    -> {folder / f.name}" for f in absent
        )
        raise GenobenchError(
            f"{file.name} could not be downloaded ({type(error).__name__}: {error}).\n"
            f"Fetch by other means and put in place:\n{wanted}"
        ) from error
    return Path(path)

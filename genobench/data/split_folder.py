"""The folder that a split is written to: refused before any work, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genobench.data.prepare import Prepared
from genobench.data.split import Split
from genobench.errors import GenobenchError

REPORT = "report.json"


@dataclass(frozen=True)
class SplitFolder:
    """A place where a split may be written: ``part`` is filled, then renamed to ``final``."""

    final: Path
    part: Path

    def write(self, prepared: Prepared) -> None:
        """The split and its report.

        Raises
        ------
        GenobenchError
            When another split is there, or the disk is full.
        """
        if _is_used(self.final):
            if Split.load(self.final).checksum == prepared.split.checksum:
                return
            raise GenobenchError(_other_split(self.final))
        try:
            prepared.split.save(self.part)
            (self.part / REPORT).write_text(json.dumps(prepared.report, indent=1) + "\n")
            self.part.replace(self.final)
        except OSError as error:
            raise GenobenchError(
                f"{self.final}: cannot be written ({error.strerror}); is there room?"
            ) from error


@contextmanager
def opened(folder: Path, data_key: str) -> Iterator[SplitFolder]:
    """Place for the split of ``data_key``; what is left half written is removed at the end.

    Raises
    ------
    GenobenchError
        When a file is in the way, when the folder holds anything but the same split, when nothing
        can be written there.
    """
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise GenobenchError(f"{folder}: a file; --out names a folder, which is made")
    if _is_used(folder):
        Split.load(folder)  # refuses a folder of other things
        known = _key_of(folder)
        if known is not None and known != data_key:
            raise GenobenchError(_other_split(folder))
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise GenobenchError(
                f"{folder}: cannot be written ({error.strerror}); name another folder with --out"
            ) from error
        yield SplitFolder(folder, part)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_used(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _key_of(folder: Path) -> str | None:
    """Key of the data that were prepared there; None where nothing says so."""
    try:
        return str(json.loads((folder / REPORT).read_text())["data_key"])
    except (OSError, ValueError, KeyError):
        return None


def _other_split(folder: Path) -> str:
    return f"{folder}: holds another split; name another folder with --out, or remove this one"

"""What a long pass over files has found so far, kept so that a stopped one goes on from there."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError

Arrays = dict[str, NDArray[Any]]
PART = re.compile(r"(\d+)-(\d+)\.npz")


class Journal:
    """A folder of arrays: one file of what was settled first, one per finished stretch.

    Files are written under another name and renamed; a damaged one counts as absent. Nothing is
    unpickled.

    Parameters
    ----------
    folder
        Made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str) -> Arrays | None:
        """Arrays that were stored as ``name``; None when there are none that can be read."""
        try:
            path = self.folder / f"{name}.npz"
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def store(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays as ``name``, all or nothing."""
        part = self.folder / f".{name}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez(file, **arrays)
            part.replace(self.folder / f"{name}.npz")
        except OSError as error:
            raise GenobenchError(
                f"{self.folder}: cannot be written ({error.strerror}): make room, or name another "
                "folder in the environment variable GENOBENCH_CACHE"
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def keep(self, first: int, last: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Note what was found at ``first`` up to, not including, ``last``."""
        self.store(f"{first:09d}-{last:09d}", arrays)

    def stretches(self) -> Iterator[tuple[int, Arrays]]:
        """End and arrays of the finished stretches, from 0 on without a gap."""
        ends: dict[int, list[int]] = {}
        for path in sorted(self.folder.glob("*.npz")):
            if match := PART.fullmatch(path.name):
                ends.setdefault(int(match[1]), []).append(int(match[2]))
        done = 0
        while done in ends:
            found = ((end, self.load(f"{done:09d}-{end:09d}")) for end in sorted(ends[done])[::-1])
            whole = next(((end, arrays) for end, arrays in found if arrays is not None), None)
            if whole is None:
                return
            yield whole
            done = whole[0]

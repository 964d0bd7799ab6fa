"""The data of jobs, read once by the server that forks them, or else by each job itself.

To read a small split takes longer than a small job. What a server has read its children have as
well; they look whether the files are still the same, and read them anew if not.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

from genobench.data.split import Split
from genobench.errors import GenobenchError

SMALL_BYTES = 16 * 2**20  # a server reads no more than this, so that it soon answers
_Marks = tuple[tuple[str, int, int, int], ...]  # name, time, size and inode of each file


def split_in(folder: Path) -> Split:
    """The split that lies in ``folder``; see `genobench.data.split.Split.load`."""
    try:
        marks = _marks(folder)
    except OSError as error:
        raise GenobenchError(f"{folder}: not a prepared data set: {error}") from error
    return _read(folder, marks)


def read_ahead(folder: Path) -> None:
    """Have the split of ``folder`` at hand, if it is small; who needs it says what is wrong."""
    with contextlib.suppress(GenobenchError, OSError):
        if sum(size for _, _, size, _ in _marks(folder)) <= SMALL_BYTES:
            split_in(folder)


@lru_cache(maxsize=1)
def _read(folder: Path, marks: _Marks) -> Split:
    return Split.load(folder)


def _marks(folder: Path) -> _Marks:
    """By which it is told that a file was written since."""
    with os.scandir(folder) as entries:
        states = [(entry.name, entry.stat()) for entry in entries]
    return tuple(sorted((n, s.st_mtime_ns, s.st_size, s.st_ino) for n, s in states))

"""The log of one child process: what it prints, as far as there is room."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from genobench.errors import GenobenchError

LOG_BYTES = 2**20  # of each log; the end of what is longer is kept apart
TAIL_LINES = 60


class CappedLog:
    """What a child prints, on disk up to a limit, with the end in memory.

    Parameters
    ----------
    path
        File that it is added to.

    Raises
    ------
    GenobenchError
        In each method, once, when the disk refuses it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.full = path, False
        with self._room():
            self.file = path.open("ab", buffering=0)
        self.left = LOG_BYTES
        self.skipped = 0
        self.tail: deque[bytes] = deque([b""], maxlen=TAIL_LINES)

    def write(self, content: bytes) -> None:
        """Take in what was printed since."""
        if not content:
            return
        kept = b"" if self.full else content[: self.left]
        self._put(kept)
        self.left -= len(kept)
        self.skipped += len(content) - len(kept)
        first, *more = content[-LOG_BYTES:].split(b"\n")
        self.tail[-1] = (self.tail[-1] + first)[-4096:]
        self.tail.extend(line[-4096:] for line in more)

    def last_lines(self) -> tuple[str, ...]:
        """The end of it, without empty lines."""
        lines = [line.decode(errors="replace").rstrip() for line in self.tail]
        return tuple(line for line in lines if line)

    def close(self) -> None:
        """Write the end of what was too long, and leave the file."""
        if self.skipped and not self.full:
            end = "\n".join(self.last_lines())
            note = f"\n[{self.skipped:,} bytes in all left out here; the end was:]\n{end}\n"
            self._put(note.encode())
        self.file.close()

    def _put(self, content: bytes) -> None:
        """All of it: a disk that becomes full takes the beginning, and refuses what is left."""
        left = memoryview(content)
        with self._room():
            while left:
                left = left[self.file.write(left) :]

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """Says what to do when the disk refuses; once, so that what runs can still be stopped."""
        try:
            yield
        except OSError as error:
            self.full = True
            raise GenobenchError(
                f"{self.path}: cannot be written ({error.strerror or error}). Records written so "
                "far are safe: make room, and run again; only what is missing is run"
            ) from error

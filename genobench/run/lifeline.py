"""How a child process speaks to the one that started it, and how it notices that it is gone."""

from __future__ import annotations

import errno
import faulthandler
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

CURVE_POINTS = 200


def take_orders() -> dict[str, Any]:
    """The order: one line of JSON on standard input, which then stays open as the lifeline.

    When the other end closes, because the process that holds it died (were it by ``kill -9``),
    this process and everything it started in its group die too. Plug-ins see an empty standard
    input.
    """
    lifeline = os.fdopen(os.dup(0), "rb", buffering=0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = lifeline.read(4096)  # one line is all that is ever sent
        if not byte:
            os._exit(1)
        line += byte

    def watch() -> None:
        lifeline.read(1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="genobench lifeline").start()
    return dict(json.loads(line))


class Messages:
    """JSON lines to the parent: phases as they begin, results as they come, the final error.

    Parameters
    ----------
    descriptor
        Write end of the parent's pipe; processes that a plug-in starts do not inherit it.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self.stream: TextIO = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")
        self.current = "load"

    def send(self, at: str, **content: Any) -> None:
        """One message. Not-a-number is sent as null."""
        self.stream.write(json.dumps({"at": at, **_finite(content)}) + "\n")

    def phase(self, name: str) -> None:
        """What begins now."""
        self.current = name
        self.send("phase", phase=name)

    def report_crashes(self) -> None:
        """Uncaught exceptions become a message and end the process at once.

        Faults and termination leave a traceback in the log: a hang shows where it hung.
        """
        faulthandler.enable()
        faulthandler.register(signal.SIGTERM, chain=True)

        def hook(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            traceback.print_exception(kind, error, trace)
            self.send(
                "error",
                phase=self.current,
                type=kind.__name__,
                message=str(error) or kind.__name__,
                disk=isinstance(error, OSError) and error.errno in _DISK,
                memory=out_of_memory(error),
            )
            self.leave(1)

        sys.excepthook = hook

    def leave(self, code: int) -> None:
        """End now, without waiting for threads and clean-up of plug-ins."""
        for stream in (sys.stdout, sys.stderr, self.stream):
            stream.flush()
        os._exit(code)


def out_of_memory(error: BaseException | None) -> bool:
    """Whether memory, of the machine or of a GPU, ran out: this error, or one that caused it."""
    while error is not None:
        named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        if named or isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError) and any(w in str(error).lower() for w in _NO_MEMORY):
            return True
        error = error.__cause__
    return False


# of PyTorch on processors, CUDA, cuBLAS and cuDNN, and XLA
_NO_MEMORY = ("can't allocate memory", "out of memory", "alloc_failed", "resource_exhausted")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


class Curve:
    """A learning curve of at most 200 points, thinned evenly as it grows."""

    def __init__(self) -> None:
        self.kept: list[dict[str, float | None]] = []
        self.last: dict[str, float | None] | None = None
        self._seen, self._stride = 0, 1

    def add(self, point: Mapping[str, float]) -> dict[str, float | None]:
        """Take one point in; numbers only."""
        self.last = {
            str(k): float(v) if math.isfinite(float(v)) else None for k, v in point.items()
        }
        if self._seen % self._stride == 0:
            self.kept.append(self.last)
        self._seen += 1
        if len(self.kept) >= CURVE_POINTS:
            self.kept, self._stride = self.kept[::2], 2 * self._stride
        return self.last

    def points(self) -> list[dict[str, float | None]]:
        """The curve, its last point included."""
        missing = self.last is not None and (not self.kept or self.kept[-1] is not self.last)
        return [*self.kept, self.last] if missing and self.last is not None else list(self.kept)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

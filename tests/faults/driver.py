"""A run in a process of its own, which can be killed: ``driver.py OUT TASK BLOW MODEL...``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from genobench.data import prepare as preparation
from genobench.data.prepare import DataSpec
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.run.benchmark import RunOptions, run_benchmark

READY = "0" * 64


class Toy(DataSpec):
    """Data that the store holds already, or that are prepared from those."""

    key = READY


def die_while_writing(folder: str, turn: int) -> None:
    """Kill this process while the ``turn``-th file below ``folder`` is half written."""
    real, seen = os.fsync, [0]
    module: Any = os

    def fsync(descriptor: Any) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen[0] += path.parent.name == folder
        if seen[0] == turn:
            os.ftruncate(descriptor, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    module.fsync = fsync


def prepare_anew(out: Path, *, dies: bool) -> None:
    """Data are prepared in this process, which dies when half of them are written."""
    split = Split.load(out / "data" / READY)
    Toy.key = "1" * 64
    module: Any = preparation
    module.prepare = lambda spec, say: SimpleNamespace(split=split, report={})
    if dies:
        save = Split.save

        def half(self: Split, folder: Path) -> None:
            save(self, folder)
            (folder / "test.npy").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

        Split.save = half  # type: ignore[method-assign]


def main() -> int:
    """Run; 2 and the message on standard error where it is refused."""
    out, task, blow, *models = sys.argv[1:]
    if blow.startswith("writing "):
        _, folder, turn = blow.split()
        die_while_writing(folder, int(turn))
    elif blow.startswith("preparing"):
        prepare_anew(Path(out), dies=blow == "preparing dies")
    options = RunOptions(
        Path(out), tuple(models), (task,), data=Toy("toy"), seeds=(0,), jobs=1, device="cpu",
        timeout_seconds=120.0,
    )  # fmt: skip
    try:
        print(dict(run_benchmark(options).statuses))
    except GenobenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

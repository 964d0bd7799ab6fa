"""One benchmark in a process of its own: seconds and peak memory of each phase.

    python tests/benchmarks/phases_child.py '{"out": ..., "models": [...], "data": {...}, ...}'

Takes the fields of `RunOptions` as JSON, ``data`` as those of `DataSpec`; prints one line of JSON:
``phases`` (name -> seconds and bytes), ``seconds`` of the run, and ``records``. Memory is the
resident memory of this process and everything below it, together. Phases are told apart while one
job runs at a time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from genobench.data.prepare import DataSpec
from genobench.run.benchmark import RunOptions, run_benchmark
from genobench.run.events import Event, JobPhase, JobStarted
from genobench.run.store import Store

LOOK_SECONDS = 0.1


class Watch:
    """Knows the present phase, and looks at memory again and again."""

    def __init__(self) -> None:
        self.phase, self.began = "prepare", time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.bytes: dict[str, int] = {}
        self._highest: dict[int, int] = {}  # per process, as the kernel noted it
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def listen(self, event: Event) -> None:
        """Phases begin as the benchmark tells of them."""
        if isinstance(event, JobStarted):
            self._enter(f"reference:{event.name}" if event.what == "reference" else "load")
        elif isinstance(event, JobPhase) and event.learning is None and not self._apart:
            self._enter(event.phase)

    @property
    def _apart(self) -> bool:
        """A reference is prepared, whose own phases are not told."""
        return self.phase.startswith("reference:")

    def stop(self) -> dict[str, dict[str, float]]:
        """Seconds and peak bytes by phase."""
        self._enter("end")
        self._done.set()
        self._thread.join()
        return {
            name: {"seconds": seconds, "bytes": self.bytes.get(name, 0)}
            for name, seconds in self.seconds.items()
        }

    def _enter(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self.began
        self.phase, self.began = phase, now

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(LOOK_SECONDS):
            used = sum(self._used(p.pid) for p in (me, *me.children(recursive=True)))
            self.bytes[self.phase] = max(used, self.bytes.get(self.phase, 0))

    def _used(self, pid: int) -> int:
        """Resident bytes, or what they rose to since the last look."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            now, highest = (1024 * int(status.split(w)[1].split()[0]) for w in ("VmRSS:", "VmHWM:"))
        except (OSError, IndexError):
            return 0  # it has ended
        rose = highest > self._highest.get(pid, 0)
        self._highest[pid] = highest
        return highest if rose else now


def main(text: str) -> None:
    """Run what is asked."""
    asked: dict[str, Any] = json.loads(text)
    data = DataSpec(**asked.pop("data"))
    for name in ("models", "tasks", "seeds"):
        if name in asked:
            asked[name] = tuple(asked[name])
    options = RunOptions(**{**asked, "out": Path(asked["out"]), "data": data})
    watch, began = Watch(), time.perf_counter()
    summary = run_benchmark(options, watch.listen)
    found = {
        "seconds": time.perf_counter() - began,
        "phases": watch.stop(),
        "problems": summary.problems,
        "records": Store(options.out).records(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

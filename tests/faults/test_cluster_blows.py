"""Workers of a cluster are killed at other moments than the fit, and so is their scheduler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.run.benchmark import run_benchmark
from genobench.run.events import Event, JobPhase, Said
from genobench.run.worker import checksum
from tests.run.processes import Dask

from .conftest import COUNTED, striking

pytest.importorskip("distributed")
LATE = ("sample", "half-saved", "unsaid", "score:two")


def test_killed_worker_in_each_phase(bench: Any, scheduler: Dask) -> None:
    """Its job goes to another one from the beginning; nothing that it had half done is read."""
    models = [bench.generator("first", COUNTED, card='role = "floor"')]
    for number, moment in enumerate(LATE):
        body = striking(moment, "parent", f"struck{number}", heard=False)
        here = f"Path({str(bench.plugins)!r})"  # plug-ins travel, marks are left in one place
        models.append(bench.generator(f"m{number}", body.replace("FOLDER", here)))
    for _ in range(len(LATE) + 1):
        scheduler.worker()
    summary = bench.run(models, [bench.task("one"), bench.task("two")], jobs=1,
                        cluster=scheduler.address)  # fmt: skip
    assert summary.statuses == {"ok": len(models)}, summary.problems
    told = [e.text for e in bench.events if isinstance(e, Said) and "attempt 1 of 3" in e.text]
    assert len(told) == len(LATE)
    for record in bench.store.records():
        sample = np.load(bench.store.sample_path(record["key"]))
        assert checksum(sample) == record["outputs"]["synthetic_sha256"]
        assert set(record["scores"]) == {"one", "two"}
    assert not list(bench.out.glob("*/.*.part"))


@pytest.mark.parametrize("phase", ["sample", "score:one"])
def test_lost_scheduler_in_other_phases(bench: Any, scheduler: Dask, phase: str) -> None:
    """The message says what to do; what was finished is neither lost nor repeated."""
    models = [
        bench.generator("first", COUNTED, card='role = "floor"'),
        bench.generator("second", COUNTED),
    ]
    tasks = [bench.task("one")]
    scheduler.worker()

    def listen(event: Event) -> None:
        if isinstance(event, JobPhase) and (event.name, event.phase) == ("second", phase):
            scheduler.scheduler.kill()
            scheduler.scheduler.wait()

    with pytest.raises(GenobenchError, match="run the same command again; only what is missing"):
        run_benchmark(bench.options(models, tasks, jobs=None, cluster=scheduler.address), listen)
    assert [r["job"]["model"] for r in bench.store.records()] == ["first"]
    before = bench.record("first")
    assert bench.run(models, tasks).statuses == {"ok": 2}
    assert bench.record("first") == before
    assert not list(bench.out.glob("*/.*.part"))

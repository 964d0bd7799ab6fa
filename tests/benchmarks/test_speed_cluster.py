"""What running jobs costs beside the jobs: two workers against one, and a thousand trivial jobs.

What two workers can be worth at most is measured beside it: two jobs at a time that know nothing
of each other, against one. Cores that share their parts, or their memory, are not worth two.

A job's own seconds are those of fit, both samples and scores. The rest of the time that its slot
or worker was taken is overhead: its process is forked and loads (`harness_seconds` of the record),
and the run chooses it, writes its record and goes on to the next.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.run.benchmark import RunOptions, run_benchmark
from genobench.run.store import Store

from ..run.conftest import Bench
from ..run.processes import Dask
from .ledger import Recorder

MODELS = ("hwe", "li_stephens", "vae")  # of the smoke suite: about 6, 10 and 28 s each
SEEDS = (0, 1, 2, 3)
LONGEST, ANOTHER_SEED = "vae", 5
TRIVIAL, ON_CLUSTER = 1_000, 100  # jobs
SLOTS = 2
MEMORY = 2 * 2**30  # bytes for one job
MOST_SECONDS, MOST_MILLISECONDS, LEAST_RATIO = 60, 50, 1.8
OWN = ("fit_seconds", "sample_seconds", "resample_seconds", "score_seconds")


@pytest.fixture
def bench(tmp_path: Path, make_cohort: Callable[..., Cohort]) -> Bench:
    """A store with 240 people x 24 SNPs."""
    everybody = make_cohort(240, 24)
    edges = np.cumsum([0, 100, 40, 50, 50])
    return Bench(tmp_path, Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges))))


@pytest.fixture
def crews(tmp_path: Path) -> Iterator[list[Dask]]:
    """Two schedulers, one with one worker, one with two; a job has one thread on either."""
    started = []
    try:
        for workers in (1, SLOTS):
            folder = tmp_path / f"dask{workers}"
            folder.mkdir()
            started.append(Dask(folder))
            for _ in range(workers):
                started[-1].worker("--resources", "genobench=1")
        yield started
    finally:
        for dask in started:
            dask.stop()


def overhead(records: Sequence[dict[str, Any]], seconds: float, slots: int) -> tuple[float, float]:
    """Milliseconds per job beside its own work: in all, and of them between two processes."""
    spent = [record["resources"] for record in records]
    taken = slots * seconds / len(spent)
    own = fmean(sum(r[part] for part in OWN) for r in spent)
    return 1000 * (taken - own), 1000 * (taken - fmean(r["total_seconds"] for r in spent))


def timed(options: RunOptions) -> float:
    """Seconds of a run in which all goes well."""
    started = time.perf_counter()
    summary = run_benchmark(options)
    assert set(summary.statuses) == {"ok"}, summary.problems
    return time.perf_counter() - started


def ceiling(prepared: Path, folder: Path) -> float:
    """How many times as much as one job alone two get done that run apart at the same time."""
    stores = [shutil.copytree(prepared, folder / f"apart{number}") for number in range(SLOTS)]
    words = ["--models", LONGEST, "--seeds", str(ANOTHER_SEED), "--device", "cpu"]
    words += ["--jobs", str(SLOTS)]  # a thread for each, though there is but one

    def seconds(outs: Sequence[Path]) -> float:
        started = time.perf_counter()
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "genobench", "run", *words, "--out", str(out)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for out in outs
        ]
        assert [run.wait() for run in runs] == [0] * len(outs)
        return time.perf_counter() - started

    alone = seconds(stores[:1])
    shutil.rmtree(stores[0] / "records")
    return SLOTS * alone / seconds(stores)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(1800)
def test_two_workers_against_one(
    tmp_path: Path, crews: list[Dask], benchmark: Any, record: Recorder
) -> None:
    """Jobs of the smoke suite; data and references are there, workers have yet to be sent them."""
    usual: dict[str, Any] = {"device": "cpu", "memory_bytes": MEMORY}
    prepared = tmp_path / "prepared"
    timed(RunOptions(prepared, ("hwe",), seeds=(len(SEEDS),), jobs=SLOTS, **usual))
    asked: list[RunOptions] = []
    for dask in crews:
        out = shutil.copytree(prepared, dask.folder / "out")
        shutil.rmtree(out / "records")
        asked.append(RunOptions(out, MODELS, seeds=SEEDS, cluster=dask.address, **usual))
    alone = timed(asked[0])
    together = benchmark.pedantic(timed, args=(asked[1],), rounds=1)
    found = Store(asked[1].out).records()
    assert {r["environment"]["threads"] for r in found} == {1}
    jobs = f"{len(found)} jobs of the smoke suite"
    apart = ceiling(prepared, tmp_path)
    note = f"{together:.0f} s against {alone:.0f} s, one thread a job; two jobs of {LONGEST} that "
    note += f"know nothing of each other, at the same time: {apart:.2f} x one"
    record(f"{jobs}, two workers against one", alone / together, "x", target=LEAST_RATIO, note=note)
    _, between = overhead(found, together, SLOTS)
    note = "its process, from start to end, left out; waiting for the last job is in it"
    record(f"{jobs} on two workers, between two of a worker", between, "ms", note=note)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(1800)
def test_a_thousand_trivial_jobs(bench: Bench, benchmark: Any, record: Recorder) -> None:
    """In two slots of this machine: a generator and a task that take no time."""
    models, tasks = [bench.generator("trivial")], [bench.task("toy")]
    options = bench.options(models, tasks, seeds=tuple(range(TRIVIAL)), jobs=SLOTS)
    seconds = benchmark.pedantic(timed, args=(options,), rounds=1)
    found = bench.store.records()
    assert len(found) == TRIVIAL
    what = f"{TRIVIAL:,} trivial jobs"
    record(what, seconds, "s", target=MOST_SECONDS, better="lower", note=f"{SLOTS} at a time")
    whole, between = overhead(found, seconds, SLOTS)
    share = f"of it {whole - between:.0f} ms the process of the job: fork, data, plug-ins"
    record(
        "a trivial job, beside its own work",
        whole,
        "ms",
        target=MOST_MILLISECONDS,
        better="lower",
        note=share,
    )
    record("a trivial job, between two processes", between, "ms", better="lower")


@pytest.mark.benchmark_suite
@pytest.mark.timeout(600)
def test_trivial_jobs_on_a_cluster(
    bench: Bench, crews: list[Dask], benchmark: Any, record: Recorder
) -> None:
    """The same through a Dask scheduler with two workers."""
    options = bench.options(
        [bench.generator("trivial")],
        [bench.task("toy")],
        seeds=tuple(range(ON_CLUSTER)),
        jobs=None,
        cluster=crews[-1].address,
    )
    seconds = benchmark.pedantic(timed, args=(options,), rounds=1)
    whole, between = overhead(bench.store.records(), seconds, SLOTS)
    note = f"{ON_CLUSTER} jobs in {seconds:.0f} s, connecting and sending the data included"
    record("a trivial job on two workers, beside its own work", whole, "ms", note=note)
    record("a trivial job on two workers, between two of a worker", between, "ms")

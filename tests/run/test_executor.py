"""Slots, devices, order, and the end of children when the parent is interrupted."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from genobench.errors import GenobenchError
from genobench.run import environment, executor, ledger
from genobench.run.benchmark import run_benchmark
from genobench.run.events import JobPhase
from genobench.run.executor import Work, interruptible, make_slots, resolve_device, visible_gpus
from genobench.run.job import Job, Limits
from genobench.run.progress import Tracker

LISTING = """GPU 0: Some Card (UUID: GPU-11111111-aaaa)
GPU 1: Some Card (UUID: GPU-22222222-bbbb)
"""
DIVIDED = """GPU 0: Some Card (UUID: GPU-11111111-aaaa)
  MIG 1g.18gb Device 0: (UUID: MIG-33333333-cccc)
  MIG 1g.18gb Device 1: (UUID: MIG-44444444-dddd)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that the driver lists these GPUs; None: there is no driver."""

    def pretend(listing: str | None) -> None:
        if listing is not None:
            tool = tmp_path / "nvidia-smi"
            (tmp_path / "listing").write_text(listing)
            tool.write_text(
                f'#!/bin/sh\nwhile read -r l; do echo "$l"; done < {tmp_path}/listing\n'
            )
            tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return pretend


def test_gpus_are_listed_by_the_driver(driver: Any) -> None:
    """Whole ones, or the parts of a divided one."""
    driver(LISTING)
    assert visible_gpus() == ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]
    driver(DIVIDED)
    assert visible_gpus() == ["MIG-33333333-cccc", "MIG-44444444-dddd"]


def test_cluster_allocation_rules(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CUDA_VISIBLE_DEVICES allows is all there is."""
    driver(LISTING)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_device_is_what_there_is(driver: Any) -> None:
    """Auto is a GPU where there is one; cuda without one is an error."""
    driver(None)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(GenobenchError, match="no GPU is visible"):
        make_slots(1, "cuda")
    driver(LISTING)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cpu") == "cpu"


def test_slots_share_the_machine(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores are divided, GPUs dealt out in turn, and CPU slots see no GPU."""
    driver(LISTING)
    monkeypatch.setattr(executor, "cores", lambda: 8)
    slots = make_slots(3, "cuda")
    assert [s.gpu for s in slots] == [
        "GPU-11111111-aaaa",
        "GPU-22222222-bbbb",
        "GPU-11111111-aaaa",
    ]
    assert [s.threads for s in slots] == [2, 2, 2]
    assert len(make_slots(None, "cuda")) == 2
    cpu = make_slots(None, "cpu")
    assert [(s.threads, s.gpu) for s in cpu] == [(2, "")] * 4
    assert make_slots(16, "cpu")[0].threads == 1
    assert cpu[0].variables()["OMP_NUM_THREADS"] == "2"


def job(model: str, seed: int, *, control: bool = False) -> Job:
    """A job of nothing in particular."""
    sha = "1" * 64
    limits = Limits(1.0, 1)
    return Job(
        model, model, sha, {}, "smoke", "toy", sha, sha, 0, seed, "cpu", limits, control=control
    )


def test_order_of_jobs() -> None:
    """Controls, then each model once, then the longest first."""
    tracker = Tracker(lambda _: None, 2)
    jobs = [
        *(job("short", seed) for seed in range(2)),
        *(job("long", seed) for seed in range(3)),
        job("floor", 0, control=True),
    ]
    waiting = [
        Work({}, j.limits, Path("log"), on_end=lambda _: None, job=j)  # never run
        for j in jobs
    ]
    order = []
    while waiting:
        work = waiting.pop(tracker.pick(waiting))
        assert work.job is not None
        order.append((work.job.model, work.job.seed))
        tracker.started(work.job.key, work.job.model, work.job.seed, "fit", 0)
        tracker._running[work.job.key] -= {"short": 1, "long": 9, "floor": 0}[work.job.model]
        tracker.finished(work.job.key, work.job.model, work.job.seed, "fit", "ok", "")
    assert order == [
        ("floor", 0),
        ("short", 0),
        ("long", 0),
        ("long", 1),
        ("long", 2),
        ("short", 1),
    ]


def test_children_are_gone_when_an_interrupt_arrives(bench: Any) -> None:
    """Whatever ends the run, Ctrl-C or a listener that fails: at once, not some time later."""
    body = """
        def fit(self, train, validation, *, seed, budget):
            helper = subprocess.Popen(["sleep", "300"])
            (FOLDER / "new").write_text(f"{os.getpid()} {helper.pid}")
            (FOLDER / "new").rename(FOLDER / "pids")
            for step in range(1000):
                time.sleep(0.1)
                budget.report({"step": step})
    """

    def listen(event: Any) -> None:
        if isinstance(event, JobPhase) and event.learning:
            raise KeyboardInterrupt

    options = bench.options([bench.generator("endless", body)], [bench.task("one")])
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(options, listen)
    for pid in map(int, (bench.plugins / "pids").read_text().split()):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert not bench.store.records()


def test_what_was_heard_is_kept_when_an_interrupt_arrives(bench: Any) -> None:
    """A fit that was told of a moment ago has its record, though nothing was written yet."""

    def listen(event: Any) -> None:
        if isinstance(event, JobPhase) and event.phase == "score:one":
            assert not bench.store.records()
            raise KeyboardInterrupt

    options = bench.options([bench.generator("told")], [bench.task("one")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "KEEP_SECONDS", 60.0)
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(options, listen)
    assert (bench.record("told")["status"], bench.record("told")["scores"]) == ("ok", {})
    assert bench.run([bench.generator("told")], [bench.task("one")]).statuses == {"ok": 1}


def test_what_took_long_is_written_at_once(bench: Any) -> None:
    """Such a fit has its record before the run says that its scores have begun."""
    found = []

    def listen(event: Any) -> None:
        if isinstance(event, JobPhase) and event.phase == "score:one":
            found.extend(bench.store.records())

    options = bench.options([bench.generator("told")], [bench.task("one")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "KEEP_SECONDS", 60.0)
        patch.setattr(ledger, "DEAR_SECONDS", 0.0)
        run_benchmark(options, listen)
    assert [(record["status"], record["scores"]) for record in found] == [("ok", {})]


def test_what_was_heard_is_kept_while_the_child_goes_on(bench: Any) -> None:
    """A fit is on disk long before a slow score is."""
    slow = """
        def score(self, synthetic, reference, *, seed):
            import time
            from pathlib import Path
            records = Path(__file__).parent.parent / "out" / "records"
            deadline = time.monotonic() + 30
            while not list(records.glob("[!.]*.json")) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert list(records.glob("[!.]*.json")), "the fit was not written"
            return super().score(synthetic, reference, seed=seed)
    """
    assert bench.run([bench.generator("told")], [bench.task("one", slow)]).statuses == {"ok": 1}


def test_termination_is_an_interrupt_and_only_within() -> None:
    """SIGTERM cleans up like Ctrl-C; afterwards the old disposition is back."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_peak_memory_is_this_process_own() -> None:
    """At least what is resident now."""
    resident = psutil.Process().memory_info().rss
    assert environment.peak_memory_bytes() >= resident
    assert environment.memory_bytes() <= psutil.virtual_memory().total

"""Children that a server forks are like those that start by themselves, only sooner there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest

from genobench.run import executor, fork_server
from genobench.run.benchmark import run_benchmark
from genobench.run.child import Slot
from genobench.run.events import JobPhase
from genobench.run.fork_server import ForkServers, ServerLostError

from .processes import all_gone, wait

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has fork servers")
MIB = 2**20
DRIVER = Path(__file__).parents[1] / "faults" / "driver.py"
CLOCKED = ("started", "finished", "resources")  # of a record
AGAIN: dict[str, Any] = {"jobs": 2, "overwrite": "always", "timeout_seconds": 900.0}
# torch and numpy compute what the sample is drawn with
ARITHMETIC = """
def fit(self, train, validation, *, seed, budget):
    import torch
    x = train.genotypes.astype(np.float32)
    w = torch.randn(x.shape[1], 8, generator=torch.Generator().manual_seed(seed % 2**31))
    spread = (torch.from_numpy(x) @ w).std(0).sum()
    self.s_ = float(np.linalg.svd(x - x.mean(0), compute_uv=False).sum() + spread)
    budget.report({"step": 1, "loss": self.s_})
    return super().fit(train, validation, seed=seed, budget=budget)

def sample(self, labels, *, seed):
    return super().sample(labels, seed=seed + int(1e6 * self.s_))
"""
# writes down what a process sees around it
WITNESS = """
def fit(self, train, validation, *, seed, budget):
    import json, threading
    import numba, threadpoolctl, torch
    np.linalg.svd(np.random.default_rng(0).normal(size=(300, 300)))
    named = [n for n in os.environ if n.endswith("_THREADS") or n.startswith(("CUDA", "PYTHON"))]
    held = [Path("/proc/self/fd") / str(d) for d in range(64)]
    seen = {
        "environment": {n: os.environ[n] for n in named},
        "pools": sorted((p["internal_api"], p["num_threads"])
                        for p in threadpoolctl.threadpool_info()),
        "torch": torch.get_num_threads(),
        "numba": numba.get_num_threads(),
        "hash": hash("a text"),
        "safe path": sys.flags.safe_path,
        "folder": os.getcwd(),
        "own session": os.getsid(0) == os.getpgrp() == os.getpid(),
        "parent": os.getppid(),
        "threads": sorted(t.name for t in threading.enumerate()),
        "open": sorted(os.readlink(p).split(":")[0] for p in held if os.path.lexists(p)),
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
        "module": sys.modules["__main__"].__spec__.name,
    }
    (FOLDER / "seen").write_text(json.dumps(seen))
    return super().fit(train, validation, seed=seed, budget=budget)
"""
# says who it is, waits until it may go on, then perhaps dies
WAITS = """
def fit(self, train, validation, *, seed, budget):
    (FOLDER / "new").write_text(str(os.getpid()))
    (FOLDER / "new").rename(FOLDER / "{name}.pid")
    while not (FOLDER / "{name}.go").exists():
        time.sleep(0.02)
    {then}
    return super().fit(train, validation, seed=seed, budget=budget)
"""
DRAWS = """
def fit(self, train, validation, *, seed, budget):
    import random
    with (FOLDER / "drawn").open("a") as file:
        file.write(f"{np.random.random()} {random.random()}\\n")
    return super().fit(train, validation, seed=seed, budget=budget)
"""
HOLDS = """
def fit(self, train, validation, *, seed, budget):
    np.ones(300 * 2**20, np.int8)
    return super().fit(train, validation, seed=seed, budget=budget)
"""


@pytest.fixture
def unserved() -> Callable[[], Any]:
    """A block in which no server forks, as on other systems."""

    def refuse(self: ForkServers, *_: Any) -> None:
        raise ServerLostError

    @contextmanager
    def block() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ForkServers, "fork", refuse)
            yield

    return block


def steady(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what a clock has put into it."""
    kept = {k: v for k, v in record.items() if k not in CLOCKED}
    kept["scores"] = {t: s["metrics"]["gap"]["value"] for t, s in record["scores"].items()}
    kept["learning"] = [{**point, "seconds": 0} for point in record["learning"]]
    return kept


def servers_of(pid: int, *jobs: int) -> list[psutil.Process]:
    """Servers of a process, which have the command line of the ``jobs`` that they forked."""
    return [
        p
        for p in psutil.Process(pid).children()
        if p.pid not in jobs
        and p.status() != psutil.STATUS_ZOMBIE
        and "genobench.run.forking" in p.cmdline()
    ]


@pytest.mark.timeout(900)
def test_values_are_those_of_a_fresh_process(bench: Any, unserved: Any) -> None:
    """Sample, score and learning curve, to the bit."""
    models, tasks = [bench.generator("arithmetic", ARITHMETIC)], [bench.task("one")]
    bench.run(models, tasks, **AGAIN)
    forked = bench.record("arithmetic")
    assert (forked["status"], forked["determinism"]) == ("ok", "identical")
    with unserved():
        bench.run(models, tasks, **AGAIN)
    fresh = bench.record("arithmetic")
    assert fresh["resources"] != forked["resources"], "it was not run again"
    assert steady(fresh) == steady(forked)


@pytest.mark.timeout(900)
def test_surroundings_are_those_of_a_fresh_process(
    bench: Any, unserved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, threads of numpy, torch and numba, session, parent, open files, signals."""
    monkeypatch.setattr(executor, "cores", lambda: 2)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "2")  # the slot's share is what counts
    models, tasks = [bench.generator("witness", WITNESS)], [bench.task("one")]
    seen = []
    for block in (nullcontext, unserved):
        with block():
            assert bench.run(models, tasks, **AGAIN).statuses == {"ok": 1}
        seen.append(json.loads((bench.plugins / "seen").read_text()))
    assert [s.pop("module") for s in seen] == ["genobench.run.forking", "genobench.run.worker"]
    assert seen[0] == seen[1]
    assert seen[0]["environment"]["OMP_NUM_THREADS"] == "1"
    assert seen[0]["environment"]["CUDA_VISIBLE_DEVICES"] == ""
    assert seen[0]["environment"]["PYTHONHASHSEED"] == "0"
    assert (seen[0]["torch"], seen[0]["numba"]) == (1, 1)
    assert {threads for _, threads in seen[0]["pools"]} == {1}
    assert seen[0]["own session"]
    assert seen[0]["parent"] == os.getpid()


def test_children_draw_apart(bench: Any) -> None:
    """Who seeds nothing gets other numbers in each job, not what the server began with."""
    bench.run([bench.generator("draws", DRAWS)], [bench.task("one")], seeds=(0, 1, 2))
    drawn = [line.split() for line in (bench.plugins / "drawn").read_text().splitlines()]
    assert [len(set(numbers)) for numbers in zip(*drawn, strict=True)] == [3, 3]


def test_memory_is_that_of_the_job(bench: Any, unserved: Any) -> None:
    """A large job raises nobody else's peak; what a small one never touches does not count."""
    models = [bench.generator("large", HOLDS), bench.generator("little")]
    bench.run(models, [bench.task("one")])
    large, little = (
        bench.record(name)["resources"]["peak_memory_bytes"] for name in ("large", "little")
    )
    assert large - little > 250 * MIB
    with unserved():
        bench.run(models[1:], [bench.task("one")], overwrite="always")
    fresh = bench.record("little")["resources"]["peak_memory_bytes"]
    assert fresh - 64 * MIB < little < fresh + 16 * MIB


def test_killed_server_costs_nothing(bench: Any) -> None:
    """Jobs that it forked go on, how they end is known, and another server takes its place."""
    ends = {"one": "pass", "two": "os.kill(os.getpid(), signal.SIGSEGV)", "three": "pass"}
    models = [
        bench.generator(name, WAITS.format(name=name, then=then)) for name, then in ends.items()
    ]
    killed: list[int] = []

    def listen(event: Any) -> None:
        if isinstance(event, JobPhase) and event.phase == "fit" and not event.learning:
            said = bench.plugins / f"{event.name}.pid"
            assert wait(said.exists, 30)
            (server,) = servers_of(os.getpid(), int(said.read_text()))
            killed.append(server.pid)
            server.kill()
            (bench.plugins / f"{event.name}.go").touch()

    assert run_benchmark(bench.options(models, [bench.task("task")]), listen).statuses == {
        "ok": 2,
        "crashed": 1,
    }
    assert len(set(killed)) == 3
    assert bench.record("two")["error"]["signal"] == "SIGSEGV"
    assert all_gone(killed, 5)


def test_killed_run_takes_its_server_along(bench: Any) -> None:
    """And the job that the server had forked."""
    model = bench.generator("waits", WAITS.format(name="waits", then="pass"))
    said = bench.plugins / "waits.pid"
    command = [sys.executable, str(DRIVER), str(bench.out), bench.task("one"), "", model]
    with subprocess.Popen(command) as run:
        assert wait(said.exists, 60)
        job = int(said.read_text())
        (server,) = servers_of(run.pid, job)
        run.kill()
    assert all_gone([job, server.pid], 10)


@pytest.mark.timeout(900)
def test_where_nobody_adopts_children_start_by_themselves(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server forked and this process did not get is left to end."""
    monkeypatch.setattr(fork_server, "_SET_SUBREAPER", 2**15)  # a system that knows no such thing
    bench.run([bench.generator("witness", WITNESS)], [bench.task("one")], **AGAIN)
    assert bench.record("witness")["status"] == "ok"
    assert json.loads((bench.plugins / "seen").read_text())["module"] == "genobench.run.worker"


def test_where_none_can_be_had_none_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second child does not wait for a second server."""
    monkeypatch.setattr(fork_server, "_SET_SUBREAPER", 2**15)
    started: list[Any] = []
    popen: Any = subprocess.Popen

    def noted(*args: Any, **more: Any) -> Any:
        started.append(args)
        return popen(*args, **more)

    monkeypatch.setattr(subprocess, "Popen", noted)
    variables = Slot(0, "cpu", "", 1).variables()
    with ForkServers() as servers, open(os.devnull) as null:  # noqa: PTH123
        for said in ("No child processes", "none could be had before"):
            with pytest.raises(fork_server.ServerLostError, match=said):
                servers.fork(variables, (null.fileno(),) * 3)
    assert len(started) == 1


def test_each_environment_has_its_server() -> None:
    """What was forked outlives the server, and ends with the pipe that its orders come through."""
    variables = Slot(0, "cpu", "", 1).variables()
    children = {}
    with ForkServers() as servers:
        for mark in ("a", "b", "a"):
            orders, ours = os.pipe()
            child = servers.fork({**variables, "MARK": mark}, (orders, 1, 1))
            os.close(orders)
            children[child] = ours
            assert f"MARK={mark}".encode() in Path(f"/proc/{child.pid}/environ").read_bytes()
        assert len(servers_of(os.getpid(), *(c.pid for c in children))) == 2
    assert not servers_of(os.getpid(), *(c.pid for c in children))
    time.sleep(0.1)
    for child, ours in children.items():
        assert child.poll() is None
        os.close(ours)
        assert child.wait() == 1
        assert child.poll() == 1

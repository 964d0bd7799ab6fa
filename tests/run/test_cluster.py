"""Jobs on a Dask cluster: the same records, whatever becomes of its workers."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from genobench.errors import GenobenchError
from genobench.run import cluster_parcel, cluster_worker, environment
from genobench.run.benchmark import plan, run_benchmark
from genobench.run.cluster_crew import Crew
from genobench.run.cluster_entry import parsed, surroundings
from genobench.run.cluster_parcel import pack, pieces, unpacked
from genobench.run.cluster_slurm import slurm_cluster
from genobench.run.events import Event, JobFinished, JobPhase, JobStarted, Said
from genobench.run.job import Device

from .processes import Dask, all_gone, gone, wait

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A scheduler with two workers, for the tests that leave them as they are."""
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    try:
        for _ in range(2):
            cluster.worker()
        yield cluster
    finally:
        cluster.stop()


def left(dask: Dask) -> list[Path]:
    """Files of any run that lie on the workers."""
    scratch = dask.folder / "dask-scratch-space"
    assert scratch.is_dir()
    every = [Path(folder, name) for folder, _, names in os.walk(scratch) for name in names]
    return [path for path in every if "genobench" in path.relative_to(scratch).parts]


def measured(record: dict[str, Any]) -> Any:
    """What a record says of the outcome, without what it cost."""
    scores = {
        task: {
            name: {k: v for k, v in metric.items() if k != "seconds"}
            for name, metric in score["metrics"].items()
        }
        for task, score in record["scores"].items()
    }
    parts = ("key", "software", "inputs", "status", "environment", "determinism", "outputs")
    job = {k: v for k, v in record["job"].items() if k != "budget"}
    budget = {k: v for k, v in record["job"]["budget"].items() if k != "memory_bytes"}
    return {part: record[part] for part in parts}, job, budget, scores


def test_records_are_those_of_a_local_run(bench: Any, dask: Dask, tmp_path: Path) -> None:
    """Keys, samples and metric values; events tell the same; nothing is left on the workers."""
    floor = bench.generator("floor", card='role = "floor"')
    broken = "def fit(self, *a, **k): raise ValueError('no')"
    models = [bench.generator("sound"), floor, bench.generator("broken", broken)]
    tasks = [bench.task("one"), bench.task("two")]

    def told() -> Any:
        kinds = (JobStarted, JobPhase, JobFinished)
        return sorted(
            (type(e).__name__, e.name, e.seed, getattr(e, "phase", ""), getattr(e, "status", ""))
            for e in bench.events
            if isinstance(e, kinds) and getattr(e, "learning", None) is None
        )

    here = bench.run(models, tasks, seeds=(0, 1), jobs=2)
    events_here = told()
    records = {r["key"]: r for r in bench.store.records()}
    samples = {p.name: np.load(p) for p in (bench.out / "samples").iterdir()}
    for folder in ("records", "samples", "references", "logs"):
        for path in (bench.out / folder).iterdir():
            path.unlink()
    there = bench.run(models, tasks, seeds=(0, 1), jobs=None, cluster=dask.address)
    assert there.statuses == here.statuses == {"ok": 4, "failed": 2}, there.problems
    assert told() == events_here
    again = {r["key"]: r for r in bench.store.records()}
    assert again.keys() == records.keys()
    for key, record in records.items():
        assert measured(again[key]) == measured(record)
    for name, sample in samples.items():
        np.testing.assert_array_equal(np.load(bench.out / "samples" / name), sample)
    error = bench.store.records()[0]["error"] or next(
        r["error"] for r in again.values() if r["error"]
    )
    assert (error["type"], error["message"]) == ("ValueError", "no")
    assert "ValueError: no" in "".join(p.read_text() for p in (bench.out / "logs").iterdir())
    assert not left(dask)
    before = (bench.out / "records").stat().st_mtime_ns
    assert bench.run(models, tasks, seeds=(0, 1), cluster=dask.address).kept == 6
    assert (bench.out / "records").stat().st_mtime_ns == before


HANGS_ONCE = """
def fit(self, train, validation, *, seed, budget):
    marker = Path("{marker}")
    if not marker.exists():
        helper = subprocess.Popen(["sleep", "300"])
        marker.with_suffix(".new").write_text(f"{{os.getppid()}} {{os.getpid()}} {{helper.pid}}")
        marker.with_suffix(".new").rename(marker)
        time.sleep(300)
    return super().fit(train, validation, seed=seed, budget=budget)
"""


def test_killed_worker_costs_a_retry(bench: Any, scheduler: Dask, tmp_path: Path) -> None:
    """Of the job that it ran; the run completes, and the job's log tells."""
    marker = tmp_path / "pids"
    models = [bench.generator("hangs", HANGS_ONCE.format(marker=marker)), bench.generator("sound")]
    scheduler.worker()
    scheduler.worker()
    pids: list[int] = []

    def listen(event: Event) -> None:
        bench.events.append(event)
        if (
            isinstance(event, JobPhase)
            and (event.name, event.phase) == ("hangs", "fit")
            and not pids
        ):
            assert wait(marker.exists, 30)
            pids.extend(map(int, marker.read_text().split()))
            os.kill(pids[0], signal.SIGKILL)  # the worker

    options = bench.options(models, [bench.task("one")], seeds=(0, 1), jobs=None,
                            cluster=scheduler.address)  # fmt: skip
    bench.events = []
    summary = run_benchmark(options, listen)
    assert summary.statuses == {"ok": 4}, summary.problems
    assert all_gone(pids, 5)
    (retold,) = [e.text for e in bench.events if isinstance(e, Said) and "attempt" in e.text]
    assert re.match(r"hangs seed \d: its worker tcp://.* was lost .*attempt 1 of 3", retold)
    logs = [p.read_text() for p in (bench.out / "logs").iterdir()]
    assert sum("worker lost in fit" in log for log in logs) == 1
    lost = [record["resources"].get("lost_workers", 0) for record in bench.store.records()]
    assert sorted(lost) == [0, 0, 0, 1]
    ends = [
        (e.name, e.seed) for e in bench.events if isinstance(e, JobFinished) and e.what == "fit"
    ]
    assert sorted(ends) == [(m, s) for m in ("hangs", "sound") for s in (0, 1)]


def test_job_that_brings_workers_down_is_given_up(bench: Any, scheduler: Dask) -> None:
    """After three of them; others are done."""
    deadly = "def fit(self, *a, **k): os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"
    models = [bench.generator("deadly", deadly), bench.generator("sound")]
    for _ in range(4):
        scheduler.worker()
    summary = bench.run(models, [bench.task("one")], jobs=None, cluster=scheduler.address)
    assert summary.statuses == {"ok": 1, "failed": 1}
    error = bench.record("deadly")["error"]
    assert error["type"] == "WorkerLost"
    assert "lost 3 times, last in" in error["message"]


def test_crash_in_a_score_costs_that_score(bench: Any, dask: Dask) -> None:
    """The others are scored on the stored sample, which travels to a worker again."""
    crash = "def score(self, *a, **k): os.kill(os.getpid(), signal.SIGSEGV)"
    models, tasks = [bench.generator("sound")], [bench.task("crash", crash), bench.task("one")]
    summary = bench.run(models, tasks, jobs=None, cluster=dask.address)
    assert summary.statuses == {"scores failed": 1}
    record = bench.record("sound")
    assert record["scores"]["crash"]["error"]["signal"] == "SIGSEGV"
    assert "metrics" in record["scores"]["one"]
    bench.run(models, [*tasks, bench.task("two")], jobs=None, cluster=dask.address)
    after = bench.record("sound")
    assert after["started"] == record["started"], "a new task refits nothing"
    assert "metrics" in after["scores"]["two"]


def test_cancelled_run_leaves_nothing_running(bench: Any, dask: Dask, tmp_path: Path) -> None:
    """Children on the workers are stopped; the workers take the next run."""
    marker = tmp_path / "pids"
    models, tasks = (
        [bench.generator("hangs", HANGS_ONCE.format(marker=marker))],
        [bench.task("one")],
    )

    def listen(event: Event) -> None:
        if isinstance(event, JobPhase) and event.phase == "fit":
            assert wait(marker.exists, 30)
            raise KeyboardInterrupt

    options = bench.options(models, tasks, cluster=dask.address)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(options, listen)
    worker, *children = map(int, marker.read_text().split())
    assert wait(lambda: all(map(gone, children)), 5)
    assert not gone(worker)
    assert wait(lambda: not left(dask), 5)
    assert not bench.store.records()
    assert run_benchmark(options).statuses == {"ok": 1}


DRIVER = """
import sys
from pathlib import Path
from genobench.data.prepare import DataSpec
from genobench.run.benchmark import RunOptions, run_benchmark

class Toy(DataSpec):
    key = "0" * 64

run_benchmark(RunOptions(Path(sys.argv[1]), (sys.argv[3],), (sys.argv[4],), data=Toy("toy"),
              seeds=(0,), device="cpu", cluster=sys.argv[2]))
"""


def test_killed_run_leaves_nothing_running(bench: Any, dask: Dask, tmp_path: Path) -> None:
    """Workers notice that nobody waits for their job; the people's genotypes are removed."""
    marker = tmp_path / "pids"
    model = bench.generator("hangs", HANGS_ONCE.format(marker=marker))
    words = [str(bench.out), dask.address, model, bench.task("one")]
    with subprocess.Popen([sys.executable, "-c", DRIVER, *words]) as run:
        assert wait(marker.exists, 60)
        assert [p for p in left(dask) if p.name == "train.npy"]
        run.kill()
    worker, *children = map(int, marker.read_text().split())
    assert wait(lambda: all(map(gone, children)), 15)
    assert not gone(worker)
    assert wait(lambda: not left(dask), 5)


def test_lost_scheduler_ends_the_run(bench: Any, scheduler: Dask, tmp_path: Path) -> None:
    """The message says what to do; what was finished is neither lost nor repeated."""
    marker = tmp_path / "pids"
    models = [
        bench.generator("sound", card='role = "floor"'),
        bench.generator("hangs", HANGS_ONCE.format(marker=marker)),
    ]
    tasks = [bench.task("one")]
    scheduler.worker()

    def listen(event: Event) -> None:
        if isinstance(event, JobPhase) and (event.name, event.phase) == ("hangs", "fit"):
            assert wait(marker.exists, 30)
            scheduler.scheduler.kill()

    options = bench.options(models, tasks, jobs=None, cluster=scheduler.address)
    with pytest.raises(GenobenchError, match="run the same command again; only what is missing"):
        run_benchmark(options, listen)
    children = [int(pid) for pid in marker.read_text().split()[1:]]
    assert wait(lambda: all(map(gone, children)), 15)
    before = bench.record("sound")
    assert [t.job.model for t in plan(bench.options(models, tasks)).remaining] == ["hangs"]
    assert bench.run(models, tasks).statuses == {"ok": 2}
    assert bench.record("sound") == before


def test_workers_of_this_machine(bench: Any) -> None:
    """local:2 starts them and stops them."""
    summary = bench.run([bench.generator("sound")], [bench.task("one")], seeds=(0, 1), jobs=None,
                        cluster="local:2")  # fmt: skip
    assert summary.statuses == {"ok": 2}, summary.problems
    assert not [p for p in psutil.Process().children(recursive=True) if "spawn" in p.cmdline()]


def certificate(folder: Path) -> tuple[Path, Path, Path]:
    """One that signs itself, as authority, certificate and key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    key, signed = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=genobench",
         "-days", "1", "-keyout", str(key), "-out", str(signed)],
        check=True, capture_output=True,
    )  # fmt: skip
    return signed, signed, key


def test_encrypted_cluster(bench: Any, tmp_path: Path) -> None:
    """Three files at both ends; without them there is no connection."""
    tls = certificate(tmp_path)
    cluster = Dask(tmp_path, tls=tls)
    models, tasks = [bench.generator("sound")], [bench.task("one")]
    try:
        cluster.worker()
        summary = bench.run(models, tasks, cluster=cluster.address, cluster_tls=tls)
        assert summary.statuses == {"ok": 1}, summary.problems
        with pytest.raises(GenobenchError, match=r"no Dask scheduler can be reached there .*TLS"):
            bench.run(models, tasks, seeds=(1,), cluster=cluster.address)
    finally:
        cluster.stop()


PROFILE = """
queue = "gpu"
account = "genetics"
cores = 8
memory = "64GB"
walltime = "12:00:00"
gpus = 1
workers = 4
directives = ["--exclude=node7"]
setup = ["module load cuda"]
local_directory = "/scratch"
"""


def test_slurm_job_script(tmp_path: Path) -> None:
    """Every field of the profile is in what Slurm gets; the worker takes as many jobs as told."""
    path = tmp_path / "profile.toml"
    path.write_text(PROFILE)
    where = parsed(f"slurm:{path}", ())
    assert where.profile is not None
    with slurm_cluster(where.profile) as cluster:
        script = cluster.job_script()
        assert not cluster.workers, "nothing is submitted before it is scaled"
    directives = [
        line.removeprefix("#SBATCH ") for line in script.splitlines() if "#SBATCH" in line
    ]
    assert directives == [
        "-J genobench",
        "-p gpu",
        "-A genetics",
        "-n 1",
        "--cpus-per-task=8",
        "--mem=60G",
        "-t 12:00:00",
        "--gres=gpu:1",
        "--exclude=node7",
    ]
    setup, worker = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert setup == "module load cuda"
    assert "--nthreads 8 " in worker
    assert "--local-directory /scratch " in worker
    assert worker.endswith("--resources genobench=1")
    found = surroundings(where, "auto", None)
    assert (found.device, found.jobs) == ("cuda", 4)
    assert found.memory_bytes == int(0.9 * 64e9)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cores = 0", "cores = 0: a whole number"),
        ("cores = true", "cores = True"),
        ('partition = "gpu"', "unknown partition; a profile has cores"),
        ("memory = 64", "memory = 64: a text"),
        ('memory = "much"', 'memory = "much"'),
        ("gpus = 2", "ask for more workers"),
        ('setup = "module load"', "a list of texts"),
        ("jobs_per_worker = 9", "on 8 cores"),
        ("cores = ", "not a readable profile"),
        ("", "walltime is missing"),
    ],
)
def test_wrong_profile_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """With the file, the field and what it should be."""
    path = tmp_path / "profile.toml"
    field = line.partition(" =")[0]
    good = {"cores": "cores = 8", "memory": 'memory = "8GB"', "walltime": 'walltime = "1:00:00"'}
    if not line:
        del good["walltime"]
    lines = [text for name, text in good.items() if name != field]
    path.write_text("\n".join([*lines, line]))
    with pytest.raises(GenobenchError, match=re.escape(words)) as refused:
        parsed(f"slurm:{path}", ())
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "tls", "words"),
    [
        ("local:0", (), "one of tcp://HOST:PORT"),
        ("somewhere", (), "slurm:profile.toml"),
        ("tcp://host", (), "one of tcp://HOST:PORT"),
        ("tcp://login1:8786", (), "would travel in the clear"),
        ("tcp://10.0.0.1:8786", (), "--cluster-tls none where the network is yours alone"),
        ("slurm:nowhere.toml", (), "nowhere.toml: not a readable profile"),
        ("tls://host:1", ("ca.pem",), "ca.pem,cert.pem,key.pem"),
        ("", ("ca.pem",), "without --cluster"),
    ],
)
def test_wrong_words_cost_nothing(bench: Any, text: str, tls: tuple[str, ...], words: str) -> None:
    """They are answered before anything is run or connected."""
    options = bench.options(
        ["hwe"], [bench.task("one")], cluster=text, cluster_tls=tuple(map(Path, tls))
    )
    with pytest.raises(GenobenchError, match=re.escape(words)):
        run_benchmark(options)


def test_nobody_there_is_said(bench: Any) -> None:
    """With the commands that start somebody."""
    options = bench.options([bench.generator("sound")], [bench.task("one")], memory_bytes=2**30,
                            cluster="tcp://127.0.0.1:9")  # fmt: skip
    with pytest.raises(GenobenchError, match=r"can be reached there.*dask scheduler"):
        run_benchmark(options)


def test_without_dask_the_message_says_what_to_install(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And runs on this machine do without it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GenobenchError, match=r"pip install 'genobench\[cluster\]'"):
        parsed("local:2", ())
    monkeypatch.undo()
    code = "import sys; import genobench.run.benchmark; sys.exit('distributed' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


class Asked:
    """A client whose scheduler knows these workers."""

    status = "running"

    def __init__(self, **answers: dict[str, Any]) -> None:
        here = {"software": environment.software(), "host": "node", "cores": range(8)}
        usual = {**here, "gpus": [], "memory": 2**34}
        self.answers = {name: {**usual, **answer} for name, answer in answers.items()}
        self.known: dict[str, dict[str, Any]] = {
            name: {"nthreads": 4, "memory_limit": 2**33} for name in answers
        }

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": self.known}

    def sync(self, function: Any, *given: Any, callback_timeout: float, **more: Any) -> Any:
        return function(*given, **more)

    def _run(self, function: Any, *, workers: list[str], on_error: str) -> dict[str, Any]:
        return {name: self.answers[name] for name in workers}


def crew(client: Asked, device: Device | None = "cpu") -> tuple[Crew, list[str]]:
    said: list[str] = []
    found = Crew(client, "tcp://x:1", device, said.append)
    found.look()
    return found, said


def test_jobs_share_what_a_worker_has() -> None:
    """As many as it declares, each with its threads; else one per thread, of shared cores."""
    client = Asked(a={}, b={}, c={"host": "other"})
    client.known["c"]["resources"] = {"genobench": 2}
    found, _ = crew(client)
    places = found.places
    assert [places[name].jobs for name in "abc"] == [4, 4, 2]
    assert [found.slot(places[name], 0).threads for name in "abc"] == [1, 1, 2]
    assert found.memory_share(places["a"]) == 2**31
    assert found.slot(places["a"], 0).gpu == ""


def test_one_gpu_for_each_worker() -> None:
    """Workers of one machine that see the same GPUs get one each, in turn; others what they see."""
    both = {"gpus": ["GPU-1", "GPU-2"]}
    client = Asked(a=both, b=both, c={"gpus": ["0"]}, d={})
    found, said = crew(client, "cuda")
    assert {name: (p.gpu, p.jobs) for name, p in found.places.items()} == {
        "a": ("GPU-1", 1), "b": ("GPU-2", 1), "c": ("0", 1),
    }  # fmt: skip
    assert said == ["worker d is not used: it sees no GPU (--device cuda)"]


def test_worker_with_other_software_is_left_aside() -> None:
    """Its numbers would not be comparable; when there is no other worker, the run ends."""
    other = {"software": {**environment.software(), "torch": "0.1"}}
    found, said = crew(Asked(a={}, b=other))
    found.require()
    assert list(found.places) == ["a"]
    assert said[0].startswith("worker b is not used: other software than here: torch 0.1 (here: ")
    found, _ = crew(Asked(b=other))
    with pytest.raises(GenobenchError, match="no worker can be used: other software"):
        found.require()


def test_only_what_a_job_reads_travels(bench: Any) -> None:
    """Once per content, in pieces that are put together again; never where the data lay."""
    folder = bench.store.data_folder(bench.data.key)
    (folder / "options.local.txt").write_text("--data /home/me/cohort.bed")
    spec = bench.generator("sound")
    order = {"mode": "job", "fit": True, "data": str(folder), "spec": spec, "sample": "/x/s.npy",
             "tasks": [{"spec": "fidelity", "reference": str(folder / "trait.json")}]}  # fmt: skip
    parcel = pack(order)
    names = sorted(name for bundle in parcel.bundles for name in bundle.files)
    assert len(parcel.bundles) == 3
    assert {"sound.py", "sound.toml", "train.npy", "train.samples.tsv", "variants.tsv"} < set(names)
    assert not [name for name in names if "options" in name]
    assert parcel.result == Path("/x/s.npy")
    assert str(folder) not in str(parcel.order)
    there = unpacked(parcel.order, Path("/w/bundles"), Path("/w/own"))
    assert there["sample"] == "/w/own/made"
    assert re.fullmatch(r"/w/bundles/\w{64}/sound.py:Mine", there["spec"])
    assert there["tasks"][0]["spec"] == "fidelity"
    assert pack(order).bundles[0].key == parcel.bundles[0].key


@pytest.mark.parametrize("size", [0, 1, 4, 8, 9])
def test_pieces_make_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Whatever its size, that of one piece and none included."""
    monkeypatch.setattr(cluster_parcel, "PIECE_BYTES", 4)
    path, content = tmp_path / "file", bytes(range(size))
    path.write_bytes(content)
    worker = SimpleNamespace(local_directory=str(tmp_path / "worker"))
    for at, piece in pieces(path):
        assert len(piece) <= 4
        cluster_worker.receive("run", "a.part/file", at, piece, dask_worker=worker)
    cluster_worker.settle("run", "a", dask_worker=worker)
    assert cluster_worker.hand_out("run", "a/file", 0, 99, dask_worker=worker) == content
    cluster_worker.discard("run", dask_worker=worker)
    assert not list((tmp_path / "worker").rglob("file"))


# Like Slurm's, it keeps a copy: dask-jobqueue deletes the script as soon as it is submitted.
SBATCH = """#!/bin/sh
copy=$(mktemp "$0.XXXXXX")
cp "$1" "$copy"
sh "$copy" >"$copy.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
echo "$@" >>"$0.log"
kill "$@" 2>/dev/null
true
"""


@pytest.mark.parametrize("wire", ["plain", "own", "files"])
def test_workers_are_submitted_and_cancelled(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wire: str
) -> None:
    """With commands in Slurm's place that run the job script here; encrypted unless told not to."""
    if wire == "own":
        pytest.importorskip("cryptography")
    tls = {"plain": (Path("none"),), "own": ()}
    given = tls[wire] if wire in tls else certificate(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    path = tmp_path / "profile.toml"
    path.write_text(
        'cores = 2\nmemory = "2GB"\nwalltime = "0:10:00"\ninterface = "lo"\n'
        f'local_directory = "{tmp_path}/scratch"\n'
    )
    summary = bench.run([bench.generator("sound")], [bench.task("one")], jobs=None,
                        cluster=f"slurm:{path}", cluster_tls=given)  # fmt: skip
    assert summary.statuses == {"ok": 1}, summary.problems
    record = bench.record("sound")
    assert record["environment"]["threads"] == 2
    assert record["job"]["budget"]["memory_bytes"] == int(0.9 * 2e9)
    assert (tmp_path / "scancel.log").read_text().split()
    (log,) = tmp_path.glob("sbatch.*.log")
    assert ("tls://" in log.read_text()) == (wire != "plain")
    assert not list(tmp_path.glob(".dask-jobqueue*")), "certificates of the run are removed"


def test_own_certificates_need_what_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before anything is submitted."""
    path = tmp_path / "profile.toml"
    path.write_text(PROFILE)
    where = parsed(f"slurm:{path}", ())
    assert where.profile is not None
    monkeypatch.setattr(
        "genobench.run.cluster_slurm.importlib.util.find_spec",
        lambda name: None if name == "cryptography" else object(),
    )
    with pytest.raises(GenobenchError, match="needs cryptography"):
        slurm_cluster(where.profile, True)


def test_open_network_is_for_those_who_say_so() -> None:
    """The loopback needs no word; other machines do."""
    assert not parsed("tcp://127.0.0.1:8786", ()).in_the_clear
    there = parsed("tcp://login1:8786", (Path("none"),))
    assert (there.in_the_clear, there.tls) == (True, ())


def test_frozen_worker_is_given_up(
    bench: Any, scheduler: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it does not answer in time, its job goes to another one."""
    monkeypatch.setattr("genobench.run.cluster_crew.ANSWER_SECONDS", 3)
    frozen = scheduler.worker("--name", "frozen")
    models, tasks = [bench.generator("sound")], [bench.task("one")]
    bench.run(models, tasks, cluster=scheduler.address)
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, JobStarted) and not told:
            told.append("frozen")
            scheduler.worker()
            frozen.send_signal(signal.SIGSTOP)
        if isinstance(event, Said):
            told.append(event.text)

    options = bench.options(models, tasks, seeds=(1,), cluster=scheduler.address)
    assert run_benchmark(options, listen).statuses == {"ok": 1}
    assert any("does not answer" in text and "attempt 1 of 3" in text for text in told), told


def test_jobs_see_the_gpu_of_their_worker(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One each; nothing here needs a real one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    looks = f"""
        def fit(self, train, validation, *, seed, budget):
            assert budget.device == "cuda"
            with Path("{tmp_path}/seen").open("a") as file:
                file.write(os.environ["CUDA_VISIBLE_DEVICES"] + "\\n")
            time.sleep(1)
            return super().fit(train, validation, seed=seed, budget=budget)
    """
    models, tasks = [bench.generator("looks", looks)], [bench.task("one")]
    summary = bench.run(models, tasks, seeds=range(4), jobs=None, device="cuda", cluster="local:2")
    assert summary.statuses == {"ok": 4}, summary.problems
    assert set((tmp_path / "seen").read_text().split()) == {"5", "6"}

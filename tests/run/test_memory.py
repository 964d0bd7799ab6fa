"""A fit that runs out of memory is tried again with smaller batches, and its record says so."""

from __future__ import annotations

import re
import signal
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cli import main
from genobench.errors import GenobenchError
from genobench.run import record, repeat
from genobench.run.benchmark import run_benchmark
from genobench.run.child import Ended
from genobench.run.events import JobFinished, JobStarted, Said
from genobench.run.job import Job, Limits, recorded_job
from genobench.run.lifeline import out_of_memory
from genobench.run.plan import decide
from genobench.run.request import resolve
from genobench.run.retries import AT_MOST, SMALLEST, Retries, batch_sizes, halved

from .processes import Dask

MEMORY = 2**30  # of each job
AMPLE: dict[str, Any] = {"memory_bytes": MEMORY, "timeout_seconds": 900.0}
# Each try notes its batch; `short` runs out of memory in its own way when the batch is too large.
BATCHED = """
batch: int = {batch}

def fit(self, train, validation, *, seed, budget):
    with Path({tries!r}).open("a") as file:
        file.write(f"{{self.batch}}\\n")
    if self.batch > {fits}:
        self.short()
    return super().fit(train, validation, seed=seed, budget=budget)

def sample(self, labels, *, seed):
    return super().sample(labels, seed=seed + self.batch)
"""
RAISES = {
    "device": """
        def short(self):
            import torch
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    """,
    "torch": """
        def short(self):
            import torch
            torch.empty(2**45)
    """,
    "wrapped": """
        def short(self):
            try:
                np.empty(2**50)
            except MemoryError as error:
                raise ValueError("the matrix of distances cannot be made") from error
    """,
}
# grows until it is stopped, or to just below its limit, where somebody kills it
EATS = """
def short(self):
    import psutil
    heap, most = [], {most}
    while psutil.Process().memory_info().rss < most:
        heap.append(np.ones(32 * 2**20, dtype=np.int8))
        time.sleep(0.01)
    time.sleep({rest})
    os.kill(os.getpid(), signal.SIGKILL)
"""


LATE = """
def sample(self, labels, *, seed):
    raise MemoryError("no room")
"""


def batched(
    bench: Any, name: str, short: str, *, batch: int = 256, fits: int = 64, card: str = ""
) -> str:
    """A generator with a batch, whose fit takes too much memory unless it is ``fits`` or less."""
    body = BATCHED.format(batch=batch, fits=fits, tries=str(bench.plugins / f"{name}.tries"))
    spec: str = bench.generator(name, body + textwrap.dedent(short), card)
    with (bench.plugins / f"{name}.py").open("a") as file:
        file.write("\nMine = dataclass(Mine)\n")
    return spec


def tries(bench: Any, name: str) -> list[int]:
    """Batches of the fits of a generator, in their order."""
    return [int(line) for line in (bench.plugins / f"{name}.tries").read_text().split()]


@pytest.fixture(scope="module")
def after(shared_bench: Any) -> Any:
    """The store after all of them have run."""
    bench = shared_bench
    eats = EATS.format(most=2 * MEMORY, rest=60)
    killed = EATS.format(most=int(0.9 * MEMORY), rest=3)
    raises = "def short(self): raise MemoryError('no room')"
    models = [
        *(batched(bench, name, body) for name, body in RAISES.items()),
        batched(bench, "host", eats, fits=128),
        batched(bench, "killed", killed, fits=128),
        batched(bench, "never", raises, batch=40, fits=0),
        batched(bench, "huge", raises, batch=4096, fits=0),
        batched(bench, "two", raises, card="[settings.smoke]\nbatch = 100\n"),
        bench.generator("unbatched", "def fit(self, *a, **k): raise MemoryError('no room')"),
        batched(bench, "late", LATE, fits=256),
        batched(bench, "broken", "def short(self): raise ValueError('odd')"),
    ]  # fmt: skip
    bench.models, bench.tasks = models, [bench.task("one")]
    bench.summary = bench.run(models, bench.tasks, jobs=2, **AMPLE)
    return bench


@pytest.mark.parametrize(
    ("model", "batches", "what"),
    [
        ("device", [256, 128, 64], "OutOfMemoryError: CUDA out of memory"),
        ("torch", [256, 128, 64], "RuntimeError: .*can't allocate memory"),
        ("wrapped", [256, 128, 64], "ValueError: the matrix of distances"),
        ("host", [256, 128], r"MemoryLimit: stopped .* over its memory limit \(--memory\)"),
        ("killed", [256, 128], "OutOfMemoryKill: died of SIGKILL in fit"),
        ("two", [100, 50], "MemoryError: no room"),
    ],
)
def test_fit_is_tried_with_smaller_batches(
    after: Any, model: str, batches: list[int], what: str
) -> None:
    """Half the batch each time until it fits; the record tells, the key is of what was asked."""
    content = after.record(model)
    assert (content["status"], content["error"]) == ("ok", None)
    assert tries(after, model) == batches
    resources = content["resources"]
    assert resources["batch_used"] == {"batch": batches[-1]}
    assert [event["batch"] for event in resources["memory_retries"]] == [
        {"batch": size} for size in batches[:-1]
    ]
    for event in resources["memory_retries"]:
        assert event["phase"] == "fit"
        assert re.match(what, event["what"])
        assert 0 < event["seconds"] < resources["total_seconds"]
    assert content["job"]["settings"] == ({"batch": 100} if model == "two" else {})
    assert recorded_job(content).key == content["key"] or ".py" in content["job"]["spec"]
    assert "gap" in content["scores"]["one"]["metrics"]


def test_retries_are_told(after: Any) -> None:
    """In the progress, as it happens, and in the log; the job is begun again and ends once."""
    said = [e.text for e in after.events if isinstance(e, Said) and e.text.startswith("device")]
    assert said == [
        "device seed 0: out of memory in fit with batch 256; tried again with batch 128 "
        "(retry 1 of 4 at most)",
        "device seed 0: out of memory in fit with batch 128; tried again with batch 64 "
        "(retry 2 of 4 at most)",
    ]
    log = after.store.log_path(after.record("device")["key"]).read_text()
    assert [line for line in log.splitlines() if line.startswith("[out of memory")] == [
        f"[{text.partition(': ')[2]}]" for text in said
    ]
    told = [e for e in after.events if getattr(e, "name", "") == "device"]
    assert sum(isinstance(e, JobStarted) for e in told) == 3
    assert sum(isinstance(e, JobFinished) for e in told) == 1


@pytest.mark.parametrize(
    ("model", "batches", "words"),
    [
        ("never", [40, 20, 16], "tried with batch 40, batch 20, batch 16 and no smaller"),
        ("huge", [4096, 2048, 1024, 512, 256], "batch 512, batch 256 and no smaller"),
        ("unbatched", [], "it has no setting `batch` that could be lowered"),
    ],
)
def test_what_never_fits_is_a_failure(
    after: Any, model: str, batches: list[int], words: str
) -> None:
    """Of status ``memory``, with what was tried and what to do."""
    content = after.record(model)
    assert (content["status"], content["phase"]) == ("memory", "fit")
    message = content["error"]["message"]
    assert message.startswith("no room; ")
    assert words in message
    assert "--memory" in message
    assert content["scores"] == {}
    if batches:
        assert tries(after, model) == batches
        assert len(content["resources"]["memory_retries"]) == len(batches) - 1
        assert content["resources"]["batch_used"] == {"batch": batches[-1]}
    else:
        assert not {"memory_retries", "batch_used"} & set(content["resources"])


def test_other_failures_are_not_retried(after: Any) -> None:
    """Whatever is not memory, and memory that runs out while people are sampled."""
    assert (after.record("broken")["status"], tries(after, "broken")) == ("failed", [256])
    late = after.record("late")
    assert (late["status"], late["phase"], tries(after, "late")) == ("memory", "sample", [256])
    assert "memory_retries" not in late["resources"]


def test_nothing_is_repeated(after: Any) -> None:
    """A job that was fitted with a smaller batch is done."""
    counts = {name: tries(after, name) for name in ("device", "host", "never")}
    again = after.run(after.models, after.tasks, jobs=2, **AMPLE)
    assert again.kept == len(after.models)
    assert {name: tries(after, name) for name in counts} == counts


def test_record_is_shown(after: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """``genobench show`` says which batch was used, and why."""
    key = after.record("device")["key"]
    assert main(["show", key, "--out", str(after.out)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "batch_used batch 64" in text
    assert "batch 256 in fit: OutOfMemoryError: CUDA out of memory." in text
    assert "processors_busy" in text


def test_repetition_begins_with_the_batch_that_fitted(bench: Any) -> None:
    """And makes the same sample; a fit for a round trip does so too."""
    spec = batched(bench, "mine", RAISES["wrapped"] + TRIP)
    bench.run([spec], [bench.task("one")], **AMPLE)
    before = bench.record("mine")
    assert tries(bench, "mine") == [256, 128, 64]
    trip = bench.task("trip")
    path = Path(trip.rpartition(":")[0]).with_suffix(".toml")
    path.write_text('needs = ["reconstruct"]\n' + path.read_text())
    bench.run([spec], [trip], **AMPLE)
    assert "metrics" in bench.record("mine")["scores"]["trip"]
    assert tries(bench, "mine")[3:] == [64]
    again = repeat.look_up(before, bench.data, model=spec, device=None)
    after = repeat.run_again(again, bench.out)
    assert tries(bench, "mine")[4:] == [64]
    assert after["outputs"] == before["outputs"]
    assert after["resources"]["batch_used"] == {"batch": 64}
    assert "memory_retries" not in after["resources"]


TRIP = """
        def reconstruct(self, genotypes):
            return np.array(genotypes)
"""


def test_interrupted_between_two_tries(bench: Any) -> None:
    """Nothing is recorded of a job that was to be tried again; it begins anew, with its batch."""
    models = [batched(bench, "mine", RAISES["wrapped"], fits=128)]

    def listen(event: Any) -> None:
        if isinstance(event, Said) and "tried again" in event.text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(bench.options(models, [bench.task("one")], **AMPLE), listen)
    assert not bench.store.records()
    assert bench.run(models, [bench.task("one")], **AMPLE).statuses == {"ok": 1}
    assert tries(bench, "mine") == [256, 256, 128]
    assert len(bench.record("mine")["resources"]["memory_retries"]) == 1


def test_retries_on_a_cluster(bench: Any, scheduler: Dask) -> None:
    """A worker stops what is over its limit, and gets the same job with a smaller batch."""
    pytest.importorskip("distributed")
    models = [
        batched(bench, "host", EATS.format(most=2 * MEMORY, rest=60), fits=128),
        batched(bench, "killed", EATS.format(most=int(0.9 * MEMORY), rest=3), fits=128),
    ]
    scheduler.worker()
    summary = bench.run(models, [bench.task("one")], cluster=scheduler.address, **AMPLE)
    assert summary.statuses == {"ok": 2}, summary.problems
    for model, kind in (("host", "MemoryLimit"), ("killed", "OutOfMemoryKill")):
        resources = bench.record(model)["resources"]
        assert tries(bench, model) == [256, 128]
        assert resources["batch_used"] == {"batch": 128}
        assert resources["memory_retries"][0]["what"].startswith(kind)
        log = bench.store.log_path(bench.record(model)["key"]).read_text()
        assert "tried again with batch 128" in log


@dataclass
class Settings:
    """What a generator may have."""

    batch: int = 256
    vae_batch: int = 24
    batches: int = 7
    warm_batch: float = 0.5
    name: str = "batch"


def test_batches_are_known_by_their_names() -> None:
    """Whole numbers, as they are built; the smallest stay what they are."""
    assert batch_sizes(Settings, {}) == {"batch": 256, "vae_batch": 24}  # type: ignore[arg-type]
    assert batch_sizes(Settings, {"batch": 8})["batch"] == 8  # type: ignore[arg-type]
    assert batch_sizes(object, {"batch": True, "ae_batch": 64}) == {"ae_batch": 64}  # type: ignore[arg-type]
    assert halved({"batch": 256, "vae_batch": 24}) == {"batch": 128, "vae_batch": SMALLEST}
    assert halved({"batch": SMALLEST, "vae_batch": 8}) == {"batch": SMALLEST, "vae_batch": 8}


def ended(seconds: float, **more: Any) -> Ended:
    """A child that ran out of memory."""
    usual = {"stopped": "", "exit_code": 1, "signal": None, "phase": "fit", "error": None}
    return Ended(**{**usual, "finished": False, "seconds": seconds, "last_lines": (), **more})


def test_tries_share_the_time_of_the_job() -> None:
    """None is begun that has less time than the last one took; the limit told is the job's."""
    error = {"type": "MemoryError", "message": "no room"}
    retries = Retries(Limits(100.0, 1), {})
    retries.sizes = {"batch": 256}
    assert retries.take(ended(30.0), error)
    assert (retries.limits.seconds, retries.lowered) == (70.0, {"batch": 128})
    whole = retries.whole(ended(70.0, stopped="timeout", limit=70.0))
    assert (whole.seconds, whole.limit) == (100.0, 100.0)
    retries.sizes = {"batch": 128}
    assert not retries.take(ended(36.0), error)
    assert "too little time was left" in retries.obstacle(36.0)
    assert len(retries.events) == 1 < AT_MOST


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory of the past"), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_errors_that_mean_memory(error: Exception, verdict: bool) -> None:
    """By class or words; numpy's own class is a MemoryError too."""
    assert out_of_memory(error) is verdict
    with pytest.raises(MemoryError) as caught:
        np.empty(2**50)
    assert out_of_memory(caught.value)


def test_killed_by_the_system_or_by_somebody() -> None:
    """A kill is laid to memory when memory was short then; otherwise it is a crash."""
    from genobench.run.ledger import explain

    kill = ended(1.0, exit_code=None, signal=signal.SIGKILL.name)
    assert explain(kill)[0] == "crashed"
    status, error = explain(replace(kill, short_of_memory=True))
    assert (status, error["type"]) == ("memory", "OutOfMemoryKill")
    assert "--jobs" in error["message"]


JOB = Job(
    "mine", "mine", "1" * 64, {}, "smoke", "toy", "0" * 64, "3" * 64, 0, 0, "cuda",
    Limits(60.0, 10**9, 8 * 2**30),
)  # fmt: skip


def test_limit_of_the_device_is_recorded(bench: Any) -> None:
    """It is no part of the key; a fit that ran into it is missing under a larger one."""
    inputs = {f"n_{part}": 1 for part in ("train", "validation", "test", "control")}
    inputs |= {"data": "toy", "trait": "t", "kind": "binary", "m": 1, "split_sha256": "3" * 64}  # type: ignore[dict-item]
    content = record.opened(
        JOB, inputs=inputs, software={"genobench": "0", "python": "3"}, started=record.now()
    )
    content["software"]["plugin_sha256"] = "1" * 64
    error = record.failure(
        kind="OutOfMemoryError", message="no", exit_code=1, signal=None, last_lines=()
    )
    content |= {"status": "memory", "phase": "fit", "error": error}
    with bench.store.locked():
        bench.store.write_record(content)
    known = recorded_job(content)
    assert (known.limits, known.key) == (JOB.limits, JOB.key)
    assert replace(JOB, limits=Limits(60.0, 10**9)).key == JOB.key
    for most, action in ((8 * 2**30, "none"), (16 * 2**30, "fit"), (0, "fit")):
        job = replace(JOB, limits=Limits(60.0, 10**9, most))
        assert decide(bench.store, job, (), "only-missing").action == action


def test_device_memory_needs_a_device(bench: Any) -> None:
    """On processors it would say nothing."""
    options = bench.options(["hwe"], ["fidelity"], device_memory_bytes=2**30)
    with pytest.raises(GenobenchError, match="--device-memory: the jobs run on processors"):
        resolve(options)

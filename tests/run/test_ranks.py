"""One fit in several processes: the same result, and one failure where any of them fails."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench import parallel
from genobench.cli import main
from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.run import ranks, repeat
from genobench.run.child import Slot
from genobench.run.events import Said
from genobench.run.executor import make_slots
from genobench.run.job import recorded_job
from genobench.run.record import check
from genobench.run.request import resolve

from .processes import all_gone

CARD = 'parallel = "ddp"'
TOGETHER: dict[str, Any] = {"gpus_per_fit": 2, "timeout_seconds": 900.0}
# a linear autoencoder, trained on the batches that all ranks draw alike
NETWORK = """
import torch
from genobench import parallel

def fit(self, train, validation, *, seed, budget):
    torch, parallel, nn = self.torch, self.parallel, self.torch.nn
    self.note("pid", os.getpid())
    g = torch.Generator().manual_seed(seed % 2**31)
    x = torch.from_numpy(train.genotypes.astype(np.float32))
    net = nn.Linear(x.shape[1], x.shape[1])
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.1, generator=g)
    model = nn.parallel.DistributedDataParallel(net) if parallel.world() > 1 else net
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    deadline, mine = budget.deadline(), []
    for step in range(12):
        self.fault(step, parallel.rank())
        if parallel.over(deadline):
            break
        part = parallel.share(torch.randperm(len(x), generator=g)[:20])
        mine.append(part.numpy())
        loss = (model(x[part]) - x[part]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        budget.report({"step": step, "loss": loss.item()})
    self.note("people", mine)
    self.w_ = torch.cat([p.detach().flatten() for p in net.parameters()]).numpy()
    self.note("weights", self.w_)
    self.p_ = np.clip(0.5 + self.w_[: x.shape[1]], 0.05, 0.95)
    return self

def note(self, what, value):
    who = f"{self.parallel.rank()}of{self.parallel.world()}"
    np.save(FOLDER / f"{Path(__file__).stem}-{who}-{what}.npy", value)

def state(self):
    return {"p": self.p_, "w": self.w_}

def reconstruct(self, genotypes):
    return np.array(genotypes)

def fault(self, step, rank):
    pass
"""
FAULTS = {
    "raises": "if rank == 1: raise ValueError('broken here')",
    "first_raises": "if rank == 0: raise ValueError('broken there')",
    "lacks_memory": "if rank == 1: raise MemoryError('no room')",
    "leaves": "if rank == 1: sys.exit(0)",
    "vanishes": "if rank == 1: os._exit(0)",
    "killed": "if rank == 1 and step == 3: os.kill(os.getpid(), signal.SIGKILL)",
    "first_killed": "if rank == 0 and step == 3: os.kill(os.getpid(), signal.SIGKILL)",
}


def noted(bench: Any, model: str, rank: int, world: int, what: str) -> Any:
    """What a rank has written down."""
    return np.load(bench.plugins / f"{model}-{rank}of{world}-{what}.npy")


@pytest.fixture(scope="module")
def trained(shared_bench: Any) -> Any:
    """The same network fitted in one process, and in two; and the records of both."""
    bench = shared_bench
    bench.models = [bench.generator("network", NETWORK, CARD), bench.generator("alone", NETWORK)]
    bench.tasks = [bench.task("one")]
    bench.run(bench.models, bench.tasks, timeout_seconds=900.0)
    (bench.before,) = [r for r in bench.store.records() if r["job"]["model"] == "network"]
    bench.summary = bench.run(bench.models, bench.tasks, **TOGETHER)
    (bench.after,) = [r for r in bench.store.records() if "processes" in r["job"]["budget"]]
    return bench


def test_two_processes_learn_what_one_does(trained: Any) -> None:
    """Each sees its share of every batch; their weights are equal, and those of one process."""
    assert trained.summary.statuses == {"ok": 2}
    shares = [noted(trained, "network", rank, 2, "people") for rank in (0, 1)]
    whole = noted(trained, "network", 0, 1, "people")
    assert shares[0].shape == shares[1].shape == (12, 10)
    assert whole.shape == (12, 20)
    for one, two, all_of_it in zip(*shares, whole, strict=True):
        assert set(one) | set(two) == set(all_of_it)
        assert not set(one) & set(two)
    weights = [noted(trained, "network", rank, 2, "weights") for rank in (0, 1)]
    np.testing.assert_array_equal(*weights)
    alone = noted(trained, "network", 0, 1, "weights")
    np.testing.assert_allclose(weights[0], alone, rtol=1e-4, atol=1e-6)


def test_record_says_how_many_there_were(trained: Any) -> None:
    """They belong to the key, and to nobody's whose card does not ask for them."""
    one, two = trained.before, trained.after
    assert two["job"]["budget"]["processes"] == two["environment"]["processes"] == 2
    assert "processes" not in {**one["job"]["budget"], **one["environment"]}
    assert two["key"] != one["key"]
    for record in (one, two):
        check(record, where="record")
        assert recorded_job(record).key == record["key"]
    assert two["resources"]["fit_flops"] == one["resources"]["fit_flops"] > 0
    steps = [point["step"] for point in two["learning"]]
    assert steps == list(range(12)), "rank 1 was heard as well"
    alone = trained.record("alone")
    assert "processes" not in alone["job"]["budget"]
    assert not (trained.plugins / "alone-1of2-pid.npy").exists()


def test_nothing_is_left_of_them(trained: Any) -> None:
    """Neither processes nor the folder in which they met."""
    assert all_gone([int(noted(trained, "network", rank, 2, "pid")) for rank in (0, 1)], 5)
    samples = trained.store.sample_path(trained.after["key"]).parent
    assert [p.name for p in samples.iterdir() if p.suffix != ".npy"] == []


def test_as_many_fit_again_for_a_round_trip(trained: Any) -> None:
    """A score that needs the fit, which is not stored, has it from as many processes."""
    trip = trained.task("trip")
    path = Path(trip.rpartition(":")[0]).with_suffix(".toml")
    path.write_text('needs = ["reconstruct"]\n' + path.read_text())
    (trained.plugins / "network-1of2-pid.npy").unlink()
    trained.run(trained.models[:1], [trip], **TOGETHER)
    after = trained.store.read_record(trained.after["key"])
    assert after["outputs"] == trained.after["outputs"]
    assert "metrics" in after["scores"]["trip"]
    assert (trained.plugins / "network-1of2-pid.npy").exists()


def test_as_many_repeat_it(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """From its record, here in a process that no server forked; `show` has the command."""
    before = trained.after
    again = repeat.look_up(before, trained.data, model=trained.models[0], device=None)
    for rank in (0, 1):
        (trained.plugins / f"network-{rank}of2-pid.npy").unlink()
    after = repeat.run_again(again, trained.out)
    assert after["key"] == before["key"]
    assert after["outputs"] == before["outputs"]
    assert (trained.plugins / "network-1of2-pid.npy").exists()
    capsys.readouterr()
    assert main(["show", before["key"], "--out", str(trained.out), "--json"]) == 0
    assert "--gpus-per-fit 2" in json.loads(capsys.readouterr().out)["repeat"]


def test_models_without_the_word_are_told_of(bench: Any) -> None:
    """Asked for several GPUs where no card has them: one process, and a line that says so."""
    bench.run([bench.generator("plain")], [bench.task("one")], **TOGETHER)
    record = bench.record("plain")
    assert record["status"] == "ok"
    assert "processes" not in record["job"]["budget"]
    said = [e.text for e in bench.events if isinstance(e, Said)]
    assert any("--gpus-per-fit" in text for text in said)


@pytest.fixture(scope="module")
def failed(trained: Any) -> Any:
    """The store after fits in two processes have failed, each in its own way."""
    bench = trained
    models = [
        bench.generator(name, f"{NETWORK}    {fault}\n".replace("    pass\n", ""), CARD)
        for name, fault in FAULTS.items()
    ]
    began = time.monotonic()
    bench.run(models, bench.tasks, jobs=2, **TOGETHER)
    bench.seconds = time.monotonic() - began
    return bench


@pytest.mark.parametrize(
    ("model", "status", "kind", "message"),
    [
        ("raises", "failed", "ValueError", "rank 1 of 2: broken here"),
        ("first_raises", "failed", "ValueError", "broken there"),
        ("lacks_memory", "memory", "MemoryError", "rank 1 of 2: no room"),
        ("leaves", "failed", "GenobenchError", "rank 1 of 2: fit left with sys.exit(0)"),
        ("vanishes", "failed", "Crash", "rank 1 of 2 left with exit code 0 without an exception"),
        ("killed", "failed", "Crash", "rank 1 of 2 died of SIGKILL in fit"),
        ("first_killed", "crashed", "Crash", "died of SIGKILL in fit"),
    ],
)
def test_what_one_fails_with_is_the_failure_of_all(
    failed: Any, model: str, status: str, kind: str, message: str
) -> None:
    """Named in the record, in the phase it happened, without waiting for a time limit."""
    record = failed.record(model)
    assert (record["status"], record["phase"], record["error"]["type"]) == (status, "fit", kind)
    assert record["error"]["message"].startswith(message)
    if kind in ("ValueError", "MemoryError"):
        assert "in fault" in "\n".join(record["error"]["last_lines"]), "no traceback"
    assert all_gone([int(noted(failed, model, rank, 2, "pid")) for rank in (0, 1)], 5)
    assert failed.seconds < ranks.MEETING_SECONDS


def test_ranks_that_part_ways_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who still fits when rank 0 has ended is not waited for without end."""
    monkeypatch.setattr(ranks, "ENDING_SECONDS", 0.2)
    monkeypatch.setattr(ranks, "_start", lambda *_: _Asleep())
    order = {"processes": 3, "meeting": str(tmp_path / "meeting")}
    others = ranks._Others(order, None)  # type: ignore[arg-type]
    with pytest.raises(GenobenchError, match=r"rank 1 of 3 still fits .*parallel\.over"):
        others.finish()
    others.bury()
    others.wait(5)
    assert not others._thread.is_alive()


def test_a_failure_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that ends at once takes with it the place where the ranks met."""
    died = _Asleep()
    died.code = 3
    monkeypatch.setattr(ranks, "_start", lambda *_: died)
    folder = tmp_path / "ranks"
    folder.mkdir()
    messages = _Heard()
    others = ranks._Others(
        {"processes": 2, "meeting": str(folder / "meeting")},
        messages,  # type: ignore[arg-type]
    )
    assert messages.left.wait(10)
    others.bury()
    messages.buried.set()
    assert messages.said == ["rank 1 of 2 left with exit code 3 without an exception in fit"]
    assert not folder.exists()


def test_an_abort_is_not_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one says what it failed with, those that torch aborts for it are its victims."""
    error = {"at": "error", "rank": 1, "type": "OutOfMemoryError", "message": "no room",
             "disk": False, "memory": True}  # fmt: skip

    def start(order: Any, rank: int, write: int) -> _Asleep:
        died = _Asleep()
        died.code = 1 if rank == 1 else -signal.SIGABRT
        if rank == 1:
            os.write(write, json.dumps(error).encode() + b"\n")
        return died

    monkeypatch.setattr(ranks, "_start", start)
    messages = _Heard()
    order = {"processes": 3, "meeting": str(tmp_path / "ranks" / "meeting")}
    others = ranks._Others(order, messages)  # type: ignore[arg-type]
    assert messages.left.wait(10)
    others.bury()
    messages.buried.set()
    assert messages.said == ["rank 1 of 3: no room"]


class _Heard:
    """What a process says at its end, without ending."""

    current = "fit"

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left, self.buried = threading.Event(), threading.Event()

    def send(self, at: str, *, message: str, **_: Any) -> None:
        assert at == "error"
        self.said.append(message)

    def leave(self, code: int) -> None:
        assert code == 1
        self.left.set()
        self.buried.wait(60)


class _Asleep:
    """A process that does nothing until it is killed."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.stdin = io.BytesIO()

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = -9

    def wait(self) -> int | None:
        return self.code


def test_each_rank_sees_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a slot with two devices rank 0 has the first, rank 1 the second."""
    slot = Slot(0, "cuda", "2,GPU-7", 4)
    assert slot.variables()["CUDA_VISIBLE_DEVICES"] == "2"
    seen: dict[str, str] = {}

    def start(*_: Any, env: dict[str, str], **__: Any) -> Any:
        seen.update(env)
        raise InterruptedError

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(InterruptedError):
        ranks._start({"gpus": slot.gpu}, 1, 2)
    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-7"


def test_four_gpus_hold_two_fits_on_two(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside four of other models; what is left over of five joins nothing."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    models = [bench.generator("several", card=CARD), bench.generator("single")]
    options = bench.options(models, [bench.task("one")], device="cuda", gpus_per_fit=2)
    wanted = resolve(replace(options, jobs=None))
    assert [slot.gpu for slot in wanted.wide_slots] == ["0,1", "2,3"]
    assert [slot.gpu for slot in wanted.slots] == ["0", "1", "2", "3"]
    assert [wanted.processes(model) for model in wanted.models] == [2, 1]
    assert [slot.gpu for slot in make_slots(1, "cuda", 3)] == ["0,1,2"]
    with pytest.raises(GenobenchError, match=r"a fit on 5 GPUs .*: 4 visible here"):
        make_slots(None, "cuda", 5)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    with pytest.raises(GenobenchError, match="MIG-1 is part of a divided GPU"):
        make_slots(None, "cuda", 2)


def test_where_several_cannot_be_had(bench: Any) -> None:
    """No GPU at all, or the workers of a cluster."""
    models, tasks = [bench.generator("several", card=CARD)], [bench.task("one")]
    with pytest.raises(GenobenchError, match="--gpus-per-fit 0"):
        resolve(bench.options(models, tasks, gpus_per_fit=0))
    with pytest.raises(GenobenchError, match="each fit stays on the one GPU of its worker"):
        resolve(bench.options(models, tasks, gpus_per_fit=2, cluster="local:1"))


def test_cards_say_it_in_one_word(tmp_path: Path) -> None:
    """Another word is refused; to say nothing, or none, changes nothing that keys are made of."""
    path = tmp_path / "mine.toml"
    path.write_text('class = "Mine"\ntitle = "t"\nparallel = "fsdp"\n')
    with pytest.raises(GenobenchError, match=r"mine\.toml: parallel = 'fsdp'; one of none, ddp"):
        Card.read(path)
    path.write_text('class = "Mine"\ntitle = "t"\n')
    card = Card.read(path)
    assert card.behaviour == "Mine native train"
    assert replace(card, parallel="ddp").behaviour == "Mine native train ddp"


def test_a_fit_that_is_alone_notices_nothing() -> None:
    """One process, all of the batch, its own clock."""
    batch = np.arange(7)
    assert (parallel.rank(), parallel.world()) == (0, 1)
    assert parallel.share(batch) is batch
    assert parallel.agreed(True)
    assert parallel.over(time.monotonic() - 1)
    assert not parallel.over(time.monotonic() + 60)


@pytest.mark.parametrize("size", [1, 5, 6, 7])
def test_shares_are_equally_large(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they are the batch; no rank is left with less than two."""
    batch = np.arange(100, 100 + size)
    parts = []
    monkeypatch.setattr(parallel, "world", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        parts.append(parallel.share(batch))
    assert {len(part) for part in parts} == {max(2, -(-size // 3))}
    assert set(np.concatenate(parts)) == set(batch)
    assert len(parallel.share(batch[:0])) == 0

"""Whole runs: what is run, what is kept, what survives an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.data import prepare as preparation
from genobench.data.prepare import DataSpec, Prepared
from genobench.errors import GenobenchError
from genobench.run import benchmark, prepared
from genobench.run.events import JobFinished, JobPhase, JobStarted, Said
from genobench.run.suites import find_suite, suites

from .processes import all_gone, wait

COUNTED = """
def fit(self, train, validation, *, seed, budget):
    with (FOLDER / "fits").open("a") as file:
        file.write(Path(__file__).stem + "\\n")
    return super().fit(train, validation, seed=seed, budget=budget)
"""
COUNTED_TASK = """
def prepare(self, split, *, seed):
    self.count("prepared")
    return super().prepare(split, seed=seed)

def score(self, synthetic, reference, *, seed):
    self.count("scored")
    return super().score(synthetic, reference, seed=seed)

def count(self, what):
    from pathlib import Path
    with (Path(__file__).parent / what).open("a") as file:
        file.write(Path(__file__).stem + "\\n")
"""
BROKEN = """
def fit(self, train, validation, *, seed, budget):
    with (FOLDER / "fits").open("a") as file:
        file.write(Path(__file__).stem + "\\n")
    if not (FOLDER / "mended").exists():
        raise ValueError("broken")
    return super().fit(train, validation, seed=seed, budget=budget)
"""


def count(bench: Any, what: str) -> int:
    """How often plug-ins have said ``what`` so far."""
    path = bench.plugins / what
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_only_what_is_missing_is_run(bench: Any) -> None:
    """Each way of overwriting repeats what it says and nothing else."""
    models = [bench.generator("counted", COUNTED), bench.generator("broken", BROKEN)]
    tasks = [bench.task("one", COUNTED_TASK)]
    done = []

    def run(**options: Any) -> dict[str, int]:
        summary = bench.run(models, tasks, jobs=2, **options)
        done.append((count(bench, "fits"), count(bench, "prepared"), count(bench, "scored")))
        return dict(summary.statuses)

    assert run() == {"ok": 1, "failed": 1}
    assert run() == {"ok": 1, "failed": 1}
    (bench.plugins / "mended").write_text("")
    assert run(overwrite="never") == {"ok": 1, "failed": 1}
    assert run(overwrite="failed") == {"ok": 2}
    tasks.append(bench.task("two", COUNTED_TASK))
    assert run() == {"ok": 2}
    bench.task("one", COUNTED_TASK, version=2)
    assert run() == {"ok": 2}
    assert run(overwrite="always") == {"ok": 2}
    #               fits, references, scores
    assert done == [
        (2, 1, 1),
        (2, 1, 1),  # failures are not repeated unasked
        (2, 1, 1),
        (3, 1, 2),  # `failed` repeats the failure alone
        (3, 2, 4),  # a new task refits nothing
        (3, 3, 6),  # nor does a changed one; the other task's scores stand
        (5, 3, 10),
    ]


def test_stored_sample_is_trusted_only_if_unchanged(bench: Any) -> None:
    """A changed one is not scored and the message says what to do; a lost one is made again."""
    models = [bench.generator("counted", COUNTED)]
    bench.run(models, [bench.task("one")])
    before = bench.record("counted")
    path = bench.store.sample_path(before["key"])
    np.save(path, np.zeros((100, 24), dtype=np.int8))
    tasks = [bench.task("one"), bench.task("two")]
    bench.run(models, tasks)
    scores = bench.record("counted")["scores"]
    assert "metrics" in scores["one"]
    assert "delete the file and run again" in scores["two"]["error"]["message"]
    path.unlink()
    assert bench.run(models, tasks, overwrite="failed").statuses == {"ok": 1}
    after = bench.record("counted")
    assert count(bench, "fits") == 2
    assert all("metrics" in after["scores"][task] for task in ("one", "two"))
    assert after["outputs"] == before["outputs"]  # the same seed, the same sample


WITNESSES = {
    "sound": ("pass", ""),
    "ceiling": ("pass", 'role = "ceiling"\nfit_on = "control"'),
    "looks": (
        """
        def fit(self, train, validation, *, seed, budget):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
            for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
                assert os.environ[name + "_NUM_THREADS"] == str(budget.threads)
            assert budget.threads == max(1, len(os.sched_getaffinity(0)) // 2), budget.threads
            assert budget.seconds == 45.0
            assert sys.stdin.read() == ""
            return super().fit(train, validation, seed=seed, budget=budget)
        """,
        "",
    ),
}
WATCHFUL_TASK = """
def score(self, synthetic, reference, *, seed):
    train = reference.split.train
    assert synthetic.trait.name == train.trait.name
    assert list(synthetic.variants["id"]) == list(train.variants["id"])
    assert list(synthetic.samples["iid"][:2]) == ["syn0", "syn1"]
    asked = train if synthetic.n == train.n else reference.split.control
    assert (synthetic.labels == asked.labels).all()
    return super().score(synthetic, reference, seed=seed)
"""


@pytest.fixture(scope="module")
def witnessed(shared_bench: Any) -> Any:
    """A store after a run of plug-ins that look around."""
    models = [shared_bench.generator(n, body, card) for n, (body, card) in WITNESSES.items()]
    task = shared_bench.task("one", WATCHFUL_TASK)
    shared_bench.summary = shared_bench.run(models, [task], jobs=2)
    return shared_bench


def test_plugins_see_what_they_were_promised(witnessed: Any) -> None:
    """Share of the cores, no GPU on a CPU job, an empty standard input; labels as asked for."""
    assert witnessed.summary.statuses == {"ok": 3}, witnessed.summary.problems
    assert 0 < witnessed.summary.harness_share < 1


def test_ceiling_is_fitted_on_its_own_people(witnessed: Any) -> None:
    """A card with fit_on = control is given those, and sampled with their labels."""
    assert witnessed.record("ceiling")["outputs"]["n"] == 50
    assert witnessed.record("sound")["outputs"]["n"] == 100


def test_record_is_what_happened(witnessed: Any, tiny_split: Any) -> None:
    """Inputs, resources, outputs and the sample itself agree."""
    record = witnessed.record("sound")
    sample = np.load(witnessed.store.sample_path(record["key"]))
    assert record["outputs"] == {
        "synthetic_sha256": hashlib.sha256(sample.tobytes()).hexdigest(),
        "n": 100,
        "m": 24,
    }
    assert record["inputs"]["split_sha256"] == tiny_split.checksum
    sizes = [record["inputs"][f"n_{p}"] for p in ("train", "validation", "test", "control")]
    assert sizes == [100, 40, 50, 50]
    spent = record["resources"]
    work = sum(spent[f"{p}_seconds"] for p in ("fit", "sample", "resample", "score"))
    assert work + spent["harness_seconds"] == pytest.approx(spent["total_seconds"])
    assert 0 < spent["warmup_seconds"] <= spent["harness_seconds"]
    assert spent["parameters"] == 24
    assert 20e6 < spent["peak_memory_bytes"] < 400e6
    assert record["environment"]["device"] == "cpu"
    assert record["environment"]["threads"] >= 1
    assert str(witnessed.plugins) not in json.dumps(record)
    gap = np.abs(sample.mean(axis=0) - tiny_split.test.genotypes.mean(axis=0)).mean()
    assert record["scores"]["one"]["metrics"]["gap"]["value"] == pytest.approx(gap)


def test_events_tell_the_story(bench: Any) -> None:
    """References first, controls before entrants, phases in order, counts that add up."""
    entrant = bench.generator("entrant")
    floor = bench.generator("floor", card='role = "floor"')
    bench.run([entrant, floor], [bench.task("one")], seeds=(3,))
    started = [(e.what, e.name, e.seed) for e in bench.events if isinstance(e, JobStarted)]
    assert started == [
        ("reference", "one", 0),
        ("fit", "floor", 3),
        ("fit", "entrant", 3),
    ]
    ends = [e for e in bench.events if isinstance(e, JobFinished)]
    assert [(e.progress.done, e.progress.total) for e in ends] == [(1, 3), (2, 3), (3, 3)]
    assert ends[-1].progress.seconds_left == 0
    assert (ends[1].progress.seconds_left or 0) > 0
    phases = [e.phase for e in bench.events if isinstance(e, JobPhase) and e.name == "entrant"]
    assert phases == ["load", "fit", "sample", "resample", "save", "score:one"]


def test_plan_writes_nothing(bench: Any) -> None:
    """A dry run says what would be run, and leaves the folder as it is."""
    spec, task = bench.generator("sound"), bench.task("one")
    options = bench.options([spec], [task], seeds=(0, 1))
    before = sorted(bench.out.rglob("*"))
    assert len(benchmark.plan(options).remaining) == 2
    assert sorted(bench.out.rglob("*")) == before
    bench.run([spec], [task])
    planned = benchmark.plan(options)
    assert [(t.job.seed, t.action, t.state) for t in planned.todos] == [
        (0, "none", "done"),
        (1, "fit", "missing"),
    ]
    bench.generator("sound", "edited = True")
    edited = benchmark.plan(options)
    assert len(edited.remaining) == 2, "an edited generator is another job"
    assert {t.job.key for t in edited.todos}.isdisjoint(t.job.key for t in planned.todos)


def altered(bench: Any, model: str, **changes: Any) -> None:
    """The stored record of a model, with some of its parts replaced."""
    bench.store.write_record(bench.record(model) | changes)


def action(bench: Any, models: list[str], tasks: list[str], **more: Any) -> tuple[str, str]:
    """What would be done about the only job asked, and what its record says."""
    (todo,) = benchmark.plan(bench.options(models, tasks, **more)).todos
    return todo.action, todo.state


def test_fit_that_used_up_its_time_is_repeated_with_more(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure, is marked, and is kept until a larger limit is asked for."""
    monkeypatch.setattr("genobench.run.stages.FIT_SHARE", 0.02)  # of 60 s
    slow = """
        def fit(self, train, validation, *, seed, budget):
            time.sleep(min(budget.seconds, 1.5))
            return super().fit(train, validation, seed=seed, budget=budget)
    """
    models, tasks = [bench.generator("slow", slow)], [bench.task("one")]
    bench.run(models, tasks)
    assert bench.record("slow")["resources"]["budget_exhausted"] is True
    assert action(bench, models, tasks) == ("none", "done")
    assert action(bench, models, tasks, timeout_seconds=30.0) == ("none", "done")
    assert action(bench, models, tasks, timeout_seconds=120.0, overwrite="never")[0] == "none"
    assert action(bench, models, tasks, timeout_seconds=120.0) == ("fit", "cut short")
    bench.run(models, tasks, timeout_seconds=120.0)
    assert bench.record("slow")["resources"]["budget_exhausted"] is False
    assert action(bench, models, tasks, timeout_seconds=240.0) == ("none", "done")


@pytest.mark.parametrize("limit", [None, 60.0], ids=["older record", "with its limit"])
@pytest.mark.parametrize(
    ("status", "kind", "more"),
    [
        ("timeout", "Timeout", {"timeout_seconds": 120.0}),
        ("memory", "MemoryLimit", {"memory_bytes": 2**40}),
    ],
)
def test_failure_for_want_of_a_limit_is_missing_when_it_is_raised(
    bench: Any, status: str, kind: str, more: dict[str, Any], limit: float | None
) -> None:
    """Of the fit, and of one score; under the same limits neither is repeated."""
    models, tasks = [bench.generator("sound")], [bench.task("one"), bench.task("two")]
    usual = {"memory_bytes": 2**34}
    bench.run(models, tasks, **usual)
    good = bench.record("sound")
    error: dict[str, Any] = {
        "type": kind,
        "message": "m",
        "exit_code": None,
        "signal": None,
        "last_lines": [],
    }
    if limit is not None:
        error["limit"] = limit if status == "timeout" else 2**34
    score = {k: good["scores"]["one"][k] for k in ("key", "seed", "seconds")} | {"error": error}
    altered(bench, "sound", scores=good["scores"] | {"one": score})
    assert action(bench, models, tasks, **usual) == ("none", "scores failed")
    (todo,) = benchmark.plan(bench.options(models, tasks, **(usual | more))).todos
    assert (todo.action, [t.task for t in todo.tasks]) == ("score", ["one"])
    altered(bench, "sound", status=status, phase="fit", error=error, scores={}, outputs=None)
    assert action(bench, models, tasks, **usual) == ("none", status)
    assert action(bench, models, tasks, **(usual | more)) == ("fit", status)
    other = {"timeout_seconds": 120.0, "memory_bytes": 2**40} | dict.fromkeys(more)
    other = {k: v for k, v in other.items() if v is not None}
    assert action(bench, models, tasks, **(usual | other))[0] == "none", "another limit"


def test_failures_that_are_kept_are_counted(bench: Any) -> None:
    """So that the user can be told how to repeat them."""
    models = [
        bench.generator("sound"),
        bench.generator("bad", "def fit(self, *a, **k): raise ValueError"),
    ]
    tasks = [bench.task("one")]
    assert bench.run(models, tasks).kept_failures == 0
    again = bench.run(models, tasks)
    assert (again.kept, again.kept_failures) == (2, 1)
    assert bench.run(models, tasks, overwrite="failed").kept_failures == 0


def test_task_that_the_data_do_not_allow_is_said_once(bench: Any) -> None:
    """With its own log; the other task is scored, the status says that something failed."""
    models = [bench.generator("sound"), bench.generator("other")]
    impossible = bench.task("impossible", "def prepare(self, split, *, seed): raise ValueError(3)")
    for _ in range(2):  # from the records of before, too
        summary = bench.run(models, [impossible, bench.task("one")])
        assert summary.statuses == {"scores failed": 2}
        (problem,) = summary.problems
        assert problem.startswith("task impossible is not possible on these data: 3 (log: ")
        log = Path(problem.partition("(log: ")[2].rstrip(")"))
        assert "ValueError: 3" in log.read_text()
        told = [e.problem for e in bench.events if isinstance(e, JobFinished)]
        assert sum("3" in problem for problem in told) <= 1
    assert "metrics" in bench.record("sound")["scores"]["one"]


def test_words_that_name_the_data(tmp_path: Path) -> None:
    """In full for this machine, without folders for others; defaults are left out."""
    bed, table = tmp_path / "co hort.bed", tmp_path / "t.tsv"
    bed.touch()
    spec = DataSpec(str(bed), pheno=table, trait="T2D", covariates=("age", "bmi"), snps=64)
    words = ["--trait", "T2D", "--covariates", "age,bmi", "--snps", "64"]
    local = ["--data", str(bed), "--pheno", str(table), *words]
    public = ["--data", "path/to/co hort.bed", "--pheno", "path/to/t.tsv", *words]
    assert prepared.option_words(spec, public=False) == local
    assert prepared.option_words(spec, public=True) == public
    assert prepared.option_words(DataSpec("mice"), public=True) == ["--data", "mice"]


def test_what_repeats_a_run_is_kept_before_it_begins(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run tells its data and where its plug-ins lie."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "_execute", interrupt)
    spec = bench.generator("sound")
    with pytest.raises(KeyboardInterrupt):
        bench.run([spec], [bench.task("one")])
    folder = bench.store.data_folder(bench.data.key)
    assert (folder / "options.txt").read_text() == "--data toy\n"
    assert (folder / "options.local.txt").read_text() == "--data toy\n"
    assert list(bench.store.specs().values()) == [spec]


def test_data_are_prepared_once(
    bench: Any, tiny_split: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its words are events, its report is kept, its second use costs nothing."""
    calls = []

    def prepare(spec: DataSpec, *, say: Any) -> Prepared:
        calls.append(spec)
        say("150 people kept")
        return Prepared(tiny_split, {"people": 150})

    monkeypatch.setattr(preparation, "prepare", prepare)
    bench.out = tmp_path / "other"
    options = bench.options([bench.generator("sound")], [bench.task("one")])
    events: list[Any] = []
    assert not benchmark.plan(options).data_ready
    for _ in range(2):
        assert benchmark.run_benchmark(options, events.append).statuses == {"ok": 1}
    assert len(calls) == 1
    assert [e.text for e in events if isinstance(e, Said)] == ["150 people kept"]
    report = bench.out / "data" / bench.data.key / "report.json"
    assert json.loads(report.read_text()) == {"people": 150}


DRIVER = """
import signal, sys
from pathlib import Path
from genobench.data.prepare import DataSpec
from genobench.run.benchmark import RunOptions, run_benchmark

class Toy(DataSpec):
    key = "0" * 64

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
options = RunOptions(
    Path(sys.argv[1]), tuple(sys.argv[3:]), (sys.argv[2],), data=Toy("toy"), seeds=(0,), jobs=1,
    device="cpu",
)
try:
    print(dict(run_benchmark(options).statuses))
except KeyboardInterrupt:
    sys.exit(130)
"""
HANGS_THRICE = """
def fit(self, train, validation, *, seed, budget):
    turn = len(list(FOLDER.glob("turn*")))
    with (FOLDER / "fits").open("a") as file:
        file.write("hangs\\n")
    if turn < 3:
        helper = subprocess.Popen(["sleep", "300"])
        (FOLDER / "new").write_text(f"{os.getpid()} {helper.pid}")
        (FOLDER / "new").rename(FOLDER / f"turn{turn}")
        time.sleep(300)
    return super().fit(train, validation, seed=seed, budget=budget)
"""


def test_interrupted_run_is_resumed(bench: Any) -> None:
    """Ctrl-C, termination, kill -9: children die, nothing half is left, nothing is repeated."""
    models = [bench.generator("quick", COUNTED), bench.generator("hangs", HANGS_THRICE)]
    command = [sys.executable, "-c", DRIVER, str(bench.out), bench.task("one"), *models]
    for turn, blow in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
            marker = bench.plugins / f"turn{turn}"
            assert wait(marker.exists, 60)
            run.send_signal(blow)
            assert run.wait(20) == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
        pids = [int(pid) for pid in marker.read_text().split()]
        assert all_gone(pids, 10), f"{blow!r}: {pids} live on"
        assert [r["job"]["model"] for r in bench.store.records()] == ["quick"]
    quick = bench.record("quick")
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert again.stdout.strip() == "{'ok': 2}"
    assert (bench.plugins / "fits").read_text().split() == ["quick", *["hangs"] * 4]
    assert bench.record("quick") == quick


def test_second_run_in_the_same_folder_is_refused(bench: Any) -> None:
    """Before it touches anything."""
    with (
        bench.store.locked(),
        pytest.raises(GenobenchError, match=rf"process {os.getpid()}\).*another --out"),
    ):
        bench.run([bench.generator("sound")], [bench.task("one")])


def test_foreign_record_stops_the_run(bench: Any) -> None:
    """Records of another schema are never mixed with ours, nor overwritten, whatever is asked."""
    options = bench.options([bench.generator("counted", COUNTED)], [bench.task("one")])
    path = bench.store.record_path(benchmark.plan(options).todos[0].job.key)
    text = '{"schema": 2, "status": "ok"}'
    path.write_text(text)
    with pytest.raises(GenobenchError, match="schema 2"):
        benchmark.run_benchmark(replace(options, overwrite="always"))
    path.rename(path.with_name("f" * 64 + ".json"))  # nor does one of another job go unnoticed
    with pytest.raises(GenobenchError, match="schema 2"):
        benchmark.run_benchmark(options)
    assert path.with_name("f" * 64 + ".json").read_text() == text
    assert count(bench, "fits") == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": ("hwee",)}, "did you mean.*hwe"),
        ({"tasks": ("fidelty",)}, "did you mean fidelity"),
        ({"suite": "smok"}, "did you mean smoke"),
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"overwrite": "sometimes"}, "only-missing"),
        ({"suite": "full", "data": None}, "--data"),
        ({"jobs": 0}, "--jobs"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_option_costs_nothing(bench: Any, changes: dict[str, Any], words: str) -> None:
    """Misspelt names are answered with near ones, before anything is run."""
    usual = {"models": ("hwe",), "tasks": (bench.task("one"),), "data": bench.data, "device": "cpu"}
    options = benchmark.RunOptions(bench.out, **{**usual, **changes})
    with pytest.raises(GenobenchError, match=words):
        benchmark.run_benchmark(options)
    assert not bench.store.records()


def test_suites_name_settings_that_cards_have() -> None:
    """The three sizes of the design; `full` has no data of its own."""
    assert set(suites()) == {"smoke", "small", "full"}
    assert [find_suite(s).settings for s in suites()] == ["smoke", "small", "paper"]
    assert not find_suite("full").data
    for suite in suites().values():
        if suite.data:
            assert DataSpec.for_name(**suite.data).trait or suite.data["name"] == "default"

"""What a bad plug-in can do costs its own job and is a record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.contract import ContractError, checked_sample
from genobench.errors import GenobenchError

from .processes import all_gone

FAULTS = {
    "raises": """
        def fit(self, train, validation, *, seed, budget):
            person = train.samples["iid"][0]
            raise ValueError(f"no luck with {person} in /home/somebody/secret/file.txt")
    """,
    "raises_in_sample": """
        def sample(self, labels, *, seed):
            raise ZeroDivisionError("nothing to sample")
    """,
    "breaks_on_import": "raise RuntimeError('cannot be imported')",
    "segfaults": """
        def fit(self, train, validation, *, seed, budget):
            ctypes.string_at(0)
    """,
    "kills_itself": """
        def fit(self, train, validation, *, seed, budget):
            os.kill(os.getpid(), signal.SIGKILL)
    """,
    "is_preempted": """
        def fit(self, train, validation, *, seed, budget):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
    """,
    "exits": """
        def fit(self, train, validation, *, seed, budget):
            sys.exit(3)
    """,
    "exits_hard": """
        def sample(self, labels, *, seed):
            os._exit(0)
    """,
    "eats_memory": """
        def fit(self, train, validation, *, seed, budget):
            self.heap = []
            for _ in range(60):
                self.heap.append(np.ones(50 * 2**20, dtype=np.int8))
                time.sleep(0.05)
            time.sleep(60)
    """,
    "wrong_width": """
        def sample(self, labels, *, seed):
            return super().sample(labels, seed=seed)[:, 1:]
    """,
    "hands_out_the_cohort": """
        def fit(self, train, validation, *, seed, budget):
            self.train = train
            return super().fit(train, validation, seed=seed, budget=budget)

        def sample(self, labels, *, seed):
            return self.train.genotypes
    """,
    "one_buffer": """
        def sample(self, labels, *, seed):
            if not hasattr(self, "buffer"):
                self.buffer = super().sample(labels, seed=seed)
            return self.buffer
    """,
    "unseeded": """
        def sample(self, labels, *, seed):
            return super().sample(labels, seed=int.from_bytes(os.urandom(6), "big"))
    """,
    "chatters": """
        def fit(self, train, validation, *, seed, budget):
            for i in range(50_000):
                print("chatter" * 14, i)
            print("the very last words")
            return super().fit(train, validation, seed=seed, budget=budget)
    """,
    "leaves_processes": """
        def fit(self, train, validation, *, seed, budget):
            here = subprocess.Popen(["sleep", "300"])
            away = subprocess.Popen(["sleep", "300"], start_new_session=True)
            (FOLDER / "pids").write_text(f"{here.pid} {away.pid}")
            time.sleep(1)
            return super().fit(train, validation, seed=seed, budget=budget)
    """,
    "sound": "pass",
}


@pytest.fixture(scope="module")
def after(shared_bench: Any) -> Any:
    """The store after all of them have run, two at a time."""
    models = [shared_bench.generator(name, body) for name, body in FAULTS.items()]
    shared_bench.summary = shared_bench.run(
        models, [shared_bench.task("toy")], jobs=2, memory_bytes=600 * 2**20
    )
    return shared_bench


EXPECTED = [
    # model, status, phase, type, exit code, signal, words of the message
    ("raises", "failed", "fit", "ValueError", 1, None, "no luck"),
    ("raises_in_sample", "failed", "sample", "ZeroDivisionError", 1, None, "nothing to sample"),
    ("breaks_on_import", "failed", "load", "RuntimeError", 1, None, "cannot be imported"),
    ("segfaults", "crashed", "fit", "Crash", None, "SIGSEGV", "SIGSEGV"),
    ("kills_itself", "crashed", "fit", "Crash", None, "SIGKILL", "memory runs out"),
    ("is_preempted", "interrupted", "fit", "Interrupted", None, "SIGTERM", "SIGTERM"),
    ("exits", "crashed", "fit", "Exit", 3, None, "exit code 3"),
    ("exits_hard", "crashed", "sample", "Exit", 0, None, "exit code 0"),
    ("eats_memory", "memory", "fit", "MemoryLimit", None, "SIGTERM", "--memory"),
    ("wrong_width", "failed", "sample", "ContractError", 1, None, "(100, 23)"),
    ("hands_out_the_cohort", "failed", "sample", "ContractError", 1, None, "memory"),
    ("one_buffer", "failed", "resample", "ContractError", 1, None, "memory"),
]


@pytest.mark.parametrize(
    ("model", "status", "phase", "kind", "code", "signal", "words"),
    EXPECTED,
    ids=[row[0] for row in EXPECTED],
)
def test_fault_is_a_record(
    after: Any,
    model: str,
    status: str,
    phase: str,
    kind: str,
    code: int | None,
    signal: str | None,
    words: str,
) -> None:
    """It says what happened, in which phase, and nothing is scored."""
    record = after.record(model)
    error = record["error"]
    assert (record["status"], record["phase"], error["type"]) == (status, phase, kind)
    assert (error["exit_code"], error["signal"]) == (code, signal)
    assert words in error["message"]
    assert record["scores"] == {}
    assert record["outputs"] is None
    assert record["resources"]["total_seconds"] > 0
    assert not after.store.sample_path(record["key"]).exists()


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (np.zeros((4, 3), np.int8), r"\(5, 3\).*got \(4, 3\)"),
        (np.zeros((5, 3)), "float64"),
        (np.full((5, 3), -1, np.int8), "-1 to -1"),
        (np.full((5, 3), 3, np.int8), "3 to 3"),
        ([[0, 0, 0]] * 5, "list"),
        (None, "NoneType"),
    ],
)
def test_contract_names_what_was_wrong(sample: Any, words: str) -> None:
    """Shape, dtype, values, kind."""
    with pytest.raises(ContractError, match=words):
        checked_sample(sample, (5, 3))


def test_contract_takes_any_memory_order() -> None:
    """And hands out C order."""
    sample = np.asfortranarray(np.arange(15, dtype=np.int8).reshape(5, 3) % 3)
    checked = checked_sample(sample, (5, 3), [np.zeros((2, 3), np.int8)])
    assert checked.flags.c_contiguous
    assert (checked == sample).all()
    with pytest.raises(ContractError, match="memory"):
        checked_sample(sample[:2], (2, 3), [sample])


def test_every_job_is_accounted_for(after: Any) -> None:
    """The summary counts each, and names each that failed."""
    assert after.summary.asked == len(FAULTS)
    expected = Counter(row[1] for row in EXPECTED) + Counter(ok=4)
    assert after.summary.statuses == expected
    assert len(after.summary.problems) == len(EXPECTED)


def test_others_are_untouched(after: Any) -> None:
    """A sound generator among them is fitted and scored."""
    record = after.record("sound")
    assert record["status"] == "ok"
    assert record["determinism"] == "identical"
    assert record["scores"]["toy"]["metrics"]["gap"]["value"] >= 0
    assert [point["step"] for point in record["learning"]] == [1.0]


def test_records_hold_no_path_and_no_person(after: Any) -> None:
    """Folders are cut and ids blanked, in the message and in the last lines."""
    path = after.store.record_path(after.record("raises")["key"])
    text = path.read_text()
    assert "<id>" in text
    assert "file.txt" in text
    for private in ("somebody", str(after.plugins), "w0s0p", str(Path.home()) + "/"):
        assert private not in text


def test_logs_hold_no_person(after: Any) -> None:
    """What a plug-in printed is kept without ids."""
    log = after.store.log_path(after.record("raises")["key"]).read_text()
    assert "ValueError: no luck with <id>" in log
    assert "w0s0p" not in log


def test_segfault_leaves_a_traceback(after: Any) -> None:
    """Faulthandler says where."""
    lines = "\n".join(after.record("segfaults")["error"]["last_lines"])
    assert "Segmentation fault" in lines
    assert "in fit" in lines


def test_random_sampler_is_found_out(after: Any) -> None:
    """Same seed, other rows: the determinism verdict says so, the job stands."""
    record = after.record("unseeded")
    assert (record["status"], record["determinism"]) == ("ok", "different")


def test_log_is_capped(after: Any) -> None:
    """Five megabytes of output leave one, and their end."""
    record = after.record("chatters")
    assert record["status"] == "ok"
    log = after.store.log_path(record["key"])
    assert log.stat().st_size < 1.1 * 2**20
    assert "the very last words" in log.read_text()


def test_no_process_outlives_its_job(after: Any) -> None:
    """Neither in the job's group nor in a session of its own."""
    assert after.record("leaves_processes")["status"] == "ok"
    for pid in map(int, (after.plugins / "pids").read_text().split()):
        assert all_gone([pid], 5), f"process {pid} is still there"


def test_hang_is_stopped(bench: Any) -> None:
    """At the time limit; politely, which shows where it hung, or by force."""
    polite = bench.generator(
        "hangs", "def fit(self, train, validation, *, seed, budget):\n    time.sleep(120)"
    )
    deaf = bench.generator(
        "deaf",
        """
        def fit(self, train, validation, *, seed, budget):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(120)
        """,
    )
    bench.run([polite, deaf], [bench.task("toy")], jobs=2, timeout_seconds=8.0)
    for model, signal in (("hangs", "SIGTERM"), ("deaf", "SIGKILL")):
        record = bench.record(model)
        assert (record["status"], record["phase"]) == ("timeout", "fit")
        assert record["error"]["signal"] == signal
        assert "--timeout" in record["error"]["message"]
        assert 8 <= record["resources"]["total_seconds"] < 20
    assert any("in fit" in line for line in bench.record("hangs")["error"]["last_lines"])


def test_bad_task_costs_its_own_score(bench: Any) -> None:
    """A raise and a crash in scoring leave the fit and the other scores alone."""
    tasks = [
        bench.task(
            "raises", "def score(self, synthetic, reference, *, seed): raise ValueError('odd')"
        ),
        bench.task(
            "crashes",
            "def score(self, synthetic, reference, *, seed): os.kill(os.getpid(), signal.SIGSEGV)",
        ),
        bench.task("no_reference", "def prepare(self, split, *, seed): raise KeyError('gone')"),
        bench.task(
            "unknown_metric",
            "def score(self, s, reference, *, seed): return {'other': Estimate(1.0)}",
        ),
        bench.task("good"),
    ]
    summary = bench.run([bench.generator("sound")], tasks)
    record = bench.record("sound")
    assert summary.statuses == {"scores failed": 1}
    assert (record["status"], record["phase"], record["error"]) == ("ok", "done", None)
    assert "gap" in record["scores"]["good"]["metrics"]
    errors = {t: s["error"]["message"] for t, s in record["scores"].items() if "error" in s}
    assert set(errors) == {"raises", "crashes", "no_reference", "unknown_metric"}
    assert errors["raises"] == "odd"
    assert "SIGSEGV" in errors["crashes"]
    assert errors["no_reference"].startswith("reference:")
    assert "other is not on its card" in errors["unknown_metric"]


def test_full_disk_stops_the_run(bench: Any) -> None:
    """A sample that cannot be stored ends the run with advice; what is recorded stays."""
    small = """
        def sample(self, labels, *, seed):
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
            return super().sample(labels, seed=seed)
    """
    models = [bench.generator("sound"), bench.generator("full", small), bench.generator("third")]
    with pytest.raises(GenobenchError, match="only what is missing is run"):
        bench.run(models, [bench.task("toy")])
    assert [r["job"]["model"] for r in bench.store.records()] == ["sound"]
    assert not list(bench.out.glob("*/.*.part"))

"""Disks that are full or may not be written: the message says so, and the same command goes on."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data import cache
from genobench.data import prepare as preparation
from genobench.data.prepare import DataSpec
from genobench.errors import GenobenchError
from genobench.run.capped_log import CappedLog

from .conftest import COUNTED

ADVICE = r"cannot be written \(.*\)[.:].*make room"
DRIVER = Path(__file__).with_name("driver.py")
CAPABILITIES = (1, 2)  # to pass over permissions when writing, and when reading
PR_CAPBSET_DROP = 24


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file grows beyond ``size`` bytes, of this process or of those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Other(DataSpec):
    """Data that are not prepared yet."""

    key = "1" * 64


# what does not fit any more: body of the model, body of the task, bytes that a file may have
FULL = {
    "log": ("print('chatter' * 100_000)", "", 100_000),
    "record": ("[budget.report({'step': i}) for i in range(100)]", "", 6_000),
    "sample": ("", "", 2_400),
    "reference": ("", "return {'much': np.zeros(2_000)}", 6_000),
    "data": ("", "", 2_400),
}


@pytest.mark.parametrize("what", FULL)
def test_full_disk(bench: Any, what: str, monkeypatch: pytest.MonkeyPatch, tiny_split: Any) -> None:
    """The run ends and says what to do; what was recorded stays, and what is missing is run."""
    monkeypatch.setattr(
        preparation, "prepare", lambda spec, say: SimpleNamespace(split=tiny_split, report={})
    )
    first, body, size = bench.generator("first", COUNTED), FULL[what][0], FULL[what][2]
    greedy = bench.generator("greedy", COUNTED.replace("    return", f"    {body}\n    return"))
    tasks = [bench.task("one")]
    bench.run([first], tasks)
    before = bench.record("first")
    if FULL[what][1]:
        tasks = [bench.task("two", f"def prepare(self, split, *, seed): {FULL[what][1]}")]
        tasks[0:0] = [bench.task("one")]
    usual, bench.data = bench.data, Other("toy") if what == "data" else bench.data
    with room(size), pytest.raises(GenobenchError, match=ADVICE):
        bench.run([first, greedy], tasks)
    bench.data = usual
    assert bench.record("first") == before
    assert [r["job"]["model"] for r in bench.store.records()] == ["first"]
    assert not bench.store.data_folder(Other.key).exists()
    bench.run([first, greedy], tasks)
    assert bench.record("greedy")["status"] == "ok"
    assert bench.record("first")["outputs"] == before["outputs"]
    assert (bench.plugins / "fits").read_text().split().count("first") == 1
    assert not list(bench.out.glob("*/.*.part"))


def test_log_that_fits_in_part_is_refused(tmp_path: Path) -> None:
    """A disk takes the beginning without a word; the rest is not dropped in silence."""
    log = CappedLog(tmp_path / "log")
    with room(1_000), pytest.raises(GenobenchError, match=ADVICE):
        log.write(b"x" * 1_500)
    assert (tmp_path / "log").stat().st_size == 1_000
    log.close()


def test_full_cache(tmp_path: Path, make_cohort: Any) -> None:
    """A cohort that cannot be kept leaves nothing that could be taken for one."""
    cohort: Cohort = make_cohort(100, 50)
    path = tmp_path / "cohort.npz"
    with room(3_000), pytest.raises(GenobenchError, match="make room, or name another folder"):
        cache.store(cohort, path)
    assert not list(tmp_path.iterdir())
    cache.store(cohort, path)
    kept = cache.fetch(path)
    assert kept is not None
    np.testing.assert_array_equal(kept.genotypes, cohort.genotypes)


def _as_anybody() -> None:
    """Give up root's right to pass over permissions, for the program that is about to start."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in CAPABILITIES:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def drive(bench: Any, models: list[str]) -> subprocess.CompletedProcess[str]:
    """A run in a process that permissions hold for."""
    command = [sys.executable, str(DRIVER), str(bench.out), bench.task("one"), "", *models]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, preexec_fn=_as_anybody
    )


def test_read_only_output(bench: Any) -> None:
    """It is refused before anything is computed, and taken up when it may be written again."""
    models = [bench.generator("counted", COUNTED)]
    folders = [bench.out, *(bench.out / name for name in bench.store.folders)]
    for folder in folders:
        folder.chmod(0o555)
    (bench.out / "lock").chmod(0o444)
    refused = drive(bench, models)
    for folder in folders:
        folder.chmod(0o755)
    (bench.out / "lock").chmod(0o644)
    assert refused.returncode == 2, refused.stderr
    assert "cannot be written (Permission denied)" in refused.stderr
    assert "give another --out, and run again" in refused.stderr
    assert not (bench.plugins / "fits").exists()
    assert drive(bench, models).stdout.strip() == "{'ok': 1}"


def test_output_becomes_read_only(bench: Any) -> None:
    """In the middle of a run: records so far stand, the rest is run when it may be written."""
    locks = '(FOLDER.parent / "out" / "{}").chmod(0o555)\n    return'
    models = [
        bench.generator("first", COUNTED, card='role = "floor"'),
        bench.generator("locks", COUNTED.replace("return", locks.format("records"))),
        bench.generator("third", COUNTED),
    ]
    stopped = drive(bench, models)
    (bench.out / "records").chmod(0o755)
    assert stopped.returncode == 2, stopped.stderr
    assert "only what is missing is run" in stopped.stderr
    before = bench.record("first")
    assert [r["job"]["model"] for r in bench.store.records()] == ["first"]
    (bench.plugins / "locks.py").write_text((bench.plugins / "third.py").read_text())
    assert drive(bench, models).stdout.strip() == "{'ok': 3}"
    assert bench.record("first") == before
    assert (bench.plugins / "fits").read_text().split().count("first") == 1

"""Records read for tables: by how many processes, what of them, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.report import cores, reading
from genobench.report.cores import over_cores
from genobench.report.estimates import COLUMNS, Estimates, side_by_side
from genobench.report.reading import read_records
from genobench.run import environment

ESTIMATE = {"value": 0.5, "low": None, "high": 0.75, "version": 2, "n": 40}


def forked(monkeypatch: pytest.MonkeyPatch, several: int) -> None:
    """So many cores, whatever threads other tests have left in this process."""
    monkeypatch.setattr(environment, "cores", lambda: several)
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def write(folder: Path, name: str, scores: Any) -> None:
    """A record with these scores."""
    record = {"schema": 1, "key": name, "job": {"data_key": "d"}, "status": "ok", "scores": scores}
    (folder / f"{name}.json").write_text(json.dumps(record))


@pytest.mark.parametrize("several", [1, 3])
def test_every_record_keeps_its_estimates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: int
) -> None:
    """Also where several processes read, each some files at a time."""
    forked(monkeypatch, several)
    monkeypatch.setattr(reading, "SHARE", 2)
    for i in range(7):
        plain = {"value": -i, "low": 0, "high": 0}  # of before there were versions
        measured = {"a": ESTIMATE | {"value": i}, f"b{i % 2}": plain}
        scores = {"t": {"metrics": measured}, "none": {"metrics": {}}, "failed": {"error": {}}}
        write(tmp_path, f"r{i}", scores)
    found = read_records(tmp_path)
    assert [r["key"] for r in found] == [f"r{i}" for i in range(7)]
    for i, record in enumerate(found):
        read = record["scores"]["t"]["metrics"]
        assert read.names == ("a", f"b{i % 2}")
        expected = np.array([[i, np.nan, 0.75, 2, 40], [-i, 0, 0, 1, 0]])
        np.testing.assert_array_equal(read.table, expected)
        assert record["scores"]["none"]["metrics"].table.shape == (0, len(COLUMNS))
        assert record["scores"]["failed"] == {"error": {}}


def test_estimates_stand_side_by_side() -> None:
    """By metric, for the jobs that have it."""
    one = Estimates.of({"a": ESTIMATE, "b": ESTIMATE | {"value": 1}})
    two = Estimates.of({"b": ESTIMATE | {"value": 2}})
    found = side_by_side([one, two, one])
    assert {name: list(columns[0]) for name, columns in found.items()} == {
        "a": [0.5, 0.5], "b": [1, 1, 2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 9, "key": "k", "job": {}, "status": "ok"}', "schema version 9"),
        ('{"a": 1}', "not a record of genobench"),
        ('{"schema": 1,', "not a record"),
    ],
)
def test_foreign_records_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """The file is named."""
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(GenobenchError, match=message) as error:
        read_records(tmp_path)
    assert "bad.json" in str(error.value)


@pytest.mark.parametrize(
    "scores",
    [
        [],
        {"t": 3},
        {"t": {"metrics": [1]}},
        {"t": {"metrics": {"a": 0.5}}},
        {"t": {"metrics": {"a": {"value": 0.5}}}},
        {"t": {"metrics": {"a": ESTIMATE | {"value": "0.5"}}}},
        {"t": {"metrics": {"a": ESTIMATE | {"low": [0.5]}}}},
        {"t": {"metrics": {"a": ESTIMATE | {"n": True}}}},
    ],
)
def test_scores_that_are_none_are_refused(tmp_path: Path, scores: Any) -> None:
    """The file is named among good ones; a text is no number, even one that looks so."""
    write(tmp_path, "good", {"t": {"metrics": {"a": ESTIMATE}}})
    write(tmp_path, "odd", scores)
    with pytest.raises(GenobenchError, match=r"odd\.json: not a record: its scores"):
        read_records(tmp_path)


def test_work_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results in order, from as many processes as there are cores; this one is among them."""
    forked(monkeypatch, 3)
    found = over_cores(lambda i: (i, os.getpid()), range(7))
    assert [i for i, _ in found] == list(range(7))
    assert os.getpid() in {pid for _, pid in found}
    assert len({pid for _, pid in found}) > 1
    assert not cores._inherited


@pytest.mark.parametrize("culprit", [0, 1])
def test_errors_of_shared_work_arrive(monkeypatch: pytest.MonkeyPatch, culprit: int) -> None:
    """Whether they arise here or in a child."""
    forked(monkeypatch, 2)

    def work(i: int) -> None:
        if i == culprit:
            raise GenobenchError(f"number {i}")

    with pytest.raises(GenobenchError, match=f"number {culprit}"):
        over_cores(work, range(2))


def test_nothing_more_begins_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the queue of a child is left."""
    forked(monkeypatch, 2)

    def work(i: int) -> None:
        if i == 0:
            raise GenobenchError("the first")
        time.sleep(0.2)
        (tmp_path / str(i)).touch()

    with pytest.raises(GenobenchError, match="the first"):
        over_cores(work, range(40))
    assert len(list(tmp_path.iterdir())) < 8


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """One that is killed leaves nobody behind."""
    code = (
        "import os, time\n"
        "from genobench.report.cores import over_cores\n"
        "from genobench.run import environment\n"
        "environment.cores = lambda: 2\n"
        "over_cores(lambda i: (print(os.getpid(), flush=True), time.sleep(60)), range(2))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pids = {int(run.stdout.readline()) for _ in range(2)}
        assert run.pid in pids
        run.kill()
    (child,) = pids - {run.pid}
    ended = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < ended:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_killed_share_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that dies takes nothing with it in silence."""
    forked(monkeypatch, 2)
    here = os.getpid()
    with pytest.raises(GenobenchError, match="has died"):
        over_cores(lambda _: os.getpid() == here or os._exit(9), range(2))

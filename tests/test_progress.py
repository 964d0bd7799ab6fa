"""Progress of a run: plain lines, and the board on a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from genobench.commands.progress import Board, Lines, ending, later, latest, left, watch
from genobench.run import costs
from genobench.run.events import Event, JobFinished, JobPhase, JobStarted, Progress, Said
from genobench.run.job import Job, Limits
from genobench.run.plan import Todo
from genobench.run.progress import Tracker

HALF = Progress(total=4, done=2, seconds_left=125.0)
EVENTS: tuple[Event, ...] = (
    Said("256 SNPs chosen"),
    JobStarted("k", "vae", 3, "fit", 0, HALF),
    JobPhase("k", "vae", 3, "fit", {"step": 1200.0, "validation": 0.31, "seconds": 4.0}, HALF),
    JobFinished("k", "vae", 3, "fit", "crashed", "died of SIGSEGV", 61.0, HALF),
)


def test_what_is_left() -> None:
    """Time left is shown while it is known and something is left."""
    assert left(HALF) == "2/4, about 2 min 05 s left"
    assert left(Progress(4, 2, None)) == "2/4"
    assert left(Progress(4, 4, 0.0)) == "4/4"


def test_nobody_promises_a_time_that_is_over() -> None:
    """What takes longer than expected says so; what else is to come is the least of it."""
    assert left(Progress(4, 2, 0.0, overdue=True)) == "2/4, takes longer than expected"
    assert left(Progress(4, 2, 125.0, overdue=True)) == "2/4, more than 2 min 05 s left"
    assert left(later(HALF, 25.0)) == "2/4, about 1 min 40 s left"
    assert left(later(HALF, 126.0)) == "2/4, takes longer than expected"


def test_tracker_notices_what_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with jobs that have ended."""
    now = [0.0]
    monkeypatch.setattr("genobench.run.progress.time.monotonic", lambda: now[0])
    heard: list[Event] = []
    tracker = Tracker(heard.append, slots=1)
    tracker.total, tracker._left = 2, {"a": ("fit", "hwe"), "b": ("fit", "vae")}
    tracker.started("a", "hwe", 0, "fit", 0)
    now[0] = 3.0
    tracker.finished("a", "hwe", 0, "fit", "ok", "")
    tracker.started("b", "vae", 0, "fit", 0)
    now[0] = 5.0
    tracker.heard("b", "vae", 0, "fit", {"at": "learning", "point": {}})
    assert (heard[-1].progress.seconds_left, heard[-1].progress.overdue) == (1.0, False)  # type: ignore[union-attr]
    now[0] = 105.0
    tracker.heard("b", "vae", 0, "fit", {"at": "learning", "point": {}})
    assert left(heard[-1].progress) == "1/2, takes longer than expected"  # type: ignore[union-attr]


def _todo(model: str, seed: int = 0) -> Todo:
    sha = "1" * 64
    job = Job(model, model, sha, {}, "smoke", "toy", sha, sha, 0, seed, "cpu", Limits(1.0, 1))
    return Todo(job, "fit", (), "missing", None)


def _old(model: str, seconds: float, **job: object) -> dict[str, Any]:
    known = {"model": model, "suite": "smoke", "data_key": "1" * 64, "budget": {"device": "cpu"}}
    return {
        "job": known | job,
        "status": "ok",
        "resources": {"total_seconds": seconds, "score_seconds": seconds / 2},
        "scores": {"privacy": {"seconds": 4.0}, "fidelity": {"error": {}}},
    }


def test_costs_are_those_of_jobs_alike() -> None:
    """The same data first, then any of the suite; never another device; unknown stays unknown."""
    todos = [_todo("vae"), _todo("hwe"), _todo("new")]
    records = [
        _old("vae", 20.0), _old("vae", 40.0), _old("vae", 900.0, data_key="2" * 64),
        _old("hwe", 3.0, data_key="2" * 64), _old("new", 5.0, budget={"device": "cuda"}),
    ]  # fmt: skip
    assert costs.expected(todos, records) == {("fit", "vae"): 30.0, ("fit", "hwe"): 3.0}
    assert costs.of_a_task(records) == 4.0
    assert costs.together([10.0, 2.0, 2.0], slots=2) == 10.0
    assert costs.together([10.0, 9.0, 9.0], slots=2) == 14.0


def test_published_records_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """What a job costs is nice to know; a broken file there stops nothing."""
    folder = tmp_path / "toy-smoke"
    folder.mkdir()
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text('{"job": {"model": "vae", "suite": "smoke"}}')
    old = [_old("vae", 20.0)]
    assert costs.before([_todo("vae")], old, tmp_path) == old
    assert costs.before([_todo("vae")], old, tmp_path / "none") == old


def test_time_left_is_known_from_old_records_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And corrected by how fast this machine turns out to be."""
    monkeypatch.chdir(tmp_path)
    now = [0.0]
    monkeypatch.setattr("genobench.run.progress.time.monotonic", lambda: now[0])
    heard: list[Any] = []
    tracker = Tracker(heard.append, slots=1)
    todos = [_todo("hwe"), _todo("vae")]
    tracker.expect(todos, [_old("hwe", 5.0), _old("vae", 30.0)], references=1)
    tracker.started("r", "privacy", 0, "reference", 0)
    assert heard[-1].progress.seconds_left == pytest.approx(4.0 + 5.0 + 30.0)
    now[0] = 6.0
    tracker.finished("r", "privacy", 0, "reference", "ok", "")
    assert heard[-1].progress.seconds_left == pytest.approx(35.0)
    tracker.started(todos[0].job.key, "hwe", 0, "fit", 0)
    now[0] = 16.0
    tracker.finished(todos[0].job.key, "hwe", 0, "fit", "ok", "")
    assert heard[-1].progress.seconds_left == pytest.approx(60.0), "twice as slow as before"


def test_board_counts_down_while_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that reports nothing leaves no stale time on the screen."""
    now = [0.0]
    monkeypatch.setattr("genobench.commands.progress.time.monotonic", lambda: now[0])
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    board = Board(console)
    board(EVENTS[1])
    now[0] = 300.0
    console.print(board)
    assert "takes longer than expected" in screen.getvalue()


def test_what_waits_for_an_overdue_job_does_not_become_less() -> None:
    """The rest of a run is not counted down while its turn has not come."""
    known = Progress(5, 1, 60.0, False)
    assert later(known, 20.0).seconds_left == 40.0
    assert later(known, 80.0) == Progress(5, 1, 0.0, True)
    assert later(replace(known, overdue=True), 20.0) == replace(known, overdue=True)


def test_latest_figures_begin_with_step_and_validation() -> None:
    """At most three, and none that are not known."""
    assert latest({"loss": 2.0, "validation": 0.31, "step": 1200.0, "x": None}) == (
        "step 1,200, validation 0.310, loss 2.000"
    )
    assert latest(None) == ""


def test_ending_names_the_problem() -> None:
    """In a line."""
    assert isinstance(EVENTS[3], JobFinished)
    assert ending(EVENTS[3]) == "vae seed 3: crashed in 1 min 01 s: died of SIGSEGV"


def test_plain_lines_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, without control characters; not every learning point has a line."""
    with watch() as listener:
        assert isinstance(listener, Lines)
        for event in EVENTS:
            listener(event)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "256 SNPs chosen",
        "[2/4, about 2 min 05 s left] vae seed 3",
        "[2/4, about 2 min 05 s left] vae seed 3: crashed in 1 min 01 s: died of SIGSEGV",
    ]


def test_board_shows_what_runs_and_keeps_failures() -> None:
    """Model, seed, phase and validation value while it runs; the failure stays on the screen."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    board = Board(console)
    for event in EVENTS[:3]:
        board(event)
    console.print(board)
    shown = screen.getvalue()
    assert "vae seed 3" in shown
    assert "fit  step 1,200, validation 0.310" in shown
    assert "2/4, about 2 min 05 s left" in shown
    board(EVENTS[3])
    assert "died of SIGSEGV" in screen.getvalue()
    screen.truncate(0)
    console.print(board)
    assert "vae" not in screen.getvalue()

"""Progress of a run: a live display on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from genobench.report.numerals import duration, number
from genobench.report.plain import visible
from genobench.run.events import Event, JobFinished, JobPhase, JobStarted, Listener, Progress, Said

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

QUIET_SECONDS = 30.0  # between two plain lines on one job whose phase stays the same


@contextmanager
def watch(plain: bool = False) -> Iterator[Listener]:
    """Listener that shows a run on standard error, away from results.

    Parameters
    ----------
    plain
        Lines even on a terminal.
    """
    if plain or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    board = Board(console)
    with Live(board, console=console, refresh_per_second=4, transient=True) as live:
        board.print = live.console.print
        yield board


def left(progress: Progress) -> str:
    """How much is done and how long the rest should take."""
    text = f"{progress.done}/{progress.total}"
    if progress.seconds_left is None or progress.done >= progress.total:
        return text
    if not progress.overdue:
        return f"{text}, about {duration(progress.seconds_left)} left"
    if progress.seconds_left < 1:
        return f"{text}, takes longer than expected"
    return f"{text}, more than {duration(progress.seconds_left)} left"


def later(progress: Progress, seconds: float) -> Progress:
    """What was known ``seconds`` ago, when nothing has been heard since.

    What waits for a job that is overdue does not become less.
    """
    if progress.seconds_left is None or progress.overdue:
        return progress
    rest = progress.seconds_left - seconds
    return replace(progress, seconds_left=max(0.0, rest), overdue=rest < 0)


def latest(learning: Mapping[str, float | None] | None) -> str:
    """The newest figures of a fit: step and validation value first, then one or two others."""
    if not learning:
        return ""
    known = {k: v for k, v in learning.items() if v is not None and k != "seconds"}
    order = sorted(known, key=lambda k: (k != "step", k != "validation", k))[:3]
    return ", ".join(
        f"{k} {known[k]:,.0f}" if float(known[k]).is_integer() and k == "step"
        else f"{k} {number(known[k])}"
        for k in order
    )  # fmt: skip


def ending(event: JobFinished) -> str:
    """What became of a job, in a line."""
    text = f"{_title(event.name, event.seed, event.what)}: {event.status}"
    text += f" in {duration(event.seconds)}"
    return f"{text}: {event.problem}" if event.problem else text


def _title(name: str, seed: int, what: str) -> str:
    if what == "reference":
        return f"{name} reference"
    return f"{name} seed {seed}" + (" (score only)" if what == "score" else "")


class Lines:
    """One line per thing that happens."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, float]] = {}

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        if isinstance(event, Said):
            self._print(event.text)
        elif isinstance(event, JobStarted):
            self._last[event.key] = ("", time.monotonic())
            self._print(f"[{left(event.progress)}] {_title(event.name, event.seed, event.what)}")
        elif isinstance(event, JobFinished):
            self._last.pop(event.key, None)
            self._print(f"[{left(event.progress)}] {ending(event)}")
        elif self._due(event):
            text = f"{event.phase} {latest(event.learning)}".strip()
            self._print(f"[{left(event.progress)}] {event.name} seed {event.seed}: {text}")

    def _due(self, event: JobPhase) -> bool:
        """Only now and then: a fit reports twice a second."""
        now = time.monotonic()
        _, at = self._last.get(event.key, ("", 0.0))
        if now - at < QUIET_SECONDS:
            return False
        self._last[event.key] = (event.phase, now)
        return True

    def _print(self, text: str) -> None:
        print(visible(text), file=sys.stderr, flush=True)


class Board:
    """What runs now, one line each, above a bar of all work."""

    def __init__(self, console: Console) -> None:
        self.print = console.print
        self._running: dict[str, tuple[str, str, float]] = {}  # title, detail, since
        self._progress: Progress | None = None
        self._heard = time.monotonic()  # when that was said
        self._said = "preparing"

    def __call__(self, event: Event) -> None:
        """Take in an event; failures stay on the screen."""
        if isinstance(event, Said):
            self._said = visible(event.text)
            self.print(self._said, markup=False, highlight=False)
            return
        self._progress, self._heard = event.progress, time.monotonic()
        if isinstance(event, JobStarted):
            title = _title(event.name, event.seed, event.what)
            self._running[event.key] = (visible(title), "load", time.monotonic())
        elif isinstance(event, JobPhase) and event.key in self._running:
            title, _, since = self._running[event.key]
            detail = visible(f"{event.phase}  {latest(event.learning)}")
            self._running[event.key] = (title, detail, since)
        elif isinstance(event, JobFinished):
            self._running.pop(event.key, None)
            if event.problem or event.status != "ok":
                self.print(visible(ending(event)), style="red", markup=False, highlight=False)

    def __rich__(self) -> RenderableType:
        """Drawn four times a second."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._progress is None:
            return Text(self._said, style="dim")
        table = Table.grid(padding=(0, 2))
        for title, detail, since in list(self._running.values()):
            seconds = duration(time.monotonic() - since)
            table.add_row(Text(title, style="bold"), Text(detail), Text(seconds, style="dim"))
        bar = Table.grid(padding=(0, 2))
        now = later(self._progress, time.monotonic() - self._heard)
        total = max(1, self._progress.total)
        bar.add_row(ProgressBar(total, self._progress.done, width=40), left(now))
        return Group(table, bar)

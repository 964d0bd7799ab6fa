"""What a benchmark tells whoever watches it; drawing it is somebody else's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

What = Literal["fit", "score", "reference"]


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes
    ----------
    total, done
        Pieces of work of this run: references to prepare and jobs to fit or score.
    seconds_left
        Estimate from jobs of the same models that have ended, here or in old records; None while
        nothing is known.
    overdue
        Something that runs has taken longer than expected, so that ``seconds_left`` is too little.
    """

    total: int
    done: int
    seconds_left: float | None
    overdue: bool = False


@dataclass(frozen=True)
class Said:
    """One line on the preparation of the data."""

    text: str


@dataclass(frozen=True)
class JobStarted:
    """A child process was started. ``name`` is a model, or a task when a reference is prepared."""

    key: str
    name: str
    seed: int
    what: What
    slot: int
    progress: Progress


@dataclass(frozen=True)
class JobPhase:
    """It entered a phase, or reported a learning point in it."""

    key: str
    name: str
    seed: int
    phase: str
    learning: Mapping[str, float | None] | None
    progress: Progress


@dataclass(frozen=True)
class JobFinished:
    """It ended. ``status`` as in records; ``problem`` says in a line what failed, or is empty."""

    key: str
    name: str
    seed: int
    what: What
    status: str
    problem: str
    seconds: float
    progress: Progress


Event = Said | JobStarted | JobPhase | JobFinished
Listener = Callable[[Event], None]

"""What tuning has found: the file that a run takes up, and the line that people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genobench import settings_text
from genobench.errors import GenobenchError
from genobench.report.numerals import duration, number
from genobench.run.store import write_bytes
from genobench.tuning.journal import Journal, Trial

NAME = "tuned"  # of the settings: the entrant is MODEL@tuned
SAID = ("data", "data_key", "split_sha256", "suite", "seed", "device", "trial_seconds")


@dataclass(frozen=True, eq=False)
class Found:
    """The outcome of the trials so far."""

    model: str
    study: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @classmethod
    def of(cls, journal: Journal) -> Found:
        """What a journal holds."""
        return cls(str(journal.study["model"]), journal.study, tuple(journal.trials))

    @property
    def best(self) -> Trial | None:
        """The trial of the least objective, the first of equals; None when all failed."""
        ended = [t for t in self.trials if t.objective is not None]
        return min(ended, key=lambda t: (t.objective, t.trial), default=None)

    @property
    def failed(self) -> int:
        """Trials without an objective."""
        return sum(t.objective is None for t in self.trials)

    @property
    def table(self) -> dict[str, Any]:
        """The ``[tuning]`` table; the objective of the default is left out when that failed."""
        best, default = self.best, self.trials[0].objective
        table = {
            "trials": len(self.trials),
            "failed": self.failed,
            "seconds": round(sum(t.seconds for t in self.trials), 1),
            "objective_default": default,
            "objective_best": best.objective if best else None,
            "best_trial": best.trial if best else None,
            **{name: self.study[name] for name in SAID},
        }
        return {name: value for name, value in table.items() if value is not None}

    def line(self, asked: int) -> str:
        """What became of the last trial, in a line."""
        last, best = self.trials[-1], self.best
        text = f"{self.model} trial {last.trial + 1}/{asked}: "
        if last.objective is None:
            text += f"{last.status}: {(last.error or {}).get('message', '')}"
        else:
            parts = ", ".join(f"{k} {number(v)}" for k, v in last.components.items())
            text += f"{number(last.objective)} ({parts})"
        text += f" in {duration(last.seconds)}"
        given = settings_text.written(last.settings) or "default"
        told = f"; best {number(best.objective)}" if best and best.objective is not None else ""
        return f"{text}{told}; {given}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        best = self.best
        return {"model": self.model, "settings": dict(best.settings) if best else None,
                "tuning": self.table}  # fmt: skip


def write(found: Found, path: Path) -> None:
    """Write the best settings so far; nothing when no trial has succeeded.

    Raises
    ------
    GenobenchError
        When the file cannot be written.
    """
    best = found.best
    if best is None:
        return
    text = (
        f"# made by `genobench tune`; used as --models {found.model}@{path.name}\n"
        + settings_text.toml({"name": NAME, "model": found.model})
        + f"\n[settings]\n{settings_text.toml(best.settings)}"
        + f"\n[tuning]\n{settings_text.toml(found.table)}"
    )
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise GenobenchError(f"{path}: cannot be written ({error.strerror or error})") from error

"""The trials of one study as they are kept: a line of JSON each, added as they end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError


@dataclass(frozen=True)
class Trial:
    """One try.

    Attributes
    ----------
    trial
        0 is the plain generator.
    settings
        What was changed of it.
    status
        ``ok``, or that of a job: ``failed``, ``timeout``, ``memory``, ``crashed``.
    objective, components
        See `genobench.tuning.objective`; None and empty unless it is ok.
    seconds, fit_seconds
        Wall-clock time of all of it, and of the fit; None where that did not end.
    error
        As in records.
    """

    trial: int
    settings: Mapping[str, Any]
    status: str
    objective: float | None
    components: Mapping[str, float]
    seconds: float
    fit_seconds: float | None = None
    error: Mapping[str, Any] | None = field(default=None)


class Journal:
    """A file of trials, the first line of which says what they are trials of.

    Parameters
    ----------
    path
        The file; made by the first trial.
    study
        What decides the outcome of a trial; trials of another study are not taken up.

    Raises
    ------
    GenobenchError
        When the file holds trials of another study, naming the first difference, or a line that is
        none. A last line that was cut short is dropped: its trial is run again.
    """

    def __init__(self, path: Path, study: Mapping[str, Any]) -> None:
        self.path = path
        self.study = dict(study)
        self.trials: list[Trial] = []
        if path.is_file():
            self._read()

    def add(self, trial: Trial) -> None:
        """Keep one more."""
        lines = [asdict(trial)]
        if not self.trials:
            lines.insert(0, {"study": self.study})
        text = "".join(json.dumps(line, allow_nan=False, sort_keys=True) + "\n" for line in lines)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise GenobenchError(
                f"{self.path}: cannot be written ({error.strerror}); trials in it are safe: make "
                "room, and run again"
            ) from error
        self.trials.append(trial)

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8")
        whole, _, rest = text.rpartition("\n")
        if rest:  # cut short as it was written
            os.truncate(self.path, len(text.encode()) - len(rest.encode()))
        lines = whole.split("\n") if whole else []
        if lines:
            self._compare(_parsed(self.path, 1, lines[0]).get("study"))
        for number, line in enumerate(lines[1:], start=2):
            entry = _parsed(self.path, number, line)
            if set(entry) != {f.name for f in fields(Trial)} or entry["trial"] != number - 2:
                raise GenobenchError(
                    f"{self.path}, line {number}: not trial {number - 2}; move the file away"
                )
            self.trials.append(Trial(**entry))
        if not self.trials and lines:  # only what they would have been trials of
            os.truncate(self.path, 0)

    def _compare(self, there: Any) -> None:
        if not isinstance(there, dict):
            raise GenobenchError(f"{self.path}, line 1: does not say what these are trials of")
        for name, value in self.study.items():
            if there.get(name) != value:
                raise GenobenchError(
                    f"{self.path}: trials of another study: {name} was {_brief(there.get(name))}, "
                    f"is {_brief(value)}; give another --out, or remove the file"
                )


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise GenobenchError(f"{path}, line {number}: not JSON ({error})") from error


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

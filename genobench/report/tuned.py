"""What an equal search for better settings found: the table of `strength.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genobench import bounded, settings_text
from genobench.errors import GenobenchError
from genobench.report.markdown import escape, grid, listed
from genobench.report.numerals import ABSENT, duration, number

FOLDER = "tuning"  # beside the records: what `genobench tune --out` left


@dataclass(frozen=True)
class Tuned:
    """The outcome for one generator; ``table`` is what its file says under ``[tuning]``."""

    model: str
    settings: Mapping[str, Any]
    table: Mapping[str, Any]

    @property
    def kind(self) -> tuple[str, str]:
        """Data set and suite."""
        return str(self.table["data"]), str(self.table["suite"])


def kept(folder: Path) -> tuple[Tuned, ...]:
    """Outcomes that lie in ``folder/tuning``, by model.

    Raises
    ------
    GenobenchError
        Naming the file that `genobench tune` did not write.
    """
    return tuple(_read(path) for path in sorted((folder / FOLDER).glob("*.toml")))


def _read(path: Path) -> Tuned:
    try:
        content = bounded.read_toml(path)
        found = Tuned(str(content["model"]), dict(content["settings"]), dict(content["tuning"]))
        _row(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenobenchError(
            f"{path}: not what `genobench tune` writes ({error}); move it elsewhere"
        ) from error
    return found


def section(found: Sequence[Tuned]) -> list[str]:
    """Paragraphs and tables; none where nothing was tuned."""
    if not found:
        return []
    parts = [
        "## Equal tuning",
        "`genobench tune` from the settings of the suite on, with the same number of trials and "
        "seconds for every generator; a trial that takes longer than its share fails. Measured on "
        "validation people alone, fitted to part of the training people. The objective adds up how "
        "far trees tell synthetic people from real ones, how much worse a predictor trained on "
        "them is, and how far an attack beats chance: differences of AUCs, 0 for fresh real "
        f"people. All trials lie in `{FOLDER}/`. **Best** is the least of all trials, the plain "
        "settings among them: where it is theirs, the search found none better.",
    ]
    for kind in dict.fromkeys(each.kind for each in found):
        here = [each for each in found if each.kind == kind]
        parts += [f"### {escape(', '.join(kind))}: tuning", _table(here)]
    return parts


def _table(found: Iterable[Tuned]) -> str:
    columns = ["Generator", "Trials", "Failed", "Seconds each", "Plain", "Best", "Took", "Settings"]
    return grid(columns, [_row(each) for each in found], left=1)


def _row(found: Tuned) -> list[str]:
    table = found.table
    default = table.get("objective_default")
    changed = settings_text.written(found.settings)
    return [
        listed(found.model, "entrant"),
        str(int(table["trials"])),
        str(int(table["failed"])),
        f"{table['trial_seconds']:g}",
        ABSENT if default is None else number(default),
        number(table["objective_best"]),
        duration(table["seconds"]),
        f"`{changed}`" if changed else "plain",
    ]

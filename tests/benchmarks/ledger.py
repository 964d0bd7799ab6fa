"""What the benches measured: rows in speed.json, and speed.md that is rendered from them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

KEPT = Path(__file__).parent / "speed.json"
JSON = Path(os.environ.get("GENOBENCH_BENCH_ROWS", KEPT))  # elsewhere for a trial
TABLE = JSON.with_suffix(".md")
HEAD = """# Speed and memory

Written by `make bench`; do not edit. Ratios compare two timings of one run, the best of several
taken in turn, so that what else the machine does at the time falls on both.

| what | measured | target | met | machine | day |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes
    ----------
    bench, what
        Which test measured it, and what it is; a later run replaces the row of the same two.
    measured
        None where it could not be measured; ``note`` says why.
    unit
        Of ``measured`` and ``target``; "" for a plain number.
    target
        None where it is shown for the record.
    better
        Which side of the target is good.
    note
        How to read it.
    machine, day
        Where and when.
    """

    bench: str
    what: str
    measured: float | None
    unit: str
    target: float | None
    better: Literal["higher", "lower"]
    note: str
    machine: str
    day: str

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a measurement."""
        if self.target is None or self.measured is None:
            return None
        if self.better == "higher":
            return self.measured >= self.target
        return self.measured <= self.target


class Recorder:
    """Keeps the rows of one bench.

    Parameters
    ----------
    bench
        Its name.
    path
        The file of all rows; the table lies beside it.
    """

    def __init__(self, bench: str, path: Path = JSON) -> None:
        self.bench, self.path = bench, path
        self.missed: list[str] = []

    def __call__(
        self,
        what: str,
        measured: float | None,
        unit: str = "",
        *,
        target: float | None = None,
        better: Literal["higher", "lower"] = "higher",
        note: str = "",
    ) -> None:
        """Write one row; `missed` collects those beside their target."""
        value = None if measured is None else float(f"{measured:.3g}")
        day = datetime.now(UTC).date().isoformat()
        row = Row(self.bench, what, value, unit, target, better, note, machine(), day)
        rows = [r for r in read(self.path) if (r.bench, r.what) != (row.bench, row.what)]
        write([*rows, row], self.path)
        if row.met is False:
            self.missed.append(f"{what}: {_number(value, unit)}, target {_aim(row)}")


def machine() -> str:
    """Processor and the number of cores that are free to use."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        known = {key.strip(): value.strip() for key, value in lines.items()}
        model = known.get("model name", model)
        if "avx512_vpopcntdq" in known.get("flags", "").split():
            model += " with AVX-512 popcount"
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def read(path: Path = JSON) -> list[Row]:
    """Rows of earlier runs."""
    return [Row(**row) for row in json.loads(path.read_text())] if path.is_file() else []


def write(rows: Iterable[Row], path: Path = JSON) -> None:
    """Rows and their table, each by rename."""
    ordered = sorted(rows, key=lambda row: row.bench)  # stable: as measured within a bench
    texts = {
        path: json.dumps([asdict(row) for row in ordered], indent=1) + "\n",
        path.with_suffix(".md"): render(ordered),
    }
    for target, text in texts.items():
        part = target.with_name(target.name + ".part")
        part.write_text(text)
        part.replace(target)


def render(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    lines, notes = [], []
    for row in rows:
        mark = ""
        if row.note:
            notes.append(row.note)
            mark = f" [{len(notes)}]"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        cells = (row.what + mark, _number(row.measured, row.unit), _aim(row), met)
        lines.append("| " + " | ".join((*cells, row.machine, row.day)) + " |\n")
    below = "".join(f"{number}. {note}\n" for number, note in enumerate(notes, 1))
    return HEAD + "".join(lines) + ("\n" + below if below else "")


def _aim(row: Row) -> str:
    if row.target is None:
        return ""
    sign = ">=" if row.better == "higher" else "<="
    return f"{sign} {_number(row.target, row.unit)}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()

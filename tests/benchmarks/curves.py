"""Cost as a constant and a slope, and the table of what was measured and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

HEAD = """# Cost curves

Written by `pytest tests/benchmarks/test_cost_curves.py -m benchmark_suite`; do not edit.
Seconds on one core of {machine}, {day}.
Memory is that of all processes of the run together.

"""


@dataclass(frozen=True)
class Line:
    """``constant + slope * size``, neither below 0, of least squared relative error.

    Attributes
    ----------
    constant, slope
        In the unit of what was measured, per unit of size.
    error
        Largest relative distance of a measurement from the line.
    """

    constant: float
    slope: float
    error: float

    @classmethod
    def of(cls, sizes: Sequence[float], measured: Sequence[float]) -> Line:
        """Through two measurements or more."""
        x, y = np.array(sizes, float), np.maximum(np.array(measured, float), 1e-9)
        design = np.stack([np.ones_like(x), x / x.max()], axis=1)
        (constant, slope), _ = nnls(design / y[:, None], np.ones_like(y))
        found = design @ np.array([constant, slope])
        return cls(float(constant), float(slope / x.max()), float(np.abs(found / y - 1).max()))

    def __call__(self, size: float) -> float:
        return self.constant + self.slope * size


@dataclass(frozen=True)
class Curve:
    """What was measured along one axis.

    Attributes
    ----------
    axis, fixed
        What varies, and what does not.
    sizes
        Of the axis.
    stages
        Stage -> one measurement per size: seconds, or GiB where the stage says so.
    per
        What the slope is told for so many of; 0: no line is drawn.
    """

    axis: str
    fixed: str
    sizes: tuple[int, ...]
    stages: Mapping[str, Sequence[float]]
    per: int = 1_000

    def line(self, stage: str) -> Line:
        """Of one stage."""
        return Line.of(self.sizes, self.stages[stage])

    def markdown(self) -> str:
        """A row for each stage."""
        head = [f"by {self.axis} ({self.fixed})", *(f"{size:,}" for size in self.sizes)]
        if self.per:
            each = f"each {self.per:,} adds" if self.per > 1 else "each adds"
            head += ["constant", each, "largest error of the line"]
        rows = [head, ["---"] * len(head)]
        for stage, measured in self.stages.items():
            rows.append([stage, *(f"{value:.3g}" for value in measured)])
            if self.per:
                line = self.line(stage)
                ends = f"{line.constant:.3g}", f"{self.per * line.slope:.3g}", f"{line.error:.0%}"
                rows[-1].extend(ends)
        return "\n".join(map(_row, rows)) + "\n"


def write(
    path: Path, curves: Sequence[Curve], projection: Sequence[tuple[str, str, str]], head: str
) -> None:
    """The curves, and below them what is projected: quantity, value, formula."""
    text = head + "\n".join(curve.markdown() for curve in curves)
    text += "\n## Projection, not measured\n\n"
    table = [("quantity", "projected", "formula"), ("---",) * 3, *projection]
    path.write_text(text + "\n".join(_row(cells) for cells in table) + "\n")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

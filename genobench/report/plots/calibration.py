"""Risks that a predictor of synthetic people claims, against how often they come true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from genobench.cohort import Cohort, Labels
from genobench.metrics.performance import calibration_slope
from genobench.metrics.prediction import Floats, Ridge
from genobench.metrics.risk import prior_shift
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import REAL, cohort_label, role_colour
from genobench.report.plots.panels import Family, letters, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 10  # at most
PER_BIN = 10  # people, of the rarer kind where there are two


class Calibration(NamedTuple):
    """Of one predictor in the test people.

    Attributes
    ----------
    claimed, true, error
        (bins,) mean prediction, mean outcome and its standard error.
    slope
        Of the outcome on the linear predictor.
    """

    claimed: Floats
    true: Floats
    error: Floats
    slope: float


def binned(predictor: Floats, labels: Labels, *, binary: bool) -> tuple[Floats, Floats, Floats]:
    """Groups of the people by prediction: mean claim, mean outcome, its standard error.

    Up to `BINS` of equal size; groups of fewer than `FEWEST` people, of a binary trait of fewer
    cases or controls, are left out.
    """
    claims = expit(predictor) if binary else predictor
    rarer = min(labels.sum(), (1 - labels).sum()) if binary else len(labels)
    count = int(np.clip(rarer // PER_BIN, 1, BINS))
    parts = np.array_split(np.argsort(predictor, kind="stable"), count)
    if binary:
        least = [min(labels[p].sum(), (1 - labels[p]).sum()) for p in parts]
        parts = [p for p, few in zip(parts, least, strict=True) if few >= FEWEST]
    parts = [p for p in parts if len(p) >= FEWEST]
    y = labels.astype(np.float64)
    rows = [(claims[p].mean(), y[p].mean(), y[p].std(ddof=1) / np.sqrt(len(p))) for p in parts]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def calibration(source: Cohort, people: People) -> Calibration:
    """Joint ridge trained on ``source``, as in the utility task, on the test people."""
    test, kind = people.split.test, people.kind
    ridge = Ridge.of(source.genotypes)
    predictor = ridge.predict(*ridge.fit(source.labels, kind), test.genotypes)
    slope = calibration_slope(predictor, test.labels, kind).value
    shift = prior_shift(source.labels, test.labels, kind)
    if not np.isfinite(shift):
        empty: NDArray[np.float64] = np.zeros(0)
        return Calibration(empty, empty, empty, slope)
    parts = binned(predictor + shift, test.labels, binary=kind == "binary")
    return Calibration(*parts, slope)


def draw(axes: Axes, made: Made, people: People) -> None:
    """Real training people in black, the synthetic ones in the colour of the role."""
    real = people.once("real calibration", lambda: calibration(people.split.train, people))
    own = calibration(made.cohort, people)
    size = letters(axes) * 0.4
    both = np.concatenate([real.claimed, real.true, own.claimed, own.true])
    middle = float(both.mean()) if len(both) else 0.0
    axes.axline((middle, middle), slope=1, color="#888888", linewidth=0.6, zorder=0)
    for found, colour, mark, label in (
        (real, REAL, "o", "trained on real people"),
        (own, role_colour(made.role), "s", _label(made.role)),
    ):
        axes.errorbar(
            found.claimed, found.true, yerr=1.96 * found.error, color=colour, marker=mark,
            markersize=size, linewidth=0.8, elinewidth=0.6,
            label=label,
        )  # fmt: skip
    axes.text(
        0.04, 0.96, f"slope {own.slope:.2f}\nreal {real.slope:.2f}", transform=axes.transAxes,
        va="top",
    )  # fmt: skip


def _label(role: str) -> str:
    return "trained on synthetic people" if role == "entrant" else cohort_label(role)


def caption(made: Sequence[Made], people: People) -> str:
    test = people.split.test
    what = "risk" if people.kind == "binary" else "value"
    return (
        f"Predicted against observed {what} in up to {BINS} groups of {test.n:,} test people, by a "
        f"joint ridge trained on synthetic people ({named(made)}) and, in black, on "
        f"{people.split.train.n:,} training people; how common the trait is where it was "
        "trained has been corrected for. Bars are 95 % intervals; groups with fewer than "
        f"{FEWEST} cases or controls are left out. "
        "On the diagonal claims are true; flatter, with a slope below 1, the predictor claims more "
        "than it knows."
    )


def _obstacle(people: People) -> str:
    return "" if people.split.test.trait is not None else "these people have no trait"


FAMILY = Family("calibration", draw, caption, "predicted", "observed", _obstacle)

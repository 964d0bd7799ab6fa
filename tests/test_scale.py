"""What counts as above the ceiling in a metric that has a target."""

from __future__ import annotations

import pytest

from genobench.report.scale import ABOVE, rescale
from genobench.report.stats import NONE, Interval, Summary
from genobench.task import MetricCard

HALF = MetricCard("x", "X", "target", "", target=0.5)


def measured(value: float) -> Summary:
    """Value with a narrow interval over people."""
    return Summary(value, Interval(value - 0.01, value + 0.01), NONE, 1)


@pytest.mark.parametrize(
    ("value", "note"), [(1.0, ""), (0.7, ""), (0.5, ABOVE), (0.56, ""), (0.44, ""), (0.2, "")]
)
def test_beyond_a_target_is_not_above_the_ceiling(value: float, note: str) -> None:
    """Independent sites are farther from training people than real people are, and no better.

    Only what is nearer to the target than the ceiling is, by more than the interval, is above it.
    """
    assert rescale(measured(value), measured(0.0), measured(0.55), HALF).note == note

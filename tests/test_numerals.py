"""Numbers as tables print them."""

from __future__ import annotations

import math

import pytest

from genobench.report.numerals import interval
from genobench.report.stats import Interval


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((-0.0412, -0.0001), "-0.041 to 0.000"),
        ((0.00004, 0.6), "0.000 to 0.600"),
        ((-0.00003, 0.0002), "-3e-5 to 2e-4"),
        ((0.0, 1.0), "0.000 to 1.000"),
        ((12.34, 1234.0), "12.3 to 1,234"),
        ((math.nan, 1.0), "–"),
    ],
)
def test_ends_of_an_interval_have_as_many_decimals(ends: tuple[float, float], shown: str) -> None:
    """One that is small beside the other is zero; two that are small are told in full."""
    assert interval(Interval(*ends)) == shown

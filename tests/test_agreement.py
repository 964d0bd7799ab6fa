"""Agreement of SNP statistics: numpy's numbers, the choice of allele, reliability, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.metrics import agreement as ag


def test_numbers_are_numpys() -> None:
    """Correlation, slope and RMSE over the valid entries, and those about the origin."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 1, (3, 60))
    y = 0.7 * x + rng.normal(0, 0.5, x.shape)
    valid = rng.random(x.shape) < 0.8
    a, b = x[valid], y[valid]
    assert ag.correlation(y, x, valid).value == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert ag.slope(y, x, valid, reliable=0.9).value == pytest.approx(np.polyfit(a, b, 1)[0] / 0.9)
    assert ag.rmse(y, x, valid).value == pytest.approx(math.sqrt(np.mean((a - b) ** 2)))
    assert ag.pearson(b, a) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert ag.corrected_slope(b, a, reliable=0.9) == pytest.approx(np.polyfit(a, b, 1)[0] / 0.9)
    assert ag.difference(b, a) == pytest.approx(math.sqrt(np.mean((a - b) ** 2)))
    cosine = (a @ b) / math.sqrt((a @ a) * (b @ b))
    assert ag.correlation(y, x, valid, origin=True).value == pytest.approx(cosine)
    assert ag.slope(y, x, valid, origin=True).value == pytest.approx((a @ b) / (a @ a))


def test_about_the_origin_signs_do_not_matter() -> None:
    """Turning the sign of some entries in both samples, as counting the other allele does."""
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 1, (2, 80))
    y = x + rng.normal(0, 1, x.shape)
    valid, sign = np.ones(x.shape, bool), rng.choice([-1, 1], x.shape)
    for measure in (ag.correlation, ag.slope):
        found = [measure(s * y, s * x, valid, origin=True) for s in (1, sign)]
        assert found[0] == pytest.approx(found[1])


def test_reliability_is_the_agreement_of_samples_twice_as_large() -> None:
    """Signal and noise of equal variance in halves: .5 between halves, 2/3 stepped up."""
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(40, 1000))
    valid = np.ones(signal.shape, bool)
    one, two = (signal + rng.normal(size=signal.shape) for _ in range(2))
    assert ag.reliability(one, two, valid) == pytest.approx(2 / 3, abs=0.01)
    full = [signal + rng.normal(0, math.sqrt(0.5), signal.shape) for _ in range(2)]
    assert ag.correlation(full[0], full[1], valid).value == pytest.approx(2 / 3, abs=0.01)
    assert (
        ag.reliability(rng.normal(size=(5, 400)), rng.normal(size=(5, 400)), valid[:5, :400]) < 0.2
    )


def test_what_does_not_vary_gives_no_number() -> None:
    """Constant, or no valid entry: NaN, and a reliability of 0."""
    flat, valid = np.full((2, 30), 0.1), np.ones((2, 30), bool)
    assert math.isnan(ag.correlation(flat, flat, valid).value)
    assert math.isnan(ag.slope(flat, flat, valid).value)
    assert ag.reliability(flat, flat, valid) == 0
    assert ag.rmse(flat, flat, valid).value == pytest.approx(0)
    assert math.isnan(ag.rmse(flat, flat, ~valid).value)
    nobody = np.zeros(0)
    for value in (ag.pearson, ag.corrected_slope, ag.difference):
        assert math.isnan(value(nobody, nobody))
    assert math.isnan(ag.pearson(flat[0], flat[0]))


def test_bad_input_is_named() -> None:
    """Other shapes, a reliability that is none."""
    x = np.zeros((2, 30))
    with pytest.raises(GenobenchError, match="different SNPs"):
        ag.correlation(x, x[:, :5], np.ones((2, 30), bool))
    with pytest.raises(GenobenchError, match="reliability 0"):
        ag.slope(x, x, np.ones((2, 30), bool), reliable=0)
    with pytest.raises(GenobenchError, match="reliability 2"):
        ag.corrected_slope(x[0], x[0], reliable=2)

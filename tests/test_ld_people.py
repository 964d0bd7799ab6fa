"""Jackknife over people of what is computed from r2: literal deletion, calibration, bad input."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.errors import GenobenchError
from genobench.metrics import agreement, ld
from genobench.metrics.frequency import allele_frequency
from genobench.metrics.intervals import Z95
from genobench.metrics.ld_people import people_intervals


def _pairs(cohort: Cohort, reach: int) -> ld.Pairs:
    return ld.pairs(
        chromosome=cohort.variants["chrom"].astype(np.int64).to_numpy(),
        position=cohort.variants["pos"].to_numpy(np.int64),
        frequency=allele_frequency(cohort.genotypes),
        reach=reach,
    )


def _slope(y: Any, x: Any, *, valid: Any, reliable: float) -> float:
    return agreement.corrected_slope(y[valid], x[valid], reliable=reliable)


@pytest.mark.parametrize(("m", "reach"), [(64, 16), (300, 40), (600, 290), (5, 4)])
def test_values_are_those_of_r2_bands(make_cohort: Any, m: int, reach: int) -> None:
    """Correlation, slope, RMSE and decay as from `ld.r2_band`, in one block of columns or more."""
    one, two = make_cohort(130, m, 1), make_cohort(110, m, 2)
    which = _pairs(two, reach)
    bins, v = ld.decay_bins(which), which.valid
    found = people_intervals(
        one.genotypes,
        two.genotypes,
        (
            lambda y, x: agreement.pearson(y[v], x[v]),
            lambda y, x: agreement.corrected_slope(y[v], x[v]),
            lambda y, x: agreement.difference(y[v], x[v]),
            partial(ld.decay_area, bins=bins),
        ),
        reach=reach,
    )
    made, real = (ld.r2_band(c.genotypes, reach=reach) for c in (one, two))
    wanted = (
        ld.r2_correlation(made, real, which),
        ld.r2_slope(made, real, which),
        ld.r2_rmse(made, real, which),
        ld.decay_distance(made, real, bins),
    )
    assert [i.value for i in found] == pytest.approx([i.value for i in wanted], rel=1e-4)


def test_interval_is_that_of_leaving_people_out(make_cohort: Any) -> None:
    """Every twentieth person dropped in turn, all computed from the rest, on either side."""
    made, test = make_cohort(90, 40, 1).genotypes, make_cohort(70, 40, 2)
    real, v = test.genotypes, _pairs(test, 8).valid

    def slope(one: Any, two: Any) -> float:
        y, x = (ld.r2_band(g, reach=8)[v].astype(float) for g in (one, two))
        return agreement.corrected_slope(y, x)

    (found,) = people_intervals(
        made, real, (lambda y, x: agreement.corrected_slope(y[v], x[v]),), reach=8
    )
    variance = 0.0
    for side in (0, 1):
        values = []
        for group in range(20):
            pair = [made, real]
            pair[side] = np.delete(pair[side], np.s_[group::20], axis=0)
            values.append(slope(*pair))
        variance += 19 * float(np.var(values))
    half = Z95 * math.sqrt(variance)
    assert found.high - found.value == pytest.approx(half, rel=1e-3)
    assert found.value - found.low == pytest.approx(half, rel=1e-3)


def test_intervals_hold_the_truth_for_fresh_people(make_cohort: Any) -> None:
    """The corrected slope of 30 pairs of samples: 1 is inside 26 intervals or more."""
    hits = 0
    for seed in range(30):
        one, two = (make_cohort(300, 96, 2 * seed + i, populations=3) for i in (0, 1))
        v = _pairs(two, 16).valid
        halves = ld.half_bands(two.genotypes, reach=16, rng=np.random.default_rng(seed))
        reliable = agreement.reliability(halves[0], halves[1], v)
        slope = partial(_slope, valid=v, reliable=reliable)
        (found,) = people_intervals(one.genotypes, two.genotypes, (slope,), reach=16)
        hits += found.low < 1 < found.high
    assert hits >= 26


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Other variants, too few people."""
    g = make_cohort(40, 16, 1).genotypes
    with pytest.raises(GenobenchError, match="8 variants"):
        people_intervals(g[:, :8], g, (), reach=4)
    with pytest.raises(GenobenchError, match="needs 4"):
        people_intervals(g[:3], g, (), reach=4)

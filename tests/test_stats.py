"""Statistics of a leaderboard, against closed forms, scipy and their own invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from genobench.report.scale import (
    ABOVE,
    REVERSED,
    UNINFORMATIVE,
    overall,
    rescale,
)
from genobench.report.stats import (
    NONE,
    Interval,
    Summary,
    holm,
    margin,
    standings,
    summarise,
    tie_letters,
)
from genobench.task import MetricCard

LOWER = MetricCard("x", "X", "lower", "")
HIGHER = MetricCard("x", "X", "higher", "")
HALF = MetricCard("x", "X", "target", "", target=0.5)
Z = 1.959963984540054

finite = st.floats(-100, 100, allow_nan=False)
half_widths = st.floats(0.001, 10)


def model(value: float, half: float = 0.1, *, seeds: int = 1, spread: float = 0.0) -> Summary:
    """A summary with an interval over people and, with several seeds, one over seeds."""
    around = Interval(value - spread, value + spread) if seeds > 1 else NONE
    return Summary(value, Interval(value - half, value + half), around, seeds)


@given(st.lists(finite, min_size=2, max_size=8))
def test_interval_over_seeds_is_the_t_interval(values: list[float]) -> None:
    """Mean and interval are scipy's."""
    s = summarise(values, values, values)
    assert s.value == pytest.approx(np.mean(values), abs=1e-9)
    if np.ptp(values) > 1e-6:
        low, high = scipy_stats.t.interval(
            0.95, len(values) - 1, loc=np.mean(values), scale=scipy_stats.sem(values)
        )
        assert tuple(s.seeds) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
        assert s.se_seeds == pytest.approx(scipy_stats.sem(values), rel=1e-6)


def test_interval_over_people_does_not_shrink_with_seeds() -> None:
    """The seeds share their people, so half-widths are averaged, each side for itself."""
    s = summarise([1.0, 2.0, 3.0], [0.5, 1.5, 2.5], [1.2, 2.4, 3.6])
    assert tuple(s.people) == pytest.approx((1.5, 2.4))
    assert s.se_people == pytest.approx(0.9 / (2 * Z))


def test_one_seed_has_no_interval_over_seeds() -> None:
    """Nor does a metric without interval over people get one."""
    s = summarise([1.0], [math.nan], [math.nan])
    assert math.isnan(s.seeds.low)
    assert math.isnan(s.people.low)
    assert not s.measured
    assert math.isnan(s.both.low)


def test_seeds_without_value_are_left_out() -> None:
    """The mean is over the others; nothing at all gives NaN."""
    s = summarise([1.0, math.nan, 3.0], [0.0, math.nan, 2.0], [2.0, math.nan, 4.0])
    assert (s.value, s.n_seeds) == (2.0, 2)
    assert math.isnan(summarise([math.nan], [0], [0]).value)
    assert summarise([], [], []).n_seeds == 0


def test_both_uncertainties_add_in_quadrature() -> None:
    """With many seeds the t quantile is the normal one, and variances add."""
    s = Summary(0.0, Interval(-3 * Z, 3 * Z), Interval(-4 * Z, 4 * Z), 100_000)
    assert margin(s) == pytest.approx(5 * Z, rel=1e-4)
    assert s.both.high == pytest.approx(5 * Z, rel=1e-4)


def test_few_seeds_widen_the_joint_interval() -> None:
    """Without people the joint interval is the t interval over seeds."""
    s = Summary(0.0, NONE, Interval(-1.0, 1.0), 3)
    assert margin(s) == pytest.approx(1.0)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(finite, half_widths), min_size=1))
def test_rank_interval_holds_the_rank(values: dict[str, tuple[float, float]]) -> None:
    """And lies within 1 and the number of models, whatever the direction."""
    summaries = {n: model(*v) for n, v in values.items()}
    for card in (LOWER, HIGHER, HALF):
        found = standings(summaries, card, draws=200)
        for name, place in found.items():
            assert place.low is not None
            assert place.high is not None
            assert 1 <= place.low <= place.rank <= place.high <= len(summaries)
            better = sum(card.loss(s.value) < card.loss(summaries[name].value)
                         for s in summaries.values())  # fmt: skip
            assert place.rank == 1 + better


def test_order_of_models_does_not_matter() -> None:
    """Ranks, intervals and letters are the same for any order, to the last draw."""
    summaries = {n: model(v, 0.3) for n, v in zip("dacb", (0.1, 0.2, 0.25, 0.9), strict=True)}
    backwards = dict(reversed(summaries.items()))
    assert standings(summaries, LOWER, draws=500) == standings(backwards, LOWER, draws=500)


def test_clear_winners_have_narrow_ranks_and_ties_wide_ones() -> None:
    """Far apart: one rank each. The same value: all ranks."""
    apart = standings({n: model(i, 0.01) for i, n in enumerate("abc")}, LOWER)
    assert [(p.rank, p.low, p.high, p.ties) for p in apart.values()] == [
        (1, 1, 1, "a"), (2, 2, 2, "b"), (3, 3, 3, "c"),
    ]  # fmt: skip
    equal = standings({n: model(1.0, 0.01) for n in "abc"}, LOWER)
    assert {(p.rank, p.low, p.high, p.ties) for p in equal.values()} == {(1, 1, 3, "a")}


def test_rank_probability_matches_the_closed_form() -> None:
    """Two models: the second is ahead with probability Phi(-difference / se)."""
    for difference, wide in ((2.5, False), (1.5, True)):  # in units of its standard error
        half = Z / math.sqrt(2)
        found = standings({"a": model(0.0, half), "b": model(difference, half)}, LOWER)
        ahead = scipy_stats.norm.cdf(-difference)
        assert (ahead > 0.025) == wide
        assert (found["a"].high == 2) == wide


def test_target_is_ranked_by_distance() -> None:
    """.48 is as near to .5 as .52, and both before .6."""
    found = standings({"a": model(0.48), "b": model(0.52), "c": model(0.6)}, HALF, draws=100)
    assert [found[n].rank for n in "abc"] == [1, 1, 3] or found["a"].rank + found["b"].rank == 3
    assert found["c"].rank == 3


def test_nobody_has_a_rank_interval_when_one_has_no_uncertainty() -> None:
    """One exact number among estimates would make the others' intervals too narrow."""
    found = standings({"a": model(1.0), "b": Summary(2.0, n_seeds=1)}, LOWER)
    assert found["a"].rank == 1
    assert found["a"].low is None
    assert found["a"].ties == ""


def test_models_without_value_are_not_ranked() -> None:
    """They are left out, and the others move up."""
    assert set(standings({"a": Summary(math.nan), "b": model(1.0)}, LOWER, draws=10)) == {"b"}


def test_holm_matches_the_published_example() -> None:
    """Holm's step-down on p = .01 .04 .03 .005: .03 .06 .06 .02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_overlapping_groups_share_letters() -> None:
    """a = b, b = c, a different from c: letters a, ab, b."""
    found = tie_letters({"p": model(0.0, 1.0), "q": model(1.3, 1.0), "r": model(2.6, 1.0)}, LOWER)
    assert found == {"p": "a", "q": "ab", "r": "b"}


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 3)), min_size=2, max_size=7))
def test_letters_say_exactly_which_pairs_differ(values: list[tuple[float, float]]) -> None:
    """Two models share a letter if and only if their corrected p value is not below .05."""
    names = [chr(ord("m") + i) for i in range(len(values))]
    summaries = {n: model(*v) for n, v in zip(names, values, strict=True)}
    letters = tie_letters(summaries, LOWER)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    p: list[float] = []
    for a, b in pairs:
        se = math.hypot(summaries[a].se_people, summaries[b].se_people)
        difference = abs(summaries[a].value - summaries[b].value)
        p.append(float(2 * scipy_stats.norm.sf(difference / se)))
    for (a, b), q in zip(pairs, holm(p), strict=True):
        if abs(q - 0.05) > 1e-9:
            assert bool(set(letters[a]) & set(letters[b])) == (q >= 0.05)


@given(finite, finite, finite)
def test_floor_is_zero_ceiling_is_one_and_the_scale_is_straight(
    floor: float, ceiling: float, x: float
) -> None:
    """Whichever is larger, and never clipped."""
    low, high = model(floor, 1e-6), model(ceiling, 1e-6)
    card = HIGHER if ceiling > floor else LOWER
    if abs(ceiling - floor) < 1e-3:
        return
    assert rescale(low, low, high, card).value == 0
    assert rescale(high, low, high, card).value == pytest.approx(1)
    expected = (x - floor) / (ceiling - floor)
    assert rescale(model(x), low, high, card).value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_rescaled_interval_is_that_of_the_value() -> None:
    """Turned round where the floor is the larger number."""
    found = rescale(model(3.0, 1.0), model(5.0, 0.1), model(1.0, 0.1), LOWER)
    assert found.value == 0.5
    assert tuple(found.interval) == pytest.approx((0.25, 0.75))


def test_no_scale_between_controls_that_coincide() -> None:
    """Within their intervals, the floor ahead of the ceiling, or one of them missing."""
    x = model(0.5)
    assert rescale(x, model(0.5, 0.3), model(0.6, 0.3), HIGHER).note == UNINFORMATIVE
    assert rescale(x, model(0.9, 0.01), model(0.6, 0.01), HIGHER).note == REVERSED
    for found in (rescale(x, None, model(1.0), HIGHER), rescale(x, model(0.0), None, HIGHER)):
        assert math.isnan(found.value)
        assert "was run" in found.note


def test_above_the_ceiling_only_beyond_the_interval() -> None:
    """1.05 +- .1 is not suspicious, 1.5 +- .1 is, the ceiling itself never."""
    floor, ceiling = model(0.0, 0.05), model(1.0, 0.05)
    assert rescale(model(1.05, 0.1), floor, ceiling, HIGHER).note == ""
    assert rescale(model(1.5, 0.1), floor, ceiling, HIGHER).note == ABOVE
    assert rescale(ceiling, floor, ceiling, HIGHER).note == ""


def test_overall_rank_needs_five_data_sets() -> None:
    """Fewer give a sentence; five give mean ranks among the models that all of them have."""
    ranks = {f"d{i}": {"a": 1, "b": 2 + (i % 2), "c": 3 - (i % 2)} for i in range(5)}
    rows, reason = overall({k: ranks[k] for k in list(ranks)[:4]})
    assert rows == []
    assert reason == "No overall rank: 4 data sets were run, and fewer than 5 say little of others."
    del ranks["d0"]["c"]
    rows, reason = overall(ranks)
    assert reason == ""
    assert [(r.model, r.mean_rank) for r in rows] == [("a", 1.0), ("b", 2.0)]
    assert rows[0].interval == Interval(1.0, 1.0)

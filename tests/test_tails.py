"""Those who stand out: chosen by one rule, found when they leak, at chance when nobody does."""

from __future__ import annotations

import numpy as np
import pytest

from genobench.metrics.tails import FEWEST, RARE, rare_load, strongest_in, tail


def test_rare_load_by_hand() -> None:
    """Two copies of an allele at .025 count twice its -log; common sites do not count."""
    reference = np.zeros((100, 4), np.int8)
    reference[:5, 0] = 1  # 5.5 of 201
    reference[:50, 1] = 1  # common
    reference[:, 2] = 2
    reference[:5, 2] = 1  # rare the other way round
    people = np.array([[2, 2, 2, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.int8)
    one = -np.log(5.5 / 201)
    unseen = -np.log(0.5 / 201)
    assert RARE > 5.5 / 201
    expected = [2 * one, 2 * one, 2 * one + unseen]
    np.testing.assert_allclose(rare_load(people, reference), expected)
    turned = rare_load((2 - people).astype(np.int8), (2 - reference).astype(np.int8))
    np.testing.assert_allclose(turned, expected)


def test_tail_takes_a_share_and_its_ties() -> None:
    """The highest tenth; all who tie at its end; nobody where all are alike."""
    assert tail(np.arange(100)).nonzero()[0].tolist() == list(range(90, 100))
    assert tail(np.repeat([0, 1, 2], [80, 15, 5])).sum() == 20
    assert tail(np.repeat([0, 1], [97, 3])).sum() == 3
    assert not tail(np.zeros(50)).any()


def test_order_of_people_does_not_choose() -> None:
    """A tie at the cut is no reason to take the members, who stand first."""
    values = np.repeat([0.0, 1.0], 200)
    rng = np.random.default_rng(0)
    shuffle = rng.permutation(400)
    np.testing.assert_array_equal(tail(values[shuffle]), tail(values)[shuffle])


def test_leak_of_outliers_is_found_where_the_whole_hides_it() -> None:
    """One in twenty members leaks, all of them outliers: plain in the tail, faint overall."""
    rng = np.random.default_rng(0)
    n = 800
    member = np.arange(2 * n) < n
    outlying = rng.random(2 * n)
    scores = rng.normal(size=2 * n)
    leaked = member & (outlying > 0.95)
    scores[leaked] += 4
    attacks = {"one": scores, "chance": rng.normal(size=2 * n)}
    chosen = tail(outlying)
    inside = strongest_in(chosen, attacks, member)
    whole = strongest_in(np.ones(2 * n, bool), attacks, member)
    assert inside is not None
    assert whole is not None
    assert inside.low > 0.6
    assert whole.value < 0.56
    scores[leaked] -= 4
    fresh = strongest_in(chosen, attacks, member)
    assert fresh is not None
    assert fresh.low < 0.5


@pytest.mark.parametrize("members", [FEWEST - 1, FEWEST])
def test_too_few_say_nothing(members: int) -> None:
    """Fewer than twenty of either kind: no estimate."""
    member = np.arange(100) < members
    found = strongest_in(np.ones(100, bool), {"a": np.arange(100.0)}, member)
    assert (found is None) == (members < FEWEST)

"""Copies, distances and adversarial accuracy: by hand, by brute force, and on known leaks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from genobench.cohort import Cohort
from genobench.errors import GenobenchError
from genobench.metrics import disclosure
from genobench.metrics.disclosure import Neighbours
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import nearest

People = NDArray[np.int8]
CohortMaker = Callable[..., Cohort]


@pytest.fixture(scope="module")
def groups(make_cohort: CohortMaker) -> tuple[People, People, People]:
    """Three samples of one population: train, hold-out, fresh; 400 x 128."""
    everybody = make_cohort(1200, 128, 3).genotypes
    return everybody[:400], everybody[400:800], everybody[800:]


def loss(members: People, non_members: People, synthetic: People) -> Interval:
    """Privacy loss from genotypes."""
    return disclosure.privacy_loss(
        *(Neighbours.between(real, synthetic) for real in (members, non_members))
    )


def test_duplicates() -> None:
    """Shares of rows, by hand."""
    people = np.array([[0, 1], [2, 2], [1, 1]], np.int8)
    synthetic = np.array([[0, 1], [0, 1], [0, 0], [1, 1]], np.int8)
    assert disclosure.duplicates(synthetic, people).value == 0.75
    assert disclosure.repeats(synthetic).value == 0.25
    excess = disclosure.duplicates_excess(synthetic, people[:1], people[2:])
    assert excess.value == 0.25
    assert excess.low < 0 < excess.high
    with pytest.raises(GenobenchError, match="equal numbers"):
        disclosure.duplicates_excess(synthetic, people[:1], people)
    with pytest.raises(GenobenchError, match="2 variants against 1"):
        disclosure.duplicates(synthetic, people[:, :1].copy())


def test_closer_to_members() -> None:
    """Nearer to a member, tied, nearer to a non-member: (1 + .5 + 0) / 3."""
    members, others = np.array([[0, 0, 0]], np.int8), np.array([[2, 2, 2]], np.int8)
    synthetic = np.array([[0, 0, 1], [1, 1, 1], [2, 2, 1]], np.int8)
    value, low, high = disclosure.closer_to_members(
        nearest(synthetic, members, 1), nearest(synthetic, others, 1)
    )
    assert value == 0.5
    assert low < 0.5 < high


def test_second_distance_of_zero_is_not_private() -> None:
    """A copied training row that stands twice in train has ratio 0, not 1."""
    distances = np.array([[0, 0], [0, 4], [3, 6], [5, 5]], np.int32)
    assert disclosure.first_to_second(distances).tolist() == [0, 0, 0.5, 1]


def test_distance_ratio() -> None:
    """Median over median; undefined where the hold-out itself coincides with train."""
    rng = np.random.default_rng(0)
    ratio = disclosure.distance_ratio(
        np.array([1, 2, 9], np.int32), np.array([4, 4, 4], np.int32), rng=rng
    )
    assert ratio.value == 0.5
    assert ratio.low <= 0.5 <= ratio.high
    zero = np.zeros(3, np.int32)
    assert math.isnan(disclosure.distance_ratio(zero, zero, rng=rng).value)


@pytest.mark.parametrize("m", [8, 32, 128])
def test_adversarial_accuracy_equals_brute_force(
    groups: tuple[People, People, People], m: int
) -> None:
    """Both parts as from full distance matrices, ties half, twins no oftener than in real."""
    real, synthetic = groups[0][:150, :m], groups[2][:150, :m]
    expected, twins = [], 0.0
    for own, other in ((real, synthetic), (synthetic, real)):
        inside = cdist(own, own, "cityblock")
        np.fill_diagonal(inside, np.inf)
        a, b = inside.min(1), cdist(own, other, "cityblock").min(1)
        expected.append(np.mean((b > a) + 0.5 * (b == a)))
        twins = np.mean(inside.min(1) == 0) if own is real else twins
        both = np.mean((a == 0) & (b == 0))
        expected[-1] -= 0.5 * max(both - twins, 0)
    got = disclosure.adversarial_accuracy(Neighbours.between(real, synthetic))
    assert [part.value for part in got] == pytest.approx(expected)


@pytest.mark.parametrize("m", [8, 32, 128])
def test_fresh_people_pass(groups: tuple[People, People, People], m: int) -> None:
    """A second real sample stands at .5, .5 and 0, also on a short panel full of ties."""
    train, holdout, fresh = (g[:, :m] for g in groups)
    for part in disclosure.adversarial_accuracy(Neighbours.between(train, fresh)):
        assert part.value == pytest.approx(0.5, abs=0.08)
        assert part.low < 0.5 < part.high
    gap = loss(train, holdout, fresh)
    assert gap.low < 0 < gap.high
    share = disclosure.closer_to_members(nearest(fresh, train, 1), nearest(fresh, holdout, 1))
    assert share.low < 0.5 < share.high


def test_strict_ties_would_be_biased(groups: tuple[People, People, People]) -> None:
    """Counting ties as lost, as some tools do, marks fresh people down on a short panel."""
    train, fresh = groups[0][:, :16], groups[2][:, :16]
    d_own, _ = nearest(train, train, 1, exclude_self=True)
    d_other, _ = nearest(train, fresh, 1)
    assert np.mean(d_other > d_own) < 0.4
    assert disclosure.adversarial_accuracy(Neighbours.between(train, fresh))[
        0
    ].value == pytest.approx(0.5, abs=0.08)


def test_copies_and_collapse(groups: tuple[People, People, People]) -> None:
    """Copies have 0 in both parts; a few people repeated have one high and one low part."""
    train, holdout, _ = groups
    truth, syn = disclosure.adversarial_accuracy(Neighbours.between(train, train[::-1].copy()))
    assert truth.value == syn.value == 0
    assert loss(train, holdout, train).low > 0.2
    collapsed = np.tile(train[:20], (20, 1))
    truth, syn = disclosure.adversarial_accuracy(Neighbours.between(train, collapsed))
    assert truth.value > 0.8
    assert syn.value < 0.05


def test_order_and_allele_do_not_matter(groups: tuple[People, People, People]) -> None:
    """Shuffled rows and exchanged alleles leave every value as it was."""
    train, holdout, fresh = groups
    shuffle = np.random.default_rng(0).permutation(400)
    plain = disclosure.adversarial_accuracy(Neighbours.between(train, fresh)), loss(*groups)
    turned = [(2 - g).astype(np.int8) for g in (train[shuffle], holdout[shuffle], fresh[shuffle])]
    other = (
        disclosure.adversarial_accuracy(Neighbours.between(turned[0], turned[2])),
        loss(turned[0], turned[1], turned[2]),
    )
    for a, b in zip((*plain[0], plain[1]), (*other[0], other[1]), strict=True):
        assert a.value == pytest.approx(b.value)


def test_unequal_sizes_are_refused(groups: tuple[People, People, People]) -> None:
    """Each part expects n_T / (n_T + n_S), so that unequal sizes mean nothing."""
    with pytest.raises(GenobenchError, match="got 400 and 399"):
        Neighbours.between(groups[0], groups[2][1:])
    whole, part = (Neighbours.between(groups[0][:n], groups[2][:n]) for n in (400, 399))
    with pytest.raises(GenobenchError, match="privacy loss compares equal numbers"):
        disclosure.privacy_loss(whole, part)


def test_intervals_cover_half(make_cohort: CohortMaker) -> None:
    """Over 60 draws of fresh people the intervals miss .5 about as often as they should."""
    everybody = make_cohort(3000, 96, 5).genotypes
    rng = np.random.default_rng(0)
    missed = np.zeros(3)
    for _ in range(60):
        t, h, s = np.split(everybody[rng.permutation(3000)[:900]], 3)
        truth, syn = disclosure.adversarial_accuracy(Neighbours.between(t, s))
        share = disclosure.closer_to_members(nearest(s, t, 1), nearest(s, h, 1))
        for i, part in enumerate((truth, syn, share)):
            missed[i] += not part.low <= 0.5 <= part.high
    assert (missed <= 9).all()

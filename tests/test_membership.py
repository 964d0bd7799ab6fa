"""Membership attacks: equal to their definitions, silent on fresh people, loud on known leaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.errors import GenobenchError
from genobench.metrics import membership
from genobench.metrics.auc import auc, auc_interval, tpr_at_fpr
from genobench.metrics.configurations import Expected, copy_ratio
from genobench.metrics.neighbours import minimum

People = NDArray[np.int8]
Groups = dict[str, People]
SIZE = 300  # members, and non-members


@pytest.fixture(scope="module")
def groups(make_cohort: Callable[..., Cohort]) -> Groups:
    """Samples of one population whose 16-SNP blocks are nearly as diverse as people are many."""
    everybody = make_cohort(1500, 384, 3, founders=150, populations=3).genotypes
    names = ("train", "holdout", "reference", "fresh")
    return dict(zip(names, np.split(everybody, [SIZE, 2 * SIZE, 4 * SIZE]), strict=True))


@pytest.fixture(scope="module")
def chromosomes() -> NDArray[np.str_]:
    """Two chromosomes of 192 variants."""
    return np.repeat(["1", "2"], 192)


def mosaic(people: People, segment: int, offset: int = 0, seed: int = 0) -> People:
    """Segments verbatim from people drawn anew at every multiple of ``segment`` plus ``offset``."""
    rng = np.random.default_rng(seed)
    donors = rng.integers(len(people), size=(len(people), people.shape[1] // segment + 2))
    piece = (np.arange(people.shape[1]) + segment - offset) // segment
    glued: People = people[donors[:, piece], np.arange(people.shape[1])]
    return glued


def noisy(people: People, rate: float, seed: int = 0) -> People:
    """People with a share of the calls redrawn from the site's own distribution."""
    rng = np.random.default_rng(seed)
    other = rng.permuted(people, axis=0)
    return np.where(rng.random(people.shape) < rate, other, people).astype(np.int8)


def attack(groups: Groups, synthetic: People, chromosomes: NDArray[np.str_]) -> dict[str, float]:
    """AUC of the attacks on train against hold-out people."""
    candidates = np.concatenate([groups["train"], groups["holdout"]])
    member = np.arange(2 * SIZE) < SIZE
    r = groups["reference"]
    return {
        "nearest": auc(membership.nearest_scores(minimum(candidates, synthetic)), member),
        "windowed": auc(membership.windowed_scores(candidates, synthetic, r, chromosomes), member),
        "af": auc(membership.frequency_scores(candidates, synthetic, r), member),
    }


def test_windows_stay_within_chromosomes() -> None:
    """A sixteenth of their length apart, the last at the end; a short chromosome is one window."""
    chromosomes = np.array(["1"] * 10 + ["2"] * 3 + ["X"] * 4)
    found = [(w.start, w.stop) for w in membership.windows(chromosomes, 4)]
    assert found == [*((a, a + 4) for a in range(7)), (10, 13), (13, 17)]
    assert [w.start for w in membership.windows(np.zeros(37), 32)] == [0, 2, 4, 5]
    with pytest.raises(GenobenchError, match="1 to 40 variants, not 41"):
        membership.windows(chromosomes, 41)


def test_windowed_scores_equal_the_definition(groups: Groups) -> None:
    """As from counting every window in turn; a chromosome shorter than both lengths counts once."""
    c, s, r = (groups[k][:n, :20] for k, n in (("train", 6), ("fresh", 50), ("reference", 40)))
    chromosomes = np.repeat([1, 2], [17, 3])
    both = Expected(np.ascontiguousarray(np.concatenate([r, c]).T), 40)
    expected = np.zeros(6)
    every = {(w.start, w.stop) for n in (4, 8) for w in membership.windows(chromosomes, n)}
    assert {(0, 4), (8, 16), (9, 17), (13, 17), (17, 20)} < every
    assert len(every) == 14 + 10 + 1
    for start, stop in every:
        w = slice(start, stop)
        known = [
            sum((r[:, w] == x[w]).all(1).sum() > least for x in people)
            for people, least in ((s, 0), (r, 1))
        ]
        likeness = min(1, (known[0] + 1) / 51 / ((known[1] + 1) / 41))
        weight = membership.COPIED * likeness**16
        c_s, c_r = (np.array([(g[:, w] == x[w]).all(1).sum() for x in c]) for g in (s, r))
        sizes = {"synthetic": 50, "reference": 40, "trained": 25}
        ratio = copy_ratio(c_s, c_r, both.predicted(start, stop), **sizes)
        ratio /= 1 - membership.SHARED + membership.SHARED * ratio
        expected += (stop - start) * np.log(1 - weight + weight * ratio)
    got = membership.windowed_scores(c, s, r, chromosomes, trained=25, lengths=(4, 8))
    np.testing.assert_allclose(got, expected)


def test_one_shared_segment_convicts_nobody(groups: Groups) -> None:
    """A non-member who has a rare segment in common with a member does not outrank all members."""
    holdout = np.array(groups["holdout"])
    holdout[0, :64] = groups["train"][0, :64]  # by descent
    synthetic = mosaic(groups["train"], 16)
    synthetic[:3, :64] = groups["train"][0, :64]
    scores = membership.windowed_scores(
        np.concatenate([groups["train"], holdout]), synthetic, groups["reference"], np.zeros(384)
    )
    assert scores[SIZE] < np.quantile(scores[:SIZE], 0.9)
    assert scores[SIZE] > scores[SIZE + 1 :].max()


def test_calibration_takes_typical_people_into_account(groups: Groups) -> None:
    """Common genotypes alone do not make a member; copies are found all the same."""
    rng = np.random.default_rng(0)
    r = groups["reference"]
    everybody = np.concatenate([groups["train"], groups["holdout"]])
    common = np.where(r.mean(0) > 1, 2, 0)
    candidates = everybody[np.argsort(np.abs(everybody - common).sum(1))]
    # the half with the most common genotypes are called members; nobody was trained on
    member = np.arange(2 * SIZE) < SIZE
    distances = {
        "candidates_to_reference": minimum(candidates, r),
        "reference_to_itself": minimum(r, r, exclude_self=True),
    }

    def calibrated(synthetic: People) -> NDArray[np.float64]:
        return membership.calibrated_scores(
            candidates,
            r,
            candidates_to_synthetic=minimum(candidates, synthetic),
            reference_to_synthetic=minimum(r, synthetic),
            **distances,
        )

    independent = rng.permuted(groups["fresh"], axis=0)
    near = auc(membership.nearest_scores(minimum(candidates, independent)), member)
    far = auc(calibrated(independent), member)
    assert near > 0.65
    assert far == pytest.approx(0.5, abs=0.08)
    copies = calibrated(candidates[member])
    assert auc(copies, member) > 0.99


def test_frequency_scores_equal_the_likelihood() -> None:
    """Log ratio of the two products of allele probabilities, by hand for one person."""
    s, r = np.array([[2, 0], [1, 0]], np.int8), np.array([[0, 1], [0, 1]], np.int8)
    p_s, p_r = (np.array([3.5, 0.5]) / 5, np.array([0.5, 2.5]) / 5)
    person = np.array([[2, 1]], np.int8)
    ratio = 2 * math.log(p_s[0] / p_r[0]) + math.log(p_s[1] / p_r[1])
    ratio += math.log((1 - p_s[1]) / (1 - p_r[1]))
    assert membership.frequency_scores(person, s, r)[0] == pytest.approx(ratio)


def test_frequency_floor_is_reached() -> None:
    """Exact frequencies of 400 people at 100 independent sites leak Phi(sqrt(1 / 8))."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, 100)
    draw = [rng.binomial(2, p, (n, 100)).astype(np.int8) for n in (400, 400, 20_000)]
    scores = membership.frequency_scores(np.concatenate(draw[:2]), draw[0], draw[2])
    floor = membership.frequency_floor(100, 400)
    assert floor == pytest.approx(0.6382, abs=1e-4)
    assert auc(scores, np.arange(800) < 400) == pytest.approx(floor, abs=0.04)


def test_far_distances_do_not_underflow() -> None:
    """At distances of 40 and 60 a kernel exp(-d^2) is 0 for both; the attack still tells them."""
    synthetic = np.zeros((1, 100), np.int8)
    people = np.zeros((2, 100), np.int8)
    people[0, :40], people[1, :60] = 1, 1
    near, far = membership.nearest_scores(minimum(people, synthetic))
    assert np.exp(-(np.array([near, far]) ** 2)).tolist() == [0, 0]
    assert near > far


def test_copies_are_caught(groups: Groups, chromosomes: NDArray[np.str_]) -> None:
    """Verbatim and with 5 % of the calls redrawn, by the nearest and the windowed attack."""
    for synthetic in (groups["train"], noisy(groups["train"], 0.05)):
        found = attack(groups, synthetic, chromosomes)
        assert found["nearest"] > 0.99
        assert found["windowed"] > 0.95


@pytest.mark.parametrize("offset", [0, 5])
def test_mosaic_is_caught_by_windows_alone(
    groups: Groups, chromosomes: NDArray[np.str_], offset: int
) -> None:
    """16-SNP segments, wherever they begin, escape whole-record distances but not windows."""
    found = attack(groups, mosaic(groups["train"], 16, offset), chromosomes)
    assert found["windowed"] > 0.95
    assert found["nearest"] < 0.6


def test_fresh_people_pass(groups: Groups, chromosomes: NDArray[np.str_]) -> None:
    """Every attack is at chance, for people of the reference itself as well."""
    for synthetic in (groups["fresh"], groups["reference"][:SIZE]):
        for name, value in attack(groups, synthetic, chromosomes).items():
            assert value == pytest.approx(0.5, abs=0.08), name


def test_attacks_weaken_along_noise(groups: Groups, chromosomes: NDArray[np.str_]) -> None:
    """AUC falls as more calls are redrawn, down to the null for all of them."""
    rates = (0.0, 0.3, 0.6, 0.8, 1.0)
    found = [attack(groups, noisy(groups["train"], rate), chromosomes) for rate in rates]
    for name in ("nearest", "windowed"):
        values = [f[name] for f in found]
        assert all(a >= b - 0.01 for a, b in pairwise(values)), name
        assert values[0] - values[-1] > 0.35


def test_attacks_strengthen_along_a_mixture(groups: Groups, chromosomes: NDArray[np.str_]) -> None:
    """AUC and TPR at 1 % FPR rise with the share of copies among fresh people."""
    candidates = np.concatenate([groups["train"], groups["holdout"]])
    member = np.arange(2 * SIZE) < SIZE
    aucs, tprs = [], []
    for share in (0.0, 0.1, 0.5, 1.0):
        n = int(share * SIZE)
        mixed = np.concatenate([groups["train"][:n], groups["fresh"][: SIZE - n]])
        scores = membership.nearest_scores(minimum(candidates, mixed))
        aucs.append(auc(scores, member))
        tprs.append(tpr_at_fpr(scores, member).value)
    assert aucs == sorted(aucs)
    assert tprs == sorted(tprs)
    assert tprs[1] > 0.09  # a tenth leaked: plain at 1 % FPR, while the AUC is near .55


def test_order_and_allele_do_not_matter(groups: Groups, chromosomes: NDArray[np.str_]) -> None:
    """Rows of S and R in any order, either allele counted: the same scores."""
    candidates, r = groups["train"], groups["reference"]
    s = mosaic(groups["train"], 16)
    turned = [(2 - g).astype(np.int8) for g in (candidates, s[::-1], r[::-1])]
    for scores in (
        lambda c, s, r: membership.windowed_scores(c, s, r, chromosomes),
        membership.frequency_scores,
        lambda c, s, r: membership.nearest_scores(minimum(c, s)),
    ):
        np.testing.assert_allclose(scores(candidates, s, r), scores(*turned), atol=1e-9)


def test_strongest_is_corrected() -> None:
    """The best value, with an interval wider than the attack's own; fresh attacks hold .5."""
    rng = np.random.default_rng(0)
    member = np.arange(400) < 200
    attacks = {str(i): rng.normal(size=400) for i in range(4)}
    best = membership.strongest(attacks, member)
    assert best.value == pytest.approx(max(auc(s, member) for s in attacks.values()))
    assert best.value > 0.5
    assert best.low < 0.5
    attacks["found"] = rng.normal(size=400) + 1.5 * member
    best, alone = membership.strongest(attacks, member), auc_interval(attacks["found"], member)
    assert best.value == alone.value
    assert 0.5 < best.low < alone.low
    assert best.high > alone.high

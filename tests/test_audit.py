"""Coin-flip membership, and what an audit in one run proves of generators that we know."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from genobench.cli import build_parser
from genobench.cohort import Cohort
from genobench.data import choice
from genobench.data.audit import audit_split, marked
from genobench.data.plink import write_plink
from genobench.data.prepare import DataSpec, prepare
from genobench.data.split import Split, split_by_coin, split_people
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.metrics.epsilon import audit_epsilon, guess, one_run_epsilon
from genobench.metrics.membership import nearest_scores
from genobench.metrics.neighbours import minimum
from genobench.registry import find_generator, find_task
from genobench.task import Estimate, Reference, validated

CANDIDATES, GUESSES = 600, 200


def test_coins_are_fair_and_families_share_one() -> None:
    """Half of 4,000 families, each in or out as a whole, independently of the next."""
    families = np.repeat(np.arange(4000), np.random.default_rng(0).integers(1, 4, 4000))
    included = audit_split(families, seed=0)
    coin = np.array([included[families == f] for f in range(200)], dtype=object)
    assert all(len(set(c)) == 1 for c in coin)
    flips = included[np.unique(families, return_index=True)[1]]
    assert flips.mean() == pytest.approx(0.5, abs=0.025)
    assert (flips[1:] == flips[:-1]).mean() == pytest.approx(0.5, abs=0.025)


def test_seed_decides_and_names_do_not_matter() -> None:
    """Equal seeds, equal coins; names of families may be text."""
    numbers = np.arange(50)
    one, same, other = (audit_split(numbers, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    names = np.array([f"F{i:02}" for i in numbers])
    np.testing.assert_array_equal(audit_split(names, seed=3), one)


def test_one_family_cannot_be_audited() -> None:
    """Everybody is in or out together."""
    with pytest.raises(GenobenchError, match="1 families"):
        audit_split(np.zeros(20), seed=0)


@pytest.fixture(scope="module")
def everybody(make_cohort: Callable[..., Cohort]) -> Cohort:
    """Candidates, and people whom nobody is trained on."""
    return make_cohort(2 * CANDIDATES, 128, 5, founders=80)


def audit(everybody: Cohort, name: str, seed: int) -> float:
    """Bound that the nearest-neighbour attack proves of a registered generator in one run."""
    candidates, others = everybody.take(slice(CANDIDATES)), everybody.take(slice(CANDIDATES, None))
    families = np.arange(CANDIDATES) // 2  # pairs that share a coin
    included = audit_split(families, seed=seed)
    plugin = find_generator(name)
    people = others if plugin.card.fit_on == "control" else candidates.take(included)
    fitted = plugin.load()().fit(people, others, seed=seed, budget=Budget())
    synthetic = fitted.sample(candidates.take(included).labels, seed=seed)
    scores = nearest_scores(minimum(candidates.genotypes, synthetic))
    coins, guesses, correct = guess(scores, included, families, guesses=GUESSES)
    assert (coins, guesses) == (CANDIDATES // 2, GUESSES)
    return one_run_epsilon(coins, guesses, correct)


def test_copies_are_proven(everybody: Cohort) -> None:
    """Every guess is right: as much as so many guesses can prove."""
    assert audit(everybody, "copy", 0) == pytest.approx(
        one_run_epsilon(CANDIDATES // 2, GUESSES, GUESSES)
    )
    assert audit(everybody, "copy", 0) > 3
    assert audit(everybody, "noise05", 0) > 3


def test_people_nobody_was_trained_on_prove_nothing(everybody: Cohort) -> None:
    """Of 40 runs with a generator without leak at most five have a bound above 0."""
    bounds = [audit(everybody, "real", seed) for seed in range(40)]
    assert sum(b > 0 for b in bounds) <= 5  # 2 expected at most; P(more than 5) < .02


def test_validation_and_control_are_as_ever(everybody: Cohort) -> None:
    """Coins share out, family by family, those who would be trained or tested on."""
    assert everybody.trait is not None
    families = np.arange(everybody.n) // 2
    plain, coin = (
        split(everybody.trait, seed=1, group=families) for split in (split_people, split_by_coin)
    )
    np.testing.assert_array_equal(coin.validation, plain.validation)
    np.testing.assert_array_equal(coin.control, plain.control)
    rest = np.union1d(plain.train, plain.test)
    np.testing.assert_array_equal(np.union1d(coin.train, coin.test), rest)
    assert not set(families[coin.train]) & set(families[coin.test])
    included = audit_split(families[rest], seed=1)
    np.testing.assert_array_equal(coin.train, rest[included])


def test_several_attacks_share_the_error() -> None:
    """The best of the bounds, each at a smaller error: an attack that is blind costs some."""
    included = audit_split(np.arange(600), seed=0)
    sure, blind = included.astype(float), np.random.default_rng(0).random(600)
    alone = audit_epsilon({"sure": sure}, included, np.arange(600), shares=(0.5,))
    both = audit_epsilon({"sure": sure, "blind": blind}, included, np.arange(600))
    assert alone[0] == both[0] == 600
    assert alone[1] == pytest.approx(one_run_epsilon(600, 300, 300))
    assert both[1] == pytest.approx(one_run_epsilon(600, 300, 300, level=1 - 0.05 / 4))
    assert audit_epsilon({"blind": blind}, included, np.arange(600)) == (600, 0)


@pytest.fixture(scope="module")
def flipped(make_cohort: Callable[..., Cohort]) -> Split:
    """Four parts of 1,500 people, coins for the first 900 of them."""
    people = make_cohort(1500, 128, 7, founders=150)
    people = Cohort(
        people.genotypes, people.variants, people.samples.assign(family=""), people.trait
    )
    included = np.concatenate([audit_split(np.arange(900), seed=0), np.zeros(600, bool)])
    rows = np.arange(1500)
    train, test = rows[included], rows[:900][~included[:900]]
    return marked(Split(*(people.take(r) for r in (train, rows[900:1000], test, rows[1000:]))))


def scored(split: Split, name: str) -> dict[str, Estimate]:
    """What the privacy task says of a registered control."""
    plugin, task = find_generator(name), find_task("privacy")
    people = split.control if plugin.card.fit_on == "control" else split.train
    fitted = plugin.load()().fit(people, split.validation, seed=0, budget=Budget())
    made = Cohort(
        fitted.sample(people.labels, seed=1), people.variants, people.samples, people.trait
    )
    reference = Reference(split, task.load()().prepare(split, seed=0))
    return validated(task.load()().score(made, reference, seed=1), task.card)


def test_privacy_task_reports_the_audit(flipped: Split) -> None:
    """Copies and blurred copies have a large bound over all 900 coins, unseen people none."""
    for name in ("copy", "noise05"):
        found = scored(flipped, name)["epsilon_audit"]
        assert found.n == 900
        assert found.value > 4
    assert scored(flipped, "real")["epsilon_audit"].value == 0


def test_without_coins_there_is_no_audit(make_cohort: Callable[..., Cohort]) -> None:
    """A split by shares proves nothing of the kind."""
    people, edges = make_cohort(600, 64, 7), (0, 200, 250, 450, 600)
    split = Split(*(people.take(slice(a, b)) for a, b in pairwise(edges)))
    assert "epsilon_audit" not in scored(split, "copy")


def test_prepared_by_coin() -> None:
    """On the embedded cohort: about equal sides, families whole, the coin noted; key of its own."""
    plain = DataSpec.for_name("default", snps=64)
    spec = DataSpec.for_name("default", snps=64, membership="coin")
    assert DataSpec.for_name("default", snps=64, membership="shares").key == plain.key != spec.key
    split = prepare(spec).split
    assert {p: set(getattr(split, p).samples["coin"]) for p in ("train", "test", "control")} == {
        "train": {"heads"},
        "test": {"tails"},
        "control": {""},
    }
    assert split.train.n + split.test.n == 4200
    assert 1950 < split.train.n < 2250  # 2,100 expected; five standard deviations
    assert not set(split.train.samples["family"]) & set(split.test.samples["family"])


def test_streamed_data_flip_the_same_coins(
    make_cohort: Callable[..., Cohort], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files larger than memory are split before they are loaded: the same people are trained on."""
    bed = write_plink(make_cohort(900, 64, 5), tmp_path / "mine")
    spec = DataSpec.for_name(str(bed), snps=40, group="none", membership="coin")
    whole = prepare(spec).split
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    streamed = prepare(spec).split
    for name in ("train", "test"):
        ids = [getattr(s, name).samples["iid"].tolist() for s in (whole, streamed)]
        assert ids[0] == ids[1]
        assert set(getattr(streamed, name).samples["coin"]) in ({"heads"}, {"tails"})


def test_other_ways_to_split_are_refused() -> None:
    """Populations cannot be kept apart by a coin; unknown words are named with the known."""
    with pytest.raises(GenobenchError, match="cannot keep --train-population and"):
        DataSpec.for_name(
            "default", membership="coin", train_population="POP_A", test_population="POP_B"
        )
    with pytest.raises(GenobenchError, match="--membership dice: choose shares or coin"):
        DataSpec.for_name("default", membership="dice")
    assert build_parser().parse_args(["run", "--membership", "coin"]).membership == "coin"

"""Hidden Chow-Liu tree: likelihood against enumeration, EM, the tree, and what it learns."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget

chow_liu = import_module("genobench.baselines._chow_liu")
latent = import_module("genobench.baselines._latent_tree")
hclt = import_module("genobench.baselines.hclt")

QUICK: dict[str, Any] = {"states": (4, 8), "window": 16, "nearby": 8, "iterations": 15}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One fit, shared by the tests that look at what was learned."""
    model = hclt.Hclt(**QUICK)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def random_tree(rng: np.random.Generator, k: int = 3, classes: int = 2) -> Any:
    """Four SNPs: 2 is the root, 0 and 3 hang from it, 1 from 0."""
    tree = chow_liu.Tree(np.array([2, 0, 3, 1]), np.array([2, 0, -1, 2]))
    transition = rng.dirichlet(np.ones(k), (4, classes, k)).astype(np.float32)
    transition[2] = transition[2, :, :1]
    emission = rng.dirichlet(np.ones(3), (4, k)).transpose(0, 2, 1).astype(np.float32)
    return latent.LatentTree(tree, transition, np.ascontiguousarray(emission))


def enumerated(model: Any, people: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    """P(x | class) by summing over all hidden states."""
    total = np.zeros(len(people))
    for z in product(range(model.k), repeat=4):
        for row, (x, c) in enumerate(zip(people, classes, strict=True)):
            p = 1.0
            for i, above in enumerate(model.tree.parent):
                p *= model.transition[i, c, z[above] if above >= 0 else 0, z[i]]
                p *= model.emission[i, x[i], z[i]]
            total[row] += p
    return total


def test_likelihood_equals_enumeration() -> None:
    """All 81 people of four SNPs, in both classes; their probabilities add up to one."""
    model = random_tree(np.random.default_rng(0))
    people = np.array(list(product(range(3), repeat=4)), dtype=np.int8)
    for c in (0, 1):
        classes = np.full(len(people), c)
        got = np.exp(model.log_likelihood(people, classes))
        np.testing.assert_allclose(got, enumerated(model, people, classes), rtol=1e-4)
        assert got.sum() == pytest.approx(1, abs=1e-5)


def test_expected_counts_are_those_of_enumeration() -> None:
    """E-step: the counts are derivatives of the log-likelihood in the tables' logarithms."""
    rng = np.random.default_rng(1)
    model = random_tree(rng)
    people = rng.integers(0, 3, (20, 4)).astype(np.int8)
    classes = np.sort(rng.integers(0, 2, 20))
    transitions, emissions, total = model.expected(people, classes)
    assert total == pytest.approx(np.log(enumerated(model, people, classes)).sum(), rel=1e-5)
    assert emissions.sum() == pytest.approx(4 * 20, rel=1e-5)
    below = [i for i, above in enumerate(model.tree.parent) if above >= 0]
    assert transitions[below].sum() == pytest.approx(3 * 20, rel=1e-5)
    for table, counts, place in (
        (model.transition, transitions, (1, 1, 2, 0)),
        (model.transition, transitions, (3, 0, 0, 1)),
        (model.emission, emissions, (2, 1, 2)),
    ):
        before, likelihoods = table[place], []
        for step in (1e-2, -1e-2):
            table[place] = before * np.exp(step)
            likelihoods.append(np.log(enumerated(model, people, classes)).sum())
        table[place] = before
        slope = (likelihoods[0] - likelihoods[1]) / 2e-2
        assert counts[place] == pytest.approx(slope, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("tilt", [False, True])
def test_em_never_lowers_the_training_likelihood(toy: Cohort, tilt: bool) -> None:
    """Without a prior every step goes up, for common tables and for the classes' weights."""
    rng = np.random.default_rng(2)
    people = toy.genotypes[:300, :4]
    classes = np.asarray(toy.labels[:300], dtype=np.intp)
    model = random_tree(rng)
    totals = []
    for _ in range(15):
        transitions, emissions, total = model.expected(people, classes)
        totals.append(total)
        if tilt:
            nothing = np.zeros_like(transitions)
            model = model.tilted(transitions, nothing, free=np.ones(4, dtype=np.bool_))
        else:
            # the first step makes the tables common: no ascent from tables that were not
            model = model.maximised(transitions, emissions, latent.Prior(0.0, 0.0))
    steps = np.diff(totals if tilt else totals[1:])
    assert (steps >= -0.01).all()  # float32 over 300 people, of some thousand nats
    assert totals[-1] > totals[1] + 1


def test_information_is_scikit_learns_and_the_tree_is_the_best() -> None:
    """Against mutual_info_score pair by pair; no spanning tree of four SNPs has more."""
    rng = np.random.default_rng(3)
    base = rng.integers(0, 3, 500)
    columns = [np.where(rng.random(500) < p, rng.integers(0, 3, 500), base) for p in (0, 0.2, 0.5)]
    genotypes = np.stack([*columns, rng.integers(0, 3, 500)], axis=1).astype(np.int8)
    information = chow_liu.mutual_information(genotypes, genotypes)
    for i, j in product(range(4), repeat=2):
        oracle = mutual_info_score(genotypes[:, i], genotypes[:, j])
        assert information[i, j] == pytest.approx(oracle, abs=1e-6)
    tree = chow_liu.chow_liu(genotypes, np.array(["1"] * 4, dtype=object), window=4, links=1)
    weight = sum(information[i, tree.parent[i]] for i in tree.order[1:])
    best = max(
        information[1, a] + information[2, b] + information[3, c]
        for a, b, c in product((0, 2, 3), (0, 1, 3), (0, 1, 2))
        if _spans({1: a, 2: b, 3: c})
    )
    assert weight == pytest.approx(best, abs=1e-9)


def _spans(parent: dict[int, int]) -> bool:
    """Whether every SNP leads to SNP 0."""
    for start in parent:
        seen = set()
        at = start
        while at != 0:
            if at in seen:
                return False
            seen.add(at)
            at = parent[at]
    return True


def test_tree_spans_chromosomes_and_survives_a_new_root(toy: Cohort) -> None:
    """Every SNP is reached once, whatever the window, and re-rooting keeps the edges."""
    chrom = np.repeat(np.array(["1", "2", "X"], dtype=object), [20, 1, toy.m - 21])
    tree = chow_liu.chow_liu(toy.genotypes, chrom, window=1, links=1)
    moved = chow_liu.rerooted(tree, 5)
    assert sorted(tree.order) == sorted(moved.order) == list(range(toy.m))
    assert moved.order[0] == 5
    assert moved.parent[5] == -1

    def edges(t: Any) -> set[frozenset[int]]:
        return {frozenset((int(i), int(t.parent[i]))) for i in t.order[1:]}

    assert edges(tree) == edges(moved)
    assert len(edges(tree)) == toy.m - 1


def test_samples_follow_the_model() -> None:
    """Shares of drawn people against their exact probabilities, within five standard errors."""
    model = random_tree(np.random.default_rng(4), k=2)
    n = 20_000
    rows = model.draw(np.ones(n, dtype=np.intp), np.random.default_rng(5))
    people = np.array(list(product(range(3), repeat=4)), dtype=np.int8)
    p = np.exp(model.log_likelihood(people, np.ones(81, dtype=np.intp)))
    share = np.bincount(rows @ np.array([27, 9, 3, 1]), minlength=81) / n
    assert (np.abs(share - p) < 5 * np.sqrt(p / n) + 1e-4).all()


def test_held_out_people_are_likelier_than_under_independence(
    fitted: Any, toy_split: Split
) -> None:
    """The bar that deep models have to clear is itself above independent sites."""
    train, test = toy_split.train, toy_split.test
    calls = np.stack([(train.genotypes == call).sum(axis=0) for call in range(3)], axis=1) + 0.5
    log_p = np.log(calls / calls.sum(axis=1, keepdims=True))  # (m, 3)
    alone = log_p[np.arange(test.m), test.genotypes].sum(axis=1).mean()
    assert fitted.log_likelihood(test.genotypes, test.labels).mean() > alone + 1


def test_linkage_is_kept(fitted: Any, toy_split: Split) -> None:
    """r2 of synthetic people follows held-out people's, neither weaker nor stronger."""
    rows = fitted.sample(np.resize(toy_split.train.labels, 3000), seed=1)
    upper = np.triu_indices(toy_split.test.m, 1)
    real, synthetic = (
        np.square(np.corrcoef(g.T.astype(float)))[upper] for g in (toy_split.test.genotypes, rows)
    )
    assert np.corrcoef(real, synthetic)[0, 1] > 0.9
    assert 0.75 < np.polyfit(real, synthetic, 1)[0] < 1.15


def test_labels_it_was_not_shown_and_none_at_all(fitted: Any, toy: Cohort) -> None:
    """No people, and labels beyond the training range, are valid."""
    assert fitted.sample(np.empty(0, dtype=np.float32), seed=0).shape == (0, toy.m)
    assert fitted.sample(np.array([-3, 7], dtype=np.float32), seed=0).shape == (2, toy.m)


def test_sampling_before_fitting_says_so() -> None:
    """An error, not an attribute that is missing."""
    labels = np.zeros(1, dtype=np.float32)
    with pytest.raises(GenobenchError, match="before fit"):
        hclt.Hclt().sample(labels, seed=0)
    with pytest.raises(GenobenchError, match="before fit"):
        hclt.Hclt().log_likelihood(np.zeros((1, 1), dtype=np.int8), labels)

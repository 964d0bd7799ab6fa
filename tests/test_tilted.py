"""Tilted candidates: trees as arrays, the tilt against a closed form, what it is there for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget

tilting = import_module("genobench.baselines._tilting")
boosted = import_module("genobench.baselines._boosted_trees")
tilted = import_module("genobench.baselines.tilted")
familiarity = import_module("genobench.baselines._familiarity")

TREE: dict[str, Any] = {"states": (8,), "smoothing": (0.1,), "window": 16, "nearby": 8}
FLOW: dict[str, Any] = {"width": 32, "depth": 1, "steps": 150, "solver_steps": 4}
MASKED: dict[str, Any] = {"width": 64, "depth": 1, "batch": 64, "steps": 200, "lr": 4e-3,
                          "sampling_steps": 16}  # fmt: skip
QUICK: dict[str, Any] = {"tree": TREE, "flow": FLOW, "from_tree": 8, "from_flow": 8, "rounds": 3}

Array = np.ndarray[Any, Any]


def binomial(p: Array, n: int, rng: np.random.Generator) -> Array:
    """(n, m) independent calls."""
    return rng.binomial(2, p, size=(n, len(p))).astype(np.int8)


def candidates(real: Array, y: Array, draw: Any, count: int, rng: np.random.Generator) -> Any:
    """``count`` people that ``draw`` makes for each real one's label."""
    drawn = draw(np.repeat(y, count), rng).reshape(len(real), count, -1)
    return tilting.Candidates.of(real, y, drawn)


def test_trees_are_those_of_the_booster() -> None:
    """Plain arrays give XGBoost's own margins, the label standing beside the dosages."""
    rng = np.random.default_rng(0)
    x, y = binomial(np.full(6, 0.4), 500, rng), rng.normal(size=500).astype(np.float32)
    z = (x[:, 1] + (x[:, 4] == 1) * (y > 0) + rng.normal(size=500) > 1).astype(np.float32)
    data = xgb.DMatrix(np.column_stack([x.astype(np.float32), y]), z)
    settings = {"objective": "binary:logistic", "max_depth": 3, "base_score": 0.5, "nthread": 1}
    booster = xgb.train(settings, data, 12)
    trees = boosted.Trees.of(booster, 7, 3, 0.5)
    margin = booster.predict(data, output_margin=True, iteration_range=(0, 7))
    assert np.abs(margin).max() > 0.5
    assert trees(x, y[:, None]) == pytest.approx(0.5 * margin, abs=1e-4)


def test_choice_is_in_proportion() -> None:
    """Log weights 0, log 2 and log 5 are chosen 1 : 2 : 5."""
    f = np.tile(np.log([1.0, 2.0, 5.0]), (40_000, 1))
    picked = tilting.chosen(f, np.random.default_rng(1))
    assert np.bincount(picked) / len(f) == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.01)


def test_linear_part_against_the_closed_form() -> None:
    """Binomial people from a binomial base: the tilt of a dosage is its difference in log odds."""
    rng = np.random.default_rng(2)
    base = np.array([0.3, 0.5, 0.2])
    controls, cases = np.array([0.3, 0.5, 0.3]), np.array([0.4, 0.5, 0.2])
    y = np.repeat([0.0, 1.0], 4000).astype(np.float32)
    real = np.concatenate([binomial(controls, 4000, rng), binomial(cases, 4000, rng)])

    def draw(labels: Array, rng: np.random.Generator) -> Array:
        return binomial(base, len(labels), rng)

    sides = [candidates(real, y, draw, 12, rng) for _ in range(2)]
    tilt = tilting.fit(*sides, rounds=0, ridge=0.0, rng=rng)

    def logit(p: Array) -> Array:
        return np.asarray(np.log(p / (1 - p)))

    for label, p in ((0.0, controls), (1.0, cases)):
        one_copy = np.eye(3, dtype=np.int8)
        none = np.zeros((3, 3), dtype=np.int8)
        per_copy = tilt(one_copy, np.full(3, label)) - tilt(none, np.full(3, label))
        assert per_copy == pytest.approx(logit(p) - logit(base), abs=0.12)


def test_moments_are_met() -> None:
    """Picked candidates have the real people's mean dosages and products with the label."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=3000).astype(np.float32)
    real = rng.binomial(2, 1 / (1 + np.exp(-0.4 * y[:, None] * [1, 0, -1]))).astype(np.int8)

    def draw(labels: Array, rng: np.random.Generator) -> Array:
        return binomial(np.full(3, 0.45), len(labels), rng)

    sides = [candidates(real, y, draw, 16, rng) for _ in range(2)]
    tilting.fit(*sides, rounds=0, rng=rng)
    rows, beside = sides[0].pick(4, rng)
    labels = beside[:, 0] * y.std() + y.mean()
    assert rows.mean(0) == pytest.approx(real.mean(0), abs=0.02)
    mine, theirs = (labels @ rows / len(rows), y @ real / len(real))
    assert mine == pytest.approx(theirs, abs=0.03)


def test_trees_learn_what_the_base_lacks() -> None:
    """A base of independent sites, real people with linked ones: the tilt brings the link back."""
    rng = np.random.default_rng(4)

    def people(labels: Array, rng: np.random.Generator) -> Array:
        x = binomial(np.full(6, 0.5), len(labels), rng)
        same = rng.random(len(labels)) < 0.6
        x[same, 3] = x[same, 0]
        return x

    def draw(labels: Array, rng: np.random.Generator) -> Array:
        return binomial(np.full(6, 0.5), len(labels), rng)

    y = np.zeros(1500, dtype=np.float32)
    y[::2] = 1
    sides = [candidates(people(y, rng), y, draw, 16, rng) for y in (y, y[:600])]
    tilting.fit(*sides, rng=rng)
    rows, _ = sides[0].pick(2, rng)
    assert np.corrcoef(rows[:, 0], rows[:, 3])[0, 1] > 0.5
    assert abs(np.corrcoef(rows[:, 1], rows[:, 4])[0, 1]) < 0.1
    assert sides[0].effective() > 6


def test_time_that_ends_in_a_round_leaves_its_trees() -> None:
    """One tree, after which the deadline has passed, is a round like any other."""
    rng = np.random.default_rng(5)
    y = np.tile([0, 1], 200).astype(np.float32)

    def draw(labels: Array, rng: np.random.Generator) -> Array:
        return binomial(np.full(4, 0.5), len(labels), rng)

    sides = [candidates(binomial(np.full(4, p), 400, rng), y, draw, 4, rng) for p in (0.3, 0.3)]
    tilting.fit(*sides, rounds=0, rng=rng)
    found, gain = tilting._round(
        *sides, trees=50, depth=2, eta=0.3, rate=1.0,
        rng=rng, threads=1, deadline=0.0,
    )  # fmt: skip
    assert len(found.feature) == 1
    assert np.isfinite(gain)


def test_windows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a count person by person, oneself left out; the last window is shorter."""
    rng = np.random.default_rng(6)
    crowd, people = (rng.integers(0, 2, size=(n, 35)).astype(np.int8) for n in (30, 7))
    crowd[:12, :20] = people[0, :20]
    monkeypatch.setattr(familiarity, "BLOCK", 4)
    seen = familiarity.Familiarity.of(crowd)
    for rows, own in ((people, False), (crowd, True)):
        wanted = [
            np.mean([np.log((crowd[:, i : i + 16] == row[i : i + 16]).all(1).sum() - own + 0.5)
                     for i in (0, 16, 32)])
            for row in rows
        ]  # fmt: skip
        assert seen(rows, own=own) == pytest.approx(wanted, abs=1e-6)
    assert seen(people)[0] > seen(people)[1:].max()


def test_familiarity_tells_what_single_dosages_do_not() -> None:
    """The base draws from a few stretches, and more often than real people from none of them."""
    rng = np.random.default_rng(9)
    stretches = rng.integers(0, 3, size=(2, 12, 16)).astype(np.int8)

    def people(count: int, strange: float) -> Array:
        parts = [s[rng.integers(0, 12, size=count)] for s in stretches]
        for part in parts:
            odd = rng.random(count) < strange
            part[odd] = rng.permuted(part[odd], axis=0)
        return np.concatenate(parts, axis=1)

    def draw(labels: Array, rng: np.random.Generator) -> Array:
        return people(len(labels), 0.6)

    y = np.tile([0, 1], 300).astype(np.float32)
    known = {tuple(row) for s in stretches for row in s}
    shares = []
    for asked in (False, True):
        sides = [candidates(people(len(y), 0.05), y, draw, 16, rng) for y in (y, y[:300])]
        seen = familiarity.Familiarity.of(draw(y, rng)) if asked else None
        tilting.fit(*sides, familiarity=seen, rng=rng)
        halves = sides[0].pick(2, rng)[0].reshape(-1, 16)
        shares.append(np.mean([tuple(half) in known for half in halves]))
    assert shares[1] > shares[0] + 0.05, shares
    assert shares[1] > 0.85


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """Tree, flow, diffusion and tilt of the toy cohort."""
    model = tilted.Tilted(**QUICK, masked=MASKED, from_masked=8)
    return model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def test_label_effects_are_those_of_the_training_people(fitted: Any, toy_split: Split) -> None:
    """Cases and controls differ as in training, more nearly than the tree alone has it."""
    train = toy_split.train
    labels = np.tile(train.labels, 6)

    def effect(g: Array, y: Array) -> Array:
        return np.asarray(g[y == 1].mean(0) - g[y == 0].mean(0))

    wanted = effect(train.genotypes, train.labels)
    both = (fitted, fitted.bases_["tree"])
    chosen, plain = (effect(model.sample(labels, seed=5), labels) for model in both)
    assert np.linalg.norm(chosen - wanted) < 0.7 * np.linalg.norm(plain - wanted)
    assert np.corrcoef(chosen, wanted)[0, 1] > 0.9


def test_all_models_are_heard(fitted: Any, toy_split: Split) -> None:
    """None of the three has all its candidates refused."""
    labels, draw = toy_split.train.labels, np.random.default_rng(6)
    drawn = fitted._drawn(labels, draw)
    k, c, m = drawn.shape
    assert c == 24
    f = fitted.tilt_(drawn.reshape(-1, m), np.repeat(labels, c)).reshape(k, c)
    shares = np.bincount(tilting.chosen(f, draw) // 8, minlength=3) / k
    assert shares.min() > 0.05, shares


def test_no_time_for_the_tilt_prefers_nobody(toy_split: Split) -> None:
    """Without a second to tilt in, f is 0 and people are still drawn."""
    model = tilted.Tilted(**QUICK)
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget(seconds=0.0))
    rows = model.sample(toy_split.train.labels[:5], seed=0)
    assert not model.tilt_.weights.any()
    assert rows.shape == (5, toy_split.train.m)


def test_a_model_of_no_candidates_is_not_fitted(toy_split: Split) -> None:
    """The tree alone, tilted: nothing of the flow is learned, stored or needed."""
    model = tilted.Tilted(**{**QUICK, "from_flow": 0, "rounds": 1})
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    assert list(model.bases_) == ["tree"]
    assert not any(key.startswith("flow/") for key in model.state())
    other = tilted.Tilted(**model.settings())
    other.restore(model.state())
    labels = toy_split.train.labels[:20]
    assert np.array_equal(other.sample(labels, seed=3), model.sample(labels, seed=3))


@pytest.mark.parametrize(("among", "people"), [("none", 0), ("models", 2), ("training", 1)])
def test_familiarity_is_stored_where_it_is_asked(among: str, people: int, toy_split: Split) -> None:
    """Counts of the stretches of a person of each model, or of nobody but each training person."""
    model = tilted.Tilted(**{**QUICK, "rounds": 1, "familiarity": among})
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    counts = model.state().get("windows.counts", np.zeros(0))
    assert counts.sum() == people * toy_split.train.n * -(-toy_split.train.m // familiarity.WIDTH)
    other = tilted.Tilted(**model.settings())
    other.restore(model.state())
    labels = toy_split.train.labels[:20]
    assert np.array_equal(other.sample(labels, seed=3), model.sample(labels, seed=3))


def test_no_candidates_at_all_are_refused(toy_split: Split) -> None:
    """Somebody has to be chosen from."""
    model = tilted.Tilted(from_tree=0, from_flow=0, from_masked=0)
    with pytest.raises(GenobenchError, match="at least 1"):
        model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def test_unfitted_says_so() -> None:
    """sample() before fit() is an error for people."""
    with pytest.raises(GenobenchError, match="before fit"):
        tilted.Tilted().sample(np.zeros(1, dtype=np.float32), seed=0)

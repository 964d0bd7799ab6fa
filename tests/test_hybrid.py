"""The hybrid: its regression and cuts against closed forms, and what labels move."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget

cuts = import_module("genobench.baselines._cuts")
hybrid = import_module("genobench.baselines.hybrid")
training = import_module("genobench.baselines._training")

QUICK: dict[str, Any] = {
    "widths": (128, 128, 128),
    "steps": 400,
    "batch": 128,
    "ema": 0.98,
    "sampling_steps": 25,
}


@pytest.fixture(scope="module", params=["diffusion", "mixture"])
def fitted(request: Any, toy_split: Split) -> Any:
    """One short training per kind of residual."""
    model = hybrid.Hybrid(residual=request.param, **QUICK)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def test_mean_of_classes_is_the_class_mean() -> None:
    """When held-out people agree, a binary label's prediction is its class's mean score."""
    draw = torch.Generator().manual_seed(0)
    y = torch.tensor([[-1.0]] * 30 + [[1.0]] * 50)
    s = torch.randn(80, 4, generator=draw) + y * torch.tensor([0.0, 1.0, 2.0, -3.0])
    mean = hybrid.Mean(4)
    mean.learn(s, y, (s, y))
    for label in (-1.0, 1.0):
        mine = (y == label)[:, 0]
        torch.testing.assert_close(mean(torch.tensor([[label]]))[0], s[mine].mean(0))
    rest = mean.whiten_(s.clone(), y)
    torch.testing.assert_close(rest.var(0, correction=0), torch.ones(4))
    torch.testing.assert_close(mean.colour(rest, y), s)


def test_mean_is_shrunk_where_held_out_people_disagree() -> None:
    """A slope that is chance alone goes to zero: everybody is predicted the common mean."""
    draw = torch.Generator().manual_seed(0)
    s, y = torch.randn(20, 3, generator=draw), torch.randn(20, 1, generator=draw)
    mean = hybrid.Mean(3)
    mean.learn(s, y, (-s, y))
    plain = np.polyfit(y[:, 0].numpy(), s.numpy(), 1)[0]
    np.testing.assert_allclose(mean.slope.numpy(), plain / 101, rtol=1e-3)


def test_mean_of_one_label_is_the_mean() -> None:
    """Without variation of the label there is no slope, and nothing is divided by zero."""
    s, y = torch.arange(6.0).reshape(3, 2), torch.zeros(3, 1)
    mean = hybrid.Mean(2)
    mean.learn(s, y, (s, y))
    torch.testing.assert_close(mean(torch.ones(1, 1)), s.mean(0, keepdim=True))


def test_cuts_give_the_shares_and_keep_the_ranks() -> None:
    """Any continuous dosages get the asked-for shares exactly; higher dosages, higher calls."""
    rng = np.random.default_rng(0)
    dosages = rng.normal(5, 3, (400, 3)).astype(np.float32)
    genotypes = np.zeros((100, 3), dtype=np.int8)
    genotypes[:30, 0], genotypes[30:40, 0] = 1, 2  # .6, .3, .1
    genotypes[:, 1] = 1  # all the same
    genotypes[:50, 2] = 2  # no heterozygote
    calls = cuts.cut(dosages, cuts.share_cuts(dosages, genotypes))
    shares = np.stack([(calls == c).mean(0) for c in range(3)])
    wanted = np.array([[0.6, 0.3, 0.1], [0, 1, 0], [0.5, 0, 0.5]])
    np.testing.assert_allclose(shares.T, wanted, atol=1e-9)
    order = np.argsort(dosages[:, 0])
    assert (np.diff(calls[order, 0]) >= 0).all()


def test_rounding_cuts_round() -> None:
    dosages = np.array([[-0.3, 0.4, 0.6, 1.4, 1.6, 2.7]], dtype=np.float32)
    assert cuts.cut(dosages, cuts.rounding_cuts(6)).tolist() == [[0, 0, 1, 1, 2, 2]]


def test_learns_ld_frequencies_and_the_label(fitted: Any, toy_split: Split) -> None:
    """LD follows real people's, which independent sites cannot; cases differ as cases do."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    assert np.sqrt(np.mean((rows.mean(0) - test.genotypes.mean(0)) ** 2)) / 2 < 0.05
    pairs = np.triu_indices(train.m, 1)
    real, synthetic = (
        np.square(np.corrcoef(g.T.astype(float)))[pairs] for g in (test.genotypes, rows)
    )
    assert np.corrcoef(real, synthetic)[0, 1] > 0.8

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        case = train.labels == 1
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    before, after = contrast(train.genotypes), contrast(rows)
    assert float(before @ after / (before @ before)) > 0.5


def test_shares_are_those_of_training(fitted: Any, toy_split: Split) -> None:
    train = toy_split.train
    rows = fitted.sample(np.tile(train.labels, 5), seed=3)
    for call in (0, 1, 2):
        difference = (rows == call).mean(axis=0) - (train.genotypes == call).mean(axis=0)
        assert np.abs(difference).max() < 0.06


@pytest.mark.parametrize("residual", ["diffusion", "mixture"])
def test_without_spread_the_label_moves_the_mean_alone(residual: str, toy_split: Split) -> None:
    """The same noise at two labels: every score moves by its slope, for everybody alike."""
    model = hybrid.Hybrid(residual=residual, spread=False, **{**QUICK, "steps": 20})
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    mean, found = model.network_.mean, []
    for label in (-1.0, 1.0):
        y = torch.full((50, 1), label)
        with training.seeded(3), torch.no_grad():
            found.append(mean.colour(model._residual(model.network_, model._seen(y)), y))
    expected = (2 * mean.slope).expand(50, -1)
    torch.testing.assert_close(found[1] - found[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("residual", ["diffusion", "mixture"])
def test_monomorphic_cohort(residual: str, toy: Cohort) -> None:
    """No component at all: everybody has the one genotype."""
    dead = Cohort(
        np.ones((30, toy.m), dtype=np.int8),
        toy.variants,
        toy.samples.head(30),
        Trait("t", "quantitative", np.arange(30, dtype=np.float32)),
    )
    model = hybrid.Hybrid(residual=residual, **{**QUICK, "steps": 5})
    model.fit(dead, dead, seed=0, budget=Budget())
    assert (model.sample(dead.labels[:3], seed=0) == 1).all()


def test_unfitted_says_so() -> None:
    """sample() before fit() is an error for people."""
    with pytest.raises(GenobenchError, match="before fit"):
        hybrid.Hybrid().sample(np.zeros(1, dtype=np.float32), seed=0)

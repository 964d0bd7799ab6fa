"""The two adversarial generators: their losses against closed forms, and what they learn."""

from __future__ import annotations

from collections.abc import Callable
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
from genobench.metrics.manifold import manifold_curve

adversarial = import_module("genobench.baselines._adversarial")
WganGp = import_module("genobench.baselines.wgan_gp").WganGp
GumbelGan = import_module("genobench.baselines.gumbel_gan").GumbelGan

QUICK: dict[str, Any] = {"steps": 250, "ema": 0.95, "calibrate": True, "every": 50}
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "wgan_gp": (WganGp, {"critic_steps": 2, "lr_generator": 2e-3, "lr_critic": 2e-3}),
    "gumbel_gan": (GumbelGan, {"lr_generator": 1e-3, "lr_critic": 1e-3, "r1": 1.0}),
}


@pytest.fixture(scope="module", params=list(MODELS))
def fitted(request: pytest.FixtureRequest, toy_split: Split) -> Any:
    """One short training of each, shared by the tests that look at what was learned."""
    cls, settings = MODELS[request.param]
    model = cls(**QUICK, **settings)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def linear_critic(weight: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A critic that is a linear function of the calls: score = weight . x."""
    return lambda x, y: x.flatten(1) @ weight


def calls(n: int, L: int, seed: int) -> torch.Tensor:
    """(n, 3, L) random one-hots."""
    draw = torch.Generator().manual_seed(seed)
    index = torch.randint(3, (n, L), generator=draw)
    return torch.nn.functional.one_hot(index, 3).movedim(-1, 1).float()


def test_gradient_penalty_of_a_linear_critic() -> None:
    """Its gradient is the weight everywhere: the penalty is 10 (|w| - 1)^2 and D gains w . x."""
    weight = torch.linspace(-0.3, 0.5, 12)
    critic, real, fake = linear_critic(weight), calls(6, 4, 0), calls(6, 4, 1)
    y = torch.zeros(6, 1)
    got = float(WganGp(penalty=10.0).critic_loss(critic, real, fake, y, step=0))
    gap = ((fake - real).flatten(1) @ weight).mean()
    assert got == pytest.approx(float(gap + 10 * (weight.norm() - 1) ** 2), rel=1e-5)


def test_lazy_penalty_has_the_same_mean() -> None:
    """Every second step twice the penalty: the mean over steps is unchanged."""
    weight = torch.linspace(-0.3, 0.5, 12)
    critic, real, y = linear_critic(weight), calls(6, 4, 0), torch.zeros(6, 1)

    def mean(every: int) -> float:
        model = WganGp(penalty_every=every)
        return float(np.mean([float(model.critic_loss(critic, real, real, y, s)) for s in (0, 1)]))

    assert mean(2) == pytest.approx(mean(1), rel=1e-5)


def test_cross_entropy_and_r1_of_a_linear_critic() -> None:
    """log(1 + e^-D(real)) + log(1 + e^D(fake)) + r1 / 2 |w|^2."""
    weight = torch.linspace(-0.3, 0.5, 12)
    critic, real, fake = linear_critic(weight), calls(6, 4, 0), calls(6, 4, 1)
    y = torch.zeros(6, 1)
    loss = GumbelGan(r1=4.0, r1_every=1).critic_loss(critic, real, fake, y, step=0)
    got = float(loss.detach())
    of_real, of_fake = (x.detach().flatten(1) @ weight for x in (real, fake))
    entropy = torch.log1p((-of_real).exp()).mean() + torch.log1p(of_fake.exp()).mean()
    assert got == pytest.approx(float(entropy + 2 * weight.square().sum()), rel=1e-5)


def test_gumbel_softmax_draws_with_the_softmax_probabilities() -> None:
    """The largest of logits + Gumbel noise is a categorical draw, at any temperature."""
    torch.manual_seed(0)
    logits = torch.tensor([0.5, -1.0, 1.5]).reshape(1, 3, 1).expand(40_000, 3, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        soft = adversarial.gumbel_softmax(logits, 0.1)
    shares = torch.bincount(soft.argmax(1).flatten(), minlength=3) / 40_000
    torch.testing.assert_close(shares, logits[0, :, 0].softmax(0), atol=0.01, rtol=0)
    assert float((soft.max(1).values > 0.99).float().mean()) > 0.7  # cold: nearly hard


def test_smoothing_keeps_the_sum_and_the_call() -> None:
    x = calls(50, 20, 3)
    soft = adversarial.smoothed(x, 0.025)
    torch.testing.assert_close(soft.sum(1), torch.ones(50, 20))
    assert torch.equal(soft.argmax(1), x.argmax(1))
    assert 0 < float(soft[x == 0].max()) <= 0.025
    assert float(soft[x == 1].min()) >= 0.95


def test_label_reaches_every_layer() -> None:
    """With every other weight at zero the label alone moves the output of each layer."""
    stack = adversarial.Stack(5, (7, 3), norm=False)
    for layer in [*stack.enter, *stack.inner]:
        assert layer.linear.in_features == {7: 8, 3: 4, 5: 6}[layer.linear.in_features - 1]
        with torch.no_grad():
            layer.linear.weight[:, :-1] = 0
            layer.linear.weight[:, -1] = 1
            layer.linear.bias.zero_()
        x = torch.zeros(2, layer.linear.in_features - 1)
        assert not torch.equal(*layer(x, torch.tensor([[0.0], [1.0]])))


def test_a_batch_of_clones_has_no_diversity() -> None:
    """The extra feature tells a collapsed batch from a varied one."""
    critic = adversarial.CriticNetwork((8,), torch.full((3, 10), 1 / 3), diversity=True)
    with torch.no_grad():
        critic.head.linear.weight.zero_()
        critic.head.linear.weight[0, 8:16] = 1.0
        critic.head.linear.bias.zero_()
    clones, varied = calls(1, 10, 0).expand(16, -1, -1), calls(16, 10, 0)
    y = torch.zeros(16, 1)
    with torch.no_grad():
        assert float(critic(clones, y)[0]) < 2e-3 < float(critic(varied, y)[0])


def test_k_nearest_f1_agrees_with_the_metric(make_cohort: Callable[..., Cohort]) -> None:
    """Selection sees what the benchmark's precision and recall see (ties aside)."""
    one, two = (make_cohort(200, 64, seed).genotypes for seed in (0, 1))
    precision, recall, f1 = adversarial.k_nearest_f1(
        torch.from_numpy(one.copy()), torch.from_numpy(two.copy()), 5
    )
    (metric,) = manifold_curve(two.copy(), one.copy(), ks=(5,))
    assert precision == pytest.approx(metric.precision.value, abs=0.05)
    assert recall == pytest.approx(metric.recall.value, abs=0.05)
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_learns_ld_without_collapse(fitted: Any, toy_split: Split) -> None:
    """LD follows real people's and recall is far from a collapsed generator's."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    pairs = np.triu_indices(train.m, 1)
    real, synthetic = (
        np.square(np.corrcoef(g.T.astype(float)))[pairs] for g in (test.genotypes, rows)
    )
    assert np.corrcoef(real, synthetic)[0, 1] > 0.6
    _, recall, _ = adversarial.k_nearest_f1(
        torch.from_numpy(np.array(test.genotypes)), torch.from_numpy(rows[: test.n].copy()), 5
    )
    assert recall > 0.3
    assert len(np.unique(rows, axis=0)) > 0.95 * len(rows)


def test_label_is_obeyed(fitted: Any, toy: Cohort) -> None:
    """Cases differ from controls as they do in training."""
    rows, case = fitted.sample(toy.labels, seed=5), toy.labels == 1

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    real, synthetic = contrast(toy.genotypes), contrast(rows)
    assert float(real @ synthetic / (real @ real)) > 0.4


def test_calibration_meets_training_frequencies(fitted: Any, toy: Cohort) -> None:
    rows = fitted.sample(np.tile(toy.labels, 5), seed=3)
    error = rows.mean(axis=0) / 2 - toy.genotypes.mean(axis=0) / 2
    assert np.sqrt(np.square(error).mean()) < 0.02


@pytest.mark.parametrize("name", list(MODELS))
def test_monomorphic_cohort_and_one_person(name: str, make_cohort: Callable[..., Cohort]) -> None:
    """Nothing to learn: everybody has the one genotype; one label gives one row."""
    cls, settings = MODELS[name]
    some = make_cohort(30, 9, 0)
    trait = Trait("t", "quantitative", np.arange(30, dtype=np.float32))
    dead = Cohort(np.ones((30, 9), dtype=np.int8), some.variants, some.samples, trait)
    model = cls(**settings).fit(dead, dead, seed=0, budget=Budget())
    assert np.array_equal(model.sample(trait.values[:1], seed=0), np.ones((1, 9)))
    assert model.sample(trait.values[:0], seed=0).shape == (0, 9)
    assert model.parameters == 0


@pytest.mark.parametrize("name", list(MODELS))
def test_budget_cuts_the_game_short(name: str, toy_split: Split) -> None:
    """Without time, few steps are made and samples are still genotypes."""
    cls, settings = MODELS[name]
    seen: list[float] = []
    model = cls(**{**QUICK, **settings, "steps": 100_000, "epochs": 100_000})
    budget = Budget(seconds=1.0, report=lambda p: seen.append(p["step"]))
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=budget)
    assert seen[-1] < 50_000
    rows = model.sample(toy_split.test.labels[:20], seed=0)
    assert set(np.unique(rows)) <= {0, 1, 2}


def test_paper_settings_ask_for_no_remedy() -> None:
    """Without its options the loss is the paper's: no R1, no diversity, no calibration."""
    plain = GumbelGan()
    assert (plain.r1, plain.diversity, plain.calibrate, plain.ema) == (0, False, False, 0)


def test_sampling_before_fitting_is_named() -> None:
    with pytest.raises(GenobenchError, match="before fit"):
        WganGp().sample(np.zeros(1, dtype=np.float32), seed=0)

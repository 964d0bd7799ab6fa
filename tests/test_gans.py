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
decoding = import_module("genobench.baselines._decoding")
game = import_module("genobench.baselines._game")
unexplained = import_module("genobench.baselines._unexplained").unexplained
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


def test_unexplained_share_of_copies_and_of_independent_snps() -> None:
    """A copy of a neighbour is wholly predicted, an independent SNP not at all."""
    draw = torch.Generator().manual_seed(0)
    g = torch.randint(3, (1200, 30), generator=draw).float()
    g = torch.cat([g, g[:, :5]], 1)
    share = unexplained(g[:1000], g[1000:])
    assert float(share[30:].max()) < 0.06
    assert float(share[:5].max()) < 0.06
    assert float(share[5:30].min()) > 0.9


def test_unexplained_share_of_a_noisy_copy() -> None:
    """Half signal, half noise: half of the variance stays open (1 - r2)."""
    draw = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, 40_000, generator=draw)
    g = torch.stack([x, (x + noise) / 2**0.5], 1)
    share = unexplained(g[:20_000], g[20_000:])
    torch.testing.assert_close(share, torch.full((2,), 0.5), atol=0.02, rtol=0)


def test_noise_follows_what_neighbours_leave_open(
    make_cohort: Callable[..., Cohort],
) -> None:
    """Full Gumbel noise at independent SNPs, hardly any at copies of each other."""
    some = make_cohort(600, 24, 0)
    g = np.random.default_rng(0).integers(0, 3, (600, 24)).astype(np.int8)
    g[:, 12:18] = g[:, 18:]
    people = game.People(torch.from_numpy(g), torch.zeros(len(some.genotypes), 1))
    noise, signal = WganGp(noise_by_snp=True)._scales(people, people)
    assert float(noise[12:].max()) < 0.3 < 0.9 < float(signal[12:].min())
    assert float(signal[:12].max()) < 0.4 < 0.95 < float(noise[:12].min())
    noise, signal = WganGp(noise=0.3)._scales(people, people)
    assert torch.equal(noise, torch.full((24,), 0.3))
    assert torch.equal(signal, torch.ones(24))


def test_matched_noise_keeps_people_apart(
    make_cohort: Callable[..., Cohort], toy_split: Split
) -> None:
    """Too little noise makes people alike; the draw's is raised until they are as far apart as in
    training, and left as it was where they are so already.
    """
    some = make_cohort(400, 80, 0)
    rng = np.random.default_rng(1)
    rows = rng.binomial(2, rng.beta(2, 2, 80), (400, 80)).astype(np.int8)
    independent = Cohort(rows, some.variants, some.samples, some.trait)

    def apart(train: Cohort, **settings: Any) -> tuple[float, float]:
        model = GumbelGan(**{**QUICK, "steps": 60, "every": 30}, **settings)
        model.fit(train, train, seed=0, budget=Budget())
        made = torch.from_numpy(model.sample(train.labels, seed=1).copy())
        return decoding.nearest(made), float(model.network_.noise[0])

    wanted = decoding.nearest(torch.from_numpy(rows.copy()))
    before, _ = apart(independent, noise=0.5)
    after, louder = apart(independent, noise=0.5, matched_noise=True)
    assert before < after < wanted + 0.2
    assert after > wanted - 0.2 or louder == pytest.approx(1.0)
    assert apart(toy_split.train, noise=0.2, matched_noise=True)[1] == pytest.approx(0.2)


def test_snp_without_signal_hears_the_label_alone() -> None:
    """Its logits are those of everybody with the label, whatever the features."""
    shares, signal = torch.full((3, 20), 1 / 3), torch.ones(20)
    signal[:10] = 0
    network = adversarial.GeneratorNetwork(8, (16,), shares, torch.ones(20), signal).eval()
    with torch.no_grad():
        spread = network(torch.randn(50, 8), torch.ones(50, 1)).std(0)
        gap = network(torch.zeros(1, 8), torch.ones(1, 1)) - network(
            torch.zeros(1, 8), -torch.ones(1, 1)
        )
    assert float(spread[:, :10].max()) < 1e-6 < float(spread[:, 10:].min())
    assert float(gap[:, :, :10].abs().min()) > 0


@pytest.mark.parametrize("name", list(MODELS))
def test_no_collapse_where_snps_are_nearly_independent(
    name: str, make_cohort: Callable[..., Cohort]
) -> None:
    """Two populations without LD: people far apart in all directions, not two bundles of clones.

    With little Gumbel noise synthetic people are too much alike and hardly a real one falls among
    them.
    """
    some = make_cohort(900, 80, 0)
    rng = np.random.default_rng(1)
    of_population = rng.integers(0, 2, 900)
    frequency = rng.beta(2, 2, (2, 80))
    rows = rng.binomial(2, frequency[of_population]).astype(np.int8)
    trait = Trait("population", "binary", of_population.astype(np.float32))
    everybody = Cohort(rows, some.variants, some.samples, trait)
    train, validation, test = (
        everybody.take(people=np.arange(a, b)) for a, b in ((0, 500), (500, 700), (700, 900))
    )

    def recall(noise: dict[str, Any]) -> float:
        cls, settings = MODELS[name]
        model = cls(**QUICK, **settings, **noise)
        model.fit(train, validation, seed=0, budget=Budget())
        made = torch.from_numpy(model.sample(train.labels[:200], seed=1).copy())
        return float(adversarial.k_nearest_f1(torch.from_numpy(test.genotypes.copy()), made, 5)[1])

    real = adversarial.k_nearest_f1(
        torch.from_numpy(test.genotypes.copy()), torch.from_numpy(validation.genotypes.copy()), 5
    )[1]
    assert recall({"noise_by_snp": True}) > 0.5 * real
    assert recall({"noise": 0.3}) < 0.5 * real


def test_temperature_falls_linearly(toy_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1 to .1 over the game; both players see the same one in a round."""
    seen: list[float] = []
    soft = WganGp._soft

    def watched(self: Any, y: torch.Tensor, temperature: float) -> torch.Tensor:
        seen.append(temperature)
        return soft(self, y, temperature)  # type: ignore[no-any-return]

    monkeypatch.setattr(WganGp, "_soft", watched)
    model = WganGp(steps=4, critic_steps=5)
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    wanted = np.repeat([1.0, 0.7, 0.4, 0.1], 5 + 1)
    np.testing.assert_allclose(seen, wanted)


def test_published_widths() -> None:
    """L/2, L and 3L/5, 3L/10 for 1,771 SNPs; eighths to a half and their kin for 3,493."""
    shares = torch.full((3, 1600), 1 / 3)
    assert GumbelGan(size="1771")._layers(shares) == ([800, 1600], [960, 480])
    assert GumbelGan(size="3493")._layers(shares) == ([200, 400, 800], [600, 300, 150])
    with pytest.raises(GenobenchError, match="none of 1771, 3493"):
        GumbelGan(size="42")._layers(shares)


def test_game_ends_when_f1_no_longer_rises(
    toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two looks without a better F1 end it, and the best generator is the one that is kept."""
    scores, seen, kept = iter([0.2, 0.6, 0.5, 0.4, 0.9]), [], []

    def look(self: Any, network: torch.nn.Module, held_out: Any) -> tuple[float, float, float]:
        kept.append(network.head.linear.bias.clone())  # type: ignore[union-attr, operator]
        return 0.0, 0.0, next(scores)

    monkeypatch.setattr(WganGp, "_look", look)
    budget = Budget(report=lambda p: seen.append(p["step"]))
    model = WganGp(steps=50, every=5, patience=1, critic_steps=1)
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=budget)
    assert seen == [5, 10, 15, 20]
    assert torch.equal(model.network_.head.linear.bias, kept[1])


def test_diverged_loss_ends_the_fit(toy_split: Split) -> None:
    """A learning rate beyond all bounds is named as a loss that is no number, with the step."""
    model = WganGp(steps=50, every=10, lr_generator=1e38, lr_critic=1e38, critic_steps=1)
    with pytest.raises(FloatingPointError, match=r"loss is .* at step 10"):
        model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def test_quantitative_label_is_obeyed(toy_split: Split) -> None:
    """A trait that is a sum of SNPs: synthetic sums rise with the label that was asked for."""

    def with_sum(cohort: Cohort) -> Cohort:
        score = cohort.genotypes[:, :10].sum(1).astype(np.float32)
        trait = Trait("sum", "quantitative", score)
        return Cohort(cohort.genotypes, cohort.variants, cohort.samples, trait)

    train, validation = with_sum(toy_split.train), with_sum(toy_split.validation)
    cls, settings = MODELS["gumbel_gan"]
    model = cls(**QUICK, **settings, noise_by_snp=True)
    model.fit(train, validation, seed=0, budget=Budget())
    rows = model.sample(train.labels, seed=0)
    assert np.corrcoef(rows[:, :10].sum(1), train.labels)[0, 1] > 0.4


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

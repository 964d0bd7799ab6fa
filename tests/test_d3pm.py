"""Discrete diffusion: process and bound against brute force, samplers, what it learns."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.registry import find_generator

discrete = import_module("genobench.baselines._discrete")
nets = import_module("genobench.baselines._genotype_nets")
training = import_module("genobench.baselines._training")
D3pm = import_module("genobench.baselines.d3pm").D3pm

QUICK: dict[str, Any] = {
    "width": 128,
    "depth": 1,
    "batch": 64,
    "steps": 300,
    "every": 50,
    "lr": 3e-3,
    "warmup": 20,
    "sampling_steps": 32,
}
T = 4
ABSORBING = pytest.param(True, id="absorbing")
UNIFORM = pytest.param(False, id="uniform")


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """A masked diffusion trained for a second or two."""
    return D3pm(**QUICK).fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def some_logits(x: Tensor, alpha: Tensor) -> Tensor:
    """A denoiser with an opinion of its own on every pair of sites and every time."""
    L = x.shape[1]
    wave = torch.sin(1.3 * x.double() + torch.arange(L))
    seen = wave.sum(1)[:, None, None] + 2 * alpha.double()[:, None, None]
    return torch.cos(seen * torch.arange(1, 4) + torch.arange(L)[None, :, None]).float()


def matrices(absorbing: bool, alpha: Tensor) -> list[NDArray[np.float64]]:
    """Q_1 ... Q_T as D3PM writes them: rows are states before, columns states after."""
    S = 4 if absorbing else 3
    pi = np.eye(4)[3] if absorbing else np.full(3, 1 / 3)
    a = alpha.double().numpy()
    return [
        a[t] / a[t - 1] * np.eye(S) + (1 - a[t] / a[t - 1]) * np.tile(pi, (S, 1))
        for t in range(1, len(a))
    ]


def reverse_step(
    absorbing: bool, alpha: Tensor, t: int, belief: NDArray[np.float64], x_t: int
) -> NDArray[np.float64]:
    """p(x_{t-1} | x_t) by Bayes' rule from the matrices, x_0 distributed as ``belief``."""
    steps = matrices(absorbing, alpha)
    forward = np.linalg.multi_dot([np.eye(len(steps[0])), *steps[: t - 1], np.eye(len(steps[0]))])
    joint = (np.pad(belief, (0, absorbing)) @ forward) * steps[t - 1][:, x_t]
    return np.asarray(joint / joint.sum())


def brute_bound(absorbing: bool, alpha: Tensor, x0: tuple[int, ...]) -> float:
    """The bound on -log p(x_0), by enumerating every x_t at every time."""
    steps, L, total = matrices(absorbing, alpha), len(x0), 0.0
    S = len(steps[0])
    marginal = np.eye(S)
    for t in range(1, len(alpha)):
        marginal = marginal @ steps[t - 1]
        for x_t in product(range(S), repeat=L):
            weight = np.prod([marginal[a, b] for a, b in zip(x0, x_t, strict=True)])
            if weight == 0:
                continue
            logits = some_logits(torch.tensor([x_t]), alpha[t : t + 1])[0]
            belief = logits.double().softmax(-1).numpy()
            for i in range(L):
                true = reverse_step(absorbing, alpha, t, np.eye(3)[x0[i]], x_t[i])
                guess = reverse_step(absorbing, alpha, t, belief[i], x_t[i])
                at = true > 0
                total += weight * float((true[at] * np.log(true[at] / guess[at])).sum())
    return total


def likelihood(absorbing: bool, alpha: Tensor, x0: tuple[int, ...]) -> float:
    """The model's own p(x_0), by summing over every path from noise."""
    S, L = (4 if absorbing else 3), len(x0)
    states = list(product(range(S), repeat=L))
    pi = np.eye(4)[3] if absorbing else np.full(3, 1 / 3)
    p = np.array([np.prod(pi[list(s)]) for s in states])
    for t in range(len(alpha) - 1, 0, -1):
        after = np.zeros(len(states))
        for mass, x_t in zip(p, states, strict=True):
            if mass == 0:
                continue
            logits = some_logits(torch.tensor([x_t]), alpha[t : t + 1])[0]
            belief = logits.double().softmax(-1).numpy()
            sites = [reverse_step(absorbing, alpha, t, belief[i], x_t[i]) for i in range(L)]
            after += mass * np.array(
                [np.prod([q[c] for q, c in zip(sites, s, strict=True)]) for s in states]
            )
        p = after
    return float(p[states.index(x0)])


@pytest.mark.parametrize("absorbing", [ABSORBING, UNIFORM])
def test_posterior_is_bayes_rule_on_the_matrices(absorbing: bool) -> None:
    """Eq. 3 and 4 of D3PM, with the products of Q_t written out."""
    process, alpha = discrete.Process(absorbing), discrete.keeping(T, "cosine")
    belief = np.array([0.2, 0.5, 0.3])
    for t, x_t in product(range(1, T + 1), range(process.states)):
        if absorbing and t == T and x_t != 3:
            continue  # nothing is left unmasked then
        x = torch.tensor([[x_t]])
        given = torch.tensor(belief, dtype=torch.float32).reshape(1, 1, 3)
        ours = process.posterior(given, x, alpha[t - 1 : t], alpha[t : t + 1])[0, 0]
        theirs = reverse_step(absorbing, alpha, t, belief, x_t)
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("absorbing", [ABSORBING, UNIFORM])
def test_corruption_has_the_marginals_of_the_matrices(absorbing: bool) -> None:
    """Shares of states at time t are a row of Q_1 ... Q_t."""
    process, alpha = discrete.Process(absorbing), discrete.keeping(T)
    expected = np.linalg.multi_dot(matrices(absorbing, alpha)[:2])[2]
    x0 = torch.full((40_000, 1), 2, dtype=torch.int8)
    u = torch.rand(40_000, 1, generator=torch.Generator().manual_seed(0))
    x_t = process.corrupt(x0, alpha[2].expand(40_000), u)
    shares = np.bincount(x_t[:, 0].numpy(), minlength=process.states) / 40_000
    np.testing.assert_allclose(shares, expected, atol=0.01)


@pytest.mark.parametrize("absorbing", [ABSORBING, UNIFORM])
def test_elbo_is_the_enumerated_bound_and_bounds_the_likelihood(absorbing: bool) -> None:
    """Two sites, four times: the estimate against the sum over every corrupted state."""
    alpha, x0 = discrete.keeping(T, "cosine"), (2, 0)
    exact = brute_bound(absorbing, alpha, x0)
    people = torch.tensor([x0], dtype=torch.int8).expand(4000, 2)
    with training.seeded(1):
        draws = discrete.elbo(discrete.Process(absorbing), some_logits, people, alpha, 16)
    assert float(draws.mean()) == pytest.approx(exact, rel=0.02)
    assert exact >= -np.log(likelihood(absorbing, alpha, x0)) - 1e-9


def test_likelihood_sums_to_one() -> None:
    """The brute force itself: probabilities of all genotypes of two sites."""
    alpha = discrete.keeping(2)
    total = sum(likelihood(True, alpha, x) for x in product(range(3), repeat=2))
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize("absorbing", [ABSORBING, UNIFORM])
def test_bound_of_the_best_denoiser_is_the_entropy(absorbing: bool) -> None:
    """One site whose distribution is known: nothing is lost to the bound."""
    p = np.array([0.5, 0.3, 0.2])
    alpha = discrete.keeping(30, "cosine")
    x0 = torch.from_numpy(np.repeat(np.arange(3), (2000 * p).astype(int)))[:, None]
    knows = lambda x, a: torch.tensor(p).log().float().expand(*x.shape, 3)  # noqa: E731
    with training.seeded(2):
        bound = discrete.elbo(discrete.Process(absorbing), knows, x0, alpha, 200).mean()
    assert float(bound) == pytest.approx(-(p * np.log(p)).sum(), rel=0.02)


def test_masked_bound_is_the_limit_of_many_steps() -> None:
    """Counting masked sites and stepping through 2,000 times estimate one number."""
    x0 = torch.tensor([[2, 0, 1, 1, 2]], dtype=torch.int8).expand(20_000, 5)
    with training.seeded(3):
        u = torch.rand(x0.shape)
        k = discrete.stratified(len(x0), 5, u.device)
        limit = discrete.masked_bound(some_logits_without_time, x0, k, u).mean()
        alpha = discrete.keeping(2000)
        process = discrete.Process(True)
        steps = discrete.elbo(process, some_logits_without_time, x0, alpha, 16).mean()
    assert float(limit) == pytest.approx(float(steps), rel=0.02)


def without_opinion(x: Tensor, alpha: Tensor) -> Tensor:
    """Every call as likely as any other."""
    return torch.zeros(*x.shape, 3)


def some_logits_without_time(x: Tensor, alpha: Tensor) -> Tensor:
    """The mask alone says how much is known."""
    return some_logits(x, torch.zeros_like(alpha))


def test_auxiliary_term_is_cross_entropy_of_what_is_hidden() -> None:
    """lambda adds the plain cross-entropy of masked sites; seen sites cost nothing."""
    x0 = torch.tensor([[0, 1, 2]])
    k, u = torch.tensor([2]), torch.tensor([[0.1, 0.2, 0.3]])
    loss = discrete.masked_bound(without_opinion, x0, k, u, extra=0.5)
    assert loss.item() == pytest.approx(2 * np.log(3) * (3 / 2 + 0.5), rel=1e-5)
    x_t = torch.tensor([[3, 3, 2]])
    now, process = torch.tensor([0.4]), discrete.Process(True)
    ce = discrete.surprise(process, without_opinion(x_t, now), x0, x_t, now)
    assert ce.item() == pytest.approx(2 * np.log(3), rel=1e-5)


@pytest.mark.parametrize("shape", ["linear", "cosine", "quadratic", "cubic"])
def test_reveal_counts_rise_to_all_sites(shape: str) -> None:
    """Every step reveals something and the last one the rest, for any number of steps."""
    for L, steps in product((1, 2, 7, 100), (1, 5, 64, 1000)):
        known = np.array(discrete.reveal_counts(L, steps, shape))
        assert (known[0], known[-1], len(known)) == (0, L, min(steps, L) + 1)
        assert (np.diff(known) >= 1).all()
    assert discrete.reveal_counts(100, 10, "quadratic")[5] < 30


@pytest.mark.parametrize("absorbing", [ABSORBING, UNIFORM])
def test_samplers_follow_a_known_joint(absorbing: bool) -> None:
    """Two sites that are always equal, with the exact denoiser: sampled pairs are equal."""
    p = torch.tensor([0.5, 0.3, 0.2])

    def knows(x: Tensor, alpha: Tensor) -> Tensor:
        other = discrete.Process(absorbing).likelihood(x.flip(1), alpha)[..., :3]
        return torch.log(p * other + 1e-12)

    with training.seeded(4):
        start = discrete.Process(absorbing).start(4000, 2, p.device)
        if absorbing:
            x = discrete.sample_revealing(knows, start, [0, 1, 2])
        else:
            alpha = discrete.keeping(200, "quadratic").flip(0).tolist()
            x = discrete.sample_ancestral(discrete.Process(False), knows, start, alpha)
    assert (x[:, 0] == x[:, 1]).float().mean() > 0.98
    shares = np.bincount(x[:, 0].numpy(), minlength=3) / len(x)
    np.testing.assert_allclose(shares, p.numpy(), atol=0.03)


def test_revealing_agrees_with_ancestral_sampling() -> None:
    """The absorbing process by either sampler gives the same joint of two sites."""
    pairs = []
    with training.seeded(5):
        x = discrete.Process(True).start(8000, 2, torch.device("cpu"))
        alpha = discrete.keeping(100).flip(0).tolist()
        some = some_logits_without_time
        pairs.append(discrete.sample_revealing(some, x, [0, 1, 2]))
        pairs.append(discrete.sample_ancestral(discrete.Process(True), some, x, alpha))
    shares = [np.bincount((3 * x[:, 0] + x[:, 1]).numpy(), minlength=9) / 8000 for x in pairs]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.02)


@pytest.mark.parametrize("denoiser", ["mlp", "transformer"])
@pytest.mark.parametrize("label", ["film", "concat"])
def test_beginning_is_independent_sites(denoiser: str, label: str, toy: Cohort) -> None:
    """Before the first step the bound is that of the training frequencies, labels unused."""
    model = D3pm(denoiser=denoiser, label=label, width=32, fold=10)
    with training.seeded(6):
        network = model._build(toy.m).eval()
    people = training.People.of(toy, training.LabelScale.of(toy), "cpu")
    network.begin_at(people.genotypes)
    shares = np.stack([(toy.genotypes == call).mean(0) for call in range(3)])
    entropy = -np.nansum(shares * np.log(np.where(shares > 0, shares, 1)))
    with torch.no_grad(), training.seeded(7):
        everybody = torch.arange(len(people)).repeat(8)
        how = model._corruption(len(everybody), toy.m, torch.device("cpu"))
        bound = model._bound(network, people, everybody, *how).mean()
    assert float(bound) == pytest.approx(entropy, rel=0.02)


@pytest.mark.parametrize("denoiser", ["mlp", "transformer"])
def test_both_ways_of_labelling_cost_about_the_same(denoiser: str) -> None:
    """FiLM and concatenation are compared at equal size."""
    sizes = [
        sum(p.numel() for p in D3pm(denoiser=denoiser, label=label)._build(256).parameters())
        for label in ("film", "concat")
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def ld(genotypes: NDArray[Any]) -> NDArray[Any]:
    """Correlations of neighbouring SNPs."""
    r = np.corrcoef(
        genotypes.astype(float) + 1e-9 * np.arange(len(genotypes))[:, None], rowvar=False
    )
    i, j = np.triu_indices(genotypes.shape[1], 1)
    return np.asarray(r[i, j][j - i <= 8])


def assert_learned(model: Any, split: Split) -> None:
    """Frequencies and neighbours' correlations are the hold-out's."""
    rows, test = model.sample(np.tile(split.train.labels, 2), seed=1), split.test.genotypes
    assert np.sqrt(np.mean((rows.mean(0) - test.mean(0)) ** 2)) / 2 < 0.05
    real, synthetic = ld(test), ld(rows)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.85
    assert 0.6 < real @ synthetic / (real @ real) < 1.2


def test_learns_frequencies_and_ld(fitted: Any, toy_split: Split) -> None:
    """What the default learns in a second or two."""
    assert_learned(fitted, toy_split)


@pytest.mark.parametrize(
    "other",
    [
        {"transition": "uniform", "sampling_steps": 64},
        {"denoiser": "transformer", "width": 64, "fold": 8, "label": "concat"},
    ],
    ids=["uniform", "transformer"],
)
def test_other_settings_learn_too(other: dict[str, Any], toy_split: Split) -> None:
    """The uniform process, and attention with a concatenated label."""
    model = D3pm(**{**QUICK, **other})
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    assert_learned(model, toy_split)


def test_held_out_bound_beats_independent_sites(fitted: Any, toy_split: Split) -> None:
    """Nats per unseen person fall well below the entropy of the sites one by one."""
    test = toy_split.test
    shares = np.stack([(test.genotypes == call).mean(0) for call in range(3)])
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum()
    assert fitted.elbo(test, seed=0) < 0.9 * entropy
    assert fitted.elbo(test, seed=0) == fitted.elbo(test, seed=0)


def test_labels_move_the_genotypes(fitted: Any, toy_split: Split) -> None:
    """Cases differ from controls in the direction in which they do among real people."""
    rows = fitted.sample(np.repeat(np.array([0, 1], dtype=np.float32), 400), seed=3)
    train = toy_split.train
    case = train.labels == 1
    real = train.genotypes[case].mean(0) - train.genotypes[~case].mean(0)
    synthetic = rows[400:].mean(0) - rows[:400].mean(0)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.5


def test_stored_model_draws_the_same_people(fitted: Any, toy_split: Split) -> None:
    """Settings and state are all there is to it."""
    again = D3pm(**fitted.settings())
    again.restore(fitted.state())
    labels = toy_split.test.labels
    assert np.array_equal(again.sample(labels, seed=9), fitted.sample(labels, seed=9))


@pytest.mark.parametrize("transition", ["absorbing", "uniform"])
def test_one_site_and_an_unseen_quantity(transition: str, make_cohort: Any) -> None:
    """One SNP, a label far outside training, no label at all."""
    some = make_cohort(40, 1, 0)
    trait = Trait("t", "quantitative", np.arange(40, dtype=np.float32))
    cohort = Cohort(some.genotypes, some.variants, some.samples, trait)
    model = D3pm(**{**QUICK, "steps": 5}, transition=transition)
    model.fit(cohort, cohort, seed=0, budget=Budget())
    assert set(np.unique(model.sample(np.full(9, 1e3, np.float32), seed=0))) <= {0, 1, 2}
    assert model.sample(np.zeros(0, np.float32), seed=0).shape == (0, 1)


def test_heads_must_divide_the_width(toy_split: Split) -> None:
    """Named with both settings."""
    with pytest.raises(GenobenchError, match="width 30 is no multiple of heads 4"):
        D3pm(denoiser="transformer", width=30, heads=4).fit(
            toy_split.train, toy_split.validation, seed=0, budget=Budget()
        )


def test_unfitted_says_so() -> None:
    """sample() before fit() is an error for people."""
    with pytest.raises(GenobenchError, match="before fit"):
        D3pm().sample(np.zeros(1, dtype=np.float32), seed=0)


def test_card_settings_are_accepted() -> None:
    """Every named set of settings builds the generator."""
    card = find_generator("d3pm").card
    for name in ("toy", "smoke", "small", "paper"):
        assert D3pm(**card.settings_for(name)).transition in ("absorbing", "uniform")

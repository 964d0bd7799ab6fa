"""Flow matching: solvers and likelihood against flows whose answer is known, and what it learns."""

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

flow = import_module("genobench.baselines._flow")
FlowMatching = import_module("genobench.baselines.flow_matching").FlowMatching

QUICK: dict[str, Any] = {
    "width": 96,
    "depth": 2,
    "steps": 300,
    "batch": 128,
    "ema": 0.98,
    "solver_steps": 8,
}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One short training, shared by the tests that look at what was learned."""
    model = FlowMatching(**QUICK)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


@pytest.fixture(scope="module")
def linear() -> tuple[Any, Any]:
    """A velocity A x + b, and the Gaussian that it makes of N(0, I)."""
    A = torch.tensor([[0.5, 0.3, 0.0], [-0.4, 0.2, 0.1], [0.0, 0.6, -0.7]], dtype=torch.float64)
    b = torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64)
    wide = torch.zeros(4, 4, dtype=torch.float64)
    wide[:3, :3], wide[:3, 3] = A, b
    moved = torch.linalg.matrix_exp(wide)  # x(1) = E x(0) + c
    E, c = moved[:3, :3], moved[:3, 3]
    gaussian = torch.distributions.MultivariateNormal(c, E @ E.T)
    return (lambda x, t: x @ A.T + b), gaussian


def labelled(P: int) -> Any:
    """A small velocity network at random weights, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = flow.LabelledVelocity(P, width=16, depth=2, dropout=0.0).double().eval()
        for p in network.parameters():
            torch.nn.init.normal_(p, std=0.3)
    return network


def r2(genotypes: NDArray[Any]) -> NDArray[Any]:
    """(m, m) squared correlations."""
    return np.square(np.corrcoef(genotypes.T.astype(float)))


def test_loss_is_the_squared_velocity_of_a_flow_that_stands_still() -> None:
    """With velocity 0 the loss is the mean of (x_1 - x_0)^2; with the true one it is 0."""
    noise, x = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 2.0]])
    t = torch.tensor([0.25, 0.5])
    still = flow.matching_loss(lambda x, t: torch.zeros_like(x), noise, x, t)
    assert still.item() == pytest.approx((1 + 4 + 9 + 4) / 6)
    true = flow.matching_loss(lambda x, t: x / t[:, None], noise, x, t)  # paths from the origin
    assert true.item() == pytest.approx(0, abs=1e-12)


def test_untrained_velocity_is_best_for_standard_normal_people() -> None:
    """Its loss on N(0, I) is the mean residual variance, 1 / s^2 over t: pi / 2."""
    network = flow.LabelledVelocity(40, width=8, depth=1, dropout=0.0)
    draw = torch.Generator().manual_seed(0)
    noise, x = (torch.randn(4000, 40, generator=draw) for _ in range(2))
    t = (torch.arange(4000) + 0.5) / 4000
    with torch.no_grad():
        loss = flow.matching_loss(network.given(torch.zeros(4000, 1)), noise, x, t)
    assert loss.item() == pytest.approx(np.pi / 2, rel=0.01)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_solvers_have_their_order(solver: str, order: int) -> None:
    """x' = x + t from 1 ends at 2 e - 2: halving the step divides the error by 2^order."""
    solve, start = flow.SOLVERS[solver], torch.ones(1, 1, dtype=torch.float64)
    errors = []
    for steps in (20, 40):
        end = solve(lambda x, t: x + t[:, None], start, steps=steps)
        errors.append(abs(end.item() - (2 * np.e - 2)))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.06)
    back = solve(lambda x, t: x + t[:, None], end, steps=40, start=1.0, end=0.0)
    assert back.item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_density_of_a_linear_flow_is_the_gaussian(linear: tuple[Any, Any], solver: str) -> None:
    velocity, gaussian = linear
    x = torch.tensor([[0.0, 0.0, 0.0], [2.0, -1.0, 0.5], [1.0, 3.0, -2.0]], dtype=torch.float64)
    got = flow.log_density(velocity, x, steps=50, solver=flow.SOLVERS[solver])
    np.testing.assert_allclose(got, gaussian.log_prob(x), rtol=1e-3)


def test_random_signs_estimate_the_same_density(linear: tuple[Any, Any]) -> None:
    """Hutchinson's estimate is unbiased: many probes come close to the exact trace."""
    velocity, gaussian = linear
    x = torch.tensor([[2.0, -1.0, 0.5]], dtype=torch.float64)
    draw = torch.Generator().manual_seed(1)
    signs = torch.randint(2, (200, 1, 3), generator=draw).double() * 2 - 1
    got = flow.log_density(velocity, x, steps=10, probes=signs)
    assert got.item() == pytest.approx(gaussian.log_prob(x).item(), abs=0.15)


def test_divergence_is_the_trace_of_the_jacobian() -> None:
    """Forward derivatives by chunks agree with the full Jacobian of a network."""
    network = labelled(5)
    x = torch.linspace(-2, 2, 15, dtype=torch.float64).reshape(3, 5)
    y = torch.tensor([[-1.0], [1.0], [0.3]], dtype=torch.float64)
    t = torch.full((3,), 0.4, dtype=torch.float64)
    got = flow.divergence(network.given(y), x, t, chunk=2)
    for i in range(3):
        row = slice(i, i + 1)
        jacobian = torch.func.jacrev(network.given(y[row]))(x[row], t[row])
        assert got[i].item() == pytest.approx(torch.trace(jacobian[0, :, 0]).item(), rel=1e-9)


def test_density_of_a_network_integrates_to_one() -> None:
    """In the plane, over a grid, for a velocity that leads away from the normal density."""
    network = labelled(2)
    axis = torch.linspace(-10, 10, 81, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    y = torch.full((len(grid), 1), 0.7, dtype=torch.float64)
    with torch.no_grad():
        density = flow.log_density(network.given(y), grid, steps=10).exp()
    cell = float(axis[1] - axis[0]) ** 2
    assert float(density.sum()) * cell == pytest.approx(1, abs=0.01)
    normal = (-0.5 * grid.square().sum(1)).exp() / (2 * np.pi)
    assert float((density - normal).abs().sum()) * cell > 0.2


def test_coupling_is_the_cheapest_pairing_inside_each_label() -> None:
    """Two people of each class on a line: noise is dealt among likes, and in order."""
    x = torch.tensor([[-2.0], [2.0], [-2.0], [2.0]])
    y = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
    noise = torch.tensor([[0.1], [0.2], [0.3], [0.4]])
    for seed in range(5):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            paired = flow.coupled(noise, x, y)
        assert sorted(paired[:, 0].tolist()) == pytest.approx([0.1, 0.2, 0.3, 0.4])
        assert paired[0] < paired[1]
        assert paired[2] < paired[3]


def test_coupling_leaves_each_labels_noise_alone() -> None:
    """Where people of two labels lie apart, their noise is still the same in distribution."""
    draw = torch.Generator().manual_seed(0)
    y = torch.cat([-torch.ones(64, 1), torch.ones(64, 1)])
    means = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(50):
            noise = torch.randn(128, 1, generator=draw)
            paired = flow.coupled(noise, 5 * y, y)
            means.append(float(paired[64:].mean() - paired[:64].mean()))
    assert abs(np.mean(means)) < 4 * np.sqrt(2 / 64 / 50)


def test_learns_frequencies_ld_and_the_label(fitted: Any, toy_split: Split) -> None:
    """Frequencies and LD follow real people's; cases differ from controls as real ones do."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    assert np.sqrt(np.mean((rows.mean(0) - train.genotypes.mean(0)) ** 2)) / 2 < 0.03
    pairs = np.triu_indices(train.m, 1)
    assert np.corrcoef(r2(rows)[pairs], r2(test.genotypes)[pairs])[0, 1] > 0.85

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        case = train.labels == 1
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    real, synthetic = contrast(train.genotypes), contrast(rows)
    assert float(real @ synthetic / (real @ real)) > 0.5


def test_likelihood_knows_people_from_noise(fitted: Any, toy_split: Split) -> None:
    """Unseen people are likelier than people whose SNPs were shuffled; the estimate agrees."""
    people = toy_split.test.take(slice(0, 60))
    mixed = np.random.default_rng(0).permuted(people.genotypes, axis=0)
    real = fitted.log_likelihood(people.genotypes, people.labels)
    assert real.shape == (60,)
    assert real.mean() > fitted.log_likelihood(mixed, people.labels).mean() + 0.5
    parts = fitted.log_likelihood(people.genotypes, people.labels, chunk=7)
    np.testing.assert_allclose(parts, real, rtol=1e-4)
    estimate = fitted.log_likelihood(people.genotypes, people.labels, probes=20, seed=1)
    assert estimate.mean() == pytest.approx(real.mean(), rel=0.05)
    assert fitted.log_likelihood(people.genotypes[:0], people.labels[:0]).shape == (0,)


def test_likelihood_prefers_the_true_label(fitted: Any, toy_split: Split) -> None:
    test = toy_split.test
    true = fitted.log_likelihood(test.genotypes, test.labels).mean()
    assert true > fitted.log_likelihood(test.genotypes, 1 - test.labels).mean()


@pytest.mark.parametrize("coupling", ["independent", "optimal"])
@pytest.mark.parametrize("decode", ["round", "thresholds"])
def test_monomorphic_cohort_and_one_person(
    coupling: str, decode: str, make_cohort: Callable[..., Cohort]
) -> None:
    """No component at all: everybody has the one genotype; one label gives one row."""
    some = make_cohort(30, 9, 0)
    trait = Trait("t", "quantitative", np.arange(30, dtype=np.float32))
    dead = Cohort(np.ones((30, 9), dtype=np.int8), some.variants, some.samples, trait)
    model = FlowMatching(**{**QUICK, "steps": 5}, coupling=coupling, decode=decode)
    model.fit(dead, dead, seed=0, budget=Budget())
    assert np.array_equal(model.sample(trait.values[:1], seed=0), np.ones((1, 9)))
    assert model.sample(trait.values[:0], seed=0).shape == (0, 9)
    assert model.log_likelihood(dead.genotypes[:2], trait.values[:2]).tolist() == [0, 0]


def test_optimal_coupling_trains(toy_split: Split) -> None:
    """With the coupling of Tong et al. a short training gives people with LD."""
    model = FlowMatching(**{**QUICK, "steps": 200, "coupling": "optimal"})
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    rows = model.sample(toy_split.train.labels, seed=2)
    pairs = np.triu_indices(rows.shape[1], 1)
    assert np.corrcoef(r2(rows)[pairs], r2(toy_split.test.genotypes)[pairs])[0, 1] > 0.8


def test_before_fitting_is_named() -> None:
    with pytest.raises(GenobenchError, match=r"sample\(\) before fit"):
        FlowMatching().sample(np.zeros(1, dtype=np.float32), seed=0)
    with pytest.raises(GenobenchError, match=r"log_likelihood\(\) before fit"):
        FlowMatching().log_likelihood(np.zeros((1, 3), dtype=np.int8), np.zeros(1))

"""Floating-point operations of a fit, against counts by hand."""

from __future__ import annotations

import pytest
import torch

from genobench.run import flops

STEP = 2 * (2 * 4 * 10 * 5)  # forward, and backward to the weights: 4 people, 10 -> 5


def train(steps: int, *, width: int = 10) -> None:
    """So many steps of a linear layer from ``width`` to 5, on 4 people."""
    layer = torch.nn.Linear(width, 5)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        layer(torch.ones(4, width)).square().sum().backward()
        optimiser.step()


@pytest.mark.parametrize("steps", [2, 5, 300])
def test_a_few_counted_steps_stand_for_all(steps: int) -> None:
    """Exact where every step costs the same, however many were counted."""
    with flops.of_fit() as count:
        train(steps)
    assert count.total == steps * STEP


def test_every_optimiser_counts_for_itself() -> None:
    """Two stages, of which one costs twice as much a step."""
    with flops.of_fit() as count:
        train(40)
        train(100, width=20)
    assert count.total == 40 * STEP + 100 * 2 * STEP


def test_gradients_of_gradients_are_counted() -> None:
    """As a gradient penalty needs them; the result is what it is without counting."""

    def penalised() -> float:
        torch.manual_seed(0)
        layer = torch.nn.Linear(10, 1)
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            x = torch.ones(4, 10, requires_grad=True)
            (slope,) = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
            slope.square().sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return float(layer.weight.detach().sum())

    with flops.of_fit() as count:
        counted = penalised()
    assert count.total is not None
    assert count.total > 3 * 2 * 4 * 10
    assert counted == penalised()


def test_nothing_is_counted_after_the_block() -> None:
    """Neither steps nor operations."""
    with flops.of_fit() as count:
        train(3)
    before = count.total
    train(5)
    assert count.total == before == 3 * STEP


def test_no_optimiser_no_figure() -> None:
    """A generator that counts frequencies has no floating-point operations that torch knows of."""
    with flops.of_fit() as count:
        torch.ones(3, 3) @ torch.ones(3, 3)
    assert count.total is None


def test_operations_of_one_synthetic_person() -> None:
    """What a draw of some costs, over their number."""
    layer = torch.nn.Linear(10, 5)
    assert flops.of_sampling(lambda people: layer(torch.ones(people, 10))) == 2 * 10 * 5
    assert flops.of_sampling(lambda people: torch.ones(people)) is None


def test_compiled_functions_stay_compiled() -> None:
    """Counting neither hides what a compiled function does nor has it compiled again."""
    compiled = []

    def backend(module: torch.fx.GraphModule, _: object) -> object:
        compiled.append(module)
        return module.forward

    layer = torch.nn.Linear(10, 5)
    loss = torch.compile(lambda x: layer(x).square().sum(), backend=backend)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    with flops.of_fit() as count:
        for _ in range(20):
            optimiser.zero_grad()
            loss(torch.ones(4, 10)).backward()
            optimiser.step()
    assert len(compiled) == 1
    assert count.total == 20 * STEP

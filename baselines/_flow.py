"""Flow matching in a few free functions: loss, coupling, solvers, likelihood.

Lipman et al. 2023 (arXiv:2210.02747) with straight paths: x_t = (1 - t) x_0 + t x_1 from noise x_0
to people x_1, whose velocity is x_1 - x_0. A velocity is any callable ``(x, t) -> dx/dt`` that
treats rows alone, with ``x`` (B, P) and ``t`` (B,) in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from ._residual_mlp import ResidualMlp

Velocity = Callable[[Tensor, Tensor], Tensor]


class Solver(Protocol):
    """Moves ``x`` along a velocity from time ``start`` to ``end`` in equal steps."""

    def __call__(
        self, velocity: Velocity, x: Tensor, /, *, steps: int, start: float = 0.0, end: float = 1.0
    ) -> Tensor: ...


class LabelledVelocity(nn.Module):
    """Velocity of x given the label: what is best for N(0, I) people, plus a network.

    With s^2 = t^2 + (1 - t)^2, E[x_1 - x_0 | x_t] = (2 t - 1) x_t / s^2 where x_1 is standard
    normal, and the rest has the standard deviation 1 / s: the network learns something of unit
    scale at every time.
    """

    def __init__(self, P: int, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.rest = ResidualMlp(P, width=width, depth=depth, dropout=dropout)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x (B, P), t (B,), y (B, 1) -> (B, P)."""
        s = (t**2 + (1 - t) ** 2).sqrt()[:, None]
        out: Tensor = ((2 * t - 1)[:, None] * x / s + self.rest(x / s, t, y)) / s
        return out

    def given(self, y: Tensor) -> Velocity:
        """The velocity of people with labels (B, 1)."""
        return lambda x, t: self(x, t, y)


def matching_loss(velocity: Velocity, noise: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Mean squared error of the velocity on straight paths: eq. 23 of Lipman et al., sigma = 0."""
    at = t[:, None]
    return nn.functional.mse_loss(velocity((1 - at) * noise + at * x, t), x - noise)


def spread_times(n: int, device: torch.device) -> Tensor:
    """(n,) uniform times, one in each of n equal strata of [0, 1], in order."""
    return (torch.arange(n, device=device) + torch.rand(n, device=device)) / n


def coupled(noise: Tensor, x: Tensor, y: Tensor, strictness: float = 1000.0) -> Tensor:
    """The noise (B, P) in the order that pairs it with people (B, P) by optimal transport.

    Minibatch coupling of Tong et al. 2023 (arXiv:2302.00482). Noise is first dealt labels of the
    batch at random, and a pair of unlike labels costs ``strictness`` times their squared
    difference: else the noise of a label's people would not be standard normal, as sampling
    presumes.
    """
    dealt = y[torch.randperm(len(y), device=y.device)]
    cost = torch.cdist(x, noise) ** 2 / x.shape[1] + strictness * (y - dealt.T) ** 2
    _, order = linear_sum_assignment(cost.detach().cpu().numpy())
    return noise[torch.from_numpy(order).to(noise.device)]


def euler(
    velocity: Velocity, x: Tensor, *, steps: int, start: float = 0.0, end: float = 1.0
) -> Tensor:
    """Euler's method: one evaluation a step, first order."""
    h = (end - start) / steps
    for i in range(steps):
        x = x + h * velocity(x, _at(x, start + i * h))
    return x


def midpoint(
    velocity: Velocity, x: Tensor, *, steps: int, start: float = 0.0, end: float = 1.0
) -> Tensor:
    """Midpoint rule: two evaluations a step, second order."""
    h = (end - start) / steps
    for i in range(steps):
        t = start + i * h
        half = x + 0.5 * h * velocity(x, _at(x, t))
        x = x + h * velocity(half, _at(x, t + 0.5 * h))
    return x


def heun(
    velocity: Velocity, x: Tensor, *, steps: int, start: float = 0.0, end: float = 1.0
) -> Tensor:
    """Heun's method: two evaluations a step, second order, none between the steps' ends."""
    h = (end - start) / steps
    for i in range(steps):
        t = start + i * h
        first = velocity(x, _at(x, t))
        x = x + 0.5 * h * (first + velocity(x + h * first, _at(x, t + h)))
    return x


SOLVERS: dict[str, Solver] = {"euler": euler, "midpoint": midpoint, "heun": heun}


def _at(x: Tensor, t: float) -> Tensor:
    return torch.full((len(x),), t, device=x.device, dtype=x.dtype)


def divergence(velocity: Velocity, x: Tensor, t: Tensor, chunk: int = 64) -> Tensor:
    """(B,) exact trace of dv/dx: one backward pass per component, ``chunk`` of them at a time."""
    pull = torch.func.vjp(lambda x: velocity(x, t), x)[1]

    def diagonal(direction: Tensor) -> Tensor:  # (P,) -> (B,) one entry of each row's diagonal
        (change,) = pull(direction.expand_as(x))
        entry: Tensor = (change * direction).sum(1)
        return entry

    directions = torch.eye(x.shape[1], device=x.device, dtype=x.dtype)
    entries: Tensor = torch.func.vmap(diagonal, chunk_size=chunk)(directions)  # (P, B)
    return entries.sum(0)


def estimated_divergence(velocity: Velocity, x: Tensor, t: Tensor, probes: Tensor) -> Tensor:
    """(B,) Hutchinson's unbiased estimate of the trace from probes (k, B, P) of random signs."""
    pull = torch.func.vjp(lambda x: velocity(x, t), x)[1]
    total = x.new_zeros(len(x))
    for probe in probes:
        (change,) = pull(probe)
        total = total + (change * probe).sum(1)
    return total / len(probes)


def log_density(
    velocity: Velocity,
    x: Tensor,
    *,
    steps: int,
    solver: Solver = heun,
    probes: Tensor | None = None,
) -> Tensor:
    """(B,) log density in nats of x (B, P) under the flow from N(0, I).

    d log p(x_t) / dt = -tr(dv/dx) along the path (Chen et al. 2018, eq. 8), solved backwards from
    the people to the noise with the trace as one more component. ``probes`` (k, B, P) of random
    signs estimate the trace in place of computing it.
    """

    def widened(state: Tensor, t: Tensor) -> Tensor:  # (B, P + 1)
        x = state[:, :-1]
        if probes is None:
            trace = divergence(velocity, x, t)
        else:
            trace = estimated_divergence(velocity, x, t, probes)
        return torch.cat([velocity(x, t), trace[:, None]], 1)

    state = torch.cat([x, x.new_zeros(len(x), 1)], 1)
    state = solver(widened, state, steps=steps, start=1.0, end=0.0)
    noise, change = state[:, :-1], state[:, -1]  # change = -(integral of the trace from 0 to 1)
    return change - 0.5 * (noise.square() + math.log(2 * math.pi)).sum(1)

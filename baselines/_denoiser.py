"""The fully connected denoiser of PCA-diffusion (arXiv:2508.09212). P is the number of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._diffusion import antithetic_times, epsilon_loss
from ._networks import sinusoidal

Scores = tuple[Tensor, Tensor]  # (n, P) of people with scaled labels (n, 1)


class Denoiser(nn.Module):
    """Wide linear layers with layer norm and ReLU; time and label enter at each of them."""

    abar: Tensor  # (T,)

    def __init__(
        self,
        P: int,
        widths: Sequence[int],
        *,
        time: int,
        label: int,
        dropout: float,
        abar: Tensor,
        skip: str,
    ) -> None:
        super().__init__()
        self.register_buffer("abar", abar, persistent=False)
        self.label = nn.Linear(1, label)
        self.time = nn.Linear(time, time)
        inside = [P, *widths[:-1]]
        self.layers = nn.ModuleList(map(nn.Linear, inside, widths))
        self.from_time = nn.ModuleList(nn.Linear(time, w) for w in widths)
        self.from_label = nn.ModuleList(nn.Linear(label, w) for w in widths)
        self.norms = nn.ModuleList(map(nn.LayerNorm, widths))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(widths[-1], P)
        self.skip = nn.Linear(P, P) if skip == "linear" else None
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """x_t (B, P), times (B,), labels (B, 1) -> predicted noise (B, P)."""
        assert y is not None
        times, which = torch.unique(t, return_inverse=True)  # a single one when sampling
        time, label, h = (
            F.silu(self.time(sinusoidal(times, self.time.in_features))),
            self.label(y),
            x,
        )
        for layer, norm, from_time, from_label in zip(
            self.layers, self.norms, self.from_time, self.from_label, strict=True
        ):
            h = layer(h) + from_time(time)[which] + from_label(label)  # (B, width)
            h = self.dropout(F.relu(norm(h)))
        if self.skip is not None:
            eps: Tensor = self.out(h) + self.skip(x)
            return eps
        # what is left of the noise once the best linear guess for N(0, I) scores is made
        a = self.abar[t][:, None]
        v: Tensor = self.out(h)
        return (1 - a).sqrt() * x + a.sqrt() * v


def losses(
    network: Denoiser, train: Scores, held_out: Scores
) -> tuple[Callable[[Tensor], Tensor], Callable[[Denoiser], float]]:
    """Training loss of a batch of indices; and of a network on held-out people, whose times and
    noises are drawn once.
    """
    (x, y), (other, label) = train, held_out
    abar = network.abar
    times = antithetic_times(len(other), len(abar), other.device)
    fixed = torch.randn_like(other)

    def error(network: Denoiser, x0: Tensor, y: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return epsilon_loss(lambda x_t, t: network(x_t, t, y), x0, t, abar, noise)

    def loss(index: Tensor) -> Tensor:
        x0 = x[index]
        t = antithetic_times(len(x0), len(abar), x0.device)
        return error(network, x0, y[index], t, torch.randn_like(x0))

    def validate(average: Denoiser) -> float:
        return float(error(average, other, label, times, fixed))

    return loss, validate

"""The fully connected denoiser of PCA-diffusion (arXiv:2508.09212). P is the number of scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import sinusoidal


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

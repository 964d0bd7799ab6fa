"""What both adversarial generators share: label-fed networks, soft calls, how a batch is judged.

Paper: arXiv:2508.09212. L is the number of polymorphic SNPs; calls are one-hot with channels
{hom-other, het, hom-counted}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.2  # slope of LeakyReLU below zero


class Labelled(nn.Module):
    """A linear layer whose input is (features, label)."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width + 1, out)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # (B, width), (B, 1) -> (B, out)
        return self.linear(torch.cat([x, y], 1))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """Per width: linear (BatchNorm) LeakyReLU, then the same once more as a residual."""

    def __init__(self, width: int, widths: Sequence[int], *, norm: bool) -> None:
        super().__init__()
        self.enter, self.inner = nn.ModuleList(), nn.ModuleList()
        self.enter_norm, self.inner_norm = nn.ModuleList(), nn.ModuleList()
        for out in widths:
            self.enter.append(Labelled(width, out))
            self.enter_norm.append(nn.BatchNorm1d(out) if norm else nn.Identity())
            self.inner_norm.append(nn.BatchNorm1d(out) if norm else nn.Identity())
            self.inner.append(Labelled(out, out))
            width = out
        self.width = width

    def forward(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """(B, width), (B, 1) -> features (B, w) after each width."""
        blocks = zip(self.enter, self.enter_norm, self.inner, self.inner_norm, strict=True)
        levels = []
        for enter, enter_norm, inner, inner_norm in blocks:
            x = F.leaky_relu(enter_norm(enter(x, y)), LEAK)
            x = x + F.leaky_relu(inner(inner_norm(x), y), LEAK)
            levels.append(x)
        return levels


class GeneratorNetwork(nn.Module):
    """Noise and label to three logits per SNP; the last bias starts at the training log shares.

    ``noise`` is the scale of the Gumbel noise that makes calls of the logits, one per SNP;
    ``signal`` scales what of a SNP's logits comes from the features, not from the label alone.
    """

    noise: Tensor  # (L,)
    signal: Tensor  # (L,)

    def __init__(
        self, latent: int, widths: Sequence[int], shares: Tensor, noise: Tensor, signal: Tensor
    ) -> None:
        super().__init__()
        self.latent = latent
        self.register_buffer("noise", noise.clone())
        self.register_buffer("signal", signal.clone())
        self.stack = Stack(latent, widths, norm=True)
        self.head = Labelled(self.stack.width, shares.numel())
        with torch.no_grad():
            self.head.linear.bias.copy_(shares.clamp(min=1e-3).log().flatten())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:  # (B, latent), (B, 1) -> (B, 3, L)
        h, head = self.stack(z, y)[-1], self.head.linear
        alike = F.linear(y, head.weight[:, -1:], head.bias).reshape(len(z), 3, -1)
        own = F.linear(h, head.weight[:, :-1]).reshape(len(z), 3, -1)
        return alike + self.signal * own


class CriticNetwork(nn.Module):
    """(Soft) one-hot calls and label to one score per person; no batch norm.

    ``diversity`` appends how much each hidden feature varies in the batch, which a collapsed batch
    cannot fake (after the minibatch standard deviation of Karras et al. 2018).
    """

    centre: Tensor  # (3L,) training shares: inputs are centred

    def __init__(self, widths: Sequence[int], shares: Tensor, *, diversity: bool) -> None:
        super().__init__()
        self.register_buffer("centre", shares.flatten().clone())
        self.stack = Stack(shares.numel(), widths, norm=False)
        self.diversity = diversity
        self.head = Labelled(self.stack.width + diversity * sum(widths), 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # (B, 3, L), (B, 1) -> (B,)
        levels = self.stack(x.flatten(1) - self.centre, y)
        h = levels[-1]
        if self.diversity:
            spread = torch.cat([(f.var(0, correction=0) + 1e-8).sqrt() for f in levels])
            h = torch.cat([h, spread.expand(len(h), -1)], 1)
        score: Tensor = self.head(h, y)
        return score[:, 0]


@torch.no_grad()
def settle(network: GeneratorNetwork, y: Tensor) -> None:
    """Batch-norm statistics of averaged weights, from one large batch of labels (B, 1)."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    network(torch.randn(len(y), network.latent, device=y.device), y)
    network.eval()
    for norm in norms:
        norm.momentum = 0.1


def gumbel(logits: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """Logits plus Gumbel noise: their argmax is a categorical draw (at scale 0 the likeliest)."""
    return logits - torch.rand_like(logits).clamp_(min=1e-9).log_().neg_().log_() * scale


def gumbel_softmax(logits: Tensor, temperature: float, scale: float | Tensor = 1.0) -> Tensor:
    """Soft one-hot draws over dimension 1 (Jang et al. 2017, eq. 2)."""
    return (gumbel(logits, scale) / temperature).softmax(1)


def smoothed(calls: Tensor, most: float) -> Tensor:
    """One-hot calls (B, 3, L) whose zeros are U(0, ``most``), taken off the one."""
    noise = torch.rand_like(calls).mul_(most).mul_(1 - calls)
    return calls + noise - calls * noise.sum(1, keepdim=True)


def k_nearest_f1(real: Tensor, fake: Tensor, k: int) -> tuple[float, float, float]:
    """k-NN precision, recall and their harmonic mean (Kynkaanniemi et al. 2019), L1 on dosages.

    Precision: share of ``fake`` inside the k-th-neighbour ball of some real person; recall the
    other way round.
    """
    real, fake = real.float(), fake.float()
    k = min(k, len(real) - 1)
    if k < 1:
        return math.nan, math.nan, 0.0
    radius = [torch.cdist(x, x, p=1.0).kthvalue(k + 1, dim=1).values for x in (real, fake)]
    across = torch.cdist(real, fake, p=1.0)
    precision = float((across <= radius[0][:, None]).any(0).float().mean())
    recall = float((across <= radius[1][None, :]).any(1).float().mean())
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)

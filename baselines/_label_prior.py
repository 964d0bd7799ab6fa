"""Distributions of a latent given the label, learned by gradient descent."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LabelPrior(nn.Module):
    """p(z | y): one Gaussian per label, or a mixture of correlated ones.

    Means, log scales and mixing logits are functions of the scaled label: a small network with one
    hidden layer, so that any label has a prior. The first component starts at N(0, I) for all.

    Parameters
    ----------
    d
        Dimension of the latent.
    components
        K. One: a Gaussian of independent dimensions. More: each has correlations of its own, the
        same for every label.
    width
        Of the hidden layer.
    """

    def __init__(self, d: int, components: int = 1, width: int = 32) -> None:
        super().__init__()
        self.d, self.components = d, components
        self.hidden = nn.Linear(1, width)
        self.out = nn.Linear(width, components * (2 * d + 1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[d : components * d].normal_()  # apart, or all would stay the same
        self.lower = nn.Parameter(torch.zeros(components, d, d)) if components > 1 else None

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Labels (B, 1) -> log weights (B, K), means and log scales (B, K, d)."""
        K, d = self.components, self.d
        mean, scale, logits = self.out(torch.tanh(self.hidden(y))).split([K * d, K * d, K], 1)
        scale = scale.clamp(-6, 3)
        return logits.log_softmax(1), mean.reshape(-1, K, d), scale.reshape(-1, K, d)

    def log_prob(self, z: Tensor, y: Tensor) -> Tensor:
        """(B, d) latents and (B, 1) labels -> (B,) log p(z | y)."""
        weight, mean, scale = self(y)
        u = (z[:, None] - mean) / scale.exp()  # (B, K, d)
        if self.lower is not None:
            u = u + torch.einsum("bkd,ked->bke", u, self.lower.tril(-1))
        density = -0.5 * u.square().sum(2) - scale.sum(2) - 0.5 * self.d * math.log(2 * math.pi)
        return torch.logsumexp(weight + density, 1)

    def kl(self, mean: Tensor, logvar: Tensor, z: Tensor, y: Tensor) -> Tensor:
        """(B,) KL(q || p) of Gaussians q (B, d); ``z`` is a draw from them.

        In closed form for one component; for more the estimate log q(z) - log p(z | y), which is
        unbiased and may be negative.
        """
        if self.components == 1:
            _, m, s = self(y)
            return gaussian_kl(mean, logvar, m[:, 0], 2 * s[:, 0])
        density = -0.5 * ((z - mean).square() / logvar.exp() + logvar + math.log(2 * math.pi))
        return density.sum(1) - self.log_prob(z, y)

    def moments(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, d) mean and variance of z given each label, correlations inside a component aside."""
        weight, mean, scale = self(y)
        share, centre = weight.exp()[:, :, None], (weight.exp()[:, :, None] * mean).sum(1)
        second = (share * ((2 * scale).exp() + mean.square())).sum(1)
        return centre, second - centre.square()

    def sample(self, y: Tensor) -> Tensor:
        """(B, 1) labels -> (B, d) draws."""
        weight, mean, scale = self(y)
        chosen = torch.multinomial(weight.exp(), 1)[:, 0]
        rows = torch.arange(len(y), device=y.device)
        u = torch.randn(len(y), self.d, device=y.device)
        if self.lower is not None:
            unit = torch.eye(self.d, device=y.device) + self.lower.tril(-1)
            for k in range(self.components):
                mine = chosen == k
                u[mine] = torch.linalg.solve_triangular(unit[k], u[mine].T, upper=False).T
        drawn: Tensor = mean[rows, chosen] + scale[rows, chosen].exp() * u
        return drawn


def gaussian_kl(mean: Tensor, logvar: Tensor, other: Tensor, other_logvar: Tensor) -> Tensor:
    """(B,) KL(N(mean, exp logvar) || N(other, exp other_logvar)), dimensions independent."""
    ratio = (logvar - other_logvar).exp()
    apart = (mean - other).square() / other_logvar.exp()
    return 0.5 * (ratio + apart - 1 - logvar + other_logvar).sum(1)


def binomial_logits(s: Tensor) -> Tensor:
    """(B, L) log-odds of the counted allele -> (B, 3, L) log probability of 0, 1, 2 of two."""
    p, q = F.logsigmoid(s), F.logsigmoid(-s)
    return torch.stack([2 * q, math.log(2) + p + q, 2 * p], 1)

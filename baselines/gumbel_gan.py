"""Gumbel-softmax GAN: the binary cross-entropy game on soft calls (arXiv:2508.09212)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ._adversarial import CriticNetwork
from ._game import Adversarial


@dataclass
class GumbelGan(Adversarial):
    """Non-saturating GAN (Goodfellow et al. 2014), optionally with R1 on real people."""

    critic_steps: int = 1
    lr_generator: float = 5e-4
    r1: float = 0.0  # weight of |grad D|^2 at real people (Mescheder et al. 2018, eq. 9)
    r1_every: int = 4  # steps between two penalties, each then weighted by as much

    def critic_loss(
        self, critic: CriticNetwork, real: Tensor, fake: Tensor, y: Tensor, step: int
    ) -> Tensor:
        """Cross-entropy of telling real from fake, + r1 / 2 |grad D(real)|^2 now and then."""
        penalise = self.r1 > 0 and step % self.r1_every == 0
        real.requires_grad_(penalise)
        of_real, of_fake = critic(real, y), critic(fake, y)
        loss = F.softplus(-of_real).mean() + F.softplus(of_fake).mean()
        if penalise:
            (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            norm = slope.flatten(1).square().sum(1).mean()
            loss = loss + self.r1 / 2 * self.r1_every * norm
        return loss

    def generator_loss(self, critic: CriticNetwork, fake: Tensor, y: Tensor) -> Tensor:
        """-E log D(fake)."""
        return F.softplus(-critic(fake, y)).mean()

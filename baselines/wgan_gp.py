"""WGAN-GP on Gumbel-softmax calls, conditional on the label (arXiv:2508.09212)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._adversarial import CriticNetwork
from ._game import Adversarial


@dataclass
class WganGp(Adversarial):
    """Wasserstein critic with gradient penalty (Gulrajani et al. 2017)."""

    penalty: float = 10.0  # weight of the gradient penalty
    penalty_every: int = 1  # critic steps between two penalties, each then weighted by as much

    def critic_loss(
        self, critic: CriticNetwork, real: Tensor, fake: Tensor, y: Tensor, step: int
    ) -> Tensor:
        """E D(fake) - E D(real) + penalty (|grad D(x)| - 1)^2, x between real and fake."""
        of_real, of_fake = critic(real, y), critic(fake, y)
        loss: Tensor = of_fake.mean() - of_real.mean()
        if step % self.penalty_every == 0:
            mix = torch.rand(len(real), 1, 1, device=real.device)
            x = real.lerp(fake, mix).requires_grad_(True)  # (B, 3, L)
            (slope,) = torch.autograd.grad(critic(x, y).sum(), x, create_graph=True)
            excess = slope.flatten(1).norm(dim=1) - 1
            loss = loss + self.penalty * self.penalty_every * excess.square().mean()
        return loss

    def generator_loss(self, critic: CriticNetwork, fake: Tensor, y: Tensor) -> Tensor:
        """-E D(fake)."""
        scores: Tensor = critic(fake, y)
        return -scores.mean()

"""One-dimensional convolutional autoencoder with Gaussian latents, and its adversary.

In the manner of the first stage of latent diffusion (Rombach et al. 2022), on SNPs in genome order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genobench import parallel

from ._networks import OwnLinear, ResidualConv, SelfAttention, Upsample, group_norm
from ._training import one_hot


@dataclass(frozen=True)
class Shape:
    """What an autoencoder's size is made of; see `Autoencoder`."""

    widths: Sequence[int]
    latent: int = 1
    blocks: int = 2
    fold: int = 1


# SNPgen's published sizes (arXiv 2603.10873)
SIZES = {
    "emb128": Shape((32, 64, 64, 128, 128)),
    "emb64": Shape((32, 32, 64, 64, 128, 128)),
    "emb256": Shape((32, 64, 64, 128)),
    "medium": Shape((64, 64, 128, 128, 256, 256)),
    "big": Shape((128, 128, 256, 256, 512, 512), latent=4),
}


class Autoencoder(nn.Module):
    """One-hots (B, 3, L) -> Gaussian latents (B, c, P) -> logits (B, 3, L).

    With ``fold`` > 1 the outermost layers read and write that many neighbouring SNPs at once, with
    weights of their own at each position, in place of the first levels' convolutions.
    """

    def __init__(
        self,
        L: int,
        widths: Sequence[int],
        blocks: int,
        latent: int,
        fold: int,
        dropout: float = 0.0,
        s: float = 0.0,  # where the learned log scale begins
    ) -> None:
        super().__init__()
        stride = fold * 2 ** (len(widths) - 1)
        self.L, self.fold, self.P, self.latent = L, fold, -(-L // stride), latent
        self.padded = self.P * stride
        first, last, sites = widths[0], widths[-1], self.padded // fold
        self.corrupt = nn.Dropout(dropout)
        if fold == 1:
            layers: list[nn.Module] = [nn.Conv1d(3, first, 3, padding=1)]
        else:
            layers = [OwnLinear(3 * fold, first, sites)]
        before = first
        for level, width in enumerate(widths):
            if level:
                layers.append(nn.Conv1d(before, before, 3, stride=2, padding=1))
            for _ in range(blocks):
                layers.append(ResidualConv(before, width))
                before = width
            if not blocks and before != width:
                layers.append(nn.Conv1d(before, width, 1))
                before = width
        layers += [ResidualConv(last, last), SelfAttention(last), ResidualConv(last, last)]
        layers += [group_norm(last), nn.SiLU(), nn.Conv1d(last, 2 * latent, 3, padding=1)]
        self.encoder = nn.Sequential(*layers)

        layers = [nn.Conv1d(latent, last, 3, padding=1)]
        layers += [ResidualConv(last, last), SelfAttention(last), ResidualConv(last, last)]
        before = last
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                layers.append(ResidualConv(before, width))
                before = width
            if level:
                layers.append(Upsample(width))
        layers += [group_norm(first), nn.SiLU()]
        self.decoder = nn.Sequential(*layers)
        self.head: nn.Conv1d | OwnLinear
        if fold == 1:
            self.head = nn.Conv1d(first, 3, 3, padding=1)
        else:
            self.head = OwnLinear(first, 3 * fold, sites)
        self.s = nn.Parameter(torch.tensor(float(s)))  # log of the reconstruction's scale

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, L) -> mean and log variance, (B, c, P) each."""
        x = F.pad(self.corrupt(x), (0, self.padded - self.L))  # (B, 3, P * stride)
        if self.fold > 1:
            x = x.reshape(len(x), 3, -1, self.fold).transpose(2, 3).flatten(1, 2)
        mean, logvar = self.encoder(x).float().chunk(2, 1)
        return mean, logvar.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """(B, c, P) -> logits (B, 3, L)."""
        logits: Tensor = self.head(self.decoder(z)).float()  # (B, 3 fold, sites)
        if self.fold > 1:
            logits = logits.reshape(len(z), 3, self.fold, -1).transpose(2, 3).flatten(2)
        return logits[:, :, : self.L]

    def loss(self, g: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over SNPs of CE / exp(s) + s, plus KL; mean over people. Also the logits."""
        mean, logvar = self.encode(one_hot(g))
        logits = self.decode(mean + (0.5 * logvar).exp() * noise)
        error = F.cross_entropy(logits, g.long(), reduction="sum") / len(g)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum() / len(g)
        return error / self.s.exp() + self.L * self.s + kl, logits

    def cross_entropy(self, g: Tensor) -> Tensor:
        """Sum over SNPs of the error of decoded posterior means, mean over people (B, L)."""
        logits = self.decode(self.encode(one_hot(g))[0])
        return F.cross_entropy(logits, g.long(), reduction="sum") / len(g)


class Discriminator(nn.Module):
    """Six stride-2 convolutions with spectral norm: probabilities (B, 3, L) -> scores."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for level in range(6):
            after = min(8, 2**level) * width if level < 5 else 1
            conv = nn.Conv1d(before, after, 4, stride=2, padding=1)
            layers.append(nn.utils.parametrizations.spectral_norm(conv))
            if level < 5:
                layers += [nn.InstanceNorm1d(after)] if level else []
                layers += [nn.LeakyReLU(0.2)]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(F.pad(x, (0, max(0, 256 - x.shape[-1]))))
        return scores


class Adversary:
    """Hinge GAN term of the autoencoder: the discriminator learns as its loss is asked for."""

    def __init__(self, device: str, lr: float) -> None:
        self.network = Discriminator().to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=lr, betas=(0.5, 0.9))

    def term(self, g: Tensor, logits: Tensor, loss: Tensor, last: Tensor) -> Tensor:
        """-D(fake) times the ratio of gradient norms at ``last``, the head's weight."""
        fake, real = logits.softmax(1), one_hot(g)
        for p in self.network.parameters():
            p.requires_grad_(False)
        hinge = -self.network(fake).mean()
        theirs = torch.autograd.grad(loss, last, retain_graph=True)[0].norm()
        mine = torch.autograd.grad(hinge, last, retain_graph=True)[0].norm()
        for p in self.network.parameters():
            p.requires_grad_(True)
        mistakes = F.relu(1 - self.network(real)) + F.relu(1 + self.network(fake.detach()))
        self.optimiser.zero_grad(set_to_none=True)
        mistakes.mean().backward()  # type: ignore[no-untyped-call]
        parallel.mean_gradients(self.network)
        self.optimiser.step()
        weight: Tensor = (theirs / (mine + 1e-4)).clamp(0, 1e4)
        term: Tensor = weight.detach() * hinge
        return term

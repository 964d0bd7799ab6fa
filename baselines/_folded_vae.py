"""Convolutional VAE whose encoder folds the genome into an image (DiscDiff, arXiv:2310.06150).

Channels of the last one-dimensional layer become the image's height, positions its width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import OwnLinear, Upsample, group_norm
from ._training import one_hot


class WideResidual(nn.Module):
    """Group norm, SiLU, convolution of width 5; added to its input or to a 1x1 map of it."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            group_norm(inside), nn.SiLU(), nn.Conv1d(inside, outside, 5, padding=2)
        )
        self.shortcut = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # (B, inside, P) -> (B, outside, P)
        out: Tensor = self.shortcut(x) + self.layers(x)
        return out


class Fold(nn.Module):
    """One-hots (B, 3, L') to a sequence: ``fold`` neighbours at once, own weights at each place."""

    def __init__(self, fold: int, width: int, places: int) -> None:
        super().__init__()
        self.fold, self.linear = fold, OwnLinear(3 * fold, width, places)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, L') -> (B, width, places)
        x = x.reshape(len(x), 3, -1, self.fold).transpose(2, 3).flatten(1, 2)
        out: Tensor = self.linear(x)
        return out


class Unfold(nn.Module):
    """The way back: a sequence (B, width, places) to logits (B, 3, L')."""

    def __init__(self, fold: int, width: int, places: int) -> None:
        super().__init__()
        self.fold, self.linear = fold, OwnLinear(width, 3 * fold, places)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.linear(h)
        return out.reshape(len(h), 3, self.fold, -1).transpose(2, 3).flatten(2)


def _shrinking(widths: Sequence[int]) -> list[nn.Module]:
    """One-dimensional levels, each a residual convolution and a max-pooling by 2."""
    layers: list[nn.Module] = []
    for before, after in zip([widths[0], *widths], widths, strict=False):
        layers += [WideResidual(before, after), nn.MaxPool1d(2)]
    return layers


def _growing(widths: Sequence[int]) -> list[nn.Module]:
    """The same levels in reverse."""
    layers: list[nn.Module] = []
    for before, after in zip([widths[0], *widths], widths, strict=False):
        layers = [Upsample(after), WideResidual(after, before), *layers]
    return layers


def _image_down(widths: Sequence[int]) -> list[nn.Module]:
    """Stride-2 convolutions from one channel to the last of ``widths``."""
    layers: list[nn.Module] = []
    before = 1
    for i, width in enumerate(widths):
        layers += [group_norm(before), nn.SiLU()] if i else []
        layers.append(nn.Conv2d(before, width, 3, stride=2, padding=1))
        before = width
    return layers


def _image_up(latent: int, widths: Sequence[int]) -> list[nn.Module]:
    """From the latent channels back to one, each pixel doubled before a convolution."""
    layers: list[nn.Module] = [nn.Conv2d(latent, widths[-1], 3, padding=1)]
    before = widths[-1]
    for width in [*reversed(widths[:-1]), 1]:
        layers += [group_norm(before), nn.SiLU(), nn.Upsample(scale_factor=2)]
        layers.append(nn.Conv2d(before, width, 3, padding=1))
        before = width
    return layers


class FoldedVae(nn.Module):
    """Calls -> Gaussian latents (B, c, H * W), an image in rows -> logits (B, 3, L).

    Parameters
    ----------
    L
        Number of SNPs; zeros are appended up to a multiple of all strides.
    widths
        Channels of the one-dimensional levels, each of which halves the positions.
    image
        Channels of the two-dimensional levels, each of which halves both sides; the last holds
        mean and log variance, so the latent has half of it.
    fold
        1: the sequence is read by a convolution of width 15. Else that many neighbours are read at
        once, with weights of their own at each place, and there are no one-dimensional levels
        but ``widths[-1]`` channels at once.
    """

    def __init__(self, L: int, widths: Sequence[int], image: Sequence[int], fold: int) -> None:
        super().__init__()
        shrink = 2 ** len(image)
        stride = shrink * (fold if fold > 1 else 2 ** len(widths))
        height = -(-widths[-1] // shrink) * shrink
        self.L, self.padded = L, -(-L // stride) * stride
        places = self.padded // stride * shrink
        self.c, self.H, self.W = image[-1] // 2, height // shrink, places // shrink
        if fold > 1:
            down: list[nn.Module] = [Fold(fold, height, places)]
            up: list[nn.Module] = [group_norm(height), nn.SiLU(), Unfold(fold, height, places)]
        else:
            levels = [*widths[:-1], height]
            down = [nn.Conv1d(3, levels[0], 15, padding=7), *_shrinking(levels)]
            up = [*_growing(levels), group_norm(levels[0]), nn.SiLU()]
            up += [nn.Conv1d(levels[0], 3, 15, padding=7)]
        self.sequence_in, self.sequence_out = nn.Sequential(*down), nn.Sequential(*up)
        self.image_in = nn.Sequential(*_image_down(image))
        self.image_out = nn.Sequential(*_image_up(self.c, image))

    def encode(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) calls -> mean and log variance, (B, c, H * W) each."""
        h = self.sequence_in(F.pad(one_hot(g), (0, self.padded - self.L)))
        mean, logvar = self.image_in(h[:, None]).flatten(2).chunk(2, 1)
        return mean, logvar.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """(B, c, H * W) -> logits (B, 3, L)."""
        image = self.image_out(z.reshape(len(z), self.c, self.H, self.W))  # (B, 1, height, places)
        logits: Tensor = self.sequence_out(image[:, 0])
        return logits[:, :, : self.L]

    def loss(self, g: Tensor, noise: Tensor, kl: float) -> Tensor:
        """Cross-entropy summed over SNPs + ``kl`` times the divergence from N(0, I), per person."""
        mean, logvar = self.encode(g)
        logits = self.decode(mean + (0.5 * logvar).exp() * noise)
        error = F.cross_entropy(logits, g.long(), reduction="sum")
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum()
        return (error + kl * divergence) / len(g)

    def noise(self, n: int) -> Tensor:
        """(n, c, H * W) standard normal, on the network's device."""
        device = next(self.parameters()).device
        return torch.randn(n, self.c, self.H * self.W, device=device)

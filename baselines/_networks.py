"""Building blocks of more than one network. Sequences are (B, channels, positions)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearBlock(nn.Module):
    """Linear, batch norm, LeakyReLU; a residual connection where the width stays the same."""

    def __init__(self, inside: int, outside: int, slope: float = 0.05) -> None:
        super().__init__()
        self.residual = inside == outside
        self.layers = nn.Sequential(
            nn.Linear(inside, outside), nn.BatchNorm1d(outside), nn.LeakyReLU(slope)
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, inside) -> (B, outside)
        h: Tensor = self.layers(x)
        return x + h if self.residual else h


def group_norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    """Group norm with at most ``groups`` groups, no smaller than four channels where possible."""
    return nn.GroupNorm(math.gcd(channels, min(groups, max(1, channels // 4))), channels)


class ResidualConv(nn.Module):
    """Group norm, SiLU, convolution of width 3, twice; 1x1 shortcut where the width changes.

    With ``time`` > 0 an embedding of that width is added between the two halves.
    """

    def __init__(self, inside: int, outside: int, time: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Sequential(
            group_norm(inside), nn.SiLU(), nn.Conv1d(inside, outside, 3, padding=1)
        )
        self.time = nn.Linear(time, outside) if time else None
        self.second = nn.Sequential(
            group_norm(outside),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv1d(outside, outside, 3, padding=1),
        )
        self.shortcut = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        h = self.first(x)  # (B, outside, P)
        if self.time is not None and time is not None:
            h = h + self.time(F.silu(time))[:, :, None]
        out: Tensor = self.shortcut(x) + self.second(h)
        return out


class Upsample(nn.Module):
    """Each position twice, then a convolution of width 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, P) -> (B, C, 2 P)
        h: Tensor = self.conv(x.repeat_interleave(2, -1))
        return h


class OwnLinear(nn.Module):
    """Linear map of the channels with weights of its own at each position.

    A convolution shares its weights along the genome; where a site has its own allele frequency
    and its own neighbours, and few people are there to learn that from, this reads it at once.
    """

    def __init__(self, inside: int, outside: int, positions: int) -> None:
        super().__init__()
        bound = inside**-0.5
        self.weight = nn.Parameter(torch.empty(positions, inside, outside).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(positions, 1, outside))

    def forward(self, x: Tensor) -> Tensor:  # (B, inside, P) -> (B, outside, P)
        return torch.baddbmm(self.bias, x.permute(2, 0, 1), self.weight).permute(1, 2, 0)


class Attention(nn.Module):
    """Multi-head attention of queries (B, P, C) to a context (B, S, D); self-attention without."""

    def __init__(self, channels: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels, bias=False)
        self.key_value = nn.Linear(context, 2 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        k, v = self.key_value(x if context is None else context).chunk(2, -1)
        if v.shape[1] == 1:  # all the weight lies on the only token, whatever the query
            return torch.as_tensor(self.out(v)).expand_as(x)
        q, k, v = map(self._split, (self.query(x), k, v))
        h = F.scaled_dot_product_attention(q, k, v)  # (B, heads, P, C / heads)
        out: Tensor = self.out(h.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        B, P, C = x.shape
        return x.reshape(B, P, self.heads, C // self.heads).transpose(1, 2)


class SelfAttention(nn.Module):
    """Group norm and single-head self-attention, added; zero at the start of training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.attention = Attention(channels, channels, 1)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, P)
        h = self.attention(self.norm(x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + h
        return out


class Geglu(nn.Module):
    """Feed-forward layer with a GELU gate (Shazeer 2020)."""

    def __init__(self, channels: int, factor: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.inside = nn.Linear(channels, 2 * factor * channels)
        self.outside = nn.Linear(factor * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (..., C)
        value, gate = self.inside(x).chunk(2, -1)
        out: Tensor = self.outside(self.dropout(value * F.gelu(gate)))
        return out


class Transformer(nn.Module):
    """Self-attention, cross-attention to context tokens, GEGLU; each after a layer norm."""

    def __init__(
        self, channels: int, context: int, head: int = 32, factor: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        heads = max(1, channels // head)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.itself = Attention(channels, channels, heads)
        self.label = Attention(channels, context, heads)
        self.feed = Geglu(channels, factor, dropout)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:  # (B, C, P), (B, S, D)
        h = x.transpose(1, 2)
        h = h + self.itself(self.norms[0](h))
        h = h + self.label(self.norms[1](h), context)
        h = h + self.feed(self.norms[2](h))
        out: Tensor = h.transpose(1, 2)
        return out


def sinusoidal(t: Tensor, width: int) -> Tensor:
    """(B,) times -> (B, width) sines and cosines of wavelengths 2 pi to 20,000 pi."""
    half = width // 2
    frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angle = t.float()[:, None] * frequency
    waves = torch.cat([angle.cos(), angle.sin()], 1)
    return F.pad(waves, (0, width - 2 * half))

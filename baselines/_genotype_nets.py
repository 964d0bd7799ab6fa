"""Denoisers of genotype states: from states (B, L) and a label to logits of the calls (B, L, 3).

A masked site enters as three zeros. L is the number of SNPs, W the width, E that of the embedded
label. The label reaches every block either by modulating it feature by feature (FiLM, Perez et al.
2018) or by being concatenated to its input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import OwnLinear, sinusoidal

Label = Literal["film", "concat"]
CALLS = 3
TIME = 64  # width of the embedded noise level


def indicators(x: Tensor) -> Tensor:
    """(B, L) states -> (B, L, 3) float one-hots, zeros where masked."""
    return (x[..., None] == torch.arange(CALLS, dtype=x.dtype, device=x.device)).float()


class LabelledNorm(nn.Module):
    """Layer norm that hands on the label: as scale and shift, or as further columns."""

    def __init__(self, width: int, embedded: int, label: Label) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(embedded, 2 * width) if label == "film" else None
        self.width = width if label == "film" else width + embedded
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:  # (B, ..., W), (B, E)
        e = e.reshape(len(e), *[1] * (h.ndim - 2), -1)
        h = self.norm(h)
        if self.film is None:
            return torch.cat([h, e.expand(*h.shape[:-1], -1)], -1)
        scale, shift = self.film(e).chunk(2, -1)
        out: Tensor = h * (1 + scale) + shift
        return out


class FeedForward(nn.Module):
    """Residual: labelled norm, linear, SiLU, dropout, linear. Noise level added in the middle."""

    def __init__(
        self, width: int, hidden: int, embedded: int, label: Label, dropout: float, time: bool
    ) -> None:
        super().__init__()
        self.norm = LabelledNorm(width, embedded, label)
        self.inside = nn.Linear(self.norm.width, hidden)
        self.time = nn.Linear(TIME, hidden) if time else None
        self.dropout = nn.Dropout(dropout)
        self.outside = nn.Linear(hidden, width)

    def forward(self, h: Tensor, e: Tensor, time: Tensor) -> Tensor:
        inner = self.inside(self.norm(h, e))
        if self.time is not None:
            inner = inner + self.time(time).reshape(len(h), *[1] * (h.ndim - 2), -1)
        out: Tensor = h + self.outside(self.dropout(F.silu(inner)))
        return out


class SelfAttention(nn.Module):
    """Residual: labelled norm, multi-head attention among tokens."""

    def __init__(self, width: int, heads: int, embedded: int, label: Label, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = LabelledNorm(width, embedded, label)
        self.qkv = nn.Linear(self.norm.width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:  # (B, P, W)
        B, P, W = h.shape
        qkv = self.qkv(self.norm(h, e)).reshape(B, P, 3, self.heads, W // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, P, W / heads) each
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, P, W)
        out: Tensor = h + self.dropout(self.out(mixed))
        return out


class Near(nn.Module):
    """Linear map to the logits of every block of ``size`` SNPs from it and the blocks beside it.

    Most of what a site's neighbours say of it is additive and nearby; learned at once here, it
    leaves the rest to the layers that see everything.
    """

    def __init__(self, L: int, size: int) -> None:
        super().__init__()
        self.L, self.size, self.P = L, size, -(-L // size)
        self.layer = OwnLinear(3 * CALLS * size, CALLS * size, self.P)
        nn.init.zeros_(self.layer.weight)

    def forward(self, x: Tensor) -> Tensor:  # (B, L, 3) -> (B, L, 3)
        x = F.pad(x, (0, 0, self.size, (self.P + 1) * self.size - self.L))
        x = x.reshape(len(x), self.P + 2, -1)  # one empty block at either end
        x = torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], -1)  # (B, P, 9 size)
        h: Tensor = self.layer(x.transpose(1, 2)).transpose(1, 2)
        return h.reshape(len(x), -1, CALLS)[:, : self.L]


class GenotypeNet(nn.Module, ABC):
    """What both denoisers share: embedded label and noise level, frequencies, near neighbours."""

    frequencies: Tensor  # (L, 3) logs

    def __init__(self, L: int, embedded: int, near: int) -> None:
        super().__init__()
        self.L = L
        self.label = nn.Sequential(nn.Linear(1, embedded), nn.SiLU())
        self.register_buffer("frequencies", torch.zeros(L, CALLS))  # no decay pulls at these
        self.near = Near(L, near) if near else None

    @torch.no_grad()
    def begin_at(self, genotypes: Tensor) -> None:
        """Start from independent sites: log frequencies of the calls (n, L), plus a half each."""
        counts = torch.stack([(genotypes == call).sum(0) for call in range(CALLS)], -1)
        self.frequencies.copy_(((counts + 0.5) / (len(genotypes) + 1.5)).log())

    def forward(self, x: Tensor, alpha: Tensor, y: Tensor) -> Tensor:
        """States (B, L), share of true sites (B,), labels (B, 1) -> logits (B, L, 3)."""
        levels, which = torch.unique(alpha, return_inverse=True)  # a single one when sampling
        time = sinusoidal(1000 * levels, TIME)[which]
        shown = indicators(x)
        logits = self.change(shown, self.label(y), time) + self.frequencies
        return logits if self.near is None else logits + self.near(shown)

    @abstractmethod
    def change(self, x: Tensor, e: Tensor, time: Tensor) -> Tensor:
        """What the indicators (B, L, 3) say beyond the frequencies."""


class ResidualMlp(GenotypeNet):
    """Residual blocks on the flattened indicators."""

    def __init__(
        self,
        L: int,
        width: int,
        depth: int,
        *,
        near: int,
        label: Label,
        embedded: int,
        dropout: float,
        time: bool,
    ) -> None:
        super().__init__(L, embedded, near)
        self.enter = nn.Linear(CALLS * L, width)
        self.blocks = nn.ModuleList(
            FeedForward(width, width, embedded, label, dropout, time) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(width, CALLS * L)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def change(self, x: Tensor, e: Tensor, time: Tensor) -> Tensor:
        h = self.enter(x.flatten(1))  # (B, W)
        for block in self.blocks:
            h = block(h, e, time)
        out: Tensor = self.leave(self.dropout(self.norm(h)))
        return out.reshape(-1, self.L, CALLS)


class TokenTransformer(GenotypeNet):
    """Self-attention among tokens of ``fold`` neighbouring SNPs.

    A token is read and written by weights of its own position, which therefore need no embedding.
    """

    def __init__(
        self,
        L: int,
        width: int,
        depth: int,
        fold: int,
        *,
        heads: int,
        near: int,
        label: Label,
        embedded: int,
        dropout: float,
        time: bool,
    ) -> None:
        super().__init__(L, embedded, near)
        self.fold, self.P = fold, -(-L // fold)
        self.enter = OwnLinear(CALLS * fold, width, self.P)
        self.mix = nn.ModuleList(
            SelfAttention(width, heads, embedded, label, dropout) for _ in range(depth)
        )
        self.feed = nn.ModuleList(
            FeedForward(width, 2 * width, embedded, label, dropout, time) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.leave = OwnLinear(width, CALLS * fold, self.P)
        nn.init.zeros_(self.leave.weight)

    def change(self, x: Tensor, e: Tensor, time: Tensor) -> Tensor:
        B = len(x)
        x = F.pad(x, (0, 0, 0, self.P * self.fold - self.L))
        h = self.enter(x.reshape(B, self.P, -1).transpose(1, 2)).transpose(1, 2)  # (B, P, W)
        for mix, feed in zip(self.mix, self.feed, strict=True):
            h = feed(mix(h, e), e, time)
        h = self.dropout(self.norm(h))
        out: Tensor = self.leave(h.transpose(1, 2)).transpose(1, 2)
        return out.reshape(B, -1, CALLS)[:, : self.L]

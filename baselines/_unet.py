"""One-dimensional UNet with transformers: the denoiser of latent diffusion (Rombach 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import OwnLinear, ResidualConv, Transformer, Upsample, group_norm, sinusoidal

TOKEN = 128  # width of the label's cross-attention token


class UNet(nn.Module):
    """Noise in latents (B, c, P), given time and label; transformers at every level."""

    def __init__(
        self,
        c: int,
        P: int,
        base: int,
        multipliers: Sequence[int],
        blocks: int,
        factor: int,  # width of the feed-forward layers over that of the level
        dropout: float,
        own: bool,  # weights of their own at each position in the first and last layer
        skip: Tensor | None = None,  # (T,) share of the input that is predicted to be noise
    ) -> None:
        super().__init__()
        self.skip: Tensor | None
        self.register_buffer("skip", skip, persistent=False)
        widths = [base * m for m in multipliers]
        stride = 2 ** (len(widths) - 1)
        self.P, self.padded, self.base = P, -(-P // stride) * stride, base
        emb = 4 * base
        self.time = nn.Sequential(nn.Linear(base, emb), nn.SiLU(), nn.Linear(emb, emb))
        self.label = nn.Linear(1, TOKEN)

        def pair(before: int, after: int) -> nn.ModuleList:
            block = ResidualConv(before, after, emb, dropout)
            return nn.ModuleList([block, Transformer(after, TOKEN, 32, factor, dropout)])

        def edge(before: int, after: int) -> nn.Module:
            if own:
                return OwnLinear(before, after, self.padded)
            return nn.Conv1d(before, after, 3, padding=1)

        self.first = edge(c, base)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        skips, before = [base], base
        for level, width in enumerate(widths):
            self.shrink.append(
                nn.Conv1d(before, before, 3, stride=2, padding=1) if level else nn.Identity()
            )
            skips += [before] if level else []
            stack = nn.ModuleList()
            for _ in range(blocks):
                stack.append(pair(before, width))
                before = width
                skips.append(width)
            self.down.append(stack)
        self.middle = pair(before, before)
        self.last_middle = ResidualConv(before, before, emb, dropout)
        for level, width in reversed(list(enumerate(widths))):
            stack = nn.ModuleList()
            for _ in range(blocks + 1):
                stack.append(pair(before + skips.pop(), width))
                before = width
            self.up.append(stack)
            self.grow.append(Upsample(width) if level else nn.Identity())
        last = edge(before, c)
        if skip is not None:  # then it begins at that share: nothing is added
            for p in last.parameters():
                nn.init.zeros_(p)
        self.out = nn.Sequential(group_norm(before), nn.SiLU(), last)

    def forward(
        self, x: Tensor, t: Tensor, label: Tensor | None, keep: Tensor | None = None
    ) -> Tensor:
        """(B, c, P), (B,), (B, 1) or None for the null label, (B, 1) mask of labels kept."""
        time = self.time(sinusoidal(t, self.base))  # (B, emb)
        token = x.new_zeros(len(x), TOKEN) if label is None else self.label(label)
        context = (token if keep is None else token * keep)[:, None]  # (B, 1, TOKEN)
        h = self.first(F.pad(x, (0, self.padded - self.P)))
        skips = [h]
        for level, (shrink, stack) in enumerate(zip(self.shrink, self.down, strict=True)):
            if level:
                h = shrink(h)
                skips.append(h)
            for block, transformer in stack:  # type: ignore[attr-defined]
                h = transformer(block(h, time), context)
                skips.append(h)
        block, transformer = self.middle
        h = self.last_middle(transformer(block(h, time), context), time)
        for stack, grow in zip(self.up, self.grow, strict=True):
            for block, transformer in stack:  # type: ignore[attr-defined]
                h = transformer(block(torch.cat([h, skips.pop()], 1), time), context)
            h = grow(h)
        noise: Tensor = self.out(h).float()[:, :, : self.P]
        if self.skip is not None:
            noise = noise + self.skip[t, None, None] * x
        return noise

"""Two-dimensional UNet: the denoiser of DiscDiff's latents (arXiv:2310.06150)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import SelfAttention, group_norm, sinusoidal


class Residual(nn.Module):
    """Group norm, SiLU, 3x3 convolution, twice; the embedding is added between the two."""

    def __init__(self, inside: int, outside: int, context: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(
            group_norm(inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1)
        )
        self.context = nn.Linear(context, outside)
        self.second = nn.Sequential(
            group_norm(outside),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv2d(outside, outside, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.first(x) + self.context(F.silu(context))[:, :, None, None]
        out: Tensor = self.shortcut(x) + self.second(h)
        return out


class ImageUNet(nn.Module):
    """Noise in latent images, kept as (B, c, H * W), given time and label.

    The label's embedding is added to the time's. ``places`` adds a learned vector at each pixel:
    the genome is not the same everywhere, as pictures are. ``abar`` (T,), where given, adds the
    noise that is optimal for standard normal latents, in closed form.
    """

    abar: Tensor | None

    def __init__(
        self,
        shape: tuple[int, int, int],  # (c, H, W)
        *,
        base: int,
        multipliers: Sequence[int],
        blocks: int,
        dropout: float,
        places: bool,
        abar: Tensor | None,
    ) -> None:
        super().__init__()
        c, self.H, self.W = self.shape = shape
        self.register_buffer("abar", abar, persistent=False)
        stride = 2 ** (len(multipliers) - 1)
        self.pad = (0, -self.W % stride, 0, -self.H % stride)
        emb = 4 * base
        self.base = base
        self.time = nn.Sequential(nn.Linear(base, emb), nn.SiLU(), nn.Linear(emb, emb))
        self.label = nn.Linear(1, emb)
        self.places = nn.Parameter(torch.zeros(base, self.H, self.W)) if places else None
        self.first = nn.Conv2d(c, base, 3, padding=1)
        widths = [base * m for m in multipliers]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        before, skips = base, [base]
        for level, width in enumerate(widths):
            if level:
                self.shrink.append(nn.Conv2d(before, before, 3, stride=2, padding=1))
                skips.append(before)
            stack = nn.ModuleList()
            for _ in range(blocks):
                stack.append(Residual(before, width, emb, dropout))
                before = width
                skips.append(width)
            self.down.append(stack)
        self.middle = nn.ModuleList(Residual(before, before, emb, dropout) for _ in range(2))
        self.attention = SelfAttention(before)
        for level, width in reversed(list(enumerate(widths))):
            stack = nn.ModuleList()
            for _ in range(blocks + 1):
                stack.append(Residual(before + skips.pop(), width, emb, dropout))
                before = width
            self.up.append(stack)
            if level:
                self.grow.append(nn.Conv2d(width, width, 3, padding=1))
        last = nn.Conv2d(before, c, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.last = nn.Sequential(group_norm(before), nn.SiLU(), last)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x_t (B, c, H * W), times (B,), labels (B, 1) -> noise (B, c, H * W)."""
        context = self.time(sinusoidal(t, self.base)) + self.label(y)  # (B, emb)
        h = self.first(x.reshape(len(x), *self.shape))
        if self.places is not None:
            h = h + self.places
        h = F.pad(h, self.pad)
        h = self._expand(*self._contract(h, context), context)
        out: Tensor = self.last(h)[:, :, : self.H, : self.W].flatten(2)
        if self.abar is None:
            return out
        a = self.abar[t][:, None, None]
        return (1 - a).sqrt() * x + a.sqrt() * out

    def _contract(self, h: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Down the levels; what each layer left, for the way up."""
        skips = [h]
        for level, stack in enumerate(self.down):
            if level:
                h = self.shrink[level - 1](h)
                skips.append(h)
            for block in stack:  # type: ignore[attr-defined]
                h = block(h, context)
                skips.append(h)
        return h, skips

    def _expand(self, h: Tensor, skips: list[Tensor], context: Tensor) -> Tensor:
        """Through the middle and up again."""
        one, two = self.middle
        h = one(h, context)
        h = two(self.attention(h.flatten(2)).reshape(h.shape), context)
        for level, stack in enumerate(self.up):
            if level:
                h = self.grow[level - 1](F.interpolate(h, scale_factor=2.0))
            for block in stack:  # type: ignore[attr-defined]
                h = block(torch.cat([h, skips.pop()], 1), context)
        return h

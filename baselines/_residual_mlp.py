"""A residual multilayer perceptron over vectors, told the time and the label at every block."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ._networks import sinusoidal


class Block(nn.Module):
    """Layer norm, linear, SiLU, dropout, linear; added to its input. Zero at the start."""

    def __init__(self, width: int, context: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inside = nn.Linear(width, width)
        self.context = nn.Linear(context, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.outside = nn.Linear(width, width)
        nn.init.zeros_(self.outside.weight)
        nn.init.zeros_(self.outside.bias)

    def forward(self, h: Tensor, context: Tensor) -> Tensor:  # (B, width), (B, context)
        inside = self.inside(self.norm(h)) + self.context(context)
        out: Tensor = h + self.outside(self.dropout(F.silu(inside)))
        return out


class ResidualMlp(nn.Module):
    """(B, P) -> (B, P), given times in [0, 1] and labels; zero at the start of training."""

    def __init__(
        self, P: int, *, width: int, depth: int, context: int = 64, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.waves = context
        self.time = nn.Sequential(nn.Linear(context, context), nn.SiLU())
        self.label = nn.Linear(1, context)
        self.mix = nn.Linear(context, context)
        self.first = nn.Linear(P, width)
        self.blocks = nn.ModuleList(Block(width, context, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, P)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x (B, P), t (B,) in [0, 1], y (B, 1) -> (B, P)."""
        waves = sinusoidal(1000 * t, self.waves).to(x.dtype)
        context = F.silu(self.mix(self.time(waves) + self.label(y)))  # (B, context)
        h = self.first(x)
        for block in self.blocks:
            h = block(h, context)
        out: Tensor = self.last(F.silu(self.norm(h)))
        return out

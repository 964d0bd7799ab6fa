"""Which strength of guidance leaves the label's effects as large as they are in real people."""

from __future__ import annotations

from torch import Tensor

CANDIDATES = (1.0, 1.5, 2.0, 3.0, 5.0)


def effects(g: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Change of each SNP's mean dosage per unit of label, and its sampling variance; (L,) each.

    For a binary label that is, to first order, the log-odds effect times the dosage's variance.
    Genotypes (n, L), labels (n, 1).
    """
    x, label = g.float() - g.float().mean(0), y[:, 0] - y.mean()
    power = label.square().sum().clamp_min(1e-9)
    slope = label @ x / power
    rest = x - label[:, None] * slope
    return slope, rest.square().sum(0) / max(1, len(g) - 2) / power


def effect_slope(synthetic: Tensor, real: Tensor, variance: Tensor) -> float:
    """Slope of synthetic on real effects (L,), through the origin; 1 = as large.

    The real effects' sampling ``variance`` would pull it towards 0, by as much as it adds to their
    sum of squares; it is taken out again (errors in variables). NaN where nothing is left.
    """
    signal = float(real.square().sum() - variance.sum())
    return float(synthetic @ real) / signal if signal > 0 else float("nan")

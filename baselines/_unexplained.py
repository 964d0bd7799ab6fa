"""How much of each SNP the other SNPs leave open: ridge regression of every SNP on all others.

The regressions share one matrix. With Omega the inverse of the (ridged) correlation matrix, what
the others leave of SNP j in a standardised person x is (Omega x)_j / Omega_jj.
"""

from __future__ import annotations

import torch
from torch import Tensor

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # weights tried, the best one on held-out people wins
PRIOR = 10  # held-out people's worth of the mean over SNPs that each SNP's share is drawn towards


@torch.no_grad()
def unexplained(train: Tensor, held_out: Tensor) -> Tensor:
    """Share of each SNP's variance that the other SNPs do not predict in held-out people.

    Parameters
    ----------
    train, held_out
        (n, L) and (k, L) dosages.

    Returns
    -------
    (L,) between 0 (a copy of its neighbours) and 1 (independent of all others).
    """
    x = train.double()
    mean, sd = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
    x, new = (x - mean) / sd, (held_out.double() - mean) / sd
    total = new.square()
    candidates = [_left(x, new, ridge).square() for ridge in RIDGES]
    left = min(candidates, key=lambda c: float(c.sum()))
    overall = left.sum() / total.sum().clamp_min(1e-6)
    share = (left.sum(0) + PRIOR * overall) / (total.sum(0) + PRIOR)
    return share.clamp(0, 1).to(torch.float32)


def _left(x: Tensor, new: Tensor, ridge: float) -> Tensor:
    """(k, L) of standardised ``new``, less what its other SNPs predict after training on ``x``."""
    correlation = x.T @ x / len(x)
    omega = torch.linalg.inv(correlation + ridge * torch.eye(len(correlation), device=x.device))
    left: Tensor = new @ omega / omega.diagonal()
    return left

"""How much of each SNP the other SNPs leave open: ridge regression of every SNP on all others.

The regressions share one matrix. With Omega the inverse of the (ridged) correlation matrix, what
the others leave of SNP j in a standardised person x is (Omega x)_j / Omega_jj.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._blocks import in_blocks, mean_and_deviation

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
    mean, sd = mean_and_deviation(train)
    sd = sd.clamp_min(1e-6)
    correlation = torch.zeros(len(sd), len(sd), dtype=sd.dtype, device=sd.device)
    for (some,) in in_blocks(train):
        x = (some.double() - mean) / sd
        correlation += x.T @ x
    correlation /= len(train)
    new = (held_out.double() - mean) / sd
    total = new.square()
    candidates = [_left(correlation, new, ridge).square() for ridge in RIDGES]
    left = min(candidates, key=lambda c: float(c.sum()))
    overall = left.sum() / total.sum().clamp_min(1e-6)
    share = (left.sum(0) + PRIOR * overall) / (total.sum(0) + PRIOR)
    return share.clamp(0, 1).to(torch.float32)


def _left(correlation: Tensor, new: Tensor, ridge: float) -> Tensor:
    """(k, L) of standardised ``new``, less what its other SNPs predict with that penalty."""
    omega = torch.linalg.inv(correlation + ridge * torch.eye(len(correlation), device=new.device))
    left: Tensor = new @ omega / omega.diagonal()
    return left

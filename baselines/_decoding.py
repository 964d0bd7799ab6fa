"""From a decoder's logits to calls: offsets that keep frequencies, noise that keeps people apart.

Given its latent, a decoder's sites are independent. Whatever the latent leaves open has to come
back as noise, site by site: none where a site is all but known from it, much where people of one
ancestry differ at random, whom the most probable calls would make all alike.
"""

from __future__ import annotations

import math
from time import monotonic
from typing import Literal

import torch
from torch import Tensor, nn

from ._calibration import calibrated, calibration, most_probable
from ._training import People

Decode = Literal["argmax", "sample", "matched"]
HALVINGS = 6  # of the interval in which the matched noise lies
MOST = 2048  # people between whom distances are taken


class Decoding(nn.Module):
    """Calls by the largest of logits + offsets + noise, the noise Gumbel's times a scale.

    Parameters
    ----------
    L
        Number of SNPs.
    decode
        ``argmax``: no noise. ``sample``: scale 1, which draws from the three probabilities.
        ``matched``: the scale between the two at which synthetic people are as far from the
        nearest other one as training people are; 0 where they are so even without noise.
    calibrate
        Whether offsets are fitted that give the training people's frequencies, at that noise.
    """

    offsets: Tensor  # (2, 3, L): at the mean label, and slope on it
    matched: Tensor  # () scale of the noise

    def __init__(self, L: int, decode: Decode, calibrate: bool) -> None:
        super().__init__()
        self.decode, self.calibrate = decode, calibrate
        self.register_buffer("offsets", torch.zeros(2, 3, L))
        self.register_buffer("matched", torch.zeros(()))

    @property
    def noise(self) -> float:
        """Scale of the Gumbel noise, 0 to 1."""
        if self.decode == "matched":
            return float(self.matched)
        return 1.0 if self.decode == "sample" else 0.0

    @torch.no_grad()
    def learn(
        self, logits: Tensor, y: Tensor, people: People, *, deadline: float = math.inf
    ) -> None:
        """Noise and offsets from logits (k, 3, L) of synthetic people with labels (k, 1).

        Past the ``deadline``, a reading of ``time.monotonic()``, the noise is searched no further.
        """
        gumbel = gumbel_like(logits)
        if self.decode == "matched":
            self.matched.fill_(self._match(logits, gumbel, y, people, deadline))
        if self.calibrate:
            noisy = logits + self.noise * gumbel
            self.offsets.copy_(calibration(noisy, y, people, label=False))

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """Logits (k, 3, L) of people with labels (k, 1) -> (k, L) int8 calls."""
        logits = calibrated(logits, y, self.offsets)
        if self.noise:
            logits = logits + self.noise * gumbel_like(logits)
        return most_probable(logits)

    def _match(
        self, logits: Tensor, gumbel: Tensor, y: Tensor, people: People, deadline: float
    ) -> float:
        """The scale at which people are as far apart as equally many training people."""
        if len(y) < 2 or monotonic() > deadline:
            return 0.0
        chosen = torch.randperm(len(people), device=y.device)[: len(y)]
        wanted = nearest(people.genotypes[chosen])

        def alike(scale: float) -> bool:
            noisy = logits + scale * gumbel
            if self.calibrate:
                noisy = calibrated(noisy, y, calibration(noisy, y, people, label=False, rounds=20))
            return nearest(most_probable(noisy)) < wanted

        low, high = 0.0, 1.0
        if not alike(low):
            return low
        for _ in range(HALVINGS):
            if monotonic() > deadline:
                break
            middle = (low + high) / 2
            low, high = (middle, high) if alike(middle) else (low, middle)
        return (low + high) / 2


def gumbel_like(logits: Tensor) -> Tensor:
    """Gumbel noise: the largest of logits + noise is a draw from their softmax."""
    return -torch.empty_like(logits).exponential_().log()


def nearest(calls: Tensor) -> float:
    """Mean distance of people (k, L) to the nearest other one: small where all are alike."""
    x = calls[:MOST].float()
    length = x.square().sum(1)
    apart = length[:, None] + length - 2 * x @ x.T  # squares; whole numbers, so exact
    return float(apart.fill_diagonal_(torch.inf).amin(1).sqrt().mean())

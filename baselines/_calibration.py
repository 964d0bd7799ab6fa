"""Marginal calibration: offsets on a decoder's logits that give the training people's frequencies.

Taking the most probable call favours the common one (rare alleles and heterozygotes shrink). Two
numbers per site and call, an offset and its slope on the label, are fitted on synthetic logits
until the calls have the frequencies, and the regression on the label, that training people have.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._blocks import in_blocks
from ._training import People

LOGITS = 2**21  # people x SNPs whose logits are held at once


def enough_labels(people: People) -> Tensor:
    """(k, 1) scaled labels of as many training people, at random, as calibration needs."""
    L = people.genotypes.shape[1]
    chosen = torch.randperm(len(people), device=people.labels.device)[: max(512, LOGITS // L)]
    return people.labels[chosen]


def calibration(
    logits: Tensor,
    y: Tensor,
    people: People,
    *,
    label: bool = True,
    rounds: int = 60,
    rate: float = 0.5,
) -> Tensor:
    """Offsets that give the calls of synthetic logits the training people's marginals.

    Parameters
    ----------
    logits, y
        (k, 3, L) of synthetic people, and their scaled labels (k, 1).
    people
        The training people.
    label
        Match the regression on the label too. That moves calls whose logits are nearly tied with
        the label, site by site and whatever their neighbours: a trace that trees can find.
    rounds, rate
        Number of corrections, and size of the first; they shrink linearly.

    Returns
    -------
    (2, 3, L) offset at the mean label, and slope on the label.
    """
    wanted, slope = _moments(people.genotypes, people.labels)
    offsets = torch.zeros(2, *wanted.shape, device=logits.device)
    floor = 0.5 / len(people)
    for done in range(rounds):
        step = rate * (1 - done / rounds)  # shrinks, or near-tied sites swing for ever
        calls = most_probable(calibrated(logits, y, offsets))  # (k, L)
        frequency, effect = _moments(calls, y)
        offsets[0] += step * ((wanted + floor) / (frequency + floor)).log().clamp(-2, 2)
        if not label:
            continue
        variance = (wanted * (1 - wanted)).clamp_min(0.02)
        offsets[1] += step * ((slope - effect) / variance).clamp(-1, 1)
    return offsets


def calibrated(logits: Tensor, y: Tensor, offsets: Tensor) -> Tensor:
    """Logits (k, 3, L) of people with scaled labels (k, 1), moved by the offsets."""
    return logits + offsets[0] + y[:, :, None] * offsets[1]


def _moments(calls: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Frequency of each call and its regression slope on the label, (3, L) each."""
    centred = y - y.mean()
    counts, products = torch.zeros(2, 3, calls.shape[1], device=y.device)
    for some, label in in_blocks(calls, centred):
        for call in range(3):
            carriers = (some == call).float()  # (k, L)
            counts[call] += carriers.sum(0)
            products[call] += (label.T @ carriers)[0]
    variance = centred.square().mean().clamp_min(1e-6)
    return counts / len(y), products / len(y) / variance


def most_probable(logits: Tensor) -> Tensor:
    """(k, 3, L) logits -> (k, L) int8 calls, the most probable of the three.

    Two comparisons: ``argmax`` along a middle axis of three is some thirty times slower on a CPU.
    """
    a, b, c = logits.unbind(1)
    return torch.where(c > torch.maximum(a, b), 2, (b > a).to(torch.int8))

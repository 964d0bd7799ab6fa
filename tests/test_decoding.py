"""Calls from logits: noise that keeps synthetic people as far apart as real ones."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from .draws import drawn

decoding = import_module("genobench.baselines._decoding")
training = import_module("genobench.baselines._training")
calls = import_module("genobench.baselines._calibration")
PEOPLE, SNPS = 1500, 40


@pytest.fixture(autouse=True)
def _own_randomness() -> Any:
    with training.seeded(1):
        yield


def ancestry_logits(spread: float) -> Tensor:
    """(k, 3, L) log probabilities of two draws whose rate depends on one ancestry axis."""
    axis, loading = torch.randn(PEOPLE, 1), torch.linspace(-spread, spread, SNPS)
    p = torch.sigmoid(axis * loading)
    return torch.stack([2 * (1 - p).log(), (2 * p * (1 - p)).log(), 2 * p.log()], 1)


def people(g: Tensor) -> Any:
    """A cohort of genotypes (n, L) whose label says nothing."""
    return training.People(g, torch.zeros(len(g), 1))


def ld(g: Tensor) -> float:
    """Mean r^2 over pairs of SNPs."""
    r = np.corrcoef(g.numpy(), rowvar=False)
    return float(np.square(r[np.triu_indices(SNPS, 1)]).mean())


def learned(logits: Tensor, real: Tensor, decode: str) -> Any:
    """A fitted decoding."""
    made = decoding.Decoding(SNPS, decode, calibrate=True)
    made.learn(logits, torch.zeros(len(logits), 1), people(real))
    return made


def test_nearest_is_the_mean_distance_to_somebody_else() -> None:
    """0, 0, 3 and 10 on a line: 0, 0, 3 and 7 to the next."""
    g = torch.tensor([[0], [0], [3], [10]], dtype=torch.int8)
    assert decoding.nearest(g) == pytest.approx(10 / 4)


def test_people_who_differ_at_random_get_their_noise_back() -> None:
    """Sites independent given ancestry: the most probable calls of people of one ancestry are the
    same, and LD is more than twice the real; matched ones have both as real people do.
    """
    real, fresh = drawn(ancestry_logits(1.5)), ancestry_logits(1.5)
    y = torch.zeros(PEOPLE, 1)
    argmax, matched = (learned(fresh, real, d)(fresh, y) for d in ("argmax", "matched"))
    assert decoding.nearest(argmax) < 0.5 * decoding.nearest(real)
    assert decoding.nearest(matched) == pytest.approx(decoding.nearest(real), rel=0.03)
    assert ld(argmax) > 2 * ld(real)
    assert ld(matched) == pytest.approx(ld(real), rel=0.15)


def test_no_noise_where_people_are_apart_already() -> None:
    """Synthetic people further apart than real ones keep their most probable calls."""
    real, fresh = drawn(ancestry_logits(1.5)), 3 * torch.randn(PEOPLE, 3, SNPS)
    assert learned(fresh, real, "matched").noise == 0


def test_frequencies_are_right_at_the_noise_in_use() -> None:
    """Offsets fitted to noisy calls serve noisy calls: draws have the training frequencies."""
    real, y = drawn(ancestry_logits(1.0)), torch.zeros(PEOPLE, 1)
    shifted = ancestry_logits(1.0) + torch.tensor([1.5, 0.0, 0.0])[:, None]
    made = learned(shifted, real, "sample")
    assert made.noise == 1
    wanted = real.float().mean(0)
    assert (made(shifted, y).float().mean(0) - wanted).abs().max() < 0.12
    assert (drawn(shifted).float().mean(0) - wanted).abs().min() > 0.2

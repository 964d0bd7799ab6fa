"""The VAE: its loss against closed forms, what its fitted prior is there for, the paper's sizes."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch

from genobench.data.split import Split
from genobench.generator import Budget, Card
from genobench.registry import find_generator

vae = import_module("genobench.baselines.vae")
training = import_module("genobench.baselines._training")


def test_loss_is_the_negative_elbo() -> None:
    """With decoder and posterior set by hand: L log 3, and the textbook Gaussian KL."""
    model = vae.Vae(widths=(8,), latent=2)
    with training.seeded(0):
        network = model._network(5, {}).eval()
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        network.posterior.bias.copy_(torch.tensor([1.0, -2.0, 0.0, np.log(4.0)]))
    g, y = torch.zeros(3, 5, dtype=torch.int8), torch.zeros(3, 1)
    error, kl = model._terms(network, g, y, torch.zeros(3, 2))
    assert error.item() == pytest.approx(5 * np.log(3), rel=1e-5)
    by_hand = 0.5 * (1 + 4 + (1 - 1 - 0) + (4 - 1 - np.log(4.0)))
    assert kl.item() == pytest.approx(by_hand, rel=1e-5)


def test_repeated_widths_are_residual() -> None:
    """A block whose weights are all zero hands its input on where the width repeats."""
    block = import_module("genobench.baselines._networks").LinearBlock(4, 4).eval()
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    x = torch.arange(8.0).reshape(2, 4)
    assert torch.equal(block(x), x)


def test_fitted_prior_restores_ld(toy_split: Split) -> None:
    """Draws from N(0, I) flatten LD; the mixture does not."""
    model = vae.Vae(widths=(128, 64), latent=24, beta=0.2, batch=64, steps=400, components=(1, 4))
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    labels = np.tile(toy_split.train.labels, 3)
    repaired = model.sample(labels, seed=2)
    model.mixture_ = None
    standard = model.sample(labels, seed=2)
    real, *made = (
        np.triu(np.corrcoef(g.T + 1e-9 * np.arange(len(g))), 1).ravel()
        for g in (toy_split.test.genotypes, standard, repaired)
    )
    slopes = [float(real @ r / (real @ real)) for r in made]
    assert slopes[0] < slopes[1] - 0.05


def test_card_keeps_the_paper_configuration() -> None:
    """The paper settings are the published ones: prior, decoding, widths, no calibration."""
    card: Card = find_generator("vae").card
    paper = vae.Vae(**card.settings_for("paper"))
    assert (paper.prior, paper.decode, paper.calibrate) == ("standard", "argmax", False)
    assert (list(paper.widths), paper.latent, paper.beta) == ([1024, 512, 256], 128, 1.0)
    assert (paper.batch, paper.lr, paper.epochs) == (256, 5e-4, 1000)


def test_widths_published_for_biobanks_repeat_without_new_kinds_of_layer() -> None:
    """4096, 2048 x 3, 1024 x 3, 512 and latent 256: the four repeats are residual blocks."""
    model = vae.Vae(widths=(4096, *[2048] * 3, *[1024] * 3, 512), latent=256)
    with torch.device("meta"):
        network = model._network(42_409, {})
    blocks = list(network.encoder)
    assert sum(block.residual for block in blocks) == 4
    assert network.posterior.out_features == 2 * 256

"""The VAE: its loss against closed forms, its conditioning, and what its prior is there for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget, Card
from genobench.registry import find_generator

vae = import_module("genobench.baselines.vae")
training = import_module("genobench.baselines._training")

QUICK: dict[str, Any] = {
    "widths": (128, 64),
    "latent": 24,
    "beta": 0.2,
    "batch": 64,
    "steps": 400,
    "components": (1, 4),
}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """A VAE trained for a second or two."""
    return vae.Vae(**QUICK).fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def ld(cohort: Cohort | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Correlations of neighbouring SNPs."""
    g = cohort.genotypes if isinstance(cohort, Cohort) else cohort
    r = np.corrcoef(g.astype(float) + 1e-9 * np.arange(len(g))[:, None], rowvar=False)
    i, j = np.triu_indices(g.shape[1], 1)
    near = j - i <= 8
    return np.asarray(r[i[near], j[near]])


def test_loss_is_the_negative_elbo() -> None:
    """With decoder and posterior set by hand: L log 3 plus beta times the Gaussian KL."""
    model = vae.Vae(widths=(8,), latent=2, beta=0.5)
    with training.seeded(0):
        network = model._network(5).eval()
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        network.posterior.bias.copy_(torch.tensor([1.0, -2.0, 0.0, np.log(4.0)]))
    g, y = torch.zeros(3, 5, dtype=torch.int8), torch.zeros(3, 1)
    kl = 0.5 * (1 + 4 + (1 - 1 - 0) + (4 - 1 - np.log(4.0)))
    loss = model._negative_elbo(network, g, y, torch.zeros(3, 2)).item()
    assert loss == pytest.approx(5 * np.log(3) + 0.5 * kl, rel=1e-5)


def test_beginning_is_independent_sites(toy_split: Split) -> None:
    """Before the first step the decoder's bias holds the training frequencies."""
    model = vae.Vae(**QUICK)
    people = training.People.of(toy_split.train, training.LabelScale.of(toy_split.train), "cpu")
    with training.seeded(0):
        network = model._network(toy_split.train.m)
    model._begin_at_frequencies(network, people)
    p = network.logits.bias.detach().reshape(3, -1).softmax(0)
    dosage = (p[1] + 2 * p[2]).numpy()
    assert np.abs(dosage - toy_split.train.genotypes.mean(0)).max() < 0.01


def test_repeated_widths_are_residual() -> None:
    """A block whose weights are all zero hands its input on where the width repeats."""
    block = import_module("genobench.baselines._networks").LinearBlock(4, 4).eval()
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    x = torch.arange(8.0).reshape(2, 4)
    assert torch.equal(block(x), x)


def test_learns_frequencies_and_ld(fitted: Any, toy_split: Split) -> None:
    """Synthetic people have the hold-out's allele frequencies and neighbours' correlations."""
    rows = fitted.sample(toy_split.train.labels, seed=1)
    test = toy_split.test.genotypes
    assert np.sqrt(np.mean((rows.mean(0) - test.mean(0)) ** 2)) / 2 < 0.05
    real, synthetic = ld(test), ld(rows)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.85
    assert 0.7 < real @ synthetic / (real @ real) < 1.2


def test_fitted_prior_restores_ld(fitted: Any, toy_split: Split) -> None:
    """Draws from N(0, I) flatten LD; the mixture does not."""
    labels = np.tile(toy_split.train.labels, 3)
    mixture, fitted.mixture_ = fitted.mixture_, None
    try:
        standard = ld(fitted.sample(labels, seed=2))
    finally:
        fitted.mixture_ = mixture
    real, repaired = ld(toy_split.test), ld(fitted.sample(labels, seed=2))
    slopes = [float(real @ r / (real @ real)) for r in (standard, repaired)]
    assert slopes[0] < slopes[1] - 0.05


def test_labels_move_the_genotypes(fitted: Any, toy_split: Split) -> None:
    """Cases differ from controls in the direction in which they do among real people."""
    labels = np.repeat(np.array([0, 1], dtype=np.float32), 400)
    rows, train = fitted.sample(labels, seed=3), toy_split.train
    synthetic = rows[400:].mean(0) - rows[:400].mean(0)
    case = train.labels == 1
    real = train.genotypes[case].mean(0) - train.genotypes[~case].mean(0)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.6


def test_unfitted_says_so() -> None:
    """sample() before fit() is an error for people."""
    with pytest.raises(GenobenchError, match="before fit"):
        vae.Vae().sample(np.zeros(1, dtype=np.float32), seed=0)


def test_card_keeps_the_paper_configuration() -> None:
    """The paper settings are the published ones: prior, decoding, widths, no calibration."""
    card: Card = find_generator("vae").card
    paper = vae.Vae(**card.settings_for("paper"))
    assert (paper.prior, paper.decode, paper.calibrate) == ("standard", "argmax", False)
    assert (list(paper.widths), paper.latent, paper.beta) == ([1024, 512, 256], 128, 1.0)
    assert (paper.batch, paper.lr, paper.epochs) == (256, 5e-4, 1000)


def test_round_trip_is_nearer_than_chance(fitted: Any, toy_split: Split) -> None:
    """Unseen people come back better than by the commonest call, without their labels."""
    real = toy_split.test.genotypes
    back = fitted.reconstruct(real)
    commonest = np.stack([(toy_split.train.genotypes == c).mean(0) for c in range(3)]).argmax(0)
    assert (back == real).mean() > (commonest == real).mean() + 0.1
    with pytest.raises(GenobenchError, match="before fit"):
        vae.Vae(**QUICK).reconstruct(real)

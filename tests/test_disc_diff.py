"""DiscDiff: the shape of its latent, its losses by hand, and what it learns of a toy cohort."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.registry import find_generator

folded = import_module("genobench.baselines._folded_vae")
unets = import_module("genobench.baselines._image_unet")
ddpm = import_module("genobench.baselines._diffusion")
decoding = import_module("genobench.baselines._decoding")
training = import_module("genobench.baselines._training")
module = import_module("genobench.baselines.disc_diff")
DiscDiff = module.DiscDiff
CARD = find_generator("disc_diff").card


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One short training, shared by the tests that look at what was learned."""
    model = DiscDiff(**CARD.settings_for("toy"))
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def unet(**changes: Any) -> Any:
    """A small UNet at its initial weights."""
    settings: dict[str, Any] = {
        "base": 16,
        "multipliers": (1, 2),
        "blocks": 1,
        "dropout": 0.0,
        "places": False,
        "abar": None,
    }
    return unets.ImageUNet((4, 3, 5), **(settings | changes)).eval()


def r2(genotypes: NDArray[Any]) -> NDArray[Any]:
    """(m, m) squared correlations."""
    return np.square(np.corrcoef(genotypes.T.astype(float)))


def test_paper_settings_give_the_published_latent() -> None:
    """16 x 16 x 16 at 2,048 positions, and none of what the small settings add."""
    with torch.device("meta"):
        paper = CARD.settings_for("paper")
        vae = folded.FoldedVae(2048, paper["widths"], paper["image"], paper["fold"])
    assert (vae.c, vae.H, vae.W) == (16, 16, 16)
    assert vae.padded == 2048
    assert paper["kl"] == 1e-6
    for extra in ("skip", "whiten", "label_shift", "calibrate", "places"):
        assert not paper[extra]


@pytest.mark.parametrize("fold", [1, 4])
@pytest.mark.parametrize("L", [1, 7, 33])
def test_any_width_is_padded(L: int, fold: int) -> None:
    """Calls go in and logits of the same width come out, whatever the strides."""
    vae = folded.FoldedVae(L, (4, 6), (4, 8), fold)
    g = torch.arange(3 * L).reshape(3, L).remainder(3).to(torch.int8)
    mean, logvar = vae.encode(g)
    assert mean.shape == logvar.shape == vae.noise(3).shape
    assert vae.decode(mean).shape == (3, 3, L)


def test_vae_loss_by_hand() -> None:
    """All weights zero: uniform calls, L log 3, plus the weighted KL of the posterior's bias."""
    vae = folded.FoldedVae(10, (4,), (4,), 2)
    with torch.no_grad():
        for p in vae.parameters():
            p.zero_()
        vae.image_in[-1].bias.copy_(torch.tensor([1.0, -2.0, 0.0, np.log(4.0)]))
    g = torch.zeros(3, 10, dtype=torch.int8)
    kl = 0.5 * (1 + 4 + (1 - 1 - 0) + (4 - 1 - np.log(4.0))) * vae.H * vae.W
    loss = vae.loss(g, torch.zeros_like(vae.noise(3)), 0.01)
    assert loss.item() == pytest.approx(10 * np.log(3) + 0.01 * kl, rel=1e-5)


def test_folding_keeps_neighbours_together() -> None:
    """A SNP reaches the place of its own run, and comes back to its own position."""
    fold = folded.Fold(4, 2, 3)
    x = torch.zeros(1, 3, 12)
    x[0, 1, 5] = 1
    moved = (fold(x) - fold(torch.zeros_like(x))).abs().sum(1)[0]
    assert (moved > 0).tolist() == [False, True, False]
    back = folded.Unfold(4, 2, 3)
    h = torch.zeros(1, 2, 3)
    h[0, :, 1] = 1
    touched = (back(h) - back(torch.zeros_like(h))).abs().sum((0, 1))
    assert (touched > 0).tolist() == [False] * 4 + [True] * 4 + [False] * 4


@torch.no_grad()
def test_untrained_unet_gives_the_closed_form() -> None:
    """With abar: sqrt(1 - abar) x_t, best for standard normal latents; without: zero."""
    abar = ddpm.signal(ddpm.linear_betas(50))
    x, y = torch.linspace(-2, 2, 120).reshape(2, 4, 15), torch.ones(2, 1)
    t = torch.tensor([3, 40])
    network = unet(abar=abar)
    network.last[2].bias.zero_()
    got = network(x, t, y)
    np.testing.assert_allclose(got, (1 - abar[t]).sqrt()[:, None, None] * x, rtol=1e-5)
    plain = unet()
    plain.last[2].bias.zero_()
    assert not plain(x, t, y).any()


@torch.no_grad()
def test_label_and_time_reach_the_unet() -> None:
    network = unet(places=True)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.2)
    x, t, y = torch.ones(1, 4, 15), torch.tensor([10]), torch.ones(1, 1)
    out = network(x, t, y)
    assert out.shape == x.shape
    assert not torch.allclose(out, network(x, t, -y))
    assert not torch.allclose(out, network(x, t + 100, y))


def test_reconstruction_is_nearly_lossless(fitted: Any, toy_split: Split) -> None:
    """With next to no KL weight most calls survive the first stage."""
    train = toy_split.train
    assert (fitted.reconstruct(train.genotypes) == train.genotypes).mean() > 0.9
    test = toy_split.test.genotypes
    common = np.full_like(test, 0) + np.median(train.genotypes, axis=0).astype(np.int8)
    assert (fitted.reconstruct(test) == test).mean() > (common == test).mean() + 0.1
    assert fitted.reconstruct(test[:0]).shape == (0, train.m)


def test_diffused_latents_are_white(fitted: Any, toy_split: Split) -> None:
    """Posterior samples have mean 0, variance 1 and no correlations; the way back is exact."""
    train, network = toy_split.train, fitted.network_
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        mean, logvar = network.vae.encode(torch.from_numpy(np.array(train.genotypes)).repeat(50, 1))
        y = fitted.scale_(np.tile(train.labels, 50))
        z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=draw)
        u = network.standardise(z, y)
        np.testing.assert_allclose(u.mean(0), 0, atol=0.05)
        covariance = np.cov(u.flatten(1).T)
        strong = np.linalg.eigvalsh(covariance)[-64:]  # weaker ones have a floor under them
        np.testing.assert_allclose(strong, 1, atol=0.1)
        np.testing.assert_allclose(network.restore(u, y), z, atol=1e-3)


def test_learns_frequencies_ld_and_the_label(fitted: Any, toy_split: Split) -> None:
    """Frequencies and LD follow real people's; cases differ from controls as real ones do."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    assert np.sqrt(np.mean((rows.mean(0) - train.genotypes.mean(0)) ** 2)) / 2 < 0.04
    pairs = np.triu_indices(train.m, 1)
    assert np.corrcoef(r2(rows)[pairs], r2(test.genotypes)[pairs])[0, 1] > 0.7

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        case = train.labels == 1
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    real, synthetic = contrast(train.genotypes), contrast(rows)
    assert float(real @ synthetic / (real @ real)) > 0.5


def test_monomorphic_cohort_and_one_person(make_cohort: Callable[..., Cohort]) -> None:
    """Nobody differs: everybody has the one genotype; one label gives one row."""
    some = make_cohort(30, 9, 0)
    trait = Trait("t", "quantitative", np.arange(30, dtype=np.float32))
    dead = Cohort(np.ones((30, 9), dtype=np.int8), some.variants, some.samples, trait)
    few = CARD.settings_for("toy") | {"steps": 3, "vae_steps": 3}
    model = DiscDiff(**few).fit(dead, dead, seed=0, budget=Budget())
    assert np.array_equal(model.sample(trait.values[:1], seed=0), np.ones((1, 9)))
    assert model.sample(trait.values[:0], seed=0).shape == (0, 9)


def test_convolutions_at_full_length_train(toy_split: Split) -> None:
    """The published kind of encoder, tiny: a step or two, then genotypes."""
    paper = {k: v for k, v in CARD.settings_for("paper").items() if k not in ("steps", "every")}
    tiny: dict[str, Any] = {
        "widths": (8, 8),
        "image": (4, 8),
        "base": 8,
        "vae_steps": 2,
        "steps": 2,
        "sampling_steps": 2,
    }
    model = DiscDiff(**paper | tiny)
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    rows = model.sample(toy_split.test.labels[:5], seed=0)
    assert rows.shape == (5, 64)
    assert set(np.unique(rows)) <= {0, 1, 2}


def test_before_fitting_is_named() -> None:
    with pytest.raises(GenobenchError, match=r"sample\(\) before fit"):
        DiscDiff().sample(np.zeros(1, dtype=np.float32), seed=0)
    with pytest.raises(GenobenchError, match=r"reconstruct\(\) before fit"):
        DiscDiff().reconstruct(np.zeros((1, 3), dtype=np.int8))


def test_validated_noise_follows_the_validation_people() -> None:
    """Sites that are decided need no noise; undecided ones, alike in everybody, need all of it."""
    draw = torch.Generator().manual_seed(0)
    real = torch.randint(3, (240, 60), generator=draw).to(torch.int8)
    people, held_out = (
        training.People(some, torch.zeros(len(some), 1)) for some in (real[:120], real[120:])
    )
    y = torch.zeros(120, 1)
    other = torch.randint(3, (120, 60), generator=draw)
    decided = 20 * torch.nn.functional.one_hot(other, 3).movedim(-1, 1).float()
    undecided = 0.01 * decided[:1].expand(120, -1, -1)

    def noise(logits: torch.Tensor) -> float:
        learned = decoding.Decoding(60, "matched", calibrate=False)
        torch.manual_seed(1)
        module._learn_on_validation(learned, logits, y, people, held_out, math.inf)
        return float(learned.noise)

    assert noise(decided) == 0.0
    assert noise(undecided) > 0.5


def test_validated_noise_is_what_sampling_uses(toy_split: Split) -> None:
    """It is among the candidates, kept in the state, and the same after restoring."""
    settings = CARD.settings_for("toy") | {"decode": "validated", "vae_steps": 60, "steps": 30}
    model = DiscDiff(**settings)
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())
    assert any(model.network_.decoding.noise == pytest.approx(scale) for scale in module.NOISES)
    again = DiscDiff(**settings)
    again.restore(model.state())
    labels = toy_split.train.labels
    assert np.array_equal(again.sample(labels, seed=3), model.sample(labels, seed=3))

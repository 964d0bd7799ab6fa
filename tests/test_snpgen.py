"""SNPgen: shapes at every width, its losses in closed form, its two stages, its paper settings."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.registry import find_generator

latents = import_module("genobench.baselines._latents")
guidance = import_module("genobench.baselines._guidance")
snpgen = import_module("genobench.baselines.snpgen")
autoencoders = import_module("genobench.baselines._autoencoder")
training = import_module("genobench.baselines._training")
unets = import_module("genobench.baselines._unet")

QUICK: dict[str, Any] = {
    "widths": (48,),
    "latent": 6,
    "fold": 16,
    "s": -1.0,
    "ae_steps": 300,
    "base": 32,
    "multipliers": (1,),
    "batch": 64,
    "steps": 160,
    "sampling_steps": 10,
}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """A SNPgen trained for a few seconds."""
    return snpgen.SnpGen(**QUICK).fit(
        toy_split.train, toy_split.validation, seed=0, budget=Budget()
    )


def autoencoder(L: int, **changes: Any) -> Any:
    """A small autoencoder in evaluation mode."""
    settings = {"widths": (8, 12), "blocks": 1, "latent": 2, "fold": 1} | changes
    with training.seeded(0):
        return autoencoders.Autoencoder(L, **settings).eval()


@pytest.mark.parametrize("L", [1, 2, 17, 64])
@pytest.mark.parametrize(
    "changes", [{}, {"fold": 8}, {"widths": (8,), "blocks": 0}, {"widths": (8, 8, 12), "fold": 3}]
)
def test_any_width_goes_through(L: int, changes: dict[str, Any]) -> None:
    """Columns are padded inside to whole strides and cut off again."""
    network = autoencoder(L, **changes)
    g = torch.randint(0, 3, (3, L), generator=torch.Generator().manual_seed(0))
    mean, logvar = network.encode(training.one_hot(g))
    stride = network.fold * 2 ** (len(changes.get("widths", (8, 12))) - 1)
    assert mean.shape == logvar.shape == (3, 2, math.ceil(L / stride))
    assert network.decode(mean).shape == (3, 3, L)


def test_folded_sites_keep_their_place() -> None:
    """A latent position reads its own run of SNPs: what is folded on the way in is unfolded out."""
    network = autoencoder(12, widths=(36,), blocks=0, fold=4)
    x = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(1))
    folded = x.reshape(2, 3, 3, 4).transpose(2, 3).flatten(1, 2)  # (B, 3 * fold, positions)
    assert torch.equal(folded[:, 4:8, 1], x[:, 1, 4:8])  # het channel of the second run
    back = folded.reshape(2, 3, 4, 3).transpose(2, 3).flatten(2)
    assert torch.equal(back, x)
    g = torch.zeros(1, 12, dtype=torch.int8)
    changed = g.clone()
    changed[0, 5] = 2
    read = network.encoder[0]
    before, after = (
        read(training.one_hot(v).reshape(1, 3, -1, 4).transpose(2, 3).flatten(1, 2))
        for v in (g, changed)
    )
    assert (before != after).any(1)[0].tolist() == [False, True, False]


def test_loss_weighs_its_error_by_the_learned_scale() -> None:
    """Flat logits: L log 3 / exp(s) + L s + KL, and the best s is the log of the mean error."""
    network = autoencoder(10, s=0.7)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if name != "s":
                p.zero_()
    g = torch.zeros(4, 10, dtype=torch.int8)
    noise = torch.zeros(4, 2, network.P)
    loss = network.loss(g, noise)[0]
    assert loss.item() == pytest.approx(10 * math.log(3) / math.exp(0.7) + 7, rel=1e-5)
    with torch.no_grad():
        network.s.fill_(math.log(math.log(3)))
    network.loss(g, noise)[0].backward()
    assert network.s.grad.item() == pytest.approx(0, abs=1e-4)


def test_adversary_balances_gradients_and_learns() -> None:
    """Its term pulls on the head as hard as the reconstruction does; real scores rise over fake."""
    network = autoencoder(64, widths=(16,))
    with training.seeded(2):
        adversary = autoencoders.Adversary("cpu", 1e-3)
        g = (torch.rand(64, 64) < 0.2).to(torch.int8) * 2
        noise = torch.randn(64, 2, network.P)
        for _ in range(12):
            loss, logits = network.loss(g, noise)
            term = adversary.term(g, logits, loss, network.head.weight)
    theirs = torch.autograd.grad(loss, network.head.weight, retain_graph=True)[0].norm()
    mine = torch.autograd.grad(term, network.head.weight)[0].norm()
    assert mine.item() == pytest.approx(theirs.item(), rel=0.02)
    with torch.no_grad():
        real = adversary.network(training.one_hot(g)).mean()
        fake = adversary.network(logits.softmax(1)).mean()
    assert real > fake


@pytest.mark.parametrize("P", [1, 3, 8])
@pytest.mark.parametrize("own", [True, False])
def test_denoiser_keeps_shape_and_knows_the_null_label(P: int, own: bool) -> None:
    """A dropped label is the null label, and another label gives another answer."""
    with training.seeded(3):
        network = unets.UNet(2, P, 16, (1, 2), 1, 2, 0.0, own).eval()
        x, t = torch.randn(4, 2, P), torch.tensor([0, 10, 500, 999])
    y, one = torch.ones(4, 1), torch.ones(4, 1)
    with torch.no_grad():
        kept, dropped, null = network(x, t, y, one), network(x, t, y, 0 * one), network(x, t, None)
        other = network(x, t, -y)
    assert kept.shape == x.shape
    assert torch.allclose(dropped, null)
    assert not torch.allclose(kept, null)
    assert not torch.allclose(kept, other)


def test_one_context_token_needs_no_attention_weights() -> None:
    """With a single token the short cut equals the softmax written out."""
    networks = import_module("genobench.baselines._networks")
    with training.seeded(4):
        attention = networks.Attention(8, 5, 2)
        x, token = torch.randn(3, 6, 8), torch.randn(3, 1, 5)
    with torch.no_grad():
        twice = attention(x, token.expand(3, 2, 5))  # two equal tokens: the long way round
        assert torch.allclose(attention(x, token), twice, atol=1e-6)


def test_learns_frequencies_and_labels(fitted: Any, toy_split: Split) -> None:
    """Synthetic people have the training frequencies, and cases differ as real cases do."""
    train = toy_split.train
    labels = np.tile(train.labels, 2)
    rows = fitted.sample(labels, seed=1)
    assert np.sqrt(np.mean((rows.mean(0) - train.genotypes.mean(0)) ** 2)) / 2 < 0.05
    contrasts = [
        g[y == 1].mean(0) - g[y == 0].mean(0)
        for g, y in ((train.genotypes, train.labels), (rows, labels))
    ]
    assert np.corrcoef(*contrasts)[0, 1] > 0.45


@pytest.mark.parametrize("shift", [True, False])
def test_latents_are_standardised(fitted: Any, toy_split: Split, shift: bool) -> None:
    """Posterior samples have mean 0 and variance 1, and with ``shift`` no slope on the label."""
    train = toy_split.train
    y = fitted.scale_(train.labels)
    known = snpgen.posteriors(
        fitted.network_.autoencoder, torch.from_numpy(np.array(train.genotypes))
    )
    mean, std = known.mean, known.std
    scale = latents.LatentScale.fit(mean, std, y, shift=shift)
    with training.seeded(5):
        z = torch.cat([mean + std * torch.randn_like(mean) for _ in range(30)])
    many = y.repeat(30, 1)
    u = scale.standardise(z, many)
    assert torch.allclose(scale.restore(u, many), z, atol=1e-4)
    both = torch.cat([u.flatten(1), many / many.std()], 1)
    covariance = torch.cov(both.T)
    assert both[:, :-1].mean(0).abs().max().item() < 0.05
    assert covariance.diag().sub(1).abs().max().item() < 0.1
    slope = covariance[:-1, -1].abs().max().item()
    assert slope < 0.05 if shift else slope > 0.05


def test_denoiser_begins_at_the_gaussian_solution() -> None:
    """Before training, what it says is the skip's share of x_t, exact for Gaussian latents."""
    with training.seeded(6):
        network = unets.UNet(2, 4, 16, (1,), 1, 2, 0.0, True, skip=torch.linspace(0, 1, 1000))
        x, t = torch.randn(3, 2, 4), torch.tensor([0, 500, 999])
    assert torch.allclose(network(x, t, None), torch.linspace(0, 1, 1000)[t, None, None] * x)


def test_reconstruction_is_nearer_than_chance(fitted: Any, toy_split: Split) -> None:
    """Unseen people come back far better than by the commonest call, and repeatably."""
    real = toy_split.test.genotypes
    back = fitted.reconstruct(real)
    commonest = np.stack([(toy_split.train.genotypes == c).mean(0) for c in range(3)]).argmax(0)
    assert (back == real).mean() > (commonest == real).mean() + 0.1
    assert back.dtype == np.int8
    assert np.array_equal(back, fitted.reconstruct(real))


def test_guidance_strengthens_labels(fitted: Any, toy_split: Split) -> None:
    """A larger w moves cases and controls further apart, which is why 1 is used."""
    labels = np.repeat(np.array([0, 1], dtype=np.float32), 500)
    gaps = []
    for w in (1.0, 5.0):
        fitted.network_.guidance.fill_(w)
        rows = fitted.sample(labels, seed=2)
        gaps.append(float(np.abs(rows[500:].mean(0) - rows[:500].mean(0)).mean()))
    fitted.network_.guidance.fill_(1.0)
    assert gaps[1] > gaps[0]


def test_unfitted_says_so() -> None:
    """sample() and reconstruct() before fit() are errors for people."""
    model = snpgen.SnpGen()
    with pytest.raises(GenobenchError, match="before fit"):
        model.sample(np.zeros(1, dtype=np.float32), seed=0)
    with pytest.raises(GenobenchError, match="before fit"):
        model.reconstruct(np.zeros((1, 4), dtype=np.int8))


@pytest.mark.parametrize(
    ("size", "channels", "positions", "millions"),
    [
        ("emb128", 1, 128, 2.0),
        ("emb64", 1, 64, 2.0),
        ("emb256", 1, 256, 1.4),
        ("medium", 1, 64, 8.1),
        ("big", 4, 64, 32.5),
    ],
)
def test_sizes_are_the_published_ones(
    size: str, channels: int, positions: int, millions: float
) -> None:
    """Latent and number of parameters at 2,048 SNPs, as the paper's table has them."""
    with torch.device("meta"):
        network = snpgen.SnpGen(size=size, skip=False)._network(2048, {}).autoencoder
    assert (network.latent, network.P) == (channels, positions)
    count = sum(p.numel() for p in network.parameters()) / 1e6
    assert round(count, 1) == millions


def test_unknown_size_is_named() -> None:
    """A size that was never published is an error that lists those that were."""
    with pytest.raises(GenobenchError, match=r"size is 'emb32'.*emb128, emb64"):
        snpgen.SnpGen(size="emb32")._network(64, {})


def test_card_keeps_the_paper_configuration() -> None:
    """emb128, UNet of 16.2 M parameters; guidance 5, 50 steps, argmax."""
    paper = snpgen.SnpGen(**find_generator("snpgen").card.settings_for("paper"))
    with torch.device("meta"):
        denoiser = paper._network(2048, {}).denoiser
    assert sum(p.numel() for p in denoiser.parameters()) == pytest.approx(16.2e6, rel=0.2)
    assert (paper.size, paper.guidance, paper.sampling_steps) == ("emb128", 5.0, 50)
    assert (paper.decode, paper.calibrate) == ("argmax", False)
    assert (paper.ae_lr, paper.adversary_from, paper.drop_label) == (4.5e-6, 20_000, 0.2)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_effect_slope_is_not_diluted_by_sampling_error(factor: float) -> None:
    """Effects of a small real cohort are noisy; the slope of a large one's on them is not."""
    with training.seeded(8):
        effect = 0.15 * torch.randn(300)
        people = []
        for n, by in ((150, 1.0), (20_000, factor)):
            y = torch.randint(0, 2, (n, 1)).float() * 2 - 1
            people.append((torch.randn(n, 300) + y * by * effect, y))
    real, variance = guidance.effects(*people[0])
    synthetic, _ = guidance.effects(*people[1])
    assert guidance.effect_slope(synthetic, real, variance) == pytest.approx(factor, rel=0.15)
    diluted = float(synthetic @ real / real.square().sum())
    assert diluted < 0.9 * factor


def test_nothing_is_said_of_effects_that_are_all_noise() -> None:
    """No slope where sampling error accounts for every real effect."""
    real = torch.full((5,), 0.1)
    assert math.isnan(guidance.effect_slope(real, real, torch.full((5,), 0.02)))


def test_guidance_is_chosen_on_validation_people(toy_split: Split) -> None:
    """Each candidate is tried and reported; the one whose slope is nearest 1 is kept and saved."""
    tried: dict[float, float] = {}
    kept: list[float] = []

    def listen(figures: Any) -> None:
        if "effect_slope" in figures:
            tried[figures["guidance_tried"]] = figures["effect_slope"]
        kept.extend([figures["guidance"]] if "guidance" in figures else [])

    model = snpgen.SnpGen(**QUICK, label_shift=False, guidance="validation")
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget(report=listen))
    assert list(tried) == list(guidance.CANDIDATES)
    assert tried[5.0] > tried[1.0]
    assert kept == [min(tried, key=lambda w: abs(tried[w] - 1))]
    other = snpgen.SnpGen(**model.settings())
    other.restore(model.state())
    assert float(other.network_.guidance) == kept[0]

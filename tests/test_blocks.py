"""Sums over many people, some at a time, are those over everybody at once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genobench.data.split import Split

blocks = import_module("genobench.baselines._blocks")
calibration = import_module("genobench.baselines._calibration")
dosage = import_module("genobench.baselines.dosage_diffusion")
hybrid = import_module("genobench.baselines.hybrid")
latents = import_module("genobench.baselines._latents")
training = import_module("genobench.baselines._training")
unexplained = import_module("genobench.baselines._unexplained").unexplained

L = 6


@pytest.fixture(scope="module")
def people() -> Any:
    """Three hundred with a label, whose columns follow one another, and it."""
    draw = torch.Generator().manual_seed(0)
    y = torch.randn(300, 1, generator=draw)
    level = 1 + 0.5 * y + torch.randn(300, L, generator=draw).cumsum(1)
    return training.People(level.round().clamp(0, 2).to(torch.int8), y)


def normal(people: Any) -> list[Tensor]:
    """The dosages' mean, slope on the label, and spread along axes, with their covariance."""
    frame = dosage.Gaussian(L)
    frame.learn(people, lambda g: g - 1.0, 0.02)
    covariance = (frame.axes * frame.spread) @ frame.axes.T  # axes have no sign
    return [frame.mean, frame.slope, frame.spread, covariance]


def scale(people: Any) -> list[Tensor]:
    """Of people's calls taken for latents."""
    mean = people.genotypes.float().reshape(-1, 2, L // 2)
    found = latents.LatentScale.fit(mean, 0.1 + mean, people.labels, shift=True)
    return [found.centre, found.slope, found.deviation]


def hybrid_mean(people: Any) -> list[Tensor]:
    """What is expected given the label, and what is left of it."""
    mean, s = hybrid.Mean(L), people.genotypes.float()
    mean.learn(s, people.labels, (s[:50] + 0.1, people.labels[:50]))
    return [mean.intercept, mean.slope, mean.deviation, mean.whiten_(s, people.labels)]


SUMS: dict[str, Callable[[Any], Any]] = {
    "moments of columns": lambda p: blocks.mean_and_deviation(p.genotypes),
    "moments of calls": lambda p: calibration._moments(p.genotypes, p.labels),
    "unexplained": lambda p: [unexplained(p.genotypes[:200], p.genotypes[200:])],
    "normal dosages": normal,
    "scale of latents": scale,
    "mean given the label": hybrid_mean,
}


@pytest.mark.parametrize("elements", [1, 7 * L, 290 * L])
@pytest.mark.parametrize("name", SUMS)
def test_in_blocks_as_at_once(
    people: Any, name: str, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person at a time, seven, or all but ten."""
    whole = SUMS[name](people)
    monkeypatch.setattr(blocks, "ELEMENTS", elements)
    for expected, found in zip(whole, SUMS[name](people), strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_moments_of_calls_by_definition(people: Any) -> None:
    """Shares of each call, and slopes of least squares on the label."""
    frequency, slope = calibration._moments(people.genotypes, people.labels)
    g, y = people.genotypes.numpy(), people.labels[:, 0].double().numpy()
    for call in range(3):
        carriers = (g == call).astype(float)
        assert frequency[call].numpy() == pytest.approx(carriers.mean(0))
        assert slope[call].numpy() == pytest.approx(np.polyfit(y, carriers, 1)[0], abs=1e-5)


def test_latents_that_do_not_fit_are_encoded_when_asked_for(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same latents; the scale is taken from people spread over all."""

    def encode(g: Tensor) -> tuple[Tensor, Tensor]:
        return g.float().reshape(-1, 2, L // 2), -g.float().reshape(-1, 2, L // 2)

    kept = latents.Posteriors(encode, people.genotypes)
    monkeypatch.setattr(latents, "KEPT", 2 * L * 100)
    asked = latents.Posteriors(encode, people.genotypes)
    assert kept.whole
    assert len(kept.mean) == 300
    assert not asked.whole
    assert torch.equal(asked.mean, kept.mean[::3])
    assert torch.equal(asked.std, kept.std[::3])
    index = torch.tensor([299, 0, 7])
    for expected, found in zip(kept[index], asked[index], strict=True):
        assert torch.equal(found, expected)


def test_mean_loss_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last block is smaller and weighs less."""
    x = torch.arange(10.0)
    whole = latents.mean_loss(lambda some: x[some].mean(), 10)
    monkeypatch.setattr(latents, "ROWS", 4)
    seen = []

    def loss(some: slice) -> Tensor:
        seen.append(some)
        return x[some].mean()

    found = latents.mean_loss(loss, 10)
    assert found == pytest.approx(whole) == pytest.approx(4.5)
    assert seen == [slice(0, 4), slice(4, 8), slice(8, 10)]


@pytest.mark.parametrize(("most", "step"), [(4096, 1), (90, 1), (89, 2), (20, 5)])
def test_looked_at(toy_split: Split, most: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many validation people at most, from the first to the last part of the file."""
    monkeypatch.setattr(blocks, "LOOKED_AT", most)
    whole = toy_split.validation.take(people=np.arange(90))
    seen = blocks.looked_at(whole)
    assert list(seen.samples["iid"]) == list(whole.samples["iid"][::step])
    assert np.array_equal(seen.labels, whole.labels[::step])

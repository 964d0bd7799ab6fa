"""What the two fully connected VAEs share: start, round trip, and what they learn of a cohort."""

from __future__ import annotations

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

training = import_module("genobench.baselines._training")
CLASSES = {
    "vae": import_module("genobench.baselines.vae").Vae,
    "cvae": import_module("genobench.baselines.cvae").Cvae,
}
QUICK: dict[str, Any] = {
    "widths": (128, 64),
    "latent": 24,
    "beta": 0.2,
    "anneal": 50,
    "batch": 64,
    "steps": 400,
}
KINDS: dict[str, dict[str, Any]] = {
    "vae": {"components": (1, 4)},
    "cvae": {"components": 4},
    "cvae binomial": {"components": 4, "emission": "binomial"},
}


def build(kind: str, **changes: Any) -> Any:
    """An unfitted VAE of one of the kinds."""
    return CLASSES[kind.split()[0]](**{**QUICK, **KINDS[kind], **changes})


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: Any, toy_split: Split) -> Any:
    """A VAE trained for a second or two; per kind."""
    model = build(request.param)
    return model.fit(toy_split.train, toy_split.validation, seed=0, budget=Budget())


def ld(g: NDArray[Any]) -> NDArray[Any]:
    """Correlations of neighbouring SNPs."""
    r = np.corrcoef(g.astype(float) + 1e-9 * np.arange(len(g))[:, None], rowvar=False)
    i, j = np.triu_indices(g.shape[1], 1)
    near = j - i <= 8
    return np.asarray(r[i[near], j[near]])


@pytest.mark.parametrize("kind", KINDS)
def test_beginning_is_independent_sites(kind: str, toy_split: Split) -> None:
    """Before the first step the decoder's bias holds the training allele frequencies."""
    with training.seeded(0):
        network = build(kind)._network(toy_split.train.m, {}).eval()
    network.begin_at_frequencies(torch.from_numpy(toy_split.train.genotypes.copy()))
    with torch.no_grad():
        network.out.weight.zero_()
        p = network.decode(torch.zeros(1, 24), torch.zeros(1, 1)).softmax(1)[0]
    dosage = (p[1] + 2 * p[2]).numpy()
    assert np.abs(dosage - toy_split.train.genotypes.mean(0)).max() < 0.01


def test_learns_frequencies_and_ld(fitted: Any, toy_split: Split) -> None:
    """Synthetic people have the hold-out's allele frequencies and neighbours' correlations."""
    rows = fitted.sample(toy_split.train.labels, seed=1)
    test = toy_split.test.genotypes
    assert np.sqrt(np.mean((rows.mean(0) - test.mean(0)) ** 2)) / 2 < 0.05
    real, synthetic = ld(test), ld(rows)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.85
    assert 0.7 < real @ synthetic / (real @ real) < 1.2


def test_labels_move_the_genotypes(fitted: Any, toy_split: Split) -> None:
    """Cases differ from controls in the direction in which they do among real people."""
    labels = np.repeat(np.array([0, 1], dtype=np.float32), 400)
    rows, train = fitted.sample(labels, seed=3), toy_split.train
    synthetic = rows[400:].mean(0) - rows[:400].mean(0)
    case = train.labels == 1
    real = train.genotypes[case].mean(0) - train.genotypes[~case].mean(0)
    assert np.corrcoef(real, synthetic)[0, 1] > 0.6


def test_sampled_decoding_adds_noise_that_argmax_does_not(fitted: Any, toy_split: Split) -> None:
    """Independent draws per site flatten LD; the same network's most probable calls keep it."""
    other = type(fitted)(**{**fitted.settings(), "decode": "sample"})
    other.restore(fitted.state())
    labels, real = np.tile(toy_split.train.labels, 3), ld(toy_split.test.genotypes)
    argmax, drawn = (real @ ld(m.sample(labels, seed=2)) for m in (fitted, other))
    assert drawn < argmax


def test_round_trip_is_nearer_than_chance(fitted: Any, toy_split: Split) -> None:
    """Unseen people come back better than by the commonest call, without their labels."""
    real = toy_split.test.genotypes
    back = fitted.reconstruct(real)
    commonest = np.stack([(toy_split.train.genotypes == c).mean(0) for c in range(3)]).argmax(0)
    assert (back == real).mean() > (commonest == real).mean() + 0.1
    assert np.array_equal(back, fitted.reconstruct(real))


@pytest.mark.parametrize("kind", ["vae", "cvae"])
def test_quantities_are_labels_too(kind: str, toy_split: Split) -> None:
    """With a quantity in place of classes, people far apart in it differ as real people do."""

    def measured(cohort: Cohort) -> Cohort:
        """Its trait is the sum of the first eight dosages."""
        values = cohort.genotypes[:, :8].sum(axis=1).astype(np.float32)
        return Cohort(
            cohort.genotypes, cohort.variants, cohort.samples, Trait("sum", "quantitative", values)
        )

    train, validation = map(measured, (toy_split.train, toy_split.validation))
    model = build(kind).fit(train, validation, seed=0, budget=Budget())
    rows = model.sample(np.tile(train.labels, 2), seed=1)
    r = np.corrcoef(rows[:, :8].sum(axis=1), np.tile(train.labels, 2))[0, 1]
    assert r > 0.5


@pytest.mark.parametrize("kind", ["vae", "cvae"])
def test_unfitted_says_so(kind: str) -> None:
    """sample() and reconstruct() before fit() are errors for people."""
    with pytest.raises(GenobenchError, match=f"{kind}: sample.. before fit"):
        build(kind).sample(np.zeros(1, dtype=np.float32), seed=0)
    with pytest.raises(GenobenchError, match=f"{kind}: reconstruct.. before fit"):
        build(kind).reconstruct(np.zeros((1, 4), dtype=np.int8))

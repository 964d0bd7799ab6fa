"""The fixed encoder: its layers written out, determinism, what FReD sees in its space."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import encoder as en
from genobench.metrics.distribution import frechet


def _independent(g: Genotypes, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)


@pytest.fixture(scope="module")
def trained(make_cohort: Any) -> en.Encoder:
    """Trained on 1,000 people, two populations."""
    return en.train_encoder(make_cohort(1000, 128, 1).genotypes, seed=0, visits=1e7)


def test_code_is_two_layers_of_tanh(trained: en.Encoder, make_cohort: Any) -> None:
    """The layers written out in float64; one row per person."""
    g = make_cohort(50, 128, 2).genotypes
    z = (g.astype(float) - trained.mean) / trained.scale
    hidden = np.tanh(z @ trained.first + trained.first_bias)
    expected = np.tanh(hidden @ trained.second + trained.second_bias)
    assert trained(g) == pytest.approx(expected, abs=1e-4)
    assert trained(g).shape == (50, en.CODE)


def test_code_predicts_what_was_hidden(trained: en.Encoder, make_cohort: Any) -> None:
    """New people with every eighth SNP hidden: the code tells what it was, where there is LD."""
    linear = pytest.importorskip("sklearn.linear_model")
    test = make_cohort(800, 128, 3).genotypes
    hidden = np.arange(128) % 8 == 0

    def explained(g: Genotypes) -> float:
        codes = trained(np.where(hidden, np.round(trained.mean), g).astype(np.int8))
        model = linear.Ridge(1.0).fit(codes[:400], g[:400][:, hidden])
        return float(model.score(codes[400:], g[400:][:, hidden]))

    assert explained(test) > 0.3
    assert explained(_independent(test)) < 0.05


def test_frechet_of_codes_orders_generators(trained: en.Encoder, make_cohort: Any) -> None:
    """Fresh people near 0; noise, repeats and independent sites ever further."""
    train, test = (make_cohort(1000, 128, s).genotypes for s in (4, 5))
    order, redrawn = np.random.default_rng(3).random(train.shape), _independent(train)
    wanted = trained(test)
    fred = [
        frechet(trained(np.where(order < q, redrawn, train).astype(np.int8)), wanted)
        for q in (0, 0.3, 0.6, 1)
    ]
    assert fred == sorted(fred)
    assert fred[0] < 0.05
    assert fred[-1] > 4 * fred[0]
    assert frechet(trained(train[np.arange(1000) % 20]), wanted) > 4 * fred[0]


def test_mosaics_are_seen(trained: en.Encoder, make_cohort: Any) -> None:
    """Half-block segments of different people glued together are further off than fresh people."""
    train, test = (make_cohort(1000, 128, s).genotypes for s in (4, 5))
    rng, wanted = np.random.default_rng(0), trained(test)
    glued = [train[rng.permutation(1000), first : first + 8] for first in range(0, 128, 8)]
    mosaic = np.concatenate(glued, axis=1)
    assert frechet(trained(mosaic), wanted) > 1.5 * frechet(trained(train), wanted)


def test_same_seed_same_weights(make_cohort: Any) -> None:
    """Deterministic; another seed is another encoder; numpy's global state is left alone."""
    g = make_cohort(150, 20, 1).genotypes
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    one, two, other = (en.train_encoder(g, seed=s, visits=3e4) for s in (5, 5, 6))
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]  # noqa: NPY002
    for part, value in vars(one).items():
        assert (value == getattr(two, part)).all()
        assert value.dtype == np.float32
    assert not (one.first == other.first).all()


def test_memory_and_row_order_do_not_matter(make_cohort: Any, trained: en.Encoder) -> None:
    """Rows are coded one by one, wherever they lie in memory."""
    g = make_cohort(60, 128, 2).genotypes
    assert trained(np.asfortranarray(g)) == pytest.approx(trained(g), abs=1e-5)
    assert trained(g[::-1])[::-1] == pytest.approx(trained(g), abs=1e-5)


def test_time_is_bounded_at_any_size() -> None:
    """Sixteen times the SNPs take as many visits: some seconds, not sixteen times as many."""
    wide = np.random.default_rng(0).integers(0, 3, (500, 2048)).astype(np.int8)
    start = time.process_time()
    en.train_encoder(wide, seed=0, visits=1e7)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("m", [1, 2, 5])
def test_any_width(m: int) -> None:
    """One SNP, constant SNPs: a code without NaN."""
    g = np.random.default_rng(0).integers(0, 3, (30, m)).astype(np.int8)
    g[:, -1] = 1
    assert np.isfinite(en.train_encoder(g, seed=0, visits=1e3)(g)).all()


def test_bad_input_is_named(trained: en.Encoder, make_cohort: Any) -> None:
    """Other variants, nobody to learn from."""
    with pytest.raises(GenobenchError, match="64 variants, but an encoder of 128"):
        trained(make_cohort(10, 64, 1).genotypes)
    with pytest.raises(GenobenchError, match="needs 2"):
        en.train_encoder(make_cohort(1, 64, 1).genotypes, seed=0, visits=1)

"""Scores move one way as synthetic people are made worse, or leakier, step by step.

Elsewhere: nearest and windowed attacks, LD, manifold, structure and the two-sample test along noise
in the tests of each metric; the nearest attack along mixtures in tests/test_membership.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.metrics.intervals import Interval

from .checks import SD, error
from .levels import World, mixture, noise
from .measures import Measure, Values, attacks, copies, linkage, utility

NOISE = (0.0, 0.05, 0.2, 0.5, 1.0)
SHARES = (0.0, 0.01, 0.1, 0.5, 1.0)


def along(
    world: World, step: Callable[..., Cohort], name: str, at: Sequence[float], measure: Measure
) -> list[Values]:
    """Values at each setting of one level."""
    draw = partial(np.random.default_rng, 5)
    return [measure(step(world, draw(), **{name: x}), world) for x in at]


def moves(values: list[Interval], direction: int, *, by: float) -> None:
    """No step goes back by three standard errors, and the whole way is at least ``by``."""
    for one, two in pairwise(values):
        errors = math.hypot(*(np.nan_to_num([error(one), error(two)])))
        assert direction * (two.value - one.value) >= -SD * errors - 1e-12
    assert direction * (values[-1].value - values[0].value) >= by


@pytest.fixture(scope="module")
def noisier(world: World) -> list[Values]:
    """Copies, utility and LD as calls of the training people are redrawn."""
    parts = [along(world, noise, "rate", NOISE, m) for m in (copies, utility, linkage)]
    return [{k: v for part in at for k, v in part.items()} for at in zip(*parts, strict=True)]


@pytest.mark.parametrize(
    ("metric", "direction", "by"),
    [
        ("duplicates", -1, 0.99),
        ("closer_to_train", -1, 0.45),
        ("distance_ratio", 1, 0.95),
        ("nndr_gap", 1, 0.9),
        ("aa_truth", 1, 0.8),
        ("aa_syn", 1, 0.15),
        pytest.param(
            *("privacy_loss", -1, 0.4),
            marks=pytest.mark.xfail(
                reason="rises from .498 to .563 at half of the calls redrawn before it falls to 0: "
                "AA of H leaves .5 for 1 while AA of T is still 0"
            ),
        ),
        ("kinship_excess", -1, 0.95),
        ("joint_gap", -1, 0.1),
        ("ld_decay", 1, 0.9),
        ("ld_rmse", 1, 0.05),
    ],
)
def test_along_noise(metric: str, direction: int, by: float, noisier: list[Values]) -> None:
    """From copies to independent sites: privacy rises, LD and the joint predictor go."""
    moves([values[metric] for values in noisier], direction, by=by)


@pytest.fixture(scope="module")
def leakier(world: World) -> list[Values]:
    """Copies and attacks as fresh people are exchanged for training people."""
    parts = [along(world, mixture, "share", SHARES, m) for m in (copies, attacks)]
    return [{k: v for part in at for k, v in part.items()} for at in zip(*parts, strict=True)]


@pytest.mark.parametrize(
    ("metric", "direction", "by"),
    [
        ("duplicates", 1, 0.99),
        ("duplicates_excess", 1, 0.99),
        ("closer_to_train", 1, 0.45),
        ("distance_ratio", -1, 0.95),
        ("nndr_gap", -1, 0.8),
        ("aa_truth", -1, 0.4),
        ("aa_syn", -1, 0.4),
        ("privacy_loss", 1, 0.4),
        ("kinship_excess", 1, 0.95),
        ("nearest_auc", 1, 0.45),
        ("calibrated_auc", 1, 0.45),
        ("windowed_auc", 1, 0.45),
        ("strongest_auc", 1, 0.4),
        ("exact_epsilon", 1, 3),
    ],
)
def test_along_a_mixture(metric: str, direction: int, by: float, leakier: list[Values]) -> None:
    """From fresh people to copies: every sign of a leak grows."""
    moves([values[metric] for values in leakier], direction, by=by)

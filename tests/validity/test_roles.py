"""Every metric puts every reference level in its place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.metrics.auc import auc
from genobench.metrics.performance import label_lift
from genobench.metrics.prediction import Ridge

from .checks import NULL, ROLES, SD, Role, near, spread
from .conftest import Score
from .levels import LEVELS, World
from .measures import Measure, utility
from .spread import SEEDS


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_role(role: Role, score: Score) -> None:
    """The level lies where its role wants it, by three standard deviations over worlds."""
    assert role.holds(score(role.level, role.measure))
    assert role.is_safe()


@pytest.mark.parametrize(
    ("measure", "metric", "target"), NULL, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_fresh_people_pass(measure: Measure, metric: str, target: float, score: Score) -> None:
    """A second real sample: the null within three standard errors, here and on average."""
    assert near(score("real", measure)[metric], target)
    mean, sd = spread()["real", metric]
    # the mean of ten worlds, whose standard deviation is itself estimated: t of nine at 3 sd
    assert abs(mean - target) <= 4.1 * sd / math.sqrt(SEEDS) + 1e-4


def test_every_level_was_measured_in_every_world() -> None:
    """`spread.csv` is of these levels; one that is new needs it made again."""
    assert {name for name, _ in spread()} == set(LEVELS)
    assert all(math.isfinite(x) for pair in spread().values() for x in pair)


def test_marginal_scores_cannot_tell_what_joint_ones_can(score: Score) -> None:
    """`cond_hwe` against real training people: the marginal gap is nil, the joint one is not."""
    found = score("cond_hwe", utility)
    assert near(found["marginal_gap"], 0)
    assert not near(found["joint_gap"], 0)


def test_permuted_labels_teach_nothing(world: World) -> None:
    """Twenty shuffles average .5. One alone may land far off, on either side, where few blocks in
    strong LD carry the trait: `label_lift` measures against shuffles for that reason, and a
    shuffle's own lift is none.
    """
    rng = np.random.default_rng(0)
    h, y = world.holdout.genotypes, world.holdout.labels
    ridge = Ridge.of(world.train.genotypes)

    def scores() -> NDArray[np.float64]:
        return ridge.predict(*ridge.fit(rng.permutation(world.train.labels), "binary"), h)

    shuffled = np.stack([scores() for _ in range(20)])
    lift = label_lift(scores(), shuffled, y, "binary")
    assert lift.low <= 0 <= lift.high
    aucs = np.array([auc(s, y) for s in shuffled])
    assert abs(aucs.mean() - 0.5) <= SD * aucs.std(ddof=1) / math.sqrt(len(aucs))
    true = ridge.predict(*ridge.fit(world.train.labels, "binary"), h)
    assert label_lift(true, shuffled, y, "binary").low > 0.05

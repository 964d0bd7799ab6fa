"""What each reference level must look like to each metric, and small worlds with known answers.

A role is one sentence: this metric of this level lies above, or below, this threshold. Thresholds
are those of the definition of the suite (mosaics are caught by windows with AUC above .95, while
whole records stay below .6, and so on). `spread.csv` shows that each lies three standard deviations
over worlds or more from where the level lies.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.metrics import auc, disclosure, ld, manifold, membership, neighbours
from genobench.metrics.intervals import Z95, Interval
from genobench.registry import find_task
from genobench.task import Reference

from .levels import LEVELS, World
from .measures import (
    Measure,
    Values,
    attacks,
    copies,
    linkage,
    marginals,
    shape,
    trees,
    utility,
)
from .spread import TABLE

SD = 3.0


@dataclass(frozen=True)
class Role:
    """``metric`` of ``level`` is ``sign`` (``>`` or ``<``) ``threshold``."""

    level: str
    measure: Measure
    metric: str
    sign: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.level} {self.metric} {self.sign} {self.threshold:g}"

    def holds(self, values: Values) -> bool:
        """On measured values."""
        return self._beyond(values[self.metric].value)

    def is_safe(self) -> bool:
        """By three standard deviations over the worlds of `spread.csv`."""
        mean, sd = spread()[self.level, self.metric]
        return self._beyond(mean + (SD if self.sign == "<" else -SD) * sd)

    def _beyond(self, value: float) -> bool:
        return value < self.threshold if self.sign == "<" else value > self.threshold


@cache
def spread() -> dict[tuple[str, str], tuple[float, float]]:
    """Mean and standard deviation over worlds, by level and metric."""
    with TABLE.open() as file:
        return {
            (row["level"], row["metric"]): (float(row["mean"]), float(row["sd"]))
            for row in csv.DictReader(file)
        }


def error(interval: Interval) -> float:
    """Standard error behind an interval."""
    return (interval.high - interval.low) / (2 * Z95)


def near(interval: Interval, target: float) -> bool:
    """Within three of the metric's own standard errors of the target."""
    return abs(interval.value - target) <= SD * error(interval) or math.isclose(
        interval.value, target, abs_tol=1e-12
    )


NOTHING = 1e-9
ROLES = tuple(
    Role(*role)
    for role in (
        # copied people, verbatim and blurred, fail privacy
        ("copy", copies, "duplicates", ">", 0.999),
        ("copy", copies, "duplicates_excess", ">", 0.999),
        ("copy", copies, "closer_to_train", ">", 0.95),
        ("copy", copies, "distance_ratio", "<", 0.05),
        ("copy", copies, "nndr_gap", "<", -0.8),
        ("copy", copies, "aa_truth", "<", 0.05),
        ("copy", copies, "aa_syn", "<", 0.05),
        ("copy", copies, "privacy_loss", ">", 0.3),
        ("copy", copies, "kinship_excess", ">", 0.95),
        ("copy", attacks, "nearest_auc", ">", 0.95),
        ("copy", attacks, "calibrated_auc", ">", 0.95),
        ("copy", attacks, "windowed_auc", ">", 0.95),
        ("copy", attacks, "strongest_auc", ">", 0.95),
        ("copy", attacks, "exact_epsilon", ">", 3),
        ("noise05", copies, "duplicates", "<", NOTHING),
        ("noise05", copies, "aa_truth", "<", 0.05),
        ("noise05", copies, "aa_syn", "<", 0.05),
        ("noise05", copies, "distance_ratio", "<", 0.2),
        ("noise05", copies, "kinship_excess", ">", 0.95),
        ("noise05", attacks, "nearest_auc", ">", 0.95),
        ("noise05", attacks, "nearest_tpr1", ">", 0.95),
        ("noise05", attacks, "windowed_auc", ">", 0.95),
        ("noise20", copies, "duplicates", "<", NOTHING),
        ("noise20", copies, "aa_truth", "<", 0.05),
        ("noise20", attacks, "nearest_auc", ">", 0.95),
        ("noise20", attacks, "calibrated_auc", ">", 0.95),
        # segments glued together escape whole-record distances, not windows
        ("mosaic16", copies, "duplicates", "<", NOTHING),
        ("mosaic16", copies, "distance_ratio", ">", 0.95),
        ("mosaic16", attacks, "nearest_auc", "<", 0.6),
        ("mosaic16", attacks, "windowed_auc", ">", 0.95),
        ("mosaic16", attacks, "windowed_tpr1", ">", 0.5),
        ("mosaic16", attacks, "strongest_auc", ">", 0.95),
        ("mosaic64", copies, "duplicates", "<", NOTHING),
        ("mosaic64", attacks, "windowed_auc", ">", 0.95),
        ("mosaic64", attacks, "strongest_auc", ">", 0.95),
        # one in a hundred: no AUC sees it, identical rows and the exact match do
        ("leak1pct", copies, "duplicates", ">", 0.009),
        ("leak1pct", copies, "duplicates_excess", ">", 0.009),
        ("leak1pct", attacks, "nearest_auc", "<", 0.55),
        ("leak1pct", attacks, "exact_epsilon", ">", 0.5),
        # independent sites: right SNP by SNP, wrong in everything else
        ("hwe", marginals, "af_rmse", "<", 0.016),
        ("hwe", marginals, "af_max_z", "<", 6),
        ("hwe", marginals, "new_monomorphic", "<", 0.01),
        ("hwe", marginals, "het_sd_ratio", "<", 0.8),
        ("hwe", linkage, "ld_corr", "<", 0.1),
        ("hwe", linkage, "ld_slope", "<", 0.05),
        ("hwe", linkage, "ld_decay", ">", 0.9),
        ("hwe", shape, "pc_variance_ratio", "<", 0.5),
        ("hwe", shape, "pc_wasserstein", ">", 0.2),
        ("hwe", shape, "precision", "<", 0.2),
        ("hwe", shape, "coverage", "<", 0.2),
        ("hwe", trees, "two_sample_auc", ">", 0.95),
        ("hwe", copies, "aa_truth", ">", 0.8),
        ("hwe", attacks, "windowed_auc", "<", 0.6),
        # its frequencies per class are all that a marginal score wants
        ("cond_hwe", utility, "marginal_gap", ">", -0.04),
        ("cond_hwe", utility, "joint_gap", "<", -0.02),
        # fifty people for everybody
        ("collapse", copies, "duplicates", ">", 0.999),
        ("collapse", copies, "repeats", ">", 0.95),
        ("collapse", copies, "aa_truth", ">", 0.8),
        ("collapse", copies, "aa_syn", "<", 0.05),
        ("collapse", shape, "recall", "<", 0.05),
        ("collapse", shape, "coverage", "<", 0.3),
        ("collapse", shape, "precision", ">", 0.5),
        ("collapse", linkage, "ld_far", ">", 0.005),
        ("collapse", trees, "two_sample_auc", ">", 0.95),
        # a second real sample is not perfect, but it is near
        ("real", copies, "duplicates", "<", NOTHING),
        ("real", copies, "repeats", "<", NOTHING),
        ("real", attacks, "nearest_tpr1", "<", 0.05),
        ("real", attacks, "windowed_tpr1", "<", 0.05),
        ("real", attacks, "exact_epsilon", "<", NOTHING),
        ("real", marginals, "af_max_z", "<", 5),
        ("real", marginals, "new_monomorphic", "<", 0.01),
        ("real", linkage, "ld_corr", ">", 0.95),
        ("real", linkage, "ld_decay", "<", 0.1),
        ("real", shape, "pc_wasserstein", "<", 0.2),
        ("real", shape, "precision", ">", 0.6),
        ("real", shape, "recall", ">", 0.6),
        ("real", shape, "density", ">", 0.7),
        ("real", shape, "density", "<", 1.2),
        ("real", shape, "coverage", ">", 0.9),
    )
)
# what a second real sample scores on average, by the null hypothesis
NULL: tuple[tuple[Measure, str, float], ...] = (
    (copies, "duplicates_excess", 0),
    (copies, "closer_to_train", 0.5),
    (copies, "nndr_gap", 0),
    (copies, "aa_truth", 0.5),
    (copies, "aa_syn", 0.5),
    (copies, "privacy_loss", 0),
    (copies, "kinship_excess", 0),
    (copies, "distance_ratio", 1),
    (attacks, "nearest_auc", 0.5),
    (attacks, "calibrated_auc", 0.5),
    (attacks, "windowed_auc", 0.5),
    (attacks, "af_auc", 0.5),
    (marginals, "het_sd_ratio", 1),
    (linkage, "ld_slope", 1),
    (linkage, "ld_far", 0),
    (shape, "pc_variance_ratio", 1),
    (utility, "marginal_gap", 0),
    (utility, "joint_gap", 0),
    (trees, "two_sample_auc", 0.5),
)


@dataclass(frozen=True, eq=False)
class Scene:
    """Real people, and their synthetic cohorts by level."""

    world: World
    made: Callable[[str], Cohort]


Check = Callable[[Scene], None]


def role(sentence: str) -> Check:
    """The check that this one of `ROLES` holds."""
    (found,) = (r for r in ROLES if str(r) == sentence)

    def check(scene: Scene) -> None:
        assert found.holds(found.measure(scene.made(found.level), scene.world)), sentence

    return check


def null(measure: Measure, metric: str) -> Check:
    """The check that fresh people meet this one of `NULL`."""
    (target,) = (t for group, name, t in NULL if (group, name) == (measure, metric))

    def check(scene: Scene) -> None:
        assert near(measure(scene.made("real"), scene.world)[metric], target), metric

    return check


def ties_at_32_snps(scene: Scene, measure: Measure = copies) -> None:
    """Fresh people meet the null on two blocks, full of ties and of identical strangers."""
    some = slice(240, 272)
    narrow = World(*(cohort.take(variants=some) for cohort in vars(scene.world).values()))
    found = measure(narrow.fresh, narrow)
    for group, metric, target in NULL:
        if group is measure and metric != "kinship_excess":  # 32 SNPs say nothing of kinship
            assert near(found[metric], target), metric


def neighbours_at_2048_snps(scene: Scene) -> None:
    """Distances and neighbours of scipy's matrix, among more people than one block holds."""
    rng = np.random.default_rng(0)
    queries, base = (rng.integers(0, 3, (n, 2048)).astype(np.int8) for n in (20, 700))
    matrix = cdist(queries, base, "cityblock")
    distances, indices = neighbours.nearest(queries, base, 5)
    order = np.argsort(matrix, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(distances, np.take_along_axis(matrix, order, 1))
    np.testing.assert_array_equal(indices, order)


def product_at_2048_snps(scene: Scene) -> None:
    """The matrix product gives whole distances."""
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, 3, (20, 2048)).astype(np.int8) for _ in range(2))
    ((_, found),) = manifold.distance_rows(one, two)
    np.testing.assert_array_equal(found, cdist(one, two, "cityblock"))


def unlinked_snps_average_zero(scene: Scene) -> None:
    """r2 of independent SNPs in 50 people: 0 within four standard errors."""
    g = np.random.default_rng(0).binomial(2, 0.3, (50, 101)).astype(np.int8)
    band = ld.r2_band(g, reach=100)
    values = np.concatenate([band[d - 1, : 101 - d] for d in range(1, 101)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))


def ties_count_half(scene: Scene) -> None:
    """A score that is the same for everybody has an AUC of one half, however it is asked for."""
    labels = np.arange(90) < 30
    assert auc.auc(np.zeros(90), labels) == 0.5
    assert auc.auc_interval(np.zeros(90), labels).value == 0.5


def equal_scores_have_equal_rates(scene: Scene) -> None:
    """The same scores for members and non-members: the TPR at an FPR is that FPR."""
    scores = np.tile(np.random.default_rng(0).normal(size=500), 2)
    for fpr in (0.002, 0.01, 0.1):
        found = auc.tpr_at_fpr(scores, np.arange(1000) < 500, fpr=fpr)
        assert found.value == pytest.approx(fpr)


def copies_of_twins_are_not_private(scene: Scene) -> None:
    """Rows that stand twice in train and were copied: as close as can be."""
    twins = np.repeat(scene.world.train.genotypes[:50], 2, axis=0)
    distances, _ = neighbours.nearest(twins[::2].copy(), twins, 2)
    assert (disclosure.first_to_second(distances) == 0).all()


def one_rare_segment_convicts_nobody(scene: Scene) -> None:
    """Strangers who share one 16-SNP segment with a synthetic person, seen in nobody of R, stay
    behind members of whom segments were copied everywhere.
    """
    world, s = scene.world, scene.made("mosaic16").genotypes
    r, strangers = world.reference.genotypes, np.array(world.holdout.genotypes[:500])
    at = slice(128, 144)
    private = (s[:200, None, at] == r[None, :, at]).all(2).sum(1) == 0
    segments = s[:200, at][private]
    strangers[:, at] = segments[np.arange(500) % len(segments)]
    candidates = np.concatenate([world.train.genotypes[:500], strangers])
    chromosomes = world.train.variants["chrom"].to_numpy()
    scores = membership.windowed_scores(candidates, s, r, chromosomes)
    assert np.isfinite(scores).all()
    assert auc.auc(scores, np.arange(1000) < 500) > 0.95


def task_counts_windows_among_the_strongest(scene: Scene) -> None:
    """The privacy task's strongest attack on mosaics is at least as strong as its windowed one."""
    world, some = scene.world, slice(0, 400)
    few = World(*(cohort.take(some) for cohort in vars(world).values()))
    split = Split(few.train, few.fresh, few.holdout, few.reference)
    mosaic = LEVELS["mosaic16"](few, np.random.default_rng(0))
    task = find_task("privacy").load()()
    found = task.score(mosaic, Reference(split, task.prepare(split, seed=0)), seed=0)
    assert found["windowed_attack_auc"].value > 0.95
    assert found["strongest_attack_auc"].value >= found["windowed_attack_auc"].value

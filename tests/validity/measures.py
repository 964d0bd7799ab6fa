"""What every reference level is measured by: the metrics, wired as the tasks wire them.

T, H, R and the synthetic cohort S are of equal size; fidelity is against H, axes are those of R.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.metrics import (
    disclosure,
    frequency,
    heterozygosity,
    kinship,
    ld,
    manifold,
    membership,
    structure,
)
from genobench.metrics.auc import auc_interval, tpr_at_fpr
from genobench.metrics.disclosure import Neighbours
from genobench.metrics.epsilon import holdout_epsilon
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import minimum, nearest
from genobench.metrics.performance import contrast, performance
from genobench.metrics.prediction import Floats, Ridge, marginal_scores
from genobench.metrics.two_sample import two_sample_auc

from .levels import World

Values = dict[str, Interval]
Measure = Callable[[Cohort, World], Values]
LOCAL = 16  # SNPs apart


def world_of(everybody: Cohort) -> World:
    """Four quarters of one sample of people."""
    edges = np.linspace(0, everybody.n, 5).astype(int)
    return World(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))


def copies(made: Cohort, world: World) -> Values:
    """Identical rows, distances, adversarial accuracy and kinship."""
    s, t, h = (c.genotypes for c in (made, world.train, world.holdout))
    to_train, from_holdout = nearest(s, t, 2), nearest(h, t, 2)[0]
    truth, syn = disclosure.adversarial_accuracy(Neighbours.between(t, s))
    return {
        "duplicates": disclosure.duplicates(s, t),
        "duplicates_excess": disclosure.duplicates_excess(s, t, h),
        "repeats": disclosure.repeats(s),
        "closer_to_train": disclosure.closer_to_members(to_train, nearest(s, h, 1)),
        "distance_ratio": disclosure.distance_ratio(
            to_train[0][:, 0], from_holdout[:, 0], rng=np.random.default_rng(0)
        ),
        "nndr_gap": disclosure.nndr_gap(to_train[0], from_holdout),
        "aa_truth": truth,
        "aa_syn": syn,
        "privacy_loss": disclosure.privacy_loss(*(Neighbours.between(g, s) for g in (t, h))),
        "kinship_excess": kinship.excess(
            kinship.closest(s, t), kinship.closest(h, t), least=kinship.BANDS["duplicate"]
        ),
    }


def attacks(made: Cohort, world: World) -> Values:
    """AUC of the membership attacks, TPR at 1 % FPR, the strongest, and what they prove."""
    s, r = made.genotypes, world.reference.genotypes
    candidates = np.concatenate([world.train.genotypes, world.holdout.genotypes])
    member = np.arange(len(candidates)) < world.train.n
    near = membership.nearest_scores(minimum(candidates, s))
    scores = {
        "calibrated": membership.calibrated_scores(
            candidates,
            r,
            candidates_to_synthetic=minimum(candidates, s),
            reference_to_synthetic=minimum(r, s),
            candidates_to_reference=minimum(candidates, r),
            reference_to_itself=minimum(r, r, exclude_self=True),
        ),
        "windowed": membership.windowed_scores(candidates, s, r, made.variants["chrom"].to_numpy()),
        "af": membership.frequency_scores(candidates, s, r),
    }
    return {
        **{f"{k}_auc": auc_interval(v, member) for k, v in {"nearest": near, **scores}.items()},
        "nearest_tpr1": tpr_at_fpr(near, member),
        "windowed_tpr1": tpr_at_fpr(scores["windowed"], member),
        "strongest_auc": membership.strongest(scores, member),
        # fixed beforehand: whoever is nearer than every non-member, as exact matches are
        "exact_epsilon": Interval(holdout_epsilon({"nearest": near}, member, rates=(0.0,))),
    }


def marginals(made: Cohort, world: World) -> Values:
    """Frequencies and heterozygosity."""
    s, h = made.genotypes, world.holdout.genotypes
    return {
        "af_rmse": frequency.frequency_rmse(s, h),
        "af_max_z": Interval(frequency.frequency_max_z(s, h)),
        "genotype_tv": frequency.genotype_variation(s, h),
        "new_monomorphic": frequency.new_monomorphic(s, h),
        "het_sd_ratio": heterozygosity.heterozygosity_spread(s, h),
    }


def linkage(made: Cohort, world: World) -> Values:
    """Local LD, its decay and what is left between chromosomes."""
    s, h = made.genotypes, world.holdout.genotypes
    chromosome = made.variants["chrom"].astype(np.int64).to_numpy()
    which = ld.pairs(
        chromosome=chromosome,
        position=made.variants["pos"].to_numpy(np.int64),
        frequency=frequency.allele_frequency(h),
        reach=LOCAL,
    )
    rng = np.random.default_rng(0)
    reliable = ld.reliability(h, which, rng=rng)
    bands = ld.r2_band(s, reach=LOCAL), ld.r2_band(h, reach=LOCAL)
    return {
        "ld_corr": ld.r2_correlation(*bands, which),
        "ld_slope": ld.r2_slope(*bands, which, reliable=reliable),
        "ld_rmse": ld.r2_rmse(*bands, which),
        "ld_decay": ld.decay_distance(*bands, ld.decay_bins(which)),
        "ld_far": ld.far_excess(s, h, chromosome=chromosome, rng=rng, most=128),
    }


def shape(made: Cohort, world: World) -> Values:
    """Principal components and nearest neighbours."""
    s, h, rng = made.genotypes, world.holdout.genotypes, np.random.default_rng(0)
    axes = structure.fit_axes(world.reference.genotypes)
    clouds = [structure.project(s, axes)], [structure.project(h, axes)]
    (at_k,) = manifold.manifold_curve(s, h, ks=(5,))
    return {
        "pc_variance_ratio": structure.bootstrap(
            structure.variance_ratio, *clouds, rng=rng, repeats=40, log=True
        ),
        "pc_wasserstein": Interval(
            structure.sliced_wasserstein(clouds[0][0], clouds[1][0], rng=rng)
        ),
        "precision": at_k.precision,
        "recall": at_k.recall,
        "density": at_k.density,
        "coverage": at_k.coverage,
    }


def trees(made: Cohort, world: World) -> Values:
    """The two-sample test: the dear one."""
    return {"two_sample_auc": two_sample_auc(made.genotypes, world.holdout.genotypes, seed=0)}


def utility(made: Cohort, world: World) -> Values:
    """Marginal and joint predictors trained on S, and their gaps to the same trained on T."""
    h, y = world.holdout.genotypes, world.holdout.labels
    found: Values = {}
    for name, predictor in (("marginal", marginal_scores), ("joint", ridge_scores)):
        scores = [predictor(c.genotypes, c.labels, h) for c in (made, world.train)]
        found[f"{name}_auc"] = performance(scores[0], y, "binary")
        found[f"{name}_gap"] = contrast(
            np.stack(scores), y, np.array([1.0, -1.0]), "binary", rng=np.random.default_rng(0)
        )
    return found


def ridge_scores(train: Genotypes, labels: Labels, test: Genotypes) -> Floats:
    """The joint predictor, in the form of `marginal_scores`."""
    ridge = Ridge.of(train)
    return ridge.predict(*ridge.fit(labels, "binary"), test)


MEASURES: tuple[Measure, ...] = (copies, attacks, marginals, linkage, shape, utility)

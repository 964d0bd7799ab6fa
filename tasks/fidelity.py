"""Does the synthetic cohort look like real people? Always people that no generator has seen.

Sizes. Distances between samples shrink as samples grow, so every metric compares equal numbers: as
many synthetic people as there are test people, drawn by seed; if there are fewer, as many test
people as synthetic ones. Metrics that look at all pairs or train trees stop at ``MOST`` of each.
Where chance alone keeps real people apart, two halves of the test people show by how much.
The `real` control is scored in the same way and shows what is reached by chance at that size.

Rulers. Training people only teach what measures both sides alike: the encoder of FReD and the
classifier of populations. Validation people only say which SNPs are rare.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import (
    agreement,
    ancestry,
    distribution,
    frequency,
    heterozygosity,
    ld,
    ld_score,
    manifold,
    structure,
    windows,
)
from genobench.metrics.agreement import INFORMATIVE
from genobench.metrics.encoder import Encoder
from genobench.metrics.genotypes import comparable, subsample
from genobench.metrics.intervals import Interval, clipped
from genobench.metrics.ld_people import Statistic, people_intervals
from genobench.metrics.two_sample import two_sample_auc
from genobench.task import Estimate, Reference, Task, timed

from ._fidelity_reference import (
    COMPONENTS,
    KERNEL,
    NEIGHBOURS,
    Statistics,
    curve_ks,
    genome,
    halves_of,
    restored,
    rulers,
    statistics,
)

FEWEST = 40  # people: below, halves, folds and neighbourhoods hold nobody

LD_BOUNDS = {
    "ld_r2_corr": (-1.0, 1.0),
    "ld_r2_slope": (-np.inf, np.inf),
    "ld_r2_rmse": (0.0, np.inf),
    "ld_decay": (0.0, np.inf),
}

Measure = Callable[[], Mapping[str, Interval]]


class Fidelity(Task):
    """Frequencies, LD, windows, structure, manifold, distribution and a two-sample test."""

    def prepare(self, split: Split, *, seed: int) -> Statistics:
        """Statistics of the test people, and the rulers that training people teach."""
        test = split.test
        if test.n < FEWEST:
            raise GenobenchError(f"fidelity: {test.n} test people, {FEWEST} are the least")
        rare = frequency.allele_frequency(split.validation.genotypes)
        return {
            "bin_frequency": rare,
            **rulers(split.train, seed),
            **statistics(test, test.genotypes, seed),
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates of all metrics; ``seed`` draws people, folds, permutations and directions.

        Correlations and slopes of LD and of three-point correlations are NaN where real people
        would not agree with real people (LD-clumped variants); ancestry is left out where fewer
        than two populations are labelled. ``n`` is the number of people on either side.
        """
        test = reference.split.test
        comparable(synthetic.genotypes, test.genotypes, at_least=FEWEST)
        n = min(synthetic.n, test.n)
        made = _drawn(synthetic.genotypes, n, seeds.rng(seed, "fidelity", "synthetic"))
        real, facts = test.genotypes, dict(reference.statistics)
        if n < test.n:
            real = subsample(real, n, seeds.rng(seed, "fidelity", "real"))
            facts.update(statistics(test, real, seed))
        few = facts["few"].astype(np.int64)
        few_made, few_real = made[: len(few)], real[few]
        groups: list[tuple[int, Measure]] = [
            (n, lambda: _frequencies(made, real, facts)),
            (n, lambda: _heterozygosity(made, real)),
            (n, lambda: _linkage(made, real, facts, genome(test)[0])),
            (n, lambda: _ld_scores(made, real, facts)),
            (len(few), lambda: _windows(few_made, few_real, facts)),
            (len(few), lambda: _structure(few_made, few_real, facts, seed)),
            (len(few), lambda: _manifold(few_made, few_real, facts)),
            (min(len(few), KERNEL), lambda: _discrepancy(few_made, few_real, facts, seed)),
            (len(few), lambda: _encoded(few_made, few_real, facts, seed)),
            (len(few), lambda: {"two_sample_auc": _two_sample(few_made, few_real, seed)}),
        ]
        if "centres_populations" in facts:
            groups.append((n, lambda: _ancestry(made, real, facts)))
        return {k: e for people, measure in groups for k, e in timed(measure, people).items()}


def _frequencies(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    def slope(number: int) -> Interval:
        return frequency.minor_slope(
            made, real, bin_frequency=facts["bin_frequency"], number=number
        )

    return {
        "af_rmse": frequency.frequency_rmse(made, real),
        "af_max_z": Interval(frequency.frequency_max_z(made, real)),
        "af_slope_rare": slope(0),
        "af_slope_low": slope(1),
        "af_slope_common": slope(4),
        "new_monomorphic": frequency.new_monomorphic(made, real),
        "genotype_tv": frequency.genotype_variation(made, real),
        "af_corr": frequency.frequency_correlation(made, real),
    }


def _heterozygosity(made: Genotypes, real: Genotypes) -> dict[str, Interval]:
    return {
        "het_ratio": heterozygosity.heterozygosity_ratio(made, real),
        "het_sd_ratio": heterozygosity.heterozygosity_spread(made, real),
        "site_f_rmse": heterozygosity.inbreeding_rmse(made, real),
        "hwe_excess": heterozygosity.hardy_weinberg_excess(made, real),
    }


def _linkage(
    made: Genotypes, real: Genotypes, facts: Statistics, chromosome: NDArray[np.int64]
) -> dict[str, Interval]:
    """LD metrics; NaN for those that need LD in the real people when these have none."""
    valid, bins = facts["local"], facts["decay_bin"].astype(np.int64)
    near, reliable = slice(0, len(valid)), float(facts["r2_reliability"][0])

    def local(statistic: Statistic) -> Statistic:
        return lambda y, x: statistic(y[near][valid], x[near][valid])

    measures: dict[str, Statistic] = {"ld_r2_rmse": local(agreement.difference)}
    if reliable >= INFORMATIVE:
        measures["ld_r2_corr"] = local(agreement.pearson)
        measures["ld_r2_slope"] = local(partial(agreement.corrected_slope, reliable=reliable))
        measures["ld_decay"] = partial(ld.decay_area, bins=bins)
    intervals = people_intervals(made, real, list(measures.values()), reach=len(bins))
    empty = dict.fromkeys(("ld_r2_corr", "ld_r2_slope", "ld_decay"), Interval(np.nan))
    columns = seeds.rng(0, "fidelity", "far")
    return {
        **empty,
        **{k: clipped(i, *LD_BOUNDS[k]) for k, i in zip(measures, intervals, strict=True)},
        "ld_reliability": Interval(reliable),
        "ld_far": ld.far_excess(made, real, chromosome=chromosome, rng=columns),
    }


def _ld_scores(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    """NaN where real people do not agree with real people on LD scores."""
    reliable = float(facts["score_reliability"][0])
    if reliable < INFORMATIVE:
        return dict.fromkeys(("ld_score_corr", "ld_score_slope"), Interval(np.nan))
    valid = facts["decay_bin"] >= 0
    correlation, slope = ld_score.score_agreement(made, real, valid, reliable=reliable)
    return {"ld_score_corr": correlation, "ld_score_slope": slope}


def _windows(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    """Configurations of 4 and 8 neighbours, and triples, on runs of neighbouring SNPs."""
    columns, stretch = facts["window_columns"].astype(np.int64), facts["stretch"]
    made, real = made[:, columns], real[:, columns]
    halves = halves_of(made), halves_of(real)
    found = {}
    for length in (4, 8):
        draw = seeds.rng(0, "fidelity", "windows", length)
        which = windows.windows(stretch, length=length, rng=draw)
        found[f"window{length}_tv"] = windows.window_variation(*halves, which)
    reliable = float(facts["third_reliability"][0])
    if reliable < INFORMATIVE:
        return found | dict.fromkeys(("three_point_corr", "three_point_slope"), Interval(np.nan))
    moments = windows.third_moments(made), windows.third_moments(real), facts["triples"]
    return found | {
        "three_point_corr": agreement.correlation(*moments, origin=True),
        "three_point_slope": agreement.slope(*moments, reliable=reliable, origin=True),
    }


def _structure(
    made: Genotypes, real: Genotypes, facts: Statistics, seed: int
) -> dict[str, Interval]:
    """Axes from one half of the real people, the other half against as many synthetic people.

    People lie further out on axes that were fitted on them than new people do; with the halves
    exchanged, nobody is compared on axes of their own.
    """
    clouds: tuple[list[structure.Scores], list[structure.Scores]] = [], []
    for name, one, other in zip("ba", halves_of(made), halves_of(real), strict=True):
        axes = restored(structure.Axes, name, facts)
        for cloud, people in zip(clouds, (one, other), strict=True):
            cloud.append(structure.project(people, axes))
    leading = [[scores[:, :COMPONENTS] for scores in cloud] for cloud in clouds]

    def wasserstein(x: structure.Scores, y: structure.Scores) -> float:
        return structure.sliced_wasserstein(x, y, rng=seeds.rng(0, "fidelity", "directions"))

    redraw = seeds.rng(seed, "fidelity", "bootstrap")
    return {
        "pc_wasserstein": structure.bootstrap(wasserstein, *leading, rng=redraw, repeats=40),
        "pc_variance_ratio": structure.bootstrap(
            structure.variance_ratio, *leading, rng=redraw, log=True
        ),
        "pc_frechet": structure.bootstrap(distribution.frechet, *clouds, rng=redraw, repeats=40),
    }


def _ancestry(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    populations = restored(ancestry.Populations, "populations", facts)
    placed = populations.place(made), populations.place(real)
    return {
        "ancestry_fst": ancestry.population_fst(made, real, *placed),
        "ancestry_shares": ancestry.share_variation(*placed, count=populations.count),
    }


def _manifold(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    (at_k,) = manifold.manifold_curve(made, real, ks=(NEIGHBOURS,), real_radii=facts["radii"])
    halves = halves_of(made), halves_of(real)
    covered = [
        manifold.Cover(facts[f"curve_share_{name}"], facts[f"curve_lone_{name}"]) for name in "ab"
    ]
    precision, recall = manifold.curve_areas(
        *halves,
        ks=curve_ks(len(halves[1][0])),
        real_radii=(facts["curve_radii_a"], facts["curve_radii_b"]),
        real_cover=(covered[0], covered[1]),
    )
    full = {name: getattr(at_k, name) for name in ("precision", "recall", "density", "coverage")}
    return full | {"precision_area": precision, "recall_area": recall}


def _discrepancy(
    made: Genotypes, real: Genotypes, facts: Statistics, seed: int
) -> dict[str, Interval]:
    squared, p = distribution.mean_discrepancy(
        made[:KERNEL],
        real[:KERNEL],
        bandwidth=float(facts["bandwidth"][0]),
        rng=seeds.rng(seed, "fidelity", "permutations"),
    )
    return {"mmd2": squared, "mmd_p": p}


def _encoded(made: Genotypes, real: Genotypes, facts: Statistics, seed: int) -> dict[str, Interval]:
    encoder, columns = restored(Encoder, "encoder", facts), facts["columns"].astype(np.int64)
    codes = [encoder(made[:, columns])], [encoder(real[:, columns])]
    redraw = seeds.rng(seed, "fidelity", "codes")
    return {"fred": structure.bootstrap(distribution.frechet, *codes, rng=redraw, repeats=40)}


def _two_sample(made: Genotypes, real: Genotypes, seed: int) -> Interval:
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or 1))  # the harness sets it per job
    return two_sample_auc(made, real, seed=seeds.derive(seed, "fidelity", "trees"), threads=threads)


def _drawn(genotypes: Genotypes, n: int, rng: np.random.Generator) -> Genotypes:
    """``n`` people in random order: their own order may follow the label."""
    drawn: Genotypes = genotypes[rng.permutation(len(genotypes))[:n]]
    return drawn

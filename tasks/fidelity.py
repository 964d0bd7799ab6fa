"""Does the synthetic cohort look like real people? Always people that no generator has seen.

Sizes. Distances between samples shrink as samples grow, so every metric compares equal numbers: as
many synthetic people as there are test people, drawn by seed; if there are fewer, as many test
people as synthetic ones. Metrics that look at all pairs or train trees stop at ``MOST`` of each.
The `real` control is scored in the same way and shows what is reached by chance at that size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import frequency, ld, manifold, structure
from genobench.metrics.genotypes import comparable, subsample
from genobench.metrics.intervals import Interval
from genobench.metrics.two_sample import two_sample_auc
from genobench.task import Estimate, Reference, Task

FEWEST = 40  # people: below, halves, folds and neighbourhoods hold nobody
MOST = 5_000  # people of each kind in manifold, structure and the two-sample test
LOCAL = 16  # SNPs apart, for correlation, slope and RMSE of r2
REACH = 64  # SNPs apart, for the decay curve
COMPONENTS = 10
NEIGHBOURS = 5

Measure = Callable[[], Mapping[str, Interval]]
Statistics = dict[str, NDArray[Any]]


class Fidelity(Task):
    """Frequencies, LD, structure, manifold and a two-sample test against the test people."""

    def prepare(self, split: Split, *, seed: int) -> Statistics:
        """Statistics of the test people; the validation people only say which SNPs are rare."""
        test = split.test
        if test.n < FEWEST:
            raise GenobenchError(f"fidelity: {test.n} test people, {FEWEST} are the least")
        rare = frequency.allele_frequency(split.validation.genotypes)
        return {"bin_frequency": rare, **_statistics(test, test.genotypes, seed)}

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates of all metrics; ``seed`` draws people, folds and directions.

        LD correlation, slope and decay are NaN where real people would not agree with real people
        (LD-clumped variants); ``n`` is the number of people on either side.
        """
        test = reference.split.test
        comparable(synthetic.genotypes, test.genotypes, at_least=FEWEST)
        n = min(synthetic.n, test.n)
        made = _drawn(synthetic.genotypes, n, seeds.rng(seed, "fidelity", "synthetic"))
        real, facts = test.genotypes, dict(reference.statistics)
        if n < test.n:
            real = subsample(real, n, seeds.rng(seed, "fidelity", "real"))
            facts.update(_statistics(test, real, seed))
        few = facts["few"].astype(np.int64)
        few_made, few_real = made[: len(few)], real[few]
        groups: tuple[tuple[int, Measure], ...] = (
            (n, lambda: _frequencies(made, real, facts)),
            (n, lambda: _linkage(made, real, facts, _map(test)[0])),
            (len(few), lambda: _structure(few_made, few_real, facts, seed)),
            (len(few), lambda: _manifold(few_made, few_real, facts)),
            (len(few), lambda: {"two_sample_auc": _two_sample(few_made, few_real, seed)}),
        )
        return {k: e for people, measure in groups for k, e in _timed(measure, people).items()}


def _statistics(test: Cohort, real: Genotypes, seed: int) -> Statistics:
    """What scores need to know of ``real``, the test people or some of them."""
    band = ld.r2_band(real, reach=REACH)
    local = _pairs(test, real, LOCAL)
    few = seeds.rng(seed, "fidelity", "few").permutation(len(real))[:MOST]  # in random order
    facts = {
        "r2": band,
        "reliability": np.array(
            [ld.reliability(real, local, rng=seeds.rng(seed, "fidelity", "halves"))]
        ),
        "local": local.valid,
        "decay_bin": ld.decay_bins(_pairs(test, real, REACH)).astype(np.int8),
        "few": few,
        "radii": manifold.radii(real[few], ks=(NEIGHBOURS,)),
    }
    for name, half in zip("ab", _halves(real[few]), strict=True):
        axes = structure.fit_axes(half, components=COMPONENTS)
        facts |= {f"{part}_{name}": value for part, value in vars(axes).items()}
    return facts


def _frequencies(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    return {
        "af_rmse": frequency.frequency_rmse(made, real),
        "af_max_z": Interval(frequency.frequency_max_z(made, real)),
        "af_slope_rare": frequency.rare_slope(made, real, bin_frequency=facts["bin_frequency"]),
        "new_monomorphic": frequency.new_monomorphic(made, real),
        "genotype_tv": frequency.genotype_variation(made, real),
        "het_ratio": frequency.heterozygosity_ratio(made, real),
        "het_sd_ratio": frequency.heterozygosity_spread(made, real),
    }


def _linkage(
    made: Genotypes, real: Genotypes, facts: Statistics, chromosome: NDArray[np.int64]
) -> dict[str, Interval]:
    """LD metrics; NaN for those that need LD in the real people when these have none."""
    band, wanted = ld.r2_band(made, reach=REACH), facts["r2"]
    reach = len(facts["local"])
    near = band[:reach], wanted[:reach]
    local = ld.Pairs(facts["local"], np.zeros(facts["local"].shape))
    columns = seeds.rng(0, "fidelity", "far")
    found = {
        "ld_r2_rmse": ld.r2_rmse(*near, local),
        "ld_far": ld.far_excess(made, real, chromosome=chromosome, rng=columns),
    }
    reliable = float(facts["reliability"][0])
    if reliable < ld.INFORMATIVE:
        return found | dict.fromkeys(("ld_r2_corr", "ld_r2_slope", "ld_decay"), Interval(np.nan))
    return found | {
        "ld_r2_corr": ld.r2_correlation(*near, local),
        "ld_r2_slope": ld.r2_slope(*near, local, reliable=reliable),
        "ld_decay": ld.decay_distance(band, wanted, facts["decay_bin"].astype(np.int64)),
    }


def _structure(
    made: Genotypes, real: Genotypes, facts: Statistics, seed: int
) -> dict[str, Interval]:
    """Axes from one half of the real people, the other half against as many synthetic people.

    People lie further out on axes that were fitted on them than new people do; with the halves
    exchanged, nobody is compared on axes of their own.
    """
    clouds: tuple[list[structure.Scores], list[structure.Scores]] = [], []
    for name, one, other in zip("ba", _halves(made), _halves(real), strict=True):
        axes = structure.Axes(*(facts[f"{p}_{name}"] for p in ("mean", "scale", "components")))
        for cloud, people in zip(clouds, (one, other), strict=True):
            cloud.append(structure.project(people, axes))

    def wasserstein(x: structure.Scores, y: structure.Scores) -> float:
        return structure.sliced_wasserstein(x, y, rng=seeds.rng(0, "fidelity", "directions"))

    redraw = seeds.rng(seed, "fidelity", "bootstrap")
    return {
        "pc_wasserstein": structure.bootstrap(wasserstein, *clouds, rng=redraw, repeats=40),
        "pc_variance_ratio": structure.bootstrap(
            structure.variance_ratio, *clouds, rng=redraw, log=True
        ),
    }


def _manifold(made: Genotypes, real: Genotypes, facts: Statistics) -> dict[str, Interval]:
    (at_k,) = manifold.manifold_curve(made, real, ks=(NEIGHBOURS,), real_radii=facts["radii"])
    return {name: getattr(at_k, name) for name in ("precision", "recall", "density", "coverage")}


def _two_sample(made: Genotypes, real: Genotypes, seed: int) -> Interval:
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or 1))  # the harness sets it per job
    return two_sample_auc(made, real, seed=seeds.derive(seed, "fidelity", "trees"), threads=threads)


def _timed(measure: Measure, people: int) -> dict[str, Estimate]:
    """Estimates of metrics that were computed together; they share the seconds."""
    start = time.perf_counter()
    found = measure()
    seconds = (time.perf_counter() - start) / len(found)
    return {k: Estimate(*interval, n=people, seconds=seconds) for k, interval in found.items()}


def _map(cohort: Cohort) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chromosome numbers and positions of the variants."""
    chromosome = np.unique(cohort.variants["chrom"].astype(str), return_inverse=True)[1]
    return chromosome.astype(np.int64), cohort.variants["pos"].to_numpy(np.int64)


def _pairs(test: Cohort, real: Genotypes, reach: int) -> ld.Pairs:
    chromosome, position = _map(test)
    p = frequency.allele_frequency(real)
    return ld.pairs(chromosome=chromosome, position=position, frequency=p, reach=reach)


def _halves(people: Genotypes) -> tuple[Genotypes, Genotypes]:
    """The first and the second half, equal in size."""
    half = len(people) // 2
    return people[:half], people[half : 2 * half]


def _drawn(genotypes: Genotypes, n: int, rng: np.random.Generator) -> Genotypes:
    """``n`` people in random order: their own order may follow the label."""
    drawn: Genotypes = genotypes[rng.permutation(len(genotypes))[:n]]
    return drawn

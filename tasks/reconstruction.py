"""How much of a person survives a round trip through the model?

For generators that encode: the test people go in and come back (`generator.Reconstructs`), and are
held against themselves. What is lost here no sample of that generator can have. Beside it stand
PCA round trips that keep 80 to 99 % of the variance of the training people, made from real people
alone: the same for every model, and the scale on which an autoencoder is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import ld, reconstruction
from genobench.metrics.frequency import allele_frequency
from genobench.metrics.intervals import Interval
from genobench.metrics.maf_bins import maf_bins
from genobench.task import Estimate, Reference, Task, timed

from ._linkage import LOCAL, chromosomes, local_pairs

VARIANCE_KEPT = {"pca80": 0.80, "pca90": 0.90, "pca95": 0.95, "pca99": 0.99}
LEVEL_METRICS = {
    "r2": reconstruction.dosage_r2,
    "concordance": reconstruction.concordance,
    "het_concordance": reconstruction.het_concordance,
}
FEWEST = 40  # people
MOST = 20_000  # training people: their components are as good as those of more


class Reconstruction(Task):
    """Concordance, dosage r2 and LD of the test people after the generator's round trip."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """PCA round trips of the test people: value, low and high of each level and metric."""
        test = split.test
        if test.n < FEWEST:
            raise GenobenchError(f"reconstruction: {test.n} test people, {FEWEST} are the least")
        train = split.train.genotypes
        trips = reconstruction.pca_round_trips(
            train[:: max(1, -(-len(train) // MOST))],
            test.genotypes,
            chromosome=chromosomes(test),
            shares=list(VARIANCE_KEPT.values()),
        )
        return {
            f"{level}_{name}": np.array(metric(trip, test.genotypes))
            for level, trip in zip(VARIANCE_KEPT, trips, strict=True)
            for name, metric in LEVEL_METRICS.items()
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates; empty without a round trip (a file that somebody else made has none).

        The synthetic cohort plays no part: this is about the model, not about its samples.
        """
        back, split = reference.round_trip, reference.split
        if back is None:
            return {}
        people = split.test
        levels = {k: Interval(*map(float, v)) for k, v in reference.statistics.items()}
        own = timed(lambda: _returned(back, people, split.validation), people.n)
        return {**own, **timed(lambda: levels, people.n)}


def _returned(back: Genotypes, people: Cohort, validation: Cohort) -> dict[str, Interval]:
    """What came back of the test people; the validation people only say which alleles are rare."""
    real, by = people.genotypes, allele_frequency(validation.genotypes)
    found = {
        "r2": reconstruction.dosage_r2(back, real),
        "concordance": reconstruction.concordance(back, real),
        "het_concordance": reconstruction.het_concordance(back, real),
    }
    for name, inside in maf_bins(by).items():
        sides = back[:, inside], real[:, inside]
        found[f"concordance_{name}"] = reconstruction.concordance(*sides)
        found[f"carriers_{name}"] = reconstruction.carrier_concordance(
            *sides, flip=by[inside] > 0.5
        )
    which = local_pairs(people)
    bands = ld.r2_band(back, reach=LOCAL), ld.r2_band(real, reach=LOCAL)
    found["ld_r2_corr"] = ld.r2_correlation(*bands, which)
    found["ld_r2_slope"] = ld.r2_slope(*bands, which)
    return found

"""Pairs of neighbouring variants of a cohort, as several tasks look at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.metrics import ld
from genobench.metrics.frequency import allele_frequency

LOCAL = 16  # SNPs apart


def chromosomes(cohort: Cohort) -> NDArray[np.int64]:
    """(m,) number of each variant's chromosome."""
    numbers = np.unique(cohort.variants["chrom"].astype(str), return_inverse=True)[1]
    return numbers.astype(np.int64)


def local_pairs(people: Cohort, *, reach: int = LOCAL) -> ld.Pairs:
    """Pairs at most ``reach`` variants apart that are common among ``people`` (`ld.pairs`)."""
    return ld.pairs(
        chromosome=chromosomes(people),
        position=people.variants["pos"].to_numpy(np.int64),
        frequency=allele_frequency(people.genotypes),
        reach=reach,
    )

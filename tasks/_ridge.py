"""The joint predictor of the utility task, trained on one cohort and applied to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort
from genobench.errors import GenobenchError
from genobench.metrics.prediction import Floats, Ridge


def ridge_scores(
    source: Cohort, test: Cohort, variants: NDArray[np.bool_] | slice = slice(None)
) -> Floats:
    """(h,) scores of the test people by a ridge on some variants of the source."""
    if source.trait is None:
        raise GenobenchError("these people have no trait: name one with --trait")
    ridge = Ridge.of(np.ascontiguousarray(source.genotypes[:, variants]))
    fitted = ridge.fit(source.labels, source.trait.kind)
    return ridge.predict(*fitted, test.genotypes[:, variants])


def drawn(cohort: Cohort, n: int, *, seed: int) -> Cohort:
    """``n`` people at random, in their order; all of them when there are no more."""
    if n >= cohort.n:
        return cohort
    return cohort.take(np.sort(seeds.rng(seed, "drawn", n).permutation(cohort.n)[:n]))

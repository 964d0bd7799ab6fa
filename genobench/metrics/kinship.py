"""Relatives of synthetic people among the training people, by KING-robust kinship.

The estimator is that of `genobench.data.kinship` (Manichaikul et al., Bioinformatics 2010). On few
variants, or on variants in LD, it is noisy, and the closest of many training people looks related
by chance: shares mean something only beside those of real people whom nobody trained on.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.data.kinship import TILE, kinship_tile
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Interval, wilson

Kinship = NDArray[np.float32]
# closer than the geometric mean of the kinship of two neighbouring degrees: 2^-(degree + 3/2)
BANDS = {"duplicate": 0.354, "first": 0.177, "second": 0.0884, "third": 0.0442}


def closest(people: Genotypes, training: Genotypes) -> Kinship:
    """Kinship with the closest training person, (n,), in tiles; -inf where it is undefined.

    Parameters
    ----------
    people, training
        (n, m) and (t, m) complete genotypes.
    """
    checked(people, name="these")
    checked(training, name="training")
    found = np.full(len(people), -np.inf, np.float32)
    for j in range(0, len(training), TILE):
        tile = training[j : j + TILE]
        for i in range(0, len(people), TILE):
            kinship = kinship_tile(people[i : i + TILE], tile)
            part = found[i : i + TILE]
            np.fmax(part, np.fmax.reduce(kinship, axis=1), out=part)
    return found


def excess(synthetic: Kinship, holdout: Kinship, *, least: float) -> Interval:
    """Share of S with a training relative closer than ``least``, minus the share of H.

    Parameters
    ----------
    synthetic, holdout
        `closest` of (s,) synthetic and (h,) hold-out people, to the same training people.
    least
        One of `BANDS`.

    Returns
    -------
    Interval
        0 for fresh people. Newcombe's interval of a difference of two proportions, which holds at
        shares of 0 and 1 (Newcombe, Statistics in Medicine 1998, method 10).
    """
    s, h = (wilson(int((k > least).sum()), k.size) for k in (synthetic, holdout))
    gap = s.value - h.value
    return Interval(
        gap,
        gap - math.hypot(s.value - s.low, h.high - h.value),
        gap + math.hypot(s.high - s.value, h.value - h.low),
    )

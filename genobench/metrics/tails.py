"""Attacks on the people who are easiest to find: those unlike others, those with rare alleles.

An attack that is at chance on average may still find the few who stand out, and it is they whom a
release harms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.metrics.intervals import Interval
from genobench.metrics.membership import strongest

Floats = NDArray[np.float64]
SHARE = 0.1  # of the candidates that make the tail
RARE = 0.05  # allele frequency
FEWEST = 20  # members, and non-members, below which an AUC says nothing


def rare_load(candidates: Genotypes, reference: Genotypes) -> Floats:
    """How much rare variation each candidate carries, (n,): sum of copies times -log frequency.

    Rare are alleles below `RARE` in the reference; one that nobody there has counts as half a copy.

    Parameters
    ----------
    candidates, reference
        (n, m), (r, m) complete genotypes.
    """
    frequency = (reference.sum(0, dtype=np.int64) + 0.5) / (2 * len(reference) + 1)
    minor = np.minimum(frequency, 1 - frequency)
    weight = np.where(minor < RARE, -np.log(minor), 0.0)
    counted = frequency <= 0.5
    load: Floats = candidates[:, counted] @ weight[counted]
    load += (2 - candidates[:, ~counted]) @ weight[~counted]
    return load


def tail(values: NDArray[Any], *, share: float = SHARE) -> NDArray[np.bool_]:
    """The people with the highest ``values``, (n,): a ``share``, and all who tie with its last.

    Whoever has the least value of all is never among them: carriers of nothing are no tail.
    """
    cut = np.quantile(values, 1 - share, method="higher")
    chosen: NDArray[np.bool_] = (values >= cut) & (values > values.min())
    return chosen


def strongest_in(
    chosen: NDArray[np.bool_],
    attacks: Mapping[str, Floats],
    member: NDArray[np.bool_],
    *,
    families: NDArray[Any] | None = None,
) -> Interval | None:
    """`strongest` of several attacks on the ``chosen`` candidates, (n,) all; None of too few.

    Members and non-members are chosen by one rule that looks at neither membership nor S, so that
    no leak still means .5.
    """
    among = member[chosen]
    if min(among.sum(), (~among).sum()) < FEWEST:
        return None
    return strongest(
        {name: scores[chosen] for name, scores in attacks.items()},
        among,
        families=None if families is None else families[chosen],
    )

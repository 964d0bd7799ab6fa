"""Label inference: can the label of a person be guessed better for having been trained on?

The attacker knows the genotypes and holds the synthetic cohort with its labels. What the genotypes
say of the label of anybody is no leak: only what is guessed of members beyond non-members is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes, Labels
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import Found
from genobench.metrics.performance import apart
from genobench.metrics.prediction import Floats, Kind, Ridge

TIES = 32  # on short panels many are equally near; their order must not decide
MOST = 4_000  # synthetic people whom the model is trained on


def nearest_labels(to_synthetic: Found, labels: Labels) -> Floats:
    """Mean label of the nearest synthetic people, (n,); those of the found who tie count.

    Parameters
    ----------
    to_synthetic
        The `TIES` (or all) synthetic people nearest to each candidate, (n, k).
    labels
        (s,) of the synthetic people.
    """
    distances, index = to_synthetic
    tied = distances == distances[:, :1]
    guessed: Floats = np.where(tied, labels[index], 0.0).sum(1) / tied.sum(1)
    return guessed


def model_labels(
    candidates: Genotypes,
    synthetic: Genotypes,
    labels: Labels,
    kind: Kind,
    *,
    rng: np.random.Generator,
) -> Floats:
    """Label that a ridge regression on (at most `MOST`) synthetic people predicts, (n,).

    A generator that fits its training people too closely hands on chance associations between
    their genotypes and labels, which hold for nobody else.
    """
    rows = np.sort(rng.permutation(len(synthetic))[:MOST])
    ridge = Ridge.of(synthetic[rows])
    return ridge.predict(*ridge.fit(labels[rows], kind), candidates)


def advantage(
    guessed: Floats,
    labels: Labels,
    member: NDArray[np.bool_],
    kind: Kind,
    *,
    rng: np.random.Generator,
) -> Interval:
    """AUC (r of a quantitative trait) of the guesses for members minus that for non-members.

    Parameters
    ----------
    guessed, labels, member
        (n,) of each candidate.
    rng
        Draws bootstrap samples of people for a quantitative trait.

    Returns
    -------
    Interval
        0 where membership does not help; NaN where either group has one label only.

    Source: Yeom et al., IEEE CSF 2018, definition 5 (attribute advantage), with AUC for accuracy.
    """
    return apart(
        guessed[None, member],
        labels[member],
        guessed[None, ~member],
        labels[~member],
        kind,
        rng=rng,
    )

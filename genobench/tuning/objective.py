"""What tuning makes small, measured on validation people alone.

Three shortcomings of a synthetic cohort, added up:

``two_sample``
    How far from .5 the AUC is at which trees tell synthetic people from validation people.
``utility``
    How much worse the joint ridge predictor sorts validation people when it was trained on
    synthetic people than when it was trained on the people the generator was fitted to.
``leak``
    How far above .5 the AUC is of the strongest membership attack that allows for how typical
    people are: members are people of the fit, non-members validation people.

All three are differences of AUCs, each 0 for a second real sample. Added with equal weights, none
can be bought with another at better than par: a generator that copies people gains half a unit of
likeness at most and loses as much in leak. This sum only chooses settings; no table shows it.
"""

from __future__ import annotations

import math

import numpy as np

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.metrics import membership
from genobench.metrics.auc import auc_interval
from genobench.metrics.genotypes import subsample
from genobench.metrics.neighbours import encode, minimum
from genobench.metrics.prediction import Floats, Kind, Ridge
from genobench.metrics.two_sample import two_sample_auc
from genobench.seeds import derive, rng

MOST = 3_000  # people on either side of an attack or a two-sample test


def shortcomings(
    made: Genotypes,
    labels: Labels,
    people: Cohort,
    reference: Cohort,
    validation: Cohort,
    *,
    seed: int,
    threads: int = 1,
) -> dict[str, float]:
    """The three parts of the objective.

    Parameters
    ----------
    made, labels
        (n, m) synthetic people and (n,) the labels they were asked for.
    people
        Whom the generator was fitted to: members, and what a predictor learns from real people.
    reference
        The attacker's own people, by whom fits were stopped at most.
    validation
        Everything is measured on these.
    seed
        Of draws, folds and trees; the same for all trials.

    Raises
    ------
    GenobenchError
        When one of them is not a number.
    """
    found = {
        "two_sample": _two_sample(made, validation, seed, threads),
        "utility": _utility(made, labels, people, validation),
        "leak": _leak(made, people, reference, validation, seed),
    }
    if wrong := [name for name, value in found.items() if not math.isfinite(value)]:
        raise GenobenchError(f"{', '.join(wrong)}: not a number on these people")
    return found


def _two_sample(made: Genotypes, validation: Cohort, seed: int, threads: int) -> float:
    draw = rng(seed, "two_sample")
    n = min(len(made), validation.n, MOST)
    pair = (subsample(g, n, draw) for g in (made, validation.genotypes))
    auc = two_sample_auc(*pair, seed=derive(seed, "trees"), threads=threads)
    return abs(auc.value - 0.5)


def _utility(made: Genotypes, labels: Labels, people: Cohort, validation: Cohort) -> float:
    assert validation.trait is not None
    kind: Kind = validation.trait.kind
    sorted_by = []
    for genotypes, y in ((people.genotypes, people.labels), (made, labels)):
        ridge = Ridge.of(genotypes)
        scores = ridge.predict(*ridge.fit(y, kind), validation.genotypes)
        sorted_by.append(concordance(scores, validation.labels, kind))
    return max(0.0, sorted_by[0] - sorted_by[1])


def concordance(scores: Floats, labels: Labels, kind: Kind) -> float:
    """Share of pairs of people with different labels whom the scores sort rightly.

    For a binary trait that is the AUC, for a quantitative one (tau_b + 1) / 2 with Kendall's tau:
    the same unit for both. .5 for constant scores.
    """
    if kind == "binary":
        return float(auc_interval(scores, labels).value)
    from scipy.stats import kendalltau

    if np.ptp(scores) == 0 or np.ptp(labels) == 0:
        return 0.5
    return (float(kendalltau(scores, labels).statistic) + 1) / 2


def _leak(
    made: Genotypes, people: Cohort, reference: Cohort, validation: Cohort, seed: int
) -> float:
    n = min(people.n, validation.n, MOST)
    members, others = (
        subsample(cohort.genotypes, n, rng(seed, "leak", name))
        for name, cohort in (("members", people), ("non-members", validation))
    )
    candidates = np.concatenate([members, others])
    held = subsample(reference.genotypes, MOST, rng(seed, "leak", "reference"))
    own, synthetic = encode(held), encode(made)
    attacks = {
        "calibrated": membership.calibrated_scores(
            candidates,
            held,
            candidates_to_synthetic=minimum(candidates, synthetic),
            reference_to_synthetic=minimum(held, synthetic),
            candidates_to_reference=minimum(candidates, own),
            reference_to_itself=minimum(own, own, exclude_self=True),
        ),
        "windowed": membership.windowed_scores(
            candidates, made, held, people.variants["chrom"].to_numpy(), trained=people.n
        ),
        "af": membership.frequency_scores(candidates, made, held),
    }
    strongest = membership.strongest(attacks, np.arange(2 * n) < n)
    return max(0.0, float(strongest.value) - 0.5)

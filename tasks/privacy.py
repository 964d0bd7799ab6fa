"""Does a synthetic cohort give away the people it was made from?

Members are training people, non-members are test people, in equal numbers; the attacker also holds
a reference of validation and control people, whom no generator was trained on. The people of the
`real` control lie in that reference, for members and non-members alike, so that it still meets the
null hypothesis of no leak.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import disclosure, membership
from genobench.metrics.auc import auc_interval, tpr_at_fpr
from genobench.metrics.genotypes import checked, subsample
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import encode, minimum, nearest
from genobench.seeds import rng
from genobench.task import Estimate, Reference, Statistics, Task

Measured = tuple[int, dict[str, Interval]]  # people behind the values, values by metric


@dataclass(frozen=True, eq=False)
class Scene:
    """Everybody who takes part in scoring one synthetic cohort."""

    synthetic: Genotypes
    train: Genotypes
    members: Genotypes  # of train, as many as non_members
    non_members: Genotypes  # of test
    reference: Genotypes  # validation and control: the attacker's own
    families: NDArray[Any] | None  # of members, then non-members
    chromosomes: NDArray[Any]
    statistics: Statistics
    seed: int


class Privacy(Task):
    """Copies, nearest distances, adversarial accuracy and membership attacks."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Who are the candidates, and how far real people are from each other."""
        _disjoint(split.train, split.test)
        n = min(split.train.n, split.test.n)
        members, non_members = (
            np.sort(rng(seed, "privacy", name).choice(cohort.n, n, replace=False))
            for name, cohort in (("members", split.train), ("non-members", split.test))
        )
        candidates = np.concatenate(
            [split.train.genotypes[members], split.test.genotypes[non_members]]
        )
        reference = encode(_reference(split))
        holdout, _ = nearest(split.test.genotypes, split.train.genotypes, 2)
        return {
            "members": members,
            "non_members": non_members,
            "holdout_to_train": holdout,
            "candidates_to_reference": minimum(candidates, reference),
            "reference_to_itself": minimum(reference, reference, exclude_self=True),
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Every metric of the card; none needs the labels."""
        split, statistics = reference.split, reference.statistics
        if synthetic.m != split.train.m:
            raise GenobenchError(
                f"synthetic people have {synthetic.m} variants, the training people {split.train.m}"
            )
        scene = Scene(
            synthetic=checked(synthetic.genotypes, name="synthetic", at_least=2),
            train=split.train.genotypes,
            members=split.train.genotypes[statistics["members"]],
            non_members=split.test.genotypes[statistics["non_members"]],
            reference=_reference(split),
            families=_families(split, statistics),
            chromosomes=split.train.variants["chrom"].to_numpy(),
            statistics=statistics,
            seed=seed,
        )
        measures: tuple[Callable[[Scene], Measured], ...] = (
            _copies,
            _distances,
            _accuracy,
            _loss,
            _attacks,
        )
        estimates: dict[str, Estimate] = {}
        for measure in measures:
            started = time.perf_counter()
            n, found = measure(scene)
            seconds = (time.perf_counter() - started) / len(found)
            estimates |= {k: Estimate(*v, n=n, seconds=seconds) for k, v in found.items()}
        return estimates


def _copies(scene: Scene) -> Measured:
    """Rows of S that are identical to a training person, or to each other."""
    s = scene.synthetic
    return len(s), {
        "duplicates_train": disclosure.duplicates(s, scene.train),
        "duplicates_excess": disclosure.duplicates_excess(s, scene.members, scene.non_members),
        "duplicates_within": disclosure.repeats(s),
    }


def _distances(scene: Scene) -> Measured:
    """Whether S lies closer to the training people than other real people do."""
    codes = encode(scene.synthetic)
    to_train, _ = nearest(codes, scene.train, 2)
    holdout = np.asarray(scene.statistics["holdout_to_train"])
    return codes.n, {
        "closer_to_train": disclosure.closer_to_members(
            nearest(codes, scene.members, 1), nearest(codes, scene.non_members, 1)
        ),
        "nn_distance_ratio": disclosure.distance_ratio(
            to_train[:, 0], holdout[:, 0], rng=rng(scene.seed, "privacy", "bootstrap")
        ),
        "nndr_gap": disclosure.nndr_gap(to_train, holdout),
    }


def _accuracy(scene: Scene) -> Measured:
    """Adversarial accuracy of as many training as synthetic people."""
    draw = rng(scene.seed, "privacy", "accuracy")
    n = min(len(scene.train), len(scene.synthetic))
    truth, syn = disclosure.adversarial_accuracy(
        subsample(scene.train, n, draw), subsample(scene.synthetic, n, draw)
    )
    return n, {"aa_truth": truth, "aa_syn": syn}


def _loss(scene: Scene) -> Measured:
    """Privacy loss of as many members, non-members and synthetic people."""
    draw = rng(scene.seed, "privacy", "loss")
    n = min(len(scene.members), len(scene.synthetic))
    people = (scene.members, scene.non_members, scene.synthetic)
    loss = disclosure.privacy_loss(*(subsample(g, n, draw) for g in people))
    return n, {"privacy_loss": loss}


def _attacks(scene: Scene) -> Measured:
    """Every attack on the same candidates, and the strongest of them.

    The strongest is sought among attacks that allow for how typical a person is: members and
    non-members differ in that by chance, the same way for every generator.
    """
    s, r, families = scene.synthetic, scene.reference, scene.families
    candidates = np.concatenate([scene.members, scene.non_members])
    member = np.arange(len(candidates)) < len(scene.members)
    near = membership.nearest_scores(candidates, s)
    scores = {
        "calibrated": membership.calibrated_scores(
            candidates,
            s,
            r,
            candidates_to_reference=scene.statistics["candidates_to_reference"],
            reference_to_itself=scene.statistics["reference_to_itself"],
        ),
        "windowed": membership.windowed_scores(candidates, s, r, scene.chromosomes),
        "af": membership.frequency_scores(candidates, s, r),
    }
    found = {"strongest_attack_auc": membership.strongest(scores, member, families=families)}
    found |= {
        f"{name}_attack_auc": auc_interval(v, member, families=families)
        for name, v in {"nearest": near, **scores}.items()
    }
    found["nearest_attack_tpr1"] = tpr_at_fpr(near, member, fpr=0.01)
    found["windowed_attack_tpr1"] = tpr_at_fpr(scores["windowed"], member, fpr=0.01)
    floor = membership.frequency_floor(s.shape[1], len(scene.train))
    found["af_attack_floor"] = Interval(floor)
    return len(candidates), found


def _reference(split: Split) -> Genotypes:
    return np.concatenate([split.validation.genotypes, split.control.genotypes])


def _families(split: Split, statistics: Statistics) -> NDArray[Any] | None:
    """Family of each candidate where the samples tell; whoever has none is one of his own."""
    parts: list[NDArray[Any]] = []
    for part, rows in ((split.train, "members"), (split.test, "non_members")):
        if "family" not in part.samples:
            return None
        table = part.samples.iloc[np.asarray(statistics[rows])]
        own = "\t" + table["fid"] + "\t" + table["iid"]
        name = table["family"].astype(str)
        parts.append(name.where(~name.isin(["", "0", "nan"]), own).to_numpy(str))
    families: NDArray[Any] = np.concatenate(parts)
    return families


def _disjoint(train: Cohort, test: Cohort) -> None:
    """Refuse people who are both trained on and tested on."""
    ids = [set(zip(c.samples["fid"], c.samples["iid"], strict=True)) for c in (train, test)]
    if both := sorted(ids[0] & ids[1]):
        raise GenobenchError(
            f"{len(both)} people are in train and in test, the first is {' '.join(both[0])}; "
            "a member cannot be a non-member: split again by person"
        )

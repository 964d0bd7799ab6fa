"""Does a synthetic cohort give away the people it was made from?

Members are training people, non-members are test people, in equal numbers; the attacker also holds
a reference of validation and control people, whom no generator was trained on. The people of the
`real` control lie in that reference, for members and non-members alike, so that it still meets the
null hypothesis of no leak.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.audit import is_audit
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import disclosure, inference, kinship, membership, tails
from genobench.metrics.auc import auc_interval, detectable_auc, tpr_at_fpr
from genobench.metrics.epsilon import audit_epsilon, holdout_epsilon
from genobench.metrics.genotypes import checked, subsample
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import Codes, Found, encode, minimum, mutual, nearest
from genobench.seeds import rng
from genobench.task import Estimate, Reference, Statistics, Task

Measured = tuple[int, dict[str, Interval]]  # people behind the values, values by metric
RELATIVES = 3_000  # people at most whose relatives are looked for: enough for a share
RARE_ALARM = 1_000  # non-members of whom one in a thousand can be told


@dataclass(frozen=True, eq=False)
class Scene:
    """Everybody who takes part in scoring one synthetic cohort."""

    synthetic: Genotypes
    train: Genotypes
    members: Genotypes  # of train, as many as non_members
    non_members: Genotypes  # of test
    reference: Genotypes  # validation and control: the attacker's own
    test: Genotypes
    coins: NDArray[Any] | None  # family of train, then of test, where a coin decided who is where
    families: NDArray[Any] | None  # of members, then non-members
    chromosomes: NDArray[Any]
    guessed: Trait | None  # labels of the synthetic people
    labels: Trait | None  # of members, then non-members
    statistics: Statistics
    seed: int

    @cached_property
    def candidates(self) -> Genotypes:
        """Members, then non-members."""
        return np.concatenate([self.members, self.non_members])

    @cached_property
    def member(self) -> NDArray[np.bool_]:
        """Of each candidate."""
        return np.arange(len(self.candidates)) < len(self.members)

    @cached_property
    def codes(self) -> Codes:
        """Of the synthetic people."""
        return encode(self.synthetic)

    @cached_property
    def across(self) -> tuple[Found, Found]:
        """The two of train nearest to each synthetic person, the synthetic one to each of train."""
        return mutual(self.codes, self.train, 2)

    @cached_property
    def around(self) -> tuple[tuple[Found, Found], tuple[Found, Found]]:
        """Synthetic people nearest to each candidate, and the candidate nearest to each of them.

        For members, then for non-members. Members are met in `across` as well, which tells neither
        the nearest of them nor the ties that labels are guessed by.
        """
        k = 1 if self.guessed is None else min(inference.TIES, len(self.synthetic))
        return mutual(self.members, self.codes, k), mutual(self.non_members, self.codes, k)

    @cached_property
    def to_synthetic(self) -> Found:
        """Synthetic people nearest to each candidate, `inference.TIES` where there are labels."""
        (members, _), (others, _) = self.around
        return Found(
            np.concatenate([members.distances, others.distances]),
            np.concatenate([members.indices, others.indices]),
        )

    @cached_property
    def attacks(self) -> dict[str, membership.Floats]:
        """Scores of every attack on the candidates, the one blind to how typical they are first."""
        s, r, distance = self.synthetic, self.reference, self.to_synthetic.distances[:, 0]
        return {
            "nearest": membership.nearest_scores(distance),
            "calibrated": membership.calibrated_scores(
                self.candidates,
                r,
                candidates_to_synthetic=distance,
                reference_to_synthetic=minimum(r, self.codes),
                candidates_to_reference=self.statistics["candidates_to_reference"],
                reference_to_itself=self.statistics["reference_to_itself"],
            ),
            "windowed": membership.windowed_scores(
                self.candidates, s, r, self.chromosomes, trained=len(self.train)
            ),
            "af": membership.frequency_scores(self.candidates, s, r),
        }

    @property
    def fair_attacks(self) -> dict[str, membership.Floats]:
        """Those that allow for how typical a person is.

        Members and non-members differ in that by chance, the same way for every generator.
        """
        return {name: v for name, v in self.attacks.items() if name != "nearest"}


class Privacy(Task):
    """Copies, relatives, distances, membership attacks, tails and what they prove."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Who are the candidates, and how close real people are to each other."""
        _disjoint(split)
        n = min(split.train.n, split.test.n)
        members, non_members = (
            np.sort(rng(seed, "privacy", name).choice(cohort.n, n, replace=False))
            for name, cohort in (("members", split.train), ("non-members", split.test))
        )
        candidates = np.concatenate(
            [split.train.genotypes[members], split.test.genotypes[non_members]]
        )
        reference, train = encode(_reference(split)), encode(split.train.genotypes)
        holdout, _ = nearest(split.test.genotypes, train, 2)
        own, whom = nearest(train, train, 1, exclude_self=True)
        few = subsample(split.test.genotypes, RELATIVES, rng(seed, "privacy", "relatives"))
        return {
            "members": members,
            "non_members": non_members,
            "holdout_to_train": holdout,
            "train_to_itself": own,
            "train_nearest": whom,
            "holdout_kinship": kinship.closest(few, split.train.genotypes),
            "candidates_to_reference": minimum(candidates, reference),
            "reference_to_itself": minimum(reference, reference, exclude_self=True),
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Every metric of the card that people and labels suffice for."""
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
            test=split.test.genotypes,
            coins=_families(split) if is_audit(split) else None,
            families=_families(split, statistics),
            chromosomes=split.train.variants["chrom"].to_numpy(),
            guessed=synthetic.trait,
            labels=_labels(split, statistics),
            statistics=statistics,
            seed=seed,
        )
        measures: tuple[Callable[[Scene], Measured], ...] = (
            _copies,
            _relatives,
            _distances,
            _accuracy,
            _loss,
            _attacks,
            _bound,
            _audit,
            _outliers,
            _rare_alleles,
            _label_inference,
        )
        estimates: dict[str, Estimate] = {}
        for measure in measures:
            started = time.perf_counter()
            n, found = measure(scene)
            seconds = (time.perf_counter() - started) / max(len(found), 1)
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


def _relatives(scene: Scene) -> Measured:
    """Share of S with a relative in train, by how close, beyond that of test people."""
    few = subsample(scene.synthetic, RELATIVES, rng(scene.seed, "privacy", "relatives"))
    own = kinship.closest(few, scene.train)
    holdout = scene.statistics["holdout_kinship"]
    return len(few), {
        f"kinship_{band}": kinship.excess(own, holdout, least=least)
        for band, least in kinship.BANDS.items()
    }


def _distances(scene: Scene) -> Measured:
    """Whether S lies closer to the training people than other real people do."""
    to_train, _ = scene.across[0]
    (_, to_members), (_, to_others) = scene.around
    holdout = np.asarray(scene.statistics["holdout_to_train"])
    return len(to_train), {
        "closer_to_train": disclosure.closer_to_members(to_members, to_others),
        "nn_distance_ratio": disclosure.distance_ratio(
            to_train[:, 0], holdout[:, 0], rng=rng(scene.seed, "privacy", "bootstrap")
        ),
        "nndr_gap": disclosure.nndr_gap(to_train, holdout),
    }


def _accuracy(scene: Scene) -> Measured:
    """Adversarial accuracy of as many training as synthetic people.

    What is known of everybody serves where everybody takes part; who is nearest in a sample of the
    larger cohort has to be looked for again.
    """
    n = min(len(scene.train), len(scene.synthetic))
    if len(scene.train) == len(scene.synthetic):
        itself = Found(scene.statistics["train_to_itself"], scene.statistics["train_nearest"])
        own = nearest(scene.codes, scene.codes, 1, exclude_self=True)
        to_train, to_synthetic = scene.across
        found = disclosure.Neighbours(itself, own, to_synthetic, to_train)
    else:
        draw = rng(scene.seed, "privacy", "accuracy")
        found = disclosure.Neighbours.between(
            subsample(scene.train, n, draw), subsample(scene.synthetic, n, draw)
        )
    truth, syn = disclosure.adversarial_accuracy(found)
    return n, {"aa_truth": truth, "aa_syn": syn}


def _loss(scene: Scene) -> Measured:
    """Privacy loss of as many members, non-members and synthetic people."""
    draw = rng(scene.seed, "privacy", "loss")
    n = min(len(scene.members), len(scene.synthetic))
    people = (scene.members, scene.non_members, scene.synthetic)
    # samples, as a rule, of which searches of everybody say little: they are small
    members, others, synthetic = (encode(subsample(g, n, draw)) for g in people)
    own = nearest(synthetic, synthetic, 1, exclude_self=True)
    found = (
        disclosure.Neighbours(
            nearest(real, real, 1, exclude_self=True), own, *mutual(real, synthetic)
        )
        for real in (members, others)
    )
    return n, {"privacy_loss": disclosure.privacy_loss(*found)}


def _attacks(scene: Scene) -> Measured:
    """Every attack on the same candidates, and the strongest of the fair ones."""
    attacks, member, families = scene.attacks, scene.member, scene.families
    found = {
        "strongest_attack_auc": membership.strongest(scene.fair_attacks, member, families=families)
    }
    found |= {
        f"{name}_attack_auc": auc_interval(scores, member, families=families)
        for name, scores in attacks.items()
    }
    for name in ("nearest", "windowed"):
        found[f"{name}_attack_tpr1"] = tpr_at_fpr(attacks[name], member, fpr=0.01)
        if (~member).sum() >= RARE_ALARM:
            found[f"{name}_attack_tpr01"] = tpr_at_fpr(attacks[name], member, fpr=0.001)
    floor = membership.frequency_floor(scene.synthetic.shape[1], len(scene.train))
    found["af_attack_floor"] = Interval(floor)
    return len(member), found


def _bound(scene: Scene) -> Measured:
    """What the attacks on whole records and on segments prove, and what AUC would have shown.

    One person speaks for a family: relatives are no independent evidence.
    """
    kept = np.arange(len(scene.member))
    if scene.families is not None:
        kept = np.unique(scene.families, return_index=True)[1]
    member = scene.member[kept]
    tried = {name: scene.attacks[name][kept] for name in ("nearest", "windowed")}
    smallest = detectable_auc(
        int(member.sum()), int((~member).sum()), tests=len(scene.fair_attacks)
    )
    return len(member), {
        "epsilon_holdout": Interval(holdout_epsilon(tried, member)),
        "detectable_auc": Interval(smallest),
    }


def _audit(scene: Scene) -> Measured:
    """What the same two attacks prove in one run where a coin decided who was trained on.

    Everybody counts, however many were heads: equal numbers would make one coin tell of another.
    """
    if scene.coins is None:
        return 0, {}
    people = np.concatenate([scene.train, scene.test])
    to_synthetic = [scene.across[1].distances[:, 0], minimum(scene.test, scene.codes)]
    tried = {
        "nearest": membership.nearest_scores(np.concatenate(to_synthetic)),
        "windowed": membership.windowed_scores(
            people, scene.synthetic, scene.reference, scene.chromosomes, trained=len(people) // 2
        ),
    }
    heads = np.arange(len(people)) < len(scene.train)
    coins, bound = audit_epsilon(tried, heads, scene.coins)
    return coins, {"epsilon_audit": Interval(bound)}


def _outliers(scene: Scene) -> Measured:
    """The strongest attack on those farthest from the attacker's own people."""
    return _tail(scene, "outlier", scene.statistics["candidates_to_reference"])


def _rare_alleles(scene: Scene) -> Measured:
    """The strongest attack on those with most rare alleles."""
    load = tails.rare_load(scene.candidates, scene.reference)
    return _tail(scene, "rare_allele", load)


def _tail(scene: Scene, name: str, extreme: NDArray[Any]) -> Measured:
    chosen = tails.tail(extreme)
    best = tails.strongest_in(chosen, scene.fair_attacks, scene.member, families=scene.families)
    return int(chosen.sum()), {} if best is None else {f"{name}_attack_auc": best}


def _label_inference(scene: Scene) -> Measured:
    """How much better labels of members are guessed than those of non-members."""
    known, own = scene.labels, scene.guessed
    if known is None or own is None or known.kind != own.kind:
        return 0, {}
    draw = rng(scene.seed, "privacy", "labels")
    people = (scene.candidates, scene.synthetic, own.values)
    guesses = {
        "nearest": inference.nearest_labels(scene.to_synthetic, own.values),
        "model": inference.model_labels(*people, own.kind, rng=draw),
    }
    found = {
        f"label_inference_{name}": inference.advantage(
            guess, known.values, scene.member, known.kind, rng=draw
        )
        for name, guess in guesses.items()
    }
    return len(scene.member), {k: v for k, v in found.items() if not math.isnan(v.value)}


def _reference(split: Split) -> Genotypes:
    return np.concatenate([split.validation.genotypes, split.control.genotypes])


def _families(split: Split, statistics: Statistics | None = None) -> NDArray[Any] | None:
    """Family of each candidate where the samples tell; whoever has none is one of his own.

    Without ``statistics`` everybody in train, then in test, is a candidate.
    """
    parts: list[NDArray[Any]] = []
    for part, rows in ((split.train, "members"), (split.test, "non_members")):
        if "family" not in part.samples:
            return None
        table = part.samples
        if statistics is not None:
            table = table.iloc[np.asarray(statistics[rows])]
        own = "\t" + table["fid"] + "\t" + table["iid"]
        name = table["family"].astype(str)
        parts.append(name.where(~name.isin(["", "0", "nan"]), own).to_numpy(str))
    families: NDArray[Any] = np.concatenate(parts)
    return families


def _labels(split: Split, statistics: Statistics) -> Trait | None:
    """Labels of members, then of non-members."""
    own, other = split.train.trait, split.test.trait
    if own is None or other is None:
        return None
    rows = [np.asarray(statistics[name]) for name in ("members", "non_members")]
    return Trait(own.name, own.kind, np.concatenate([own.values[rows[0]], other.values[rows[1]]]))


def _disjoint(split: Split) -> None:
    """Refuse people who stand on two sides: members, non-members, the attacker's own."""
    sides = {
        "train": (split.train,),
        "test": (split.test,),
        "the attacker's reference": (split.validation, split.control),
    }
    ids = {
        name: {p for c in parts for p in zip(c.samples["fid"], c.samples["iid"], strict=True)}
        for name, parts in sides.items()
    }
    for one, other in combinations(ids, 2):
        if both := sorted(ids[one] & ids[other]):
            raise GenobenchError(
                f"{len(both)} people are in {one} and in {other}, the first is "
                f"{' '.join(both[0])}; a member cannot be a non-member, and the attacker's own "
                "people are neither: split again by person"
            )

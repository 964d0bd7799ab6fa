"""Membership attacks: the share of members found against the share of others accused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.metrics.auc import auc, tpr_at_fpr
from genobench.report.attacks import ATTACKS
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import DASHES, SERIES
from genobench.report.plots.panels import Family, named
from genobench.report.plots.yardsticks import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATES = 40
SHORT = {"windowed": "windowed", "calibrated": "calibrated nearest", "nearest": "nearest",
         "af": "allele frequency"}  # fmt: skip


class Roc(NamedTuple):
    """One attack."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    auc: float


def scores(
    made: Made, people: People
) -> tuple[Mapping[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """(n,) score of every candidate by attack, and who is a member: as the privacy task has it."""
    split, facts = people.split, people.facts("privacy")
    scene = Scene(
        synthetic=made.cohort.genotypes,
        train=split.train.genotypes,
        members=split.train.genotypes[facts["members"]],
        non_members=split.test.genotypes[facts["non_members"]],
        reference=np.concatenate([split.validation.genotypes, split.control.genotypes]),
        test=split.test.genotypes,
        coins=None,
        families=None,
        chromosomes=split.train.variants["chrom"].to_numpy(),
        guessed=None,
        labels=None,
        statistics=facts,
        seed=made.score_seed("privacy"),
    )
    return scene.attacks, scene.member


def roc(score: NDArray[np.float64], member: NDArray[np.bool_]) -> Roc:
    """From `FEWEST` accused non-members to all of them; NaN where fewer members are found."""
    others, members = int((~member).sum()), int(member.sum())
    first = min(FEWEST, others - 1)
    accused = np.unique(np.geomspace(first, others - 1, RATES).round().astype(int))
    fpr = accused / others
    tpr = np.array([tpr_at_fpr(score, member, fpr=float(x)).value for x in fpr])
    tpr = np.where(np.round(tpr * members) < FEWEST, np.nan, tpr)
    return Roc(np.append(fpr, 1.0), np.append(tpr, 1.0), auc(score, member))


def draw(axes: Axes, made: Made, people: People) -> None:
    """Both axes logarithmic; the diagonal is an attack that guesses."""
    found, member = scores(made, people)
    least = FEWEST / int((~member).sum())
    axes.plot([least, 1], [least, 1], color="#888888", linewidth=0.6, label="guessing")
    floor = least / 2
    curves = {name: roc(score, member) for name, score in found.items()}
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(
            curve.fpr, curve.tpr, color=SERIES[(0, 1, 5, 3)[i]],
            linestyle=DASHES[i], label=SHORT.get(name, name),
        )  # fmt: skip
    best = max(curve.auc for curve in curves.values())
    axes.set(xscale="log", yscale="log", xlim=(least, 1.05), ylim=(floor, 1.3))
    axes.text(0.96, 0.04, f"best AUC {best:.2f}", transform=axes.transAxes, ha="right")


def caption(made: Sequence[Made], people: People) -> str:
    facts = people.facts("privacy")
    n = len(facts["members"])
    return (
        f"{len(ATTACKS)} membership attacks on {n:,} training people (members) and as many test "
        f"people, by an attacker who holds the synthetic cohort ({named(made)}) and "
        f"{people.split.validation.n + people.split.control.n:,} other people; both axes are "
        f"logarithmic and begin at {FEWEST} people accused wrongly or found. On the diagonal an "
        "attack guesses; a curve far above it on the left names some members with near "
        "certainty, however low its AUC."
    )


FAMILY = Family("attack-roc", draw, caption, "non-members accused", "members found", square=True)

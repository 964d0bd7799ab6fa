"""Verdicts on attacks: a leak was detected, or how small a leak could have been detected.

A new attack joins with a line in one of the tables. All comparisons of one table are corrected for
their number (Bonferroni); so are the headline's interval and the bounds of epsilon, in the task.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from genobench.metrics.auc import detectable_auc
from genobench.report.numerals import number
from genobench.report.sheet import (
    Level,
    Sheet,
    Verdict,
    ends,
    enumerated,
    half_width,
    percent,
    with_interval,
)
from genobench.report.stats import LEVEL
from genobench.report.tables import Row

HEADLINE = "strongest_attack_auc"
SMALLEST = "detectable_auc"
# AUC of an attack on members against non-members -> its name, and what it means when it succeeds
ATTACKS = {
    "windowed_attack_auc": ("windowed attack", "short segments of training people recur"),
    "calibrated_attack_auc": (
        "calibrated nearest-neighbour attack",
        "synthetic people sit next to training people, more than how common these are explains",
    ),
    "nearest_attack_auc": (
        "nearest-neighbour attack",
        "synthetic people sit next to training people",
    ),
    "af_attack_auc": (
        "allele-frequency attack",
        "allele frequencies lean towards the training people",
    ),
}
FLOORS = {"af_attack_auc": "af_attack_floor"}  # what any faithful cohort gives away
# share of members found at a share of non-members accused -> name of the attack, that share
RATES = {
    "nearest_attack_tpr1": ("nearest-neighbour attack", 0.01),
    "windowed_attack_tpr1": ("windowed attack", 0.01),
    "nearest_attack_tpr01": ("nearest-neighbour attack", 0.001),
    "windowed_attack_tpr01": ("windowed attack", 0.001),
}
# lower bounds of the epsilon of differential privacy; above 0 is a leak
BOUNDS = ("epsilon_holdout",)
# the strongest attack on some of the people -> who they are
GROUPS = {
    "outlier_attack_auc": "people unlike others",
    "rare_allele_attack_auc": "carriers of rare alleles",
}
# how much better labels of members are guessed than those of non-members -> from what
INFERENCE = {
    "label_inference_nearest": "the nearest synthetic person",
    "label_inference_model": "a model trained on the file",
}


@dataclass(frozen=True)
class Hit:
    """An attack that succeeded: its name, and a sentence with its numbers."""

    name: str
    sentence: str


def judge(sheet: Sheet) -> list[Verdict]:
    """Membership, people at risk, labels; empty where the task measures none of them."""
    parts = (_membership(sheet), _groups(sheet), _inference(sheet))
    return [verdict for verdict in parts if verdict is not None]


def hits(sheet: Sheet, model: str) -> list[Hit]:
    """Attacks that find members of the training set in one row of the table, strongest first."""
    aucs = {m: s for m in ATTACKS if (s := sheet.of(m, model)) is not None and s.measured}
    rates = {m: s for m in RATES if (s := sheet.of(m, model)) is not None}
    tests = len(aucs) + len(rates)
    strong = [m for m, s in aucs.items() if s.value - half_width(s, tests=tests) > 0.5]
    best = sheet.of(HEADLINE, model)
    if not strong and aucs and best is not None and ends(best).low > 0.5:
        strong = [max(aucs, key=lambda m: aucs[m].value)]
    found = []
    for metric in sorted(strong, key=lambda m: -aucs[m].value):
        name, meaning = ATTACKS[metric]
        text = f"the {name} tells training people from others with AUC "
        text += f"{with_interval(aucs[metric])}, where chance is 0.5: {meaning}"
        if (floor := sheet.of(FLOORS.get(metric, ""), model)) is not None:
            text += f" (their exact frequencies alone would give {number(floor.value)})"
        found.append(Hit(name, text))
    for metric, s in rates.items():
        name, allowed = RATES[metric]
        if chance_of(s.value, sheet.people(metric, model) // 2, allowed) < _alpha(tests):
            text = f"the {name} finds {percent(s.value)} of the training people while it accuses "
            text += f"{percent(allowed)} of others"
            found.append(Hit(name, text))
    return found


def bound(sheet: Sheet, model: str) -> float:
    """The largest lower bound of epsilon in one row of the table; 0 without any."""
    return max((s.value for m in BOUNDS if (s := sheet.of(m, model)) is not None), default=0.0)


def chance_of(share: float, n: int, allowed: float) -> float:
    """Probability, without any leak, to find ``share`` of n members or more.

    Scores of n members and n non-members are then in random order, and the threshold is the
    non-member's score that ``allowed`` of them exceed. With a of them above it, b members or more
    lie above it as well when at most a of the first a + b people are non-members: a hypergeometric
    tail. It allows for the threshold, which rests on few people; Clopper and Pearson's interval
    over members does not.
    """
    above, caught = math.floor(allowed * n + 1e-9), math.floor(share * n + 1e-9)
    if caught == 0:
        return 1.0
    drawn = min(above + caught, 2 * n)
    members = np.arange(max(caught, drawn - n), min(n, drawn) + 1)
    ways = _log_choose(n, members) + _log_choose(n, drawn - members) - _log_choose(2 * n, drawn)
    return float(np.exp(ways).sum())


def _log_choose(n: int, k: ArrayLike) -> Any:
    """Logarithm of the number of ways to choose k of n."""
    return -np.log1p(n) - betaln(n - np.asarray(k) + 1, np.asarray(k) + 1)


def _alpha(tests: int) -> float:
    """One tail of a 95 % interval, corrected."""
    return (1 - LEVEL) / 2 / tests


def _membership(sheet: Sheet) -> Verdict | None:
    tried = [m for m in (*ATTACKS, *RATES) if sheet.of(m) is not None]
    if not tried:
        return None
    evidence = sheet.evidence(HEADLINE, *tried, *BOUNDS, SMALLEST)
    found = hits(sheet, sheet.model)
    least = bound(sheet, sheet.model)
    if not found and least <= 0:
        return _nothing_found(sheet, tried)
    parts = [hit.sentence for hit in found[:1]]
    parts += [f"eps >= {number(least)}, at 95 %"] if least > 0 else []
    text = f"Leak detected: {'; '.join(parts)}."
    if more := sorted({hit.name for hit in found[1:]} - {hit.name for hit in found[:1]}):
        text += f" The {enumerated(more)} find{'s' if len(more) == 1 else ''} it as well."
    text += _scale(sheet)
    return Verdict(sheet.task, "membership attacks", "fail", text, evidence)


def _nothing_found(sheet: Sheet, tried: list[str]) -> Verdict:
    """No leak detected, what could have been, and which known leaks were or were not."""
    named = dict.fromkeys((ATTACKS[m] if m in ATTACKS else RATES[m])[0] for m in tried)
    names = [name.removesuffix(" attack") for name in named]
    text = f"No leak detected by these attacks: {enumerated(names)}."
    people = max(sheet.people(m) for m in tried) // 2
    stated = sheet.of(SMALLEST)
    if stated is not None or people:
        smallest = (
            detectable_auc(people, people, tests=len(tried)) if stated is None else stated.value
        )
        text += (
            f" The smallest leak that these data could have shown is AUC {number(smallest)}, where "
            f"chance is 0.5 (power 80 %, {people:,} training people against {people:,} others)."
        )
    missed, known = _known_leaks(
        sheet, lambda model: bool(hits(sheet, model)) or bound(sheet, model) > 0
    )
    level: Level = "uninformative" if missed else "pass"
    evidence = sheet.evidence(HEADLINE, *tried, *BOUNDS, SMALLEST)
    return Verdict(sheet.task, "membership attacks", level, text + known, evidence)


def _known_leaks(sheet: Sheet, found: Callable[[str], bool]) -> tuple[list[Row], str]:
    """Leaks made from the same people that would have been missed, and what to say of all."""
    caught = [row for row in sheet.leaks if found(row.model)]
    missed = [row for row in sheet.leaks if row not in caught]
    text = f" Known leaks are found in the same way: {_titles(caught)}." if caught else ""
    if missed:
        text += f" Known leaks that are missed as well: {_titles(missed)}. So on these people the "
        text += "file may leak unseen."
    return missed, text


def _titles(rows: list[Row]) -> str:
    return enumerated(f"{row.model} ({row.title[0].lower()}{row.title[1:]})" for row in rows)


def _scale(sheet: Sheet) -> str:
    """The strongest attack on the controls, for comparison."""
    rows = [(row.model, sheet.of(HEADLINE, row.model)) for row in sheet.leaks]
    rows.insert(0, (sheet.table.ceiling, sheet.real(HEADLINE)))
    shown = [f"{name} {number(s.value)}" for name, s in rows if s is not None]
    return f" For comparison, the strongest attack reads {', '.join(shown)}." if shown else ""


def _groups(sheet: Sheet) -> Verdict | None:
    """The strongest attack on those who are found first."""
    tried = sheet.measured(GROUPS)
    if not tried:
        return None

    def found(model: str) -> list[str]:
        values = {m: s for m in tried if (s := sheet.of(m, model)) is not None}
        return [m for m, s in values.items() if s.value - half_width(s, tests=len(tried)) > 0.5]

    evidence, what = sheet.evidence(*tried), "tails"
    if caught := found(sheet.model):
        shown = {GROUPS[m]: s for m in caught if (s := sheet.of(m)) is not None}
        numbers = enumerated(f"{who}, AUC {with_interval(s)}" for who, s in shown.items())
        return Verdict(sheet.task, what, "fail", f"Leak detected among {numbers}.", evidence)
    people = min(sheet.people(m) for m in tried) // 2
    text = f"No leak detected among {enumerated(GROUPS[m] for m in tried)}."
    if people:
        smallest = number(detectable_auc(people, people, tests=3 * len(tried)))
        text += f" The smallest leak that so few (about {people:,} of either kind) could have "
        text += f"shown is AUC {smallest}."
    missed, known = _known_leaks(sheet, lambda model: bool(found(model)))
    level: Level = "uninformative" if missed else "pass"
    return Verdict(sheet.task, what, level, text + (known if missed else ""), evidence)


def _by_chance(sheet: Sheet, metric: str) -> float:
    """What fresh real people show: labels of these members may be easier to guess by chance."""
    top = sheet.real(metric)
    return 0.0 if top is None else top.value


def _inference(sheet: Sheet) -> Verdict | None:
    """Whether the file tells the labels of those it was made from."""
    tried = sheet.measured(INFERENCE)
    values = {m: s for m in tried if (s := sheet.of(m)) is not None}
    if not values:
        return None
    evidence, what = sheet.evidence(*tried), "label inference"
    least = {m: s.value - half_width(s, tests=len(values)) for m, s in values.items()}
    found = [m for m, low in least.items() if low > max(0.0, _by_chance(sheet, m))]
    if not found:
        each = enumerated(f"from {INFERENCE[m]} {number(s.value)}" for m, s in values.items())
        text = "Labels of training people are guessed no better than those of others (difference "
        return Verdict(sheet.task, what, "pass", f"{text}{each}).", evidence)
    each = enumerated(f"from {INFERENCE[m]} by {with_interval(values[m])}" for m in found)
    text = (
        f"Leak detected: labels of training people are guessed better than those of others, {each}."
    )
    return Verdict(sheet.task, what, "fail", text, evidence)

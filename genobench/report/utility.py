"""Verdicts on utility: what a predictor loses when it is trained on the file.

A predictor joins with a line in `PREDICTORS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from genobench.report.numerals import number
from genobench.report.sheet import Level, Sheet, Verdict, ends, enumerated, half_width, percent


@dataclass(frozen=True)
class Predictor:
    """A predictor trained on the file (TSTR) and on as many real people (TRTR).

    ``gap`` is TSTR - TRTR; ``measures`` are the TSTR values and their value at chance.
    """

    name: str
    gap: str
    measures: tuple[tuple[str, str, float], ...]  # metric, what it is called, chance


PREDICTORS = (
    Predictor("A joint predictor", "joint_gap", (("joint_auc", "AUC", 0.5), ("joint_r", "r", 0.0))),
    Predictor("A tree predictor", "xgb_gap", (("xgb_auc", "AUC", 0.5), ("xgb_r", "r", 0.0))),
    Predictor(
        "An LDpred-inf score", "ldpred_gap", (("ldpred_auc", "AUC", 0.5), ("ldpred_r", "r", 0.0))
    ),
    Predictor("A marginal score", "prs_gap", (("prs_auc", "AUC", 0.5), ("prs_r", "r", 0.0))),
)
GAPS = tuple(p.gap for p in PREDICTORS)
LABELS = "label_lift"
AUGMENTED = {"augment_10": "10 %", "augment_25": "25 %", "augment_50": "50 %", "augment_100": "all"}
WORTH = 0.0005  # a loss that prints as one
HALF = 0.5  # of the real signal: who loses more has lost most of it


def judge(sheet: Sheet) -> list[Verdict]:
    """One verdict per predictor, one on labels and one on augmentation; empty for other tasks."""
    tests = len(sheet.measured(GAPS))
    found = [_predictor(sheet, p, tests) for p in PREDICTORS]
    found += [_labels(sheet), _augmentation(sheet)]
    return [verdict for verdict in found if verdict is not None]


def _predictor(sheet: Sheet, predictor: Predictor, tests: int) -> Verdict | None:
    """Loss against TRTR; none where the real data hold no signal to lose."""
    gap = sheet.of(predictor.gap)
    own = next((m for m in predictor.measures if sheet.of(m[0]) is not None), None)
    if gap is None or own is None or not gap.measured:
        return None
    metric, measure, chance = own
    tstr = sheet.of(metric)
    assert tstr is not None
    trtr = tstr.value - gap.value
    signal = trtr - chance
    numbers = (
        f"{measure} {number(tstr.value)} on real test people, {number(trtr)} when trained on as "
        "many real ones"
    )
    again = sheet.real(predictor.gap)  # other real people may do worse than the training people
    usual = 0.0 if again is None else min(0.0, again.value)
    half = half_width(gap, tests=tests)
    file = f"{predictor.name} trained on the file"
    low, high = ends(gap)
    lost = f"{number(-gap.value)} (95 % {number(-high)} to {number(-low)})"
    level: Level
    if signal <= _blur(sheet, metric):
        level = "uninformative"
        text = (
            f"No signal in the real data: {measure} {number(trtr)} on the test people after "
            f"training on as many real people, where {number(chance)} is chance; what the file "
            "would lose cannot be told."
        )
    elif gap.value + half < usual:
        level = "fail" if tstr.value - chance < HALF * signal else "concern"
        kept = percent(max(0.0, (tstr.value - chance) / signal))
        text = f"{file} loses {lost}: {numbers}; {kept} of the real signal is kept."
        text += _floor(sheet, metric)
    elif gap.value + half < 0:
        level = "pass"
        text = (
            f"{file} loses {lost}, not clearly more than fresh real people do "
            f"({number(-usual)}): {numbers}."
        )
    elif half - gap.value > HALF * signal:
        level = "uninformative"
        text = (
            f"{file} may be as good as one trained on real people, or lose "
            f"{number(half - gap.value)}, more than half of the signal: too few test people to "
            f"tell. {numbers}."
        )
    else:
        level, most = "pass", max(0.0, half - gap.value)
        text = f"{file} does as well as one trained on real people: {numbers}"
        text += f"; the loss is at most {number(most)}." if most >= WORTH else "."
    what = predictor.name.partition(" ")[2]
    return Verdict(sheet.task, what, level, text, sheet.evidence(predictor.gap, metric))


def _blur(sheet: Sheet, metric: str) -> float:
    """How far from chance a predictor without any knowledge may land on these test people.

    The widest half interval of the column: all rows are measured on the same people, and a
    constant predictor has none.
    """
    rows = [sheet.of(metric, row.model) for row in sheet.table.rows]
    return max((half_width(s) for s in rows if s is not None and s.measured), default=0.0)


def _floor(sheet: Sheet, metric: str) -> str:
    floor = sheet.floor(metric)
    if floor is None:
        return ""
    return f" For comparison, `{sheet.table.floor}`, without any LD: {number(floor.value)}."


def _labels(sheet: Sheet) -> Verdict | None:
    """Whether the labels of the file have anything to do with its genotypes."""
    lift, top = sheet.of(LABELS), sheet.real(LABELS)
    if lift is None or not lift.measured or lift.people.low > 0:
        return None
    if top is not None and not top.people.low > 0:  # nor have those of real people
        return None
    text = (
        "The labels of the file may as well be shuffled: a joint predictor of shuffled labels does "
        f"as well (lift {number(lift.value)}, {number(lift.people.low)} to "
        f"{number(lift.people.high)})."
    )
    return Verdict(sheet.task, "labels", "fail", text, sheet.evidence(LABELS))


def _augmentation(sheet: Sheet) -> Verdict | None:
    """What the file does to a joint predictor that is trained on real people as well."""
    shares = sheet.measured(AUGMENTED)
    gains = {m: s for m in shares if (s := sheet.of(m)) is not None}
    half = {m: half_width(s, tests=len(gains)) for m, s in gains.items()}
    helps = [m for m, s in gains.items() if s.value > half[m]]
    hurts = [m for m, s in gains.items() if s.value < -half[m]]
    if not gains or not (helps or hurts):
        return None

    def listed(metrics: list[str]) -> str:
        return enumerated(f"{AUGMENTED[m]} ({gains[m].value:+.3f})" for m in metrics)

    parts = [f"it helps on top of {listed(helps)}"] if helps else []
    parts += [f"it does harm on top of {listed(hurts)}"] if hurts else []
    text = f"Added to the real training people, in a joint predictor: {'; '.join(parts)} of them."
    level: Level = "concern" if hurts else "pass"
    return Verdict(sheet.task, "augmentation", level, text, sheet.evidence(*gains))

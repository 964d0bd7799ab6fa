"""Where a model agrees with fresh real people and where it does not, topic by topic.

A model differs from real people where it is worse than the second real sample by more than the
interval of the difference, corrected for the number of metrics compared, and by more than a tenth
of the way from there to the floor: with many people everything is significant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from genobench.report.numerals import number
from genobench.report.sheet import Level, Sheet, Verdict, enumerated, half_width
from genobench.report.stats import margin

SLIGHT = 0.1  # of the way from fresh real people to the floor: nothing to speak of
HALFWAY = 0.5  # beyond, nearer to the floor than to real people
FIVEFOLD = 5.0  # error of real people, where the floor is no worse than they are
Standing = Literal["agrees", "worse", "better", "unknown"]


@dataclass(frozen=True)
class Topic:
    """Something that a synthetic cohort can get right or wrong, and the metrics that tell.

    ``right`` and ``wrong`` are what is said then.
    """

    what: str
    right: str
    wrong: str
    metrics: tuple[str, ...]


def compare(sheet: Sheet, metric: str, tests: int) -> Standing:
    """How the model stands to fresh real people in one metric, corrected for ``tests``."""
    x, top = sheet.of(metric), sheet.real(metric)
    if x is None or top is None or not (x.measured and top.measured):
        return "unknown"
    card = sheet.card(metric)
    loss, allowed = card.loss(x.value) - card.loss(top.value), half_width(x, top, tests=tests)
    if card.better == "target" and card.loss(x.value) <= half_width(x, tests=tests):
        return "agrees"  # with the target, whatever the second real sample says
    if loss > 0 and abs(x.value - top.value) > allowed:
        return "agrees" if towards_floor(sheet, metric) < SLIGHT else "worse"
    return "better" if loss < -allowed else "agrees"


def towards_floor(sheet: Sheet, metric: str) -> float:
    """Share of the way from fresh real people (0) to the floor (1), in the loss of the metric.

    Where the floor is no worse than real people it is no scale. Then the error of real people (or
    its uncertainty) is: five times as large an error is `HALFWAY`, and nothing is below `SLIGHT`.
    """
    card, x, top = sheet.card(metric), sheet.of(metric), sheet.real(metric)
    assert x is not None
    assert top is not None
    loss, best = card.loss(x.value), card.loss(top.value)
    span = _span(sheet, metric)
    if span > 0:
        return (loss - best) / span
    if card.better == "higher":
        return SLIGHT
    error = max(best, margin(top))
    return max(SLIGHT, HALFWAY * (loss - best) / ((FIVEFOLD - 1) * error)) if error else SLIGHT


def of_topic(sheet: Sheet, topic: Topic, tests: int) -> Verdict | None:
    """Verdict on one topic; None where none of its metrics was measured."""
    standing = {m: compare(sheet, m, tests) for m in sheet.measured(topic.metrics)}
    known = {m: s for m, s in standing.items() if s != "unknown"}
    if not known:
        return None
    evidence = sheet.evidence(*known)
    worse = sorted(
        (m for m, s in known.items() if s == "worse"), key=lambda m: -towards_floor(sheet, m)
    )
    if not worse:
        shown = against(sheet, next(iter(known)))
        return Verdict(sheet.task, topic.what, "pass", f"{topic.right} ({shown}).", evidence)
    text = f"{topic.wrong}: {enumerated(against(sheet, m) for m in worse[:2])}"
    far, floor = towards_floor(sheet, worse[0]), sheet.floor(worse[0])
    if far > HALFWAY and floor is not None and _span(sheet, worse[0]) > 0:
        text += f"; nearer to `{sheet.table.floor}` ({number(floor.value)}) than to real people"
    level: Level = "fail" if far > HALFWAY else "concern"
    return Verdict(sheet.task, topic.what, level, f"{text}.", evidence)


def above(sheet: Sheet, metrics: Sequence[str], tests: int) -> Verdict | None:
    """Better than fresh real people: what a generator cannot be without having seen the answer."""
    better = [m for m in sheet.measured(metrics) if compare(sheet, m, tests) == "better"]
    if not better:
        return None
    text = (
        "Above the ceiling: nearer to these real people than fresh real people are in "
        f"{enumerated(against(sheet, m) for m in better)}; suspected memorising, or the file was "
        "made from the people it is measured on."
    )
    return Verdict(sheet.task, "above the ceiling", "concern", text, sheet.evidence(*better))


def comparable(sheet: Sheet, metrics: Sequence[str]) -> int:
    """How many of the metrics can be compared with fresh real people."""
    return len([m for m in sheet.measured(metrics) if sheet.real(m) is not None])


def against(sheet: Sheet, metric: str) -> str:
    """``AF RMSE 0.021, fresh real people 0.012``."""
    x, top = sheet.of(metric), sheet.real(metric)
    assert x is not None
    assert top is not None
    return f"{sheet.card(metric).title} {number(x.value)}, fresh real people {number(top.value)}"


def _span(sheet: Sheet, metric: str) -> float:
    """Loss of the floor over that of real people; 0 where the intervals do not tell them apart."""
    top, floor = sheet.real(metric), sheet.floor(metric)
    if top is None or floor is None:
        return 0.0
    card = sheet.card(metric)
    span = card.loss(floor.value) - card.loss(top.value)
    return span if span > margin(top, floor) else 0.0

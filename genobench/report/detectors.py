"""What tells a healthy value from a failure, one small class per way of telling.

A value is marked where it is worse than healthy by more than a tolerance and by more than chance
allows. Healthy is what lies between the ideal value and that of fresh real people, so that no
generator is blamed for what real people show as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from genobench.report.numerals import ABSENT
from genobench.report.sheet import Sheet, ends, half_width, percent
from genobench.report.stats import Interval, Summary
from genobench.report.tables import Block

Mark = Literal["", "✗", "?"]
Side = Literal["low", "high", "both"]
Style = Literal["plain", "fine", "percent"]
BAD: Mark = "✗"
UNSURE: Mark = "?"
PRINTED = 0.0005  # least spread that prints as one
UNDERPOWERED = 0.6  # smallest AUC that could have been detected, above which silence says little


class Finding(NamedTuple):
    """A value as printed, and its mark: a failure, one that chance may have made, or none."""

    text: str
    mark: Mark = ""

    @property
    def judged(self) -> bool:
        """Whether there was a value."""
        return self.text != ABSENT


NOTHING = Finding(ABSENT)


@dataclass(frozen=True, eq=False)
class Case:
    """One model on one data set: its sheet in every task, by the task's name."""

    block: Block
    model: str
    sheets: Mapping[str, Sheet]

    @classmethod
    def of(cls, block: Block, model: str) -> Case:
        """The case of a model."""
        return cls(block, model, {t.task.name: Sheet(t, block, model) for t in block.tables})

    def value(self, task: str, metric: str) -> Summary | None:
        """Its value; None where there is none."""
        sheet = self.sheets.get(task)
        return sheet.of(metric) if sheet else None

    def real(self, task: str, metric: str) -> Summary | None:
        """Value of fresh real people."""
        sheet = self.sheets.get(task)
        return sheet.real(metric) if sheet else None

    def trained(self, task: str, metric: str) -> Summary | None:
        """Value of the training people themselves, who are the floor of privacy."""
        sheet, privacy = self.sheets.get(task), self.sheets.get("privacy")
        return sheet.of(metric, privacy.table.floor) if sheet and privacy else None


class Detector(Protocol):
    """Judges one metric of a case; ``tests`` values of the case are judged at once."""

    def __call__(self, case: Case, tests: int) -> Finding: ...


@dataclass(frozen=True)
class Near:
    """Marks what is farther than ``tolerance`` from healthy.

    Attributes
    ----------
    ideal
        End of the healthy range, the value of fresh real people being the other; NaN for none.
    side
        Where unhealthy lies.
    style
        How values print.
    share
        Values are shown and judged in shares of that of fresh real people.
    trained
        What the training people themselves show is healthy as well.
    """

    task: str
    metric: str
    ideal: float
    tolerance: float
    side: Side = "both"
    style: Style = "plain"
    share: bool = False
    trained: bool = False

    def __call__(self, case: Case, tests: int) -> Finding:
        x, top = case.value(self.task, self.metric), case.real(self.task, self.metric)
        if x is None or (self.share and (top is None or top.value <= 0)):
            return NOTHING
        if self.share and top is not None:
            x, top = scaled(x, 1 / top.value), scaled(top, 1 / top.value)
        ideal = None if math.isnan(self.ideal) else Summary(self.ideal)
        trained = case.trained(self.task, self.metric) if self.trained else None
        anchors = [a for a in (ideal, top, trained) if a is not None]
        text = _printed(x.value, self.style)
        if not anchors:
            return Finding(text)
        nearest, away = self._beyond(x.value, anchors)
        if away <= self.tolerance:
            return Finding(text)
        return Finding(text, BAD if away > half_width(x, nearest, tests=tests) else UNSURE)

    def _beyond(self, value: float, anchors: list[Summary]) -> tuple[Summary, float]:
        """Nearest end of the healthy range, and how far beyond it the value lies."""
        low, high = min(anchors, key=_value), max(anchors, key=_value)
        under = low.value - value if self.side != "high" else -math.inf
        over = value - high.value if self.side != "low" else -math.inf
        return (low, under) if under > over else (high, over)


@dataclass(frozen=True)
class Attacked:
    """Marks the strongest attack where chance, .5, lies below its interval.

    Silence is unsure where the smallest leak that these people could have shown is large.
    """

    task: str = "privacy"
    metric: str = "strongest_attack_auc"
    smallest: str = "detectable_auc"

    def __call__(self, case: Case, tests: int) -> Finding:
        auc, least = case.value(self.task, self.metric), case.value(self.task, self.smallest)
        if auc is None:
            return NOTHING
        text = _printed(auc.value) + (f" ({_printed(least.value)})" if least else "")
        if auc.measured and ends(auc).low > 0.5:
            return Finding(text, BAD)
        weak = least is None or least.value > UNDERPOWERED
        return Finding(text, UNSURE if weak else "")


@dataclass(frozen=True)
class Lifted:
    """Marks labels that do no better than shuffled ones and half as well as real ones at most.

    Unsure above half of it, or where real labels do no better than shuffled ones either.
    """

    task: str = "prs_utility"
    metric: str = "label_lift"

    def __call__(self, case: Case, tests: int) -> Finding:
        lift, top = case.value(self.task, self.metric), case.real(self.task, self.metric)
        if lift is None:
            return NOTHING
        text = _printed(lift.value)
        if not lift.measured or lift.people.low > 0:
            return Finding(text)
        hopeless = top is not None and top.measured and not top.people.low > 0
        near = top is not None and lift.value > top.value / 2
        return Finding(text, UNSURE if hopeless or near else BAD)


@dataclass(frozen=True)
class Steady:
    """Marks a spread over training seeds that exceeds the standard error over people."""

    task: str
    metric: str

    def __call__(self, case: Case, tests: int) -> Finding:
        x = case.value(self.task, self.metric)
        if x is None or x.n_seeds < 2:
            return NOTHING
        spread = x.se_seeds * math.sqrt(x.n_seeds)
        lucky = spread >= PRINTED and spread > x.se_people > 0
        return Finding(_printed(spread, "fine"), BAD if lucky else "")


def scaled(s: Summary, factor: float) -> Summary:
    """The summary in another unit."""
    people, seeds = (Interval(i.low * factor, i.high * factor) for i in (s.people, s.seeds))
    return Summary(s.value * factor, people, seeds, s.n_seeds)


def _printed(value: float, style: Style = "plain") -> str:
    """Two decimals, three, or per cent."""
    if style == "percent":
        return f"-{percent(-value)}" if value <= -5e-5 else percent(max(value, 0.0))
    text = f"{value:.{3 if style == 'fine' else 2}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _value(s: Summary) -> float:
    return s.value

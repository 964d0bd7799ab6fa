"""What a task is: what it asks, its metrics, and the estimates it returns."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genobench import bounded, card_kinds
from genobench.cohort import Cohort, Genotypes
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.data.split import Split
    from genobench.metrics.intervals import Interval

Better = Literal["higher", "lower", "target"]
Need = Literal["effects", "populations", "reconstruct"]
Statistics = Mapping[str, NDArray[Any]]
_TASK_KINDS: Mapping[str, card_kinds.Kind] = {
    **dict.fromkeys(("class", "title", "question"), card_kinds.TEXT),
    **dict.fromkeys(("floors", "needs"), card_kinds.TEXTS),
    "study": card_kinds.SWITCH,
    "metrics": card_kinds.TABLES,
}
_METRIC_KINDS: Mapping[str, card_kinds.Kind] = {
    **dict.fromkeys(("title", "better", "reading", "interval"), card_kinds.TEXT),
    **dict.fromkeys(("low", "high"), card_kinds.BOUND),
    "target": card_kinds.NUMBER,
    "version": card_kinds.POSITIVE,
    "needs": card_kinds.TEXTS,
    "headline": card_kinds.SWITCH,
}


@dataclass(frozen=True)
class Estimate:
    """One measured value with its interval over the people it was measured on.

    Attributes
    ----------
    value, low, high
        Point estimate and 95 % interval; ``low`` and ``high`` are NaN where the metric's card says
        that it has none.
    n
        People (or pairs, SNPs: see the card) behind it.
    seconds
        What it cost to compute.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Reference:
    """What a synthetic cohort is held against.

    Attributes
    ----------
    split, statistics
        The real people, and what `Task.prepare` made from them.
    round_trip
        (n_test, m) the test people after the generator's own ``reconstruct``; None where the task
        does not ask for it, or nobody could make it.
    """

    split: Split
    statistics: Statistics
    round_trip: Genotypes | None = None


@dataclass(frozen=True)
class MetricCard:
    """How a metric reads.

    Attributes
    ----------
    name, title
        Key in records, and heading in tables.
    better
        ``higher``, ``lower``, or ``target`` with the value in ``target``.
    reading
        One sentence: what the number says.
    interval
        How its interval is made, or "none".
    low, high
        Bounds of possible values.
    version
        Raised when the definition changes; values of different versions never mix.
    needs
        What the data must have: ``binary``, ``quantitative``, ``chromosomes``, ``population``.
    headline
        The task is ranked by this one.
    """

    name: str
    title: str
    better: Better
    reading: str
    interval: str = "none"
    target: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    version: int = 1
    needs: tuple[str, ...] = ()
    headline: bool = False

    def loss(self, value: float) -> float:
        """The value turned so that lower is better: what ranks compare."""
        if self.better == "target":
            return abs(value - self.target)
        return value if self.better == "lower" else -value


@dataclass(frozen=True)
class TaskCard:
    """What is known of a task before it is imported: the TOML file beside its module.

    Attributes
    ----------
    name, title
        File name without ending, and heading of its tables.
    class_name
        Class in the module of the same name (key ``class``).
    question
        What it asks, in one sentence.
    floors
        Controls that lack what it asks for; the first that was scored is 0 on its scale.
    metrics
        By name.
    study
        It answers a question of its own and is run when it is named, never by ``all``.
    needs
        What the whole task must have: ``effects`` (true effects of the variants), ``populations``
        (training and test people of two populations), ``reconstruct`` (a generator that offers
        it). See `unmet`.
    """

    name: str
    class_name: str
    title: str
    question: str
    floors: tuple[str, ...]
    metrics: Mapping[str, MetricCard]
    study: bool = False
    needs: tuple[Need, ...] = ()

    @property
    def behaviour(self) -> str:
        """What of the card decides how a score comes about: class and metric versions."""
        return " ".join(
            [self.class_name, *(f"{m.name}:{m.version}" for m in self.metrics.values())]
        )

    @classmethod
    def read(cls, path: Path) -> TaskCard:
        """Card in the TOML file ``path``; errors name the file and the key."""
        try:
            table = bounded.read_toml(path)
        except (OSError, ValueError) as error:
            raise GenobenchError(f"{path}: {error}") from error
        card_kinds.require(table, _TASK_KINDS, path)
        known = {f.name for f in fields(MetricCard)} - {"name"}
        metrics: dict[str, MetricCard] = {}
        for name, entry in table.get("metrics", {}).items():
            if unknown := sorted(set(entry) - known):
                raise GenobenchError(f"{path}: metric {name}: unknown key(s) {', '.join(unknown)}")
            if absent := sorted({"title", "better", "reading"} - set(entry)):
                raise GenobenchError(f"{path}: metric {name}: {', '.join(absent)} missing")
            card_kinds.require(entry, _METRIC_KINDS, f"{path}: metric {name}")
            if entry.get("better") not in get_args(Better):
                raise GenobenchError(f"{path}: metric {name}: better = {entry.get('better')!r}")
            if (entry["better"] == "target") != ("target" in entry):
                raise GenobenchError(f"{path}: metric {name}: 'target' goes with better = 'target'")
            metrics[name] = MetricCard(
                name=name, **{**entry, "needs": tuple(entry.get("needs", ()))}
            )
            if metrics[name].low > metrics[name].high:
                raise GenobenchError(f"{path}: metric {name}: low is above high")
        try:
            card = cls(
                name=path.stem,
                class_name=table["class"],
                title=table["title"],
                question=table["question"],
                floors=tuple(table["floors"]),
                metrics=metrics,
                study=table.get("study", False),
                needs=tuple(table.get("needs", ())),
            )
        except KeyError as error:
            raise GenobenchError(f"{path}: key {error} is missing") from error
        if unknown := sorted(set(card.needs) - set(get_args(Need))):
            raise GenobenchError(
                f"{path}: needs {', '.join(unknown)}; known are {', '.join(get_args(Need))}"
            )
        if sum(c.headline for c in metrics.values()) != 1:
            raise GenobenchError(f"{path}: exactly one metric is the headline")
        return card


class Task(ABC):
    """A question asked of every synthetic cohort.

    ``prepare`` looks at real people only and runs once per data set and split; its result is
    cached by content and shared by all models. ``score`` sees one synthetic cohort.
    """

    @abstractmethod
    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Statistics of the real people that every score needs."""

    @abstractmethod
    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates by metric name; metrics whose needs the data do not meet are left out."""


def unmet(card: TaskCard, split: Split) -> str:
    """What the task needs and these data lack, with what to do about it; "" when nothing.

    ``reconstruct`` is a matter of the generator and not looked at here.
    """
    if "effects" in card.needs and "marginal_beta" not in split.train.variants:
        return (
            f"{card.name}: the true effects of these variants are not known; simulate a trait "
            "with --simulate-trait h2=0.5,causal=20,seed=1, or take the embedded cohort"
        )
    found = [populations(part) for part in (split.train, split.test)]
    if "populations" in card.needs and (
        len(found[0]) != 1 or len(found[1]) != 1 or found[0] == found[1]
    ):
        return (
            f"{card.name}: training people are of {_listed(found[0])}, test people of "
            f"{_listed(found[1])}; name one population for each, --train-population and "
            "--test-population"
        )
    return ""


def populations(cohort: Cohort) -> tuple[str, ...]:
    """Populations of these people, sorted; nobody's are left out."""
    if "population" not in cohort.samples:
        return ()
    return tuple(sorted(set(map(str, cohort.samples["population"])) - {""}))


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "no known population"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


def timed(measure: Callable[[], Mapping[str, Interval]], people: int) -> dict[str, Estimate]:
    """Estimates of metrics that are computed together, over ``people``; they share the seconds."""
    start = time.perf_counter()
    found = measure()
    seconds = (time.perf_counter() - start) / max(len(found), 1)
    return {k: Estimate(*interval, n=people, seconds=seconds) for k, interval in found.items()}


def validated(estimates: Mapping[str, Estimate], card: TaskCard) -> dict[str, Estimate]:
    """What a task returned, checked against its card where it arrives."""
    if not isinstance(estimates, Mapping):
        raise GenobenchError(f"task {card.name}: score returned {type(estimates).__name__}")
    for name, estimate in estimates.items():
        if name not in card.metrics:
            raise GenobenchError(f"task {card.name}: metric {name} is not on its card")
        bounds = card.metrics[name]
        if not np.isnan(estimate.value) and not (
            bounds.low - 1e-9 <= estimate.value <= bounds.high + 1e-9
        ):
            raise GenobenchError(
                f"task {card.name}: {name} = {estimate.value} is outside "
                f"[{bounds.low}, {bounds.high}]"
            )
    return dict(estimates)

"""What a task is: what it asks, its metrics, and the estimates it returns."""

from __future__ import annotations

import math
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.data.split import Split

Better = Literal["higher", "lower", "target"]
Statistics = Mapping[str, NDArray[Any]]


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
    """What a synthetic cohort is held against: the real people and statistics made from them."""

    split: Split
    statistics: Statistics


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
    """What is known of a task before it is imported: the TOML file beside its module."""

    name: str
    class_name: str
    title: str
    question: str
    floors: tuple[str, ...]
    metrics: Mapping[str, MetricCard]

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
            table = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise GenobenchError(f"{path}: {error}") from error
        known = {f.name for f in fields(MetricCard)}
        metrics: dict[str, MetricCard] = {}
        for name, entry in table.get("metrics", {}).items():
            if unknown := sorted(set(entry) - known):
                raise GenobenchError(f"{path}: metric {name}: unknown key(s) {', '.join(unknown)}")
            if entry.get("better") not in get_args(Better):
                raise GenobenchError(f"{path}: metric {name}: better = {entry.get('better')!r}")
            if (entry["better"] == "target") != ("target" in entry):
                raise GenobenchError(f"{path}: metric {name}: 'target' goes with better = 'target'")
            metrics[name] = MetricCard(
                name=name, **{**entry, "needs": tuple(entry.get("needs", ()))}
            )
        try:
            card = cls(
                name=path.stem,
                class_name=table["class"],
                title=table["title"],
                question=table["question"],
                floors=tuple(table["floors"]),
                metrics=metrics,
            )
        except KeyError as error:
            raise GenobenchError(f"{path}: key {error} is missing") from error
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

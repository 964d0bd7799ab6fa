"""Values between a measured floor and a measured ceiling, and ranks over several data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genobench.report.stats import FEWEST_BLOCKS, LEVEL, NONE, Interval, Summary, margin
from genobench.seeds import rng
from genobench.task import MetricCard


@dataclass(frozen=True)
class Rescaled:
    """A value on the scale on which the floor is 0 and the ceiling 1, never clipped.

    ``note`` says why there is no value, or what is suspicious about it.
    """

    value: float = math.nan
    interval: Interval = NONE
    note: str = ""


UNINFORMATIVE = "uninformative: floor and ceiling cannot be told apart"
REVERSED = "uninformative: the floor does better than the ceiling"
ABOVE = "above the ceiling"
MEMORISING = "above the ceiling: suspected memorising"


def rescale(
    x: Summary, floor: Summary | None, ceiling: Summary | None, card: MetricCard
) -> Rescaled:
    """(x - floor) / (ceiling - floor), with the interval of ``x`` over people and seeds.

    Undefined where a control is missing, where floor and ceiling coincide within their intervals,
    and where they stand the wrong way round. Above the ceiling counts what is better than it by
    more than the interval of the difference; beyond a target is not better.
    """
    if floor is None or math.isnan(floor.value):
        return Rescaled(note="no floor was run")
    if ceiling is None or math.isnan(ceiling.value):
        return Rescaled(note="no ceiling was run")
    if math.isnan(x.value):
        return Rescaled(note="no value")
    span = ceiling.value - floor.value
    if abs(span) <= margin(ceiling, floor):
        return Rescaled(note=UNINFORMATIVE)
    if card.loss(ceiling.value) > card.loss(floor.value):
        return Rescaled(note=REVERSED)
    ends = sorted((end - floor.value) / span for end in x.both)
    value = (x.value - floor.value) / span
    gain = card.loss(ceiling.value) - card.loss(x.value)
    better = x is not ceiling and gain > 0 and gain > margin(x, ceiling)
    return Rescaled(value, Interval(*ends), ABOVE if better else "")


@dataclass(frozen=True)
class Overall:
    """Mean rank of one model over data sets, with its interval over data sets."""

    model: str
    mean_rank: float
    interval: Interval
    blocks: int


def overall(
    ranks: Mapping[str, Mapping[str, int]], *, seed: int = 0, draws: int = 10_000
) -> tuple[list[Overall], str]:
    """Mean ranks over data sets, best first, and a sentence where there are none.

    Parameters
    ----------
    ranks
        Data set -> model -> rank. Only models ranked in every data set take part, re-ranked among
        themselves; the interval is a bootstrap over data sets.
    """
    blocks = sorted(ranks)
    if len(blocks) < FEWEST_BLOCKS:
        found = f"{len(blocks)} data set{'s were' if len(blocks) != 1 else ' was'} run"
        return [], f"No overall rank: {found}, and fewer than {FEWEST_BLOCKS} say little of others."
    common = sorted(set.intersection(*(set(ranks[b]) for b in blocks)))
    if len(common) < 2:
        return [], "No overall rank: fewer than two models were ranked on every data set."
    table = np.array([[ranks[b][m] for m in common] for b in blocks], dtype=np.float64)
    own = 1 + (table[:, :, None] > table[:, None, :]).sum(axis=2)  # (blocks, models)
    picks = rng(seed, "overall").integers(len(blocks), size=(draws, len(blocks)))
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(own[picks].mean(axis=1), tails, axis=0)
    rows = [
        Overall(m, float(own[:, i].mean()), Interval(float(low[i]), float(high[i])), len(blocks))
        for i, m in enumerate(common)
    ]
    return sorted(rows, key=lambda row: (row.mean_rank, row.model)), ""

"""What a task measured of one job, as an array: a leaderboard holds a million estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS = ("value", "low", "high", "version", "n")
_UNSAID = {"version": 1, "n": 0}  # by records of before there were such fields
_parts = itemgetter(*COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Estimates of one task.

    Attributes
    ----------
    names
        Of the metrics.
    table
        (metrics, `COLUMNS`); what is null in a record is NaN.
    """

    names: tuple[str, ...]
    table: Floats

    @classmethod
    def of(cls, metrics: Mapping[str, Mapping[str, Any]] | Estimates) -> Estimates:
        """From a record's ``metrics``."""
        if isinstance(metrics, Estimates):
            return metrics
        return cls(tuple(metrics), as_table(numbers(metrics.values())))


def numbers(estimates: Iterable[Mapping[str, Any]]) -> list[float | None]:
    """`COLUMNS` of one estimate after the other.

    Raises
    ------
    KeyError
        When one has no value or no interval.
    """
    try:
        return list(chain.from_iterable(map(_parts, estimates)))
    except KeyError:
        return [number for e in estimates for number in _parts(_UNSAID | dict(e))]


def as_table(flat: Sequence[float | None]) -> Floats:
    """(estimates, `COLUMNS`) array of what `numbers` gave.

    Raises
    ------
    TypeError, ValueError
        When something among them is no number.
    """
    return np.array(flat, dtype=np.float64).reshape(-1, len(COLUMNS))


def side_by_side(entries: Iterable[Estimates]) -> dict[str, Floats]:
    """By metric, (`COLUMNS`, jobs that have it), jobs of the same metrics together."""
    alike: dict[tuple[str, ...], list[Floats]] = {}
    for entry in entries:
        alike.setdefault(entry.names, []).append(entry.table)
    found: dict[str, list[Floats]] = {}
    for names, tables in alike.items():
        columns = np.ascontiguousarray(np.stack(tables).transpose(1, 2, 0))
        for name, of_metric in zip(names, columns, strict=True):
            found.setdefault(name, []).append(of_metric)
    return {n: np.concatenate(p, axis=1) if len(p) > 1 else p[0] for n, p in found.items()}

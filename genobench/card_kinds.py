"""Of what kind each key of a card is, checked where the card is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError

Kind = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53


TEXT: Kind = ("text in quotes", lambda v: isinstance(v, str))
TEXTS: Kind = (
    "a list of texts in quotes",
    lambda v: isinstance(v, list) and all(isinstance(e, str) for e in v),
)
WHOLE: Kind = ("a whole number", _is_whole)
POSITIVE: Kind = ("a whole number above 0", lambda v: _is_whole(v) and v > 0)
NUMBER: Kind = ("a number", _is_number)
BOUND: Kind = ("a number", lambda v: _is_number(v) or v in (math.inf, -math.inf))
TABLE: Kind = ("a table", lambda v: isinstance(v, dict))
SWITCH: Kind = ("true or false", lambda v: isinstance(v, bool))
TABLES: Kind = (
    "a table of tables",
    lambda v: isinstance(v, dict) and all(isinstance(e, dict) for e in v.values()),
)
REASONS: Kind = (
    "a table of texts in quotes",
    lambda v: isinstance(v, dict) and all(isinstance(e, str) for e in v.values()),
)


def require(table: Mapping[str, Any], kinds: Mapping[str, Kind], where: Path | str) -> None:
    """Raise a GenobenchError that names the first key of ``table`` that is of another kind."""
    for key, (words, fits) in kinds.items():
        if key in table and not fits(table[key]):
            huge = isinstance(table[key], int) and abs(table[key]) >= 2**64
            shown = "a huge number" if huge else repr(table[key])
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            raise GenobenchError(f"{where}: {key} = {shown}; it has to be {words}")

"""Named sizes of a benchmark, read from ``suites.toml`` beside the tasks."""

from __future__ import annotations

import difflib
import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError


@dataclass(frozen=True)
class Suite:
    """One size of benchmark.

    Attributes
    ----------
    name, title
        On the command line, and in a sentence.
    settings
        Which settings of a generator's card it uses: ``smoke``, ``small`` or ``paper``.
    seeds
        Seeds run when none are named.
    timeout_seconds
        Wall-clock limit of one job when none is named.
    data
        Arguments of ``DataSpec`` for the data used when none are named; empty: there are none.
    """

    name: str
    title: str
    settings: str
    seeds: tuple[int, ...]
    timeout_seconds: float
    data: Mapping[str, Any] = field(default_factory=dict)


@cache
def suites() -> dict[str, Suite]:
    """All suites by name."""
    path = _path()
    known = {f.name for f in fields(Suite)} - {"name"}
    found = {}
    for name, table in tomllib.loads(path.read_text()).items():
        if wrong := sorted((set(table) | {"data"}) ^ known):
            raise GenobenchError(f"{path}: suite {name}: missing or unknown: {', '.join(wrong)}")
        found[name] = Suite(name=name, **{**table, "seeds": tuple(table["seeds"])})
    return found


def find_suite(name: str) -> Suite:
    """Suite by name; an unknown name gets near matches."""
    known = suites()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise GenobenchError(f"unknown suite {name!r}{hint}; there are {', '.join(known)}")
    return known[name]


def _path() -> Path:
    """File among the task plug-ins, which this package finds rather than imports."""
    spec = importlib.util.find_spec("genobench.tasks")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "suites.toml"
        if path.exists():
            return path
    raise GenobenchError("suites.toml is missing beside the tasks: is genobench fully installed?")

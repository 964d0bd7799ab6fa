"""What a paper says its generator reaches: the tables ``[[published]]`` of a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError


@dataclass(frozen=True)
class Published:
    """One figure or claim from a paper.

    Attributes
    ----------
    claim
        What is claimed, in a few words.
    value
        As printed there, with what belongs to it: ``0.921 of calls (L = 2,048)``.
    data
        What it was measured on.
    differs
        Why ours differs, or what of it cannot be compared.
    metric
        Ours that is nearest to it, as ``task.metric``; empty where there is none.
    """

    claim: str
    value: str
    data: str
    differs: str
    metric: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Task and metric of ours; both empty where there is none."""
        task, _, metric = self.metric.partition(".")
        return task, metric


def read_published(path: Path, entries: Any) -> tuple[Published, ...]:
    """The entries of the card ``path``, checked.

    Raises
    ------
    GenobenchError
        Naming the card, the number of the entry and the key that is missing, unknown or no text.
    """
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise GenobenchError(f"{path}: published must be an array of tables: [[published]]")
    return tuple(_entry(f"{path}: [[published]] {i}", e) for i, e in enumerate(entries, 1))


def _entry(where: str, entry: dict[str, Any]) -> Published:
    known = {f.name: f.default is NO_DEFAULT for f in fields(Published)}
    if unknown := sorted(set(entry) - set(known)):
        raise GenobenchError(f"{where}: unknown key(s) {_listed(unknown)}; it has {_listed(known)}")
    if absent := [k for k, needed in known.items() if needed and k not in entry]:
        raise GenobenchError(f"{where}: key(s) {_listed(absent)} are missing")
    for key, value in entry.items():
        if not isinstance(value, str) or not (value.strip() or key == "metric"):
            raise GenobenchError(f"{where}: {key} = {value!r}; a sentence in quotes is needed")
    found = Published(**entry)
    if found.metric and not all(found.place):
        raise GenobenchError(
            f"{where}: metric = {found.metric!r}; write it as task.metric, e.g. fidelity.recall"
        )
    return found


def _listed(names: Sequence[str] | dict[str, bool]) -> str:
    return ", ".join(names)

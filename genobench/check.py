"""Tries the promises of the generator contract and says what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from genobench.contract import ContractError
from genobench.errors import GenobenchError
from genobench.promises import PROMISES, Subject
from genobench.registry import GeneratorPlugin

Verdict = Literal["kept", "broken", "expected failure", "unexpectedly kept", "skipped"]


@dataclass(frozen=True)
class Result:
    """What became of one promise; ``detail`` gives the reason when it was not kept."""

    promise: str
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Kept, or failing as its card says."""
        return self.verdict in ("kept", "expected failure")


def check(plugin: GeneratorPlugin, only: Iterable[str] | None = None) -> list[Result]:
    """Try every promise (or those named in ``only``) and say what became of each."""
    subject = Subject(plugin)
    wanted = set(only) if only is not None else set(PROMISES)
    if unknown := wanted - set(PROMISES):
        raise GenobenchError(f"unknown promise(s) {', '.join(sorted(unknown))}")
    if stray := set(plugin.card.expected_failures) - set(PROMISES):
        raise GenobenchError(
            f"{plugin.path.with_suffix('.toml')}: expected_failures names unknown promise(s) "
            f"{', '.join(sorted(stray))}; there are {', '.join(PROMISES)}"
        )
    return [_one(subject, name) for name in PROMISES if name in wanted]


def passed(results: Iterable[Result]) -> bool:
    """Whether all promises are kept, and not every one of them was skipped."""
    results = list(results)
    tried = [r for r in results if r.verdict != "skipped"]
    return bool(tried) and all(r.good for r in tried)


def _one(subject: Subject, name: str) -> Result:
    started = time.perf_counter()
    excuse = subject.plugin.card.expected_failures.get(name)
    verdict: Verdict
    try:
        skipped = PROMISES[name](subject)
        verdict, detail = ("skipped", skipped) if skipped else ("kept", "")
        if verdict == "kept" and excuse is not None:
            verdict, detail = "unexpectedly kept", "take it off the card's expected_failures"
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is the finding
        verdict = "expected failure" if excuse is not None else "broken"
        detail = excuse or _reason(error)
    return Result(name, verdict, detail, time.perf_counter() - started)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"

"""Tries the promises of the generator contract and says what became of each.

They are tried in a child process: a plug-in that crashes, leaves or hangs breaks the promise that
was being tried, and another child goes on with the next.
"""

from __future__ import annotations

import select
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from genobench.contract import ContractError
from genobench.errors import GenobenchError
from genobench.promises import PROMISES, Subject
from genobench.registry import GeneratorPlugin, find_generator
from genobench.run.child import Child, Ended, Slot
from genobench.run.environment import cores, memory_bytes
from genobench.run.job import Limits
from genobench.run.lifeline import Messages

PROMISE_SECONDS = 600.0  # what one promise may take
POLL_SECONDS = 0.1
REASON_LENGTH = 200  # of the last words of a plug-in that left without an exception

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


def check(
    plugin: GeneratorPlugin,
    only: Iterable[str] | None = None,
    seconds: float = PROMISE_SECONDS,
) -> list[Result]:
    """Try every promise (or those named in ``only``) and say what became of each.

    None may take longer than ``seconds``.
    """
    wanted = set(only) if only is not None else set(PROMISES)
    if unknown := wanted - set(PROMISES):
        raise GenobenchError(f"unknown promise(s) {', '.join(sorted(unknown))}")
    if stray := set(plugin.card.expected_failures) - set(PROMISES):
        raise GenobenchError(
            f"{plugin.path.with_suffix('.toml')}: expected_failures names unknown promise(s) "
            f"{', '.join(sorted(stray))}; there are {', '.join(PROMISES)}"
        )
    names = [name for name in PROMISES if name in wanted]
    found: dict[str, Result] = {}
    while rest := [name for name in names if name not in found]:
        found |= _in_child(plugin, rest, seconds)
    return [found[name] for name in names]


def try_promises(order: Mapping[str, Any], messages: Messages) -> None:
    """What the child does: try the promises of the order in turn, and send each result."""
    subject = Subject(find_generator(order["spec"]))
    for name in order["promises"]:
        messages.phase(name)
        messages.send("promise", result=asdict(_one(subject, name)))


def _in_child(plugin: GeneratorPlugin, names: Sequence[str], seconds: float) -> dict[str, Result]:
    """Results of ``names`` up to the first that ends the child; of one at least."""
    found: dict[str, Result] = {}
    current, since = names[0], 0.0
    order = {"mode": "promises", "spec": plugin.spec, "promises": list(names)}
    slot = Slot(0, "cpu", "", cores())
    with tempfile.TemporaryDirectory() as folder:
        child = Child(order, slot, Limits(seconds, memory_bytes()), Path(folder) / "log")
        try:
            over = False
            while not over:
                select.select(child.descriptors, [], [], POLL_SECONDS)
                over = child.process.poll() is not None  # before its last words are heard
                for message in child.messages():
                    if message.get("at") == "phase" and message["phase"] in names:
                        current, since = message["phase"], child.seconds
                        child.limits = Limits(since + seconds, child.limits.memory_bytes)
                    elif message.get("at") == "promise":
                        result = Result(**message["result"])
                        found[result.promise] = result
                child.enforce()
        finally:
            child.stop()
            ended = child.close()
    if len(found) < len(names) and current in found:  # it died between two promises
        current = next(name for name in names if name not in found)
    if current not in found:
        reason = _ending(ended, seconds, plugin.path)
        found[current] = _broken(plugin, current, reason, ended.seconds - since)
    return found


def _broken(plugin: GeneratorPlugin, name: str, reason: str, seconds: float) -> Result:
    """Result of a promise that failed, unless its card says that it does."""
    excuse = plugin.card.expected_failures.get(name)
    if excuse is not None:
        return Result(name, "expected failure", excuse, seconds)
    return Result(name, "broken", reason, seconds)


def _ending(ended: Ended, seconds: float, path: Path) -> str:
    """Why a child ended in the midst of a promise; with the place in the plug-in, if it said."""
    if ended.stopped == "timeout":
        return f"no end after {seconds:.0f} s"
    if ended.stopped == "memory":
        return "all memory of the machine was used up"
    if ended.error is not None:
        return f"{ended.error['type']}: {ended.error['message']}"
    reason = f"the process died of {ended.signal}"
    if ended.signal is None:
        reason = f"the process left with exit code {ended.exit_code}"
    said = next((line.strip() for line in ended.last_lines if f'{path.name}", line' in line), "")
    return f"{reason}: {said[:REASON_LENGTH]}" if said else reason


def passed(results: Iterable[Result]) -> bool:
    """Whether all promises are kept, and not every one of them was skipped."""
    results = list(results)
    tried = [r for r in results if r.verdict != "skipped"]
    return bool(tried) and all(r.good for r in tried)


def _one(subject: Subject, name: str) -> Result:
    started = time.perf_counter()
    verdict: Verdict
    try:
        skipped = PROMISES[name](subject)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a plug-in raises is the finding
        reason = _reason(error, subject.plugin.path)
        return _broken(subject.plugin, name, reason, time.perf_counter() - started)
    verdict, detail = ("skipped", skipped) if skipped else ("kept", "")
    if verdict == "kept" and name in subject.plugin.card.expected_failures:
        verdict, detail = "unexpectedly kept", "take it off the card's expected_failures"
    return Result(name, verdict, detail, time.perf_counter() - started)


def _reason(error: BaseException, path: Path) -> str:
    """What went wrong; of an exception also where in the plug-in's file, if it passed there."""
    if isinstance(error, ContractError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    place = f"{path.name}, line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"

"""A fit that runs out of memory: tried again with smaller batches, and what its record says of it.

The key of a job is that of the batch that was asked for. A smaller one is something that happened
to the job, like a lost worker; its record says how often, and with which batch it was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genobench.generator import Generator
    from genobench.run.child import Ended
    from genobench.run.job import Limits

SMALLEST = 16  # no batch is made smaller than this
AT_MOST = 4  # times that a job is tried again


def batch_sizes(cls: type[Generator], settings: Mapping[str, Any]) -> dict[str, int]:
    """Whole numbers named ``batch``, or ``..._batch``, among what a generator is built with."""
    own: tuple[Field[Any], ...] = fields(cls) if is_dataclass(cls) else ()
    every = {field.name: field.default for field in own if field.init} | dict(settings)
    return {
        name: value
        for name, value in every.items()
        if (name == "batch" or name.endswith("_batch")) and type(value) is int and value > 0
    }


def halved(sizes: Mapping[str, int]) -> dict[str, int]:
    """Batch sizes for the next try; the same when they are as small as they may be."""
    return {name: max(size // 2, min(size, SMALLEST)) for name, size in sizes.items()}


def in_words(sizes: Mapping[str, int]) -> str:
    """``batch 128``, or several of them."""
    return ", ".join(f"{name} {size}" for name, size in sizes.items())


class Retries:
    """The tries of one job.

    Parameters
    ----------
    limits
        Of the job; all its tries share the time.
    lowered
        Batch sizes to begin with; empty: those of the settings.

    Attributes
    ----------
    limits
        Of the next try.
    lowered
        Its batch sizes, where they are not those of the settings.
    events
        One per failed try that was followed by another, as in the record.
    told
        The last of them in a line; empty before.
    """

    def __init__(self, limits: Limits, lowered: Mapping[str, int]) -> None:
        self.asked = self.limits = limits
        self.lowered = dict(lowered)
        self.events: list[dict[str, Any]] = []
        self.told = ""
        self.sizes: dict[str, int] = {}  # of the try that runs now, as its process has said

    def take(self, ended: Ended, error: Mapping[str, Any]) -> bool:
        """Take in a try that ran out of memory; False when there is no other."""
        if self.obstacle(ended.seconds):
            return False
        what = f"{error['type']}: {error['message']}"
        self.events.append(
            {
                "batch": self.sizes,
                "phase": ended.phase,
                "what": what,
                "seconds": round(ended.seconds, 3),
            }
        )
        self.limits = replace(self.limits, seconds=self.limits.seconds - ended.seconds)
        before, self.lowered = in_words(self.sizes), halved(self.sizes)
        self.told = (
            f"out of memory in {ended.phase} with {before}; tried again with "
            f"{in_words(self.lowered)} (retry {len(self.events)} of {AT_MOST} at most)"
        )
        return True

    def obstacle(self, seconds: float) -> str:
        """Why a try that took ``seconds`` is the last one, and what to do; "" when it is not."""
        more = "give it more memory (--memory, --device-memory, fewer --jobs)"
        if not self.sizes:
            return f"it has no setting `batch` that could be lowered: {more}"
        tried = ", ".join(in_words(event["batch"]) for event in self.events)
        tried = f"{tried}, {in_words(self.sizes)}" if tried else in_words(self.sizes)
        if halved(self.sizes) == self.sizes or len(self.events) >= AT_MOST:
            return f"tried with {tried} and no smaller: {more}, or ask for a smaller batch"
        if self.limits.seconds - seconds < seconds:
            return f"tried with {tried}; too little time was left for less (--timeout): {more}"
        return ""

    def whole(self, ended: Ended) -> Ended:
        """How the last try ended, as the end of the job: the time and its limit are of all."""
        spent = self.asked.seconds - self.limits.seconds
        limit = self.asked.seconds if ended.stopped == "timeout" else ended.limit
        return replace(ended, seconds=spent + ended.seconds, limit=limit)

    def note(self, resources: dict[str, Any]) -> None:
        """Enter what happened into the resources of the record; nothing when nothing did."""
        if self.events:
            resources["memory_retries"] = self.events
        if self.lowered:
            resources["batch_used"] = self.lowered

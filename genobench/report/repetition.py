"""A repeated job against its record: metric by metric, and in one word."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from genobench.report.stats import LEVEL, NONE, Interval

Verdict = Literal["identical", "within", "different"]
Source = Literal["seeds", "people", "none"]
WORDS: Mapping[Verdict, str] = {
    "identical": "identical",
    "within": "within seed interval",
    "different": "different",
}
FEWEST_OTHERS = 2  # other seeds, below which seeds have no spread worth the name
# Of all metrics. On the embedded cohort (10 models, 3 to 7 seeds, 99 metrics) another seed in the
# place of the repetition exceeds it in 8 cases of 100, another model (8 pairs) in all.
OUTSIDE = 0.1
ROUNDING = 1e-6  # relative; numbers this near print alike in every table


@dataclass(frozen=True)
class Line:
    """One metric, then and now.

    Attributes
    ----------
    task, metric
        Which.
    recorded, repeated
        Both values; NaN where there was none.
    interval, source
        Where the repeated value may lie, and whether it is made of the training ``seeds``, of the
        ``people`` it was measured on (the record's own 95 % interval), or of nothing.
    verdict
        ``identical`` (value and interval, bit for bit), ``within`` the interval or within
        rounding, ``different``.
    """

    task: str
    metric: str
    recorded: float
    repeated: float
    interval: Interval
    source: Source
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """What came of a repetition.

    Attributes
    ----------
    same_sample
        The synthetic matrices are equal, by checksum.
    seeds
        Training seeds that the intervals ``seeds`` are made of, the record's among them.
    lines
        One per metric.
    notes
        What could not be compared, and why; each of it counts as a difference.
    """

    same_sample: bool
    seeds: int
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """Metrics of one verdict."""
        return sum(line.verdict == verdict for line in self.lines)

    @property
    def allowed(self) -> int:
        """Metrics that may lie outside: one in ten if the sample is another, none if it is equal.

        Each of the 95 % intervals misses one in twenty, and metrics miss together. See `OUTSIDE`.
        """
        return 0 if self.same_sample else int(OUTSIDE * len(self.lines))

    @property
    def verdict(self) -> Verdict:
        """Of the whole: ``identical`` only with an equal sample and every metric identical.

        ``different`` when more metrics lie outside than chance allows, or when something could not
        be compared; with no metric at all, when the sample is another.
        """
        if self.notes or self.count("different") > self.allowed:
            return "different"
        if not self.same_sample:
            return "within" if self.lines else "different"
        return "identical" if self.count("identical") == len(self.lines) else "within"


def compare(
    recorded: Mapping[str, Any],
    repeated: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]],
    absent: Collection[str] = (),
    exact: Collection[str] = (),
) -> Comparison:
    """Hold a repetition against its record.

    Parameters
    ----------
    recorded, repeated
        Both records.
    others
        Records of the same model on the same data from other seeds; see `same_but_seed`.
    absent
        Tasks that could not be run again, which are left out.
    exact
        Tasks that are scored by the same source with the same versions on the same machine: of an
        equal sample their metrics must be equal too, up to rounding, whatever other seeds say.
    """
    if repeated["status"] != "ok":
        message = f"it ended as {repeated['status']}: {repeated['error']['message']}"
        return Comparison(False, 0, (), (message,))
    same = recorded["outputs"]["synthetic_sha256"] == repeated["outputs"]["synthetic_sha256"]
    lines: list[Line] = []
    notes: list[str] = []
    for task, then in sorted(recorded["scores"].items()):
        if task in absent:
            continue
        now = repeated["scores"].get(task, {})
        if _state(then) != _state(now):
            why = now.get("error", {}).get("message", "")
            note = f"task {task}: recorded {_state(then)}, repeated {_state(now)}"
            notes.append(f"{note}: {why}" if why else note)
            continue
        entries = [r["scores"].get(task, {}).get("metrics", {}) for r in others]
        both = then.get("metrics", {}), now.get("metrics", {})
        fixed = same and task in exact
        lines += _lines(task, *both, None if fixed else entries)
    return Comparison(same, 1 + len(others), tuple(lines), tuple(notes))


def _state(entry: Mapping[str, Any]) -> str:
    """What became of a task, in a few words."""
    if "error" in entry:
        return f"failed ({entry['error']['type']})"
    if "skipped" in entry:
        return "skipped"
    return "scored" if entry.get("metrics") else "not scored"


def _lines(
    task: str,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] | None,
) -> Iterator[Line]:
    """Metrics of one task in the order of the record; those of one side alone differ.

    Without ``others``, None, there is no interval.
    """
    for name in dict.fromkeys((*then, *now)):
        old, new = then.get(name, _ABSENT), now.get(name, _ABSENT)
        interval, source = _interval(old, name, others)
        verdict = _verdict(old, new, interval)
        values = _number(old["value"]), _number(new["value"])
        yield Line(task, name, *values, interval, source, verdict)


_ABSENT: Mapping[str, Any] = {"value": None, "low": None, "high": None, "version": 0}


def _interval(
    old: Mapping[str, Any], name: str, others: Sequence[Mapping[str, Any]] | None
) -> tuple[Interval, Source]:
    """Where another fit's value is to be expected: from seeds when there are enough of them."""
    if others is None:
        return NONE, "none"
    more = [e[name] for e in others if name in e and e[name]["version"] == old["version"]]
    values = [_number(e["value"]) for e in (old, *more)]
    known = [value for value in values if not math.isnan(value)]
    if len(known) > FEWEST_OTHERS and not math.isnan(values[0]):
        return spread(known), "seeds"
    own = Interval(_number(old["low"]), _number(old["high"]))
    return (NONE, "none") if math.isnan(own.low) or math.isnan(own.high) else (own, "people")


def spread(values: Sequence[float]) -> Interval:
    """95 % prediction interval of one more draw, by Student's t.

    mean +- t(n - 1) * sd * sqrt(1 + 1 / n): as wide as a repetition that is as good as another
    seed needs it. The range from the least to the greatest of three would catch it half the time.
    """
    from scipy.special import stdtrit

    n = len(values)
    mean = math.fsum(values) / n
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1))
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * sd * math.sqrt(1 + 1 / n)
    return Interval(mean - half, mean + half)


def _verdict(old: Mapping[str, Any], new: Mapping[str, Any], interval: Interval) -> Verdict:
    parts = ("value", "low", "high", "version")
    if all(old[part] == new[part] for part in parts):
        return "identical"
    if old["version"] != new["version"] or old["value"] is None or new["value"] is None:
        return "different"
    value = float(new["value"])
    near = math.isclose(old["value"], value, rel_tol=ROUNDING, abs_tol=1e-9)
    return "within" if near or interval.low <= value <= interval.high else "different"


def same_but_seed(record: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether ``other`` is the same model on the same data and device, from another seed."""
    return (
        other["status"] == "ok"
        and other["job"]["seed"] != record["job"]["seed"]
        and _identity(other) == _identity(record)
    )


def _identity(record: Mapping[str, Any]) -> tuple[Any, ...]:
    job = record["job"]
    return (
        *(job[name] for name in ("model", "settings", "suite", "data_key")),
        job["budget"]["device"],
        job["budget"].get("processes", 1),
        record["inputs"]["split_sha256"],
        record["software"]["plugin_sha256"],
    )


def _number(value: Any) -> float:
    """Float of a JSON number; null is NaN."""
    return math.nan if value is None else float(value)

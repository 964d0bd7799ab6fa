"""Verdicts on how close synthetic people are to those the file was made from.

Closeness is evidence where there is too much of it, and no proof of privacy where there is not.
A metric joins with a line in one of the tables.
"""

from __future__ import annotations

from genobench.report.numerals import number
from genobench.report.sheet import (
    Level,
    Sheet,
    Verdict,
    ends,
    enumerated,
    half_width,
    percent,
    with_interval,
)
from genobench.report.stats import Summary

COPIES, EXCESS, RATIO = "duplicates_train", "duplicates_excess", "nn_distance_ratio"
# share with such a relative in train beyond that of test people -> degree, and what it amounts to;
# many generators make people a little too typical, who look distantly related to everybody
RELATIVES: dict[str, tuple[str, Level]] = {
    "kinship_duplicate": ("a duplicate", "fail"),
    "kinship_first": ("a first-degree relative", "fail"),
    "kinship_second": ("a second-degree relative", "concern"),
    "kinship_third": ("a third-degree relative", "concern"),
}
# how much more synthetic people have to do with members than with as many non-members -> chance,
# and what is measured
LEANING = {
    "closer_to_train": (0.5, "share whose nearest real person is a training person"),
    "privacy_loss": (0.0, "privacy loss"),
}


def judge(sheet: Sheet) -> list[Verdict]:
    """Copies, relatives, distance; empty where the task measures none of them."""
    parts = (_copies(sheet), _relatives(sheet), _distance(sheet))
    return [verdict for verdict in parts if verdict is not None]


def _copies(sheet: Sheet) -> Verdict | None:
    """Rows that are identical to a training person."""
    share, top = sheet.of(COPIES), sheet.real(COPIES)
    if share is None:
        return None
    evidence, what, n = sheet.evidence(COPIES, EXCESS), "verbatim copies", sheet.people(COPIES)
    if share.value == 0:
        text = (
            "No synthetic person is identical to a training person. That alone proves nothing: "
            "copies with a few changed calls are not identical either."
        )
        return Verdict(sheet.task, what, "pass", text, evidence)
    count = f"{round(share.value * n):,} of {n:,}" if n else percent(share.value)
    text = f"{count} synthetic people are identical to a training person"
    text += "." if top is None else f"; of fresh real people {percent(top.value)} are."
    excess = sheet.of(EXCESS)
    proven = excess is not None and excess.measured and excess.value - half_width(excess) > 0
    if proven or (top is not None and share.value - top.value > half_width(share, top)):
        return Verdict(sheet.task, what, "fail", f"Copies: {text}", evidence)
    if top is not None and top.value >= share.value:
        text += " So many coincide by chance on so few variants."
        return Verdict(sheet.task, what, "pass", text, evidence)
    return Verdict(sheet.task, what, "concern", f"{text} Look at these rows.", evidence)


def _relatives(sheet: Sheet) -> Verdict | None:
    """Synthetic people with more relatives among the training people than test people have."""
    tried = sheet.measured(RELATIVES)
    if not tried:
        return None
    found = {
        m: s for m in tried if (s := sheet.of(m)) is not None and _exceeds(sheet, m, len(tried))
    }
    evidence, what = sheet.evidence(*tried), "relatives"
    if not found:
        text = "No more relatives among the training people than fresh real people have there."
        return Verdict(sheet.task, what, "pass", text, evidence)
    closest = next(iter(found))
    degree, level = RELATIVES[closest]
    text = (
        f"{percent(found[closest].value)} of the synthetic people have {degree} among the training "
        f"people beyond the share of test people who have ({_range(found[closest])})."
    )
    return Verdict(sheet.task, what, level, text, evidence)


def _exceeds(sheet: Sheet, metric: str, tests: int) -> bool:
    """Beyond test people, and beyond fresh real people: the interval of the difference holds 0."""
    x, top = sheet.of(metric), sheet.real(metric)
    if x is None or x.value - half_width(x, tests=tests) <= 0:
        return False
    return top is None or x.value - top.value > half_width(x, top, tests=tests)


def _distance(sheet: Sheet) -> Verdict | None:
    """Whether the file lies nearer to the training people than fresh real people do."""
    leans = {m: s for m in sheet.measured(LEANING) if (s := sheet.of(m)) is not None}
    ratio, top = sheet.of(RATIO), sheet.real(RATIO)
    if not leans and ratio is None:
        return None
    evidence = sheet.evidence(*leans, RATIO)
    what, parts = "distance to the training people", []
    level: Level = "pass"
    if ratio is not None and top is not None and _closer(ratio, top):
        level = "concern"
        parts.append(
            "Above the ceiling: closer to the training people than fresh real people are; "
            "suspected memorising. The nearest training person is at "
            f"{number(ratio.value)} of the distance that people of the hold-out have (fresh real "
            f"people: {number(top.value)})."
        )
    found = {m: s for m, s in leans.items()
             if s.value - half_width(s, tests=len(leans)) > LEANING[m][0]}  # fmt: skip
    if found:
        level = "fail"
        shown = enumerated(f"{LEANING[m][1]} {with_interval(s)}" for m, s in found.items())
        parts.append(f"Closer to the training people than to as many others: {shown}.")
    if parts:
        return Verdict(sheet.task, what, level, " ".join(parts), evidence)
    text = "Not closer to the training people than to other real people"
    if (s := leans.get("closer_to_train")) is not None:
        text += f": a training person is nearest for {percent(s.value)}, with 50 % by chance"
    text += ". Distance alone is no proof of privacy."
    return Verdict(sheet.task, what, "pass", text, evidence)


def _closer(ratio: Summary, top: Summary) -> bool:
    """Closer than people of the hold-out, at 1, and closer than the second real sample."""
    return ratio.value + half_width(ratio) < 1 and top.value - ratio.value > half_width(ratio, top)


def _range(s: Summary) -> str:
    low, high = ends(s)
    return f"95 % interval {percent(low).removesuffix(' %')} to {percent(high)}"

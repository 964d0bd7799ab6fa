"""What was done to a data set, in lines for whoever waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genobench.data.kinship import DEGREES
from genobench.data.quality_report import QualityReport, Step
from genobench.data.split import PARTS, Split

WITHOUT = {  # counts of `Labels`: why somebody is left out, as a step of quality control
    "without_label": ("no label", "no value of the trait"),
    "without_covariates": ("no covariate", "a value of a covariate is missing"),
    "other_populations": ("population", "of neither population asked for"),
    "incomplete": ("call rate in the files", "called at less than 0.95 of all SNPs"),
}


def left_out(counts: Mapping[str, int]) -> tuple[Step, ...]:
    """People who never came to quality control, as the first steps of its account."""
    left, steps = counts["genotyped"], []
    for name, (title, why) in WITHOUT.items():
        if dropped := counts.get(name, 0):
            left -= dropped
            steps.append(Step("people", title, dropped, left, why))
    return tuple(steps)


def people_line(counts: Mapping[str, int], trait: str) -> str:
    """How many of the genotyped people are used, and why not the others."""
    steps = left_out(counts)
    left = steps[-1].left if steps else counts["genotyped"]
    text = f"people: {left:,} of {counts['genotyped']:,} genotyped are used for {trait}"
    return "; ".join([text, *(f"{s.dropped:,} left out: {s.why}" for s in steps)])


def quality_line(checked: QualityReport) -> str:
    """What quality control dropped, by step, and what it left."""
    text = f"quality control leaves {checked.people:,} people and {checked.variants:,} SNPs"
    dropped = [f"{s.dropped:,} {s.unit} ({s.name})" for s in checked.steps if s.dropped]
    return f"{text}; dropped: {', '.join(dropped)}" if dropped else text


def relatives_line(found: Mapping[str, Any]) -> str:
    """Who is kept together in the split; a warning where nobody has looked for relatives."""
    method = found["method"]
    if method == "KING-robust":
        unknown = found.get("not_compared", 0)
        without = f"; {unknown:,} called at too few of them are compared with nobody"
        return (
            f"relatives: {found['people_with_relatives']:,} people in {found['families']:,} "
            f"families, to the {DEGREES[found['threshold']]} degree by kinship at "
            f"{found['independent_snps']:,} independent SNPs, are kept in one part each"
            f"{without if unknown else ''}"
        )
    if method != "none":
        return (
            f"relatives: {found['people_in_groups']:,} people in {found['groups']:,} groups, by "
            f"{method}, are kept in one part each"
        )
    if "family_ids" not in found:
        return f"relatives: nobody is kept together ({found['reason']})"
    named = found["family_ids"].get("families", 0)
    known = f"; {named:,} families by FID are kept together" if named else ""
    return (
        f"warning: relatives were not looked for ({found['reason']}){known}: others may be on both "
        "sides of the split, and what is measured on test people is then too good. Name a column "
        "of families with --group, or say --group none when nobody is related"
    )


def split_line(split: Split) -> str:
    """People of each part."""
    return "split: " + ", ".join(f"{name} {getattr(split, name).n:,}" for name in PARTS)


def selection_line(found: Mapping[str, Any], chosen: int) -> str:
    """How many SNPs were chosen, and by what."""
    external = found["source"] == "external"
    by = "external summary statistics" if external else "association in the training people"
    clumped = "" if found["clump_r2"] is None else f", clumped at r2 {found['clump_r2']:g}"
    return f"{chosen:,} SNPs chosen by {by}{clumped}"

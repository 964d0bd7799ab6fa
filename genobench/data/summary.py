"""External summary statistics put on a cohort's SNPs: position, name, alleles, strand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.data.gwas import Association
from genobench.data.spelling import chromosome, other_strand
from genobench.data.summary_table import Summary
from genobench.errors import GenobenchError

AMBIGUOUS = frozenset({"AT", "TA", "CG", "GC"})


@dataclass(frozen=True, eq=False)
class Matched:
    """Statistics at the cohort's SNPs.

    Attributes
    ----------
    association
        (m,) each, for the cohort's counted allele; z 0 and p 1 where the file has nothing.
    matched
        (m,) bool.
    counts
        For the report: lines, matched by position and by name, flipped, strand-ambiguous, ...
    """

    association: Association
    matched: NDArray[np.bool_]
    counts: dict[str, int]


def match(summary: Summary, variants: pd.DataFrame, *, drop_ambiguous: bool = False) -> Matched:
    """Put `read_summary`'s statistics on a cohort's SNPs, sign turned to the counted allele.

    A line belongs to a SNP of the same chromosome, position and alleles; where positions do not
    say, of the same id and alleles. Alleles may be swapped or on the other strand. A/T and C/G
    SNPs, whose strand cannot be told, are taken as they stand and counted.

    Raises
    ------
    GenobenchError
        When nothing matches, with an example of either side.
    """
    lookup = _Lookup(summary.table)
    m = len(variants)
    z, p = np.zeros(m), np.ones(m)
    matched = np.zeros(m, dtype=bool)
    counts = dict.fromkeys(
        ("by_position", "by_id", "swapped", "other_strand", "ambiguous", "other_alleles"), 0
    )
    wanted = variants[["chrom", "pos", "id", "counted", "other"]]
    for index, (chrom, pos, name, counted, other) in enumerate(wanted.itertuples(index=False)):
        found = lookup.find(str(chrom), int(pos), str(name))
        aligned = [(hit, _alignment(hit, counted.upper(), other.upper())) for hit in found]
        usable = [(hit, how) for hit, how in aligned if how is not None]
        if not usable:
            counts["other_alleles"] += bool(found)
            continue
        ambiguous = f"{counted}{other}".upper() in AMBIGUOUS
        counts["ambiguous"] += ambiguous
        if ambiguous and drop_ambiguous:
            continue
        hit, (sign, flipped) = usable[0]
        z[index], p[index], matched[index] = sign * hit.z, hit.p, True
        counts["by_position" if hit.positional else "by_id"] += 1
        counts["swapped"] += sign < 0
        counts["other_strand"] += flipped
    if not matched.any():
        ours, (chrom, pos, name, effect, other) = variants.iloc[0], summary.first
        raise GenobenchError(
            f"none of {summary.lines} lines of the summary statistics matches one of {m} SNPs "
            f"(here {ours['chrom']}:{ours['pos']} {ours['id']} {ours['counted']}/{ours['other']}, "
            f"there {chrom}:{pos} {name} {effect}/{other}): is it the same genome build?"
        )
    lines = {"lines": summary.lines, "matched": int(matched.sum())}
    counts["unmatched"] = m - int(matched.sum())
    if summary.boundless_odds:
        counts["boundless_odds"] = summary.boundless_odds
    numbers = {name: int(count) for name, count in {**lines, **counts}.items()}
    # without standard errors on one scale, z itself serves as effect
    return Matched(Association(z, p, z.copy()), matched, numbers)


@dataclass(frozen=True)
class _Hit:
    effect: str
    other: str
    z: float
    p: float
    positional: bool


class _Lookup:
    """Lines by position and by id."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows = list(zip(table["effect"], table["other"], table["z"], table["p"], strict=True))
        self._by_position: dict[tuple[str, int], list[int]] = {}
        self._by_id: dict[str, list[int]] = {}
        keys = zip(table["chrom"], table["pos"], table["id"], strict=True)
        for row, (chrom, pos, name) in enumerate(keys):
            if pos > 0 and chrom:
                self._by_position.setdefault((chromosome(chrom), pos), []).append(row)
            if name:
                self._by_id.setdefault(name, []).append(row)

    def find(self, chrom: str, pos: int, name: str) -> list[_Hit]:
        """Lines at the position, else lines of that name."""
        rows = self._by_position.get((chromosome(chrom), pos), [])
        positional = bool(rows)
        return [
            _Hit(*self._rows[row], positional=positional)
            for row in rows or self._by_id.get(name, [])
        ]


def _alignment(hit: _Hit, counted: str, other: str) -> tuple[int, bool] | None:
    """(+1 or -1, on the other strand), or None when the alleles are others."""
    written = hit.effect, hit.other
    for flipped, pair in ((False, written), (True, other_strand(written))):
        if pair is None:
            return None
        effect, second = pair
        if effect == counted and second in ("", other):
            return 1, flipped
        if effect == other and second in ("", counted):
            return -1, flipped
        if not hit.other:
            return None  # one allele alone does not tell the strand
    return None

"""External summary statistics: read from the usual formats into one table.

GWAS-SSF, PLINK 1 (.assoc, .assoc.logistic, .assoc.linear), PLINK 2 (.glm) and REGENIE are told
apart by their column names alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from genobench.data.delimited import CUT_OFF, cut_off, lines_of, opened_text
from genobench.data.plink_files import LARGEST
from genobench.errors import GenobenchError

# meaning: column names in order of preference, compared without case and a leading '#'
ALIASES = {
    "chrom": ("chromosome", "chrom", "chr"),
    "pos": ("base_pair_location", "genpos", "pos", "bp", "position"),
    "id": ("rsid", "rs_id", "snp", "id", "variant_id", "markername"),
    "effect": ("effect_allele", "allele1", "a1"),
    "beta": ("beta",),
    "odds": ("odds_ratio", "or"),
    "z": ("z", "z_score", "z_stat", "t_stat", "stat"),
    "p": ("p_value", "p", "pvalue", "pval"),
    "log10p": ("neg_log_10_p_value", "log10p", "log10_p", "neg_log10_p_value"),
    "test": ("test",),
}
OTHER = {  # the second allele; PLINK 2 gives both and A1 is one of them
    "other": ("other_allele", "allele0", "a2", "nea"),
    "ref": ("ref",),
    "alt": ("alt",),
}
MISSING_TEXT = frozenset({"", "na", "nan", "n/a", ".", "#na", "-nan", "null"})
MOST_BAD_LINES = 5
SMALLEST_P = 1e-300  # what a p of 0 is taken for: it was too small to be written
LARGEST_LOG10P = 1e9  # no study has that strength: something else is in the column
LINES_AT_A_TIME = 10_000


@dataclass(frozen=True, eq=False)
class Summary:
    """What was read of a file of summary statistics.

    Attributes
    ----------
    table
        chrom, pos (0 = not given), id, effect, other (empty = not given), z, p; the index is the
        line in the file. Lines without an estimate (NA) are left out, as are PLINK's lines for
        covariates (TEST other than ADD).
    lines
        Lines of the file, those for covariates left out.
    first
        chrom, pos, id, effect, other of the first of them, for messages.
    boundless_odds
        Lines of ``table`` whose odds ratio is 0 or infinite (no carrier among cases, or among
        controls): its direction counts, and the p value beside it.
    """

    table: pd.DataFrame
    lines: int
    first: tuple[str, int, str, str, str]
    boundless_odds: int


def read_summary(path: str | Path, variants: pd.DataFrame | None = None) -> Summary:
    """Summary statistics, of all variants or of those of a cohort.

    Parameters
    ----------
    path
        Text or .gz, columns separated by tabs, blanks or commas, lines with ``##`` skipped.
    variants
        pos and id of a cohort's variants: lines with neither among these are passed over, so that
        memory goes with the cohort and not with the file. None: all lines are kept.

    Raises
    ------
    GenobenchError
        Columns that are absent, with those found; values that are no numbers, with line numbers;
        a .gz that is cut off.
    """
    path = Path(path)
    parts: list[pd.DataFrame] = []
    lines = kept = boundless = 0
    first: tuple[str, int, str, str, str] | None = None
    known = None
    if variants is not None:
        known = pd.Index(variants["pos"].unique()), pd.Index(variants["id"].unique())
    try:
        for raw, columns in _blocks(path):
            if "test" in columns:
                raw = raw[raw[columns["test"]].str.upper() == "ADD"]
            lines += len(raw)
            if first is None and len(raw):
                described = _described(raw.iloc[:1], columns, path)
                first = next(described.itertuples(index=False, name=None))
            wanted = raw if known is None else raw[_among(raw, columns, *known, path)]
            kept += len(wanted)
            part, extreme = _estimated(wanted, columns, path)
            if len(part) or not parts:
                parts.append(part)
            boundless += extreme
    except CUT_OFF as error:
        raise GenobenchError(cut_off(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise GenobenchError(f"{path}: cannot be read as a text table: {error}") from error
    if first is None:
        raise GenobenchError(f"{path}: no header and lines of summary statistics")
    table = pd.concat(parts[bool(parts[1:]) and parts[0].empty :])
    if kept and table.empty:
        raise GenobenchError(f"{path}: no line has an allele, an effect and a p value")
    return Summary(table, lines, first, boundless)


def _among(
    raw: pd.DataFrame, columns: dict[str, str], positions: pd.Index, ids: pd.Index, path: Path
) -> NDArray[np.bool_]:
    """(lines,) whether a position, of whatever chromosome, or an id is one of the cohort's."""
    there = _positions(raw, columns, path).to_numpy()
    names = _text(raw, columns, "id").to_numpy()
    # an index keeps its hash table from block to block
    here = (positions.get_indexer(pd.Index(there)) >= 0) & (there > 0)
    return np.asarray(here | ((ids.get_indexer(pd.Index(names)) >= 0) & (names != "")))


def _described(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.DataFrame:
    """Which variants the lines are of: chrom, pos, id, effect, other."""
    table = pd.DataFrame(index=raw.index)
    table["chrom"] = _text(raw, columns, "chrom").str.removeprefix("chr")
    table["pos"] = _positions(raw, columns, path)
    table["id"] = _text(raw, columns, "id")
    table["effect"] = _text(raw, columns, "effect").str.upper()
    table["other"] = _other(raw, columns, table["effect"])
    return table


def _estimated(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> tuple[pd.DataFrame, int]:
    """Lines with an estimate, and of how many of them the odds ratio is 0 or infinite."""
    table = _described(raw, columns, path)
    log_p = _log_p(raw, columns, path)
    table["p"] = np.exp(log_p)
    # from the logarithm: of the strongest SNPs of a biobank p itself is 0
    strength: NDArray[np.float64] = -special.ndtri_exp(log_p.to_numpy() - np.log(2))
    signs, extreme = _signs(raw, columns, path)
    table["z"] = signs * strength
    known = (table["z"].notna() & (table["effect"] != "")).to_numpy()
    return table[known], int(extreme[known].sum())


def _blocks(path: Path) -> Iterator[tuple[pd.DataFrame, dict[str, str]]]:
    """Some lines at a time, as text, the columns that mean something; the index is the line."""
    with opened_text(path) as file:
        every = enumerate(lines_of(file, path), 1)
        lines = ((i, line) for i, line in every if line.strip() and line[:2] != "##")
        header = next(lines, (0, ""))[1]
        separator = "\t" if "\t" in header else "," if "," in header else None
        names = [name.strip().strip('"') for name in header.strip("\r\n").split(separator)]
        if not header:
            return
        columns = _columns(names, path)
        at = {name: names.index(name) for name in columns.values()}
        while block := list(islice(lines, LINES_AT_A_TIME)):
            rows = [(i, line.strip("\r\n").split(separator)) for i, line in block]
            wrong = [i for i, row in rows if len(row) != len(names)]
            if wrong:
                raise GenobenchError(
                    f"{path}, line {_some(wrong)}: not the {len(names)} columns of the header"
                )
            texts = {name: [row[j].strip().strip('"') for _, row in rows] for name, j in at.items()}
            yield pd.DataFrame(texts, index=[i for i, _ in rows], dtype=object), columns


def _columns(header: Sequence[str], path: Path) -> dict[str, str]:
    """Which of the file's columns means what."""
    plain = {name.lower().lstrip("#"): name for name in header}
    found = {
        meaning: next(plain[a] for a in names if a in plain)
        for meaning, names in {**ALIASES, **OTHER}.items()
        if any(a in plain for a in names)
    }
    lacking = [
        text
        for text, meanings in (
            ("an effect allele", ("effect",)),
            ("beta, odds ratio or z", ("beta", "odds", "z")),
            ("p or log10 p", ("p", "log10p")),
            ("positions or ids", ("pos", "id")),
        )
        if not any(meaning in found for meaning in meanings)
    ]
    if lacking:
        raise GenobenchError(
            f"{path}: no column for {' and '.join(lacking)} among {', '.join(header)}; "
            "GWAS-SSF, PLINK and REGENIE names are known"
        )
    return found


def _text(raw: pd.DataFrame, columns: dict[str, str], what: str) -> pd.Series:
    if what not in columns:
        return pd.Series("", index=raw.index)
    text = raw[columns[what]]
    return text.mask(text.str.lower().isin(MISSING_TEXT), "")


def _number(raw: pd.DataFrame, columns: dict[str, str], what: str, path: Path) -> pd.Series:
    """Numbers, NaN where missing; anything else is an error with its lines."""
    text = _text(raw, columns, what)
    numbers = pd.to_numeric(text, errors="coerce").astype(np.float64)
    no_number = numbers.isna() if what == "odds" else ~np.isfinite(numbers)
    wrong = raw.index[no_number & (text != "")]
    if len(wrong):
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: column {columns[what]}: {text[wrong[0]]!r} "
            "is not a number"
        )
    return numbers


def _positions(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.Series:
    """Whole numbers, 0 where there is none: PLINK takes a negative one for that too."""
    numbers = _number(raw, columns, "pos", path).fillna(0)
    wrong = numbers.index[(numbers % 1 != 0) | (numbers > LARGEST)]
    if len(wrong):
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: column {columns['pos']}: {numbers[wrong[0]]:g} "
            "is not a position"
        )
    return numbers.clip(lower=0).astype(np.int64)


def _log_p(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.Series:
    """Natural logarithm of p."""
    if "log10p" in columns:
        name, negative = columns["log10p"], _number(raw, columns, "log10p", path)
        wrong = negative.index[(negative < 0) | (negative > LARGEST_LOG10P)]
        logarithm: pd.Series = negative.mul(-float(np.log(10)))
    else:
        name, p = columns["p"], _number(raw, columns, "p", path)
        wrong = p.index[(p < 0) | (p > 1)]
        logarithm = pd.Series(np.log(p.clip(SMALLEST_P, 1).to_numpy()), index=p.index)
    if len(wrong):
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: column {name}: a p value lies in 0 to 1"
        )
    return logarithm


def _signs(
    raw: pd.DataFrame, columns: dict[str, str], path: Path
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Direction of the effect allele, of beta, odds ratio or z; where the odds are 0 or infinite.

    PLINK writes such odds where an allele is seen in cases or in controls alone.
    """
    if "beta" in columns or "odds" not in columns:
        effect = _number(raw, columns, "beta" if "beta" in columns else "z", path)
        return np.asarray(np.sign(effect)), np.zeros(len(raw), dtype=bool)
    odds = _number(raw, columns, "odds", path)
    wrong = odds.index[odds < 0]
    if len(wrong):
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: column {columns['odds']}: an odds ratio is not negative"
        )
    return np.asarray(np.sign(odds - 1)), np.asarray((odds == 0) | np.isinf(odds))


def _other(raw: pd.DataFrame, columns: dict[str, str], effect: pd.Series) -> pd.Series:
    """Second allele; of PLINK 2's REF and ALT the one that is not A1."""
    if "other" in columns:
        return _text(raw, columns, "other").str.upper()
    if "ref" in columns and "alt" in columns:
        ref, alt = (_text(raw, columns, what).str.upper() for what in ("ref", "alt"))
        return ref.where(ref != effect, alt)
    return pd.Series("", index=raw.index)


def _some(lines: Any) -> str:
    """The first few line numbers."""
    first = ", ".join(str(i) for i in list(lines)[:MOST_BAD_LINES])
    return (
        f"{first} and {len(lines) - MOST_BAD_LINES} more" if len(lines) > MOST_BAD_LINES else first
    )

"""External summary statistics: read from the usual formats into one table.

GWAS-SSF, PLINK 1 (.assoc, .assoc.logistic, .assoc.linear), PLINK 2 (.glm) and REGENIE are told
apart by their column names alone.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

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


def read_summary(path: str | Path) -> pd.DataFrame:
    """Summary statistics as one table.

    Parameters
    ----------
    path
        Text or .gz, columns separated by tabs, blanks or commas, lines with ``##`` skipped.

    Returns
    -------
    DataFrame
        chrom, pos (0 = not given), id, effect, other (empty = not given), z, p; the index is the
        line in the file. Lines without an estimate (NA) are left out, as are PLINK's lines for
        covariates (TEST other than ADD).

    Raises
    ------
    GenobenchError
        Columns that are absent, with those found; values that are no numbers, with line numbers.
    """
    path = Path(path)
    raw = _raw_table(path)
    columns = _columns(raw, path)
    if "test" in columns:
        raw = raw[raw[columns["test"]].str.upper() == "ADD"]
    table = pd.DataFrame(index=raw.index)
    table["chrom"] = _text(raw, columns, "chrom").str.removeprefix("chr")
    table["pos"] = _number(raw, columns, "pos", path).fillna(0).astype(np.int64)
    table["id"] = _text(raw, columns, "id")
    table["effect"] = _text(raw, columns, "effect").str.upper()
    table["other"] = _other(raw, columns, table["effect"])
    log_p = _log_p(raw, columns, path)
    table["p"] = np.exp(log_p)
    # from the logarithm: of the strongest SNPs of a biobank p itself is 0
    strength: NDArray[np.float64] = -special.ndtri_exp(log_p.to_numpy() - np.log(2))
    table["z"] = _signs(raw, columns, path) * strength
    known = table["z"].notna() & (table["effect"] != "")
    if not known.any():
        raise GenobenchError(f"{path}: no line has an allele, an effect and a p value")
    return table[known]


def _raw_table(path: Path) -> pd.DataFrame:
    """Everything as text; the index is the line number."""
    try:
        with _opened(path) as file:
            lines = [(i, line) for i, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise GenobenchError(f"{path}: cannot be read as a text table: {error}") from error
    lines = [(i, line) for i, line in lines if not line.startswith("##")]
    if len(lines) < 2:
        raise GenobenchError(f"{path}: no header and lines of summary statistics")
    header = lines[0][1]
    separator = "\t" if "\t" in header else "," if "," in header else None
    names = [name.strip().strip('"') for name in header.strip("\r\n").split(separator)]
    rows = [(i, line.strip("\r\n").split(separator)) for i, line in lines[1:]]
    wrong = [i for i, row in rows if len(row) != len(names)]
    if wrong:
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: not the {len(names)} columns of the header"
        )
    values = [[cell.strip().strip('"') for cell in row] for _, row in rows]
    return pd.DataFrame(values, columns=names, index=[i for i, _ in rows])


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8")


def _columns(raw: pd.DataFrame, path: Path) -> dict[str, str]:
    """Which of the file's columns means what."""
    plain = {name.lower().lstrip("#"): name for name in raw.columns}
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
            f"{path}: no column for {' and '.join(lacking)} among {', '.join(raw.columns)}; "
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
    wrong = raw.index[(numbers.isna() & (text != "")) | np.isinf(numbers)]
    if len(wrong):
        raise GenobenchError(
            f"{path}, line {_some(wrong)}: column {columns[what]}: {text[wrong[0]]!r} "
            "is not a number"
        )
    return numbers


def _log_p(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.Series:
    """Natural logarithm of p."""
    if "log10p" in columns:
        name, negative = columns["log10p"], _number(raw, columns, "log10p", path)
        wrong = negative.index[negative < 0]
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


def _signs(raw: pd.DataFrame, columns: dict[str, str], path: Path) -> NDArray[np.float64]:
    """Direction of the effect allele: of beta, log odds ratio or z."""
    if "beta" in columns:
        return np.asarray(np.sign(_number(raw, columns, "beta", path)))
    if "odds" in columns:
        odds = _number(raw, columns, "odds", path)
        wrong = odds.index[odds <= 0]
        if len(wrong):
            raise GenobenchError(
                f"{path}, line {_some(wrong)}: column {columns['odds']}: an odds ratio is positive"
            )
        return np.asarray(np.sign(np.log(odds)))
    return np.asarray(np.sign(_number(raw, columns, "z", path)))


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

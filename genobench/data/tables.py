"""Phenotype and covariate tables as PLINK users have them, joined to the genotyped people.

White space, tabs or commas between columns, a header with ``FID IID`` (or ``#FID IID``, ``#IID``,
``IID``). Missing is ``NA``, ``N/A``, ``nan``, ``.``, nothing at all, and exactly -9: a quantitative
trait that truly takes the value -9 has to be shifted by its owner, as for PLINK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Trait
from genobench.data.delimited import blanked, read_table
from genobench.data.people import IdMatch, match_ids, rows_of
from genobench.errors import GenobenchError

__all__ = [
    "IdMatch",
    "Kind",
    "NotANumberError",
    "match_ids",
    "read_covariates",
    "read_groups",
    "read_table",
    "read_trait",
    "trait_from_fam",
]

Kind = Literal["auto", "binary", "quantitative"]
MISSING_NUMBER = -9.0
LARGEST_TRAIT = 1e30  # traits are kept in single precision, and squared
FEW_VALUES, MANY_PEOPLE = 4, 20  # so few distinct values among so many people look like codes


class NotANumberError(GenobenchError):
    """Text where numbers are expected; ``text`` is the first."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


def read_trait(
    path: str | Path,
    column: str,
    samples: pd.DataFrame,
    *,
    kind: Kind = "auto",
    least: int = 10,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[NDArray[np.bool_], Trait]:
    """One column as the trait of those people who have it.

    Parameters
    ----------
    path, column
        Table (see `read_table`) and its column.
    samples
        Genotyped people: fid, iid.
    kind
        ``auto``: binary when all values are 0 / 1 or 1 / 2. With a 2 in the column, 1 is control,
        2 is case and 0 is missing, as in PLINK; without, 0 is control and 1 is case.
    least
        People that each class (a quantitative trait: the whole) must have.
    say
        Told in a line which codes were taken for what, with the number of people.

    Returns
    -------
    keep, trait
        (n,) mask over ``samples``, and the values of those kept, in their order.

    Raises
    ------
    GenobenchError
        Also for a value that is not a number or codes that cannot be told (with the line), ids
        that match nobody (with an example of each side) or repeat with another value, one class
        only, too few people.
    """
    table = read_table(path, [column])
    row = rows_of(table, samples, Path(path))
    numbers = _numbers(table[column], Path(path), column)
    return _as_trait(numbers, row, f"{path}, column {column}", column, kind, least, say)


def trait_from_fam(
    samples: pd.DataFrame,
    *,
    kind: Kind = "auto",
    least: int = 10,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[NDArray[np.bool_], Trait]:
    """Sixth column of a .fam as trait; parameters, result and errors as `read_trait`."""
    if "phenotype" not in samples:
        raise GenobenchError("these people have no .fam phenotype: name a table with --pheno")
    text = samples["phenotype"].reset_index(drop=True)
    text.index = text.index + 1
    numbers = _numbers(blanked(text), Path(".fam"), "phenotype")
    if not numbers.fillna(0).any():  # 0 alone is PLINK's "unknown", not a cohort of controls
        raise GenobenchError("the .fam has no phenotype (all 0 or -9): name a table with --pheno")
    row = np.arange(len(samples))
    return _as_trait(numbers, row, ".fam phenotype", "phenotype", kind, least, say)


def read_covariates(
    path: str | Path, columns: Sequence[str], samples: pd.DataFrame
) -> pd.DataFrame:
    """Covariates of the genotyped people, in their order.

    Returns
    -------
    DataFrame
        n rows. Numbers as float64, NaN where missing or where the person is not in the table. A
        column in which no value is a number (``male`` / ``female``) is a categorical of text.

    Raises
    ------
    GenobenchError
        As `read_table`; ids as `read_trait`; a column that mixes numbers and text (with the line).
    """
    table = read_table(path, columns)
    row = rows_of(table, samples, Path(path))
    found: dict[str, pd.Series] = {}
    for column in columns:
        values = table[column].mask(
            (table[column] == "") | (_coerced(table[column]) == MISSING_NUMBER)
        )
        if _coerced(values).isna().all() and values.notna().any():
            found[column] = _aligned(values, row).astype("category")
        else:
            found[column] = _aligned(_numbers(table[column], Path(path), column), row)
    return pd.DataFrame(found, index=pd.RangeIndex(len(samples)), columns=list(columns))


def read_groups(path: str | Path, column: str, samples: pd.DataFrame) -> pd.Series:
    """Text of one column (cage, family, population) per genotyped person; empty where missing."""
    table = read_table(path, [column])
    row = rows_of(table, samples, Path(path))
    text = _aligned(table[column], row).fillna("")
    return text.mask(_coerced(text) == MISSING_NUMBER, "").rename(column)


def _coerced(text: pd.Series) -> pd.Series:
    """Numbers as float64, NaN for any other text."""
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def _numbers(text: pd.Series, path: Path, column: str) -> pd.Series:
    """Numbers as float64, NaN where missing; the line of any other text is named."""
    numbers = _coerced(text)
    wrong = ~np.isfinite(numbers) & (text != "")
    if wrong.any():
        line = wrong.index[wrong.to_numpy()][0]
        raise NotANumberError(
            f"{path}, line {line}, column {column}: {text[line]!r} is not a number; missing values "
            "are NA",
            str(text[line]),
        )
    return numbers.mask(numbers == MISSING_NUMBER)


def _aligned(values: pd.Series, row: NDArray[np.intp]) -> pd.Series:
    """Values in the order of the genotyped people, missing for those without a row."""
    taken = values.iloc[np.maximum(row, 0)].reset_index(drop=True)
    return taken.mask(row < 0)


def _as_trait(
    numbers: pd.Series,
    row: NDArray[np.intp],
    where: str,
    column: str,
    kind: Kind,
    least: int,
    say: Callable[[str], None],
) -> tuple[NDArray[np.bool_], Trait]:
    """Mask and trait out of numbers by line and the line of each person."""
    values = _aligned(numbers, row).to_numpy()
    lines = numbers.index.to_numpy()[np.maximum(row, 0)]
    told = ~np.isnan(values)
    if not told.any():
        raise GenobenchError(f"{where}: every value is missing among the genotyped people")
    if _is_binary(values[told], lines[told], where, kind):
        codes, values = values, _cases(values, lines, where)
        say(_taken(codes, values, where))
        _refuse_small_classes(values, where, least)
        keep = ~np.isnan(values)
        return keep, Trait(column, "binary", values[keep].astype(np.float32))
    if told.sum() < least or len(np.unique(values[told])) < 2:
        raise GenobenchError(
            f"{where}: {told.sum()} people with {len(np.unique(values[told]))} distinct value(s); "
            f"a quantitative trait needs at least {least} people and two values"
        )
    if (largest := float(np.abs(values[told]).max())) > LARGEST_TRAIT:
        first = int(np.flatnonzero(told & (np.abs(values) > LARGEST_TRAIT))[0])
        raise GenobenchError(
            f"{where}: {largest:g} on line {lines[first]} is larger than a trait may be; scale it"
        )
    return told, Trait(column, "quantitative", values[told].astype(np.float32))


def _is_binary(
    values: NDArray[np.float64], lines: NDArray[np.int_], where: str, kind: Kind
) -> bool:
    """Whether the values are codes of two classes; refuses what could be either."""
    if kind != "auto":
        return kind == "binary"
    other = ~np.isin(values, (0, 1, 2))
    if not other.any():
        return True
    distinct = np.unique(values)
    if len(distinct) <= FEW_VALUES and len(values) >= MANY_PEOPLE:
        first = int(np.flatnonzero(other)[0])
        raise GenobenchError(
            f"{where}: codes or measurements? It has the values {_listed(distinct)} only, "
            f"{values[first]:g} first on line {lines[first]}; code two classes as 1 / 2 or 0 / 1, "
            "a missing value as NA, or say --trait-kind quantitative"
        )
    return False


def _cases(values: NDArray[np.float64], lines: NDArray[np.int_], where: str) -> NDArray[np.float64]:
    """0 control, 1 case, NaN missing, out of 0 / 1 or PLINK's 1 / 2 with 0 for missing."""
    found = np.unique(values[~np.isnan(values)])
    strange = ~np.isnan(values) & ~np.isin(values, (0, 1, 2))
    if strange.any() or (2 in found and 1 not in found and 0 in found):
        first = int(np.flatnonzero(strange if strange.any() else values == 2)[0])
        raise GenobenchError(
            f"{where}: values {_listed(found)} are neither 0 / 1 nor 1 / 2 "
            f"({values[first]:g} on line {lines[first]}); recode them, missing as NA"
        )
    if 2 not in found:
        return values
    return np.where(values == 0, np.nan, values - 1)


def _taken(codes: NDArray[np.float64], values: NDArray[np.float64], where: str) -> str:
    """What each code was taken for, and for how many of the genotyped people."""
    parts = []
    for code in np.unique(codes[~np.isnan(codes)]):
        of_code = values[codes == code]
        meaning = "missing" if np.isnan(of_code[0]) else "case" if of_code[0] else "control"
        parts.append(f"{code:g} taken as {meaning} ({len(of_code):,} people)")
    return f"{where}: {', '.join(parts)}"


def _refuse_small_classes(values: NDArray[np.float64], where: str, least: int) -> None:
    """Both classes must be there, and large enough to be split."""
    controls, cases = int((values == 0).sum()), int((values == 1).sum())
    if min(controls, cases) == 0:
        raise GenobenchError(
            f"{where}: one class only ({controls} controls, {cases} cases among the genotyped "
            "people with a value); a binary trait needs two"
        )
    if min(controls, cases) < least:
        raise GenobenchError(
            f"{where}: {controls} controls and {cases} cases; each class needs at least {least}"
        )


def _listed(values: NDArray[np.float64]) -> str:
    """The first values, for a message."""
    shown = ", ".join(f"{v:g}" for v in values[:6])
    return shown + (f" and {len(values) - 6} more" if len(values) > 6 else "")

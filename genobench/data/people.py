"""Who is who: the rows of a table joined to the genotyped people by FID and IID."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.data.delimited import read_table
from genobench.errors import GenobenchError

UNKNOWN_FAMILY = "0"  # PLINK 2 writes it where there is no FID; such a table goes by IID alone


@dataclass(frozen=True)
class IdMatch:
    """How the people of a table and of a genotype file meet: numbers only."""

    both: int
    only_genotypes: int
    only_table: int


def match_ids(path: str | Path, samples: pd.DataFrame) -> IdMatch:
    """Count whom table and genotypes share; raises as `read_trait` when that is nobody."""
    table = read_table(path, [])
    row = rows_of(table, samples, Path(path))
    both = int((row >= 0).sum())
    return IdMatch(both, len(samples) - both, len(set(_keys(table))) - both)


def _keys(table: pd.DataFrame) -> pd.Series:
    """What identifies a person: both ids, or IID alone where families are unknown."""
    return table["FID"].str.cat(table["IID"], sep=" ") if _by_family(table) else table["IID"]


def _by_family(table: pd.DataFrame) -> bool:
    """Whether the table knows families."""
    return "FID" in table and not bool((table["FID"] == UNKNOWN_FAMILY).all())


def rows_of(table: pd.DataFrame, samples: pd.DataFrame, path: Path) -> NDArray[np.intp]:
    """(n,) row of ``table`` for each genotyped person, -1 where there is none."""
    keys = _keys(table)
    _refuse_conflicts(table, keys, path)
    people = samples["iid"]
    if _by_family(table):
        people = samples["fid"].str.cat(people, sep=" ")
    first = ~keys.duplicated().to_numpy()
    position = pd.Series(np.flatnonzero(first), index=keys[first].to_numpy())
    row = people.map(position).fillna(-1).to_numpy(np.intp)
    if not (row >= 0).any():
        raise GenobenchError(_nobody(table, samples, path))
    twice = people.duplicated(keep=False).to_numpy() & (row >= 0)
    if twice.any():
        raise GenobenchError(
            f"{path}: IID {people[twice].iloc[0]} is not unique among the genotyped people; the "
            "table needs a FID column to say who is meant"
        )
    return row


def _refuse_conflicts(table: pd.DataFrame, keys: pd.Series, path: Path) -> None:
    """A person may stand on two lines, but not with two values."""
    repeated = keys.duplicated(keep=False) & ~table.duplicated(keep=False)
    if repeated.any():
        lines = keys.index[keys == keys[repeated].iloc[0]]
        raise GenobenchError(
            f"{path}, lines {lines[0]} and {lines[1]}: {keys[repeated].iloc[0]} occurs with "
            "different values; keep one line per person"
        )


def _nobody(table: pd.DataFrame, samples: pd.DataFrame, path: Path) -> str:
    """Message with an example of each side."""
    if table.empty:
        return f"{path}: a header, but nobody below it"
    there = " ".join(table[[c for c in ("FID", "IID") if c in table]].iloc[0])
    here = " ".join(samples[["fid", "iid"]].iloc[0]) if len(samples) else "nobody"
    hint = "are these tables of the same cohort?"
    if table["IID"].isin(samples["iid"]).any():
        hint = "the IIDs agree and the FIDs do not: leave the FID column out of the table"
    return f"{path}: ids match nobody; here e.g. {there!r}, in the genotypes {here!r}; {hint}"

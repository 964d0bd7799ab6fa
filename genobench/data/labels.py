"""What is known of the people besides genotypes: trait, covariates, groups; and who has it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Trait
from genobench.data import tables
from genobench.data.prepare import DataSpec
from genobench.errors import GenobenchError

NOBODY = "none"  # --group none: nobody is kept together
LEAST_PER_CLASS = 10


@dataclass(frozen=True, eq=False)
class Labels:
    """Of the people who have label and covariates.

    Attributes
    ----------
    people
        (n,) positions in the sample table, ascending.
    trait
        Their values.
    covariates
        (n, c) float64, sex among them; complete.
    group
        (n,) text, empty for people on their own; None: find out by kinship.
    counts
        Who was left out and why, for the report.
    """

    people: NDArray[np.int64]
    trait: Trait
    covariates: NDArray[np.float64]
    group: NDArray[Any] | None
    counts: dict[str, int]


def read_labels(
    spec: DataSpec,
    samples: pd.DataFrame,
    pheno: Path | None,
    own: Trait | None,
    say: Callable[[str], None] = lambda _: None,
) -> Labels:
    """Labels of ``spec``.

    Parameters
    ----------
    samples
        Everybody genotyped.
    pheno
        Table of the user's or of the named data set.
    own
        Trait that came with the genotypes (the simulated disease).
    say
        Told how codes of classes were read.
    """
    keep, trait = _trait(spec, samples, pheno, own, say)
    if spec.trait_kind not in ("auto", trait.kind):
        raise GenobenchError(f"--trait-kind {spec.trait_kind}: {trait.name} is {trait.kind}")
    table = _covariates(spec.covariates, samples, pheno)
    complete = table.notna().all(axis=1).to_numpy()
    both = keep & complete
    trait = Trait(trait.name, trait.kind, trait.values[complete[keep]])
    if len(np.unique(trait.values)) < 2:
        raise GenobenchError(
            f"trait {trait.name}: of {int(keep.sum())} people with a value, {int(both.sum())} have "
            "all covariates, and these share one label: leave a covariate out"
        )
    sex = samples["sex"].to_numpy()
    design = pd.get_dummies(table.assign(male=sex == 1, unknown=sex == 0), drop_first=True)
    group = _group(spec.group, samples, pheno)
    return Labels(
        np.flatnonzero(both),
        trait,
        design.to_numpy(dtype=np.float64)[both],
        None if group is None else group[both],
        {
            "genotyped": len(samples),
            "without_label": int((~keep).sum()),
            "without_covariates": int((keep & ~complete).sum()),
            "labelled": int(both.sum()),
        },
    )


def _trait(
    spec: DataSpec,
    samples: pd.DataFrame,
    pheno: Path | None,
    own: Trait | None,
    say: Callable[[str], None],
) -> tuple[NDArray[np.bool_], Trait]:
    """Mask over ``samples`` and the values of those kept."""
    if spec.trait is None or (own is not None and spec.trait == own.name and spec.pheno is None):
        if own is not None:
            return np.ones(len(samples), dtype=bool), own
        if pheno is not None:
            raise GenobenchError(f"{pheno}: name the column of the label with --trait")
        return tables.trait_from_fam(samples, kind=spec.trait_kind, say=say)
    if pheno is None:
        has = f"; it has {own.name}" if own is not None else ""
        raise GenobenchError(
            f"trait {spec.trait}: {spec.name} has no phenotype table{has}: name one with --pheno"
        )
    column, equals, value = spec.trait.rpartition("=")
    if equals and spec.trait not in tables.read_table(pheno).columns:
        return _indicator(spec.trait, tables.read_groups(pheno, column, samples), value)
    try:
        return tables.read_trait(pheno, spec.trait, samples, kind=spec.trait_kind, say=say)
    except tables.NotANumberError as error:
        example = shlex.quote(f"{spec.trait}={error.text}")
        raise GenobenchError(
            f"{error}. For people with one value against all others: --trait {example}"
        ) from error


def _indicator(name: str, text: pd.Series, value: str) -> tuple[NDArray[np.bool_], Trait]:
    """Binary trait: text equals ``value``."""
    keep = (text != "").to_numpy()
    cases = (text[keep] == value).to_numpy()
    if min(cases.sum(), (~cases).sum()) < LEAST_PER_CLASS:
        values = ", ".join(sorted(text[keep].unique())[:8])
        raise GenobenchError(
            f"trait {name}: {int(cases.sum())} people have the value {value!r} and "
            f"{int((~cases).sum())} another; {LEAST_PER_CLASS} of each are needed. "
            f"Values are {values}"
        )
    return keep, Trait(name, "binary", cases.astype(np.float32))


def _covariates(
    columns: tuple[str, ...], samples: pd.DataFrame, pheno: Path | None
) -> pd.DataFrame:
    """Covariate columns of the table, or, without a table, of the samples."""
    if not columns:
        return pd.DataFrame(index=range(len(samples)))
    if pheno is not None:
        return tables.read_covariates(pheno, columns, samples)
    if absent := [c for c in columns if c not in samples.columns]:
        raise GenobenchError(f"covariate {absent[0]}: not a column; name a table with --pheno")
    return samples[list(columns)].reset_index(drop=True)


def _group(name: str | None, samples: pd.DataFrame, pheno: Path | None) -> NDArray[Any] | None:
    """Text per person, empty for people on their own; None: to be found by kinship."""
    if name is None:
        return None
    if name == NOBODY:
        return np.full(len(samples), "", dtype=object)
    lower = {c.lower(): c for c in samples.columns}
    if name.lower() in lower:
        return np.asarray(samples[lower[name.lower()]].astype(str).to_numpy())
    if pheno is None:
        raise GenobenchError(f"group {name}: not a column; name a table with --pheno")
    return np.asarray(tables.read_groups(pheno, name, samples).to_numpy())

"""A cohort: genotypes, who they are of, where they are, and one trait.

The dtype rules of the whole benchmark live here and are checked once, on construction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    import pandas as pd

Genotypes = NDArray[np.int8]  # (n, m): copies of the counted allele 0 / 1 / 2, MISSING = -1
Labels = NDArray[np.float32]  # (n,)

MISSING = -1
VARIANT_COLUMNS = ("chrom", "pos", "id", "counted", "other")
SAMPLE_COLUMNS = ("fid", "iid", "sex")  # sex as PLINK has it: 1 male, 2 female, 0 unknown


@dataclass(frozen=True, eq=False)
class Trait:
    """One label per person.

    Attributes
    ----------
    name
        Column it was read from.
    kind
        ``binary`` (0 control, 1 case) or ``quantitative``.
    values
        (n,) float32 without missing values, read-only.
    """

    name: str
    kind: Literal["binary", "quantitative"]
    values: Labels

    def __post_init__(self) -> None:
        values = _frozen(np.ascontiguousarray(self.values, dtype=np.float32))
        if values.ndim != 1:
            raise GenobenchError(f"trait {self.name}: expected one value per person")
        if not np.isfinite(values).all():
            raise GenobenchError(
                f"trait {self.name}: {np.sum(~np.isfinite(values))} missing values"
            )
        if self.kind == "binary" and not np.isin(values, (0, 1)).all():
            raise GenobenchError(f"trait {self.name}: a binary trait is coded 0 / 1")
        object.__setattr__(self, "values", values)

    def __repr__(self) -> str:
        """Name and kind; nobody's value."""
        return f"<Trait {self.name} ({self.kind}) of {len(self.values):,} people>"


@dataclass(frozen=True, eq=False)
class Cohort:
    """People and their genotypes.

    Attributes
    ----------
    genotypes
        (n, m) int8, C order, read-only: copies of the counted allele 0 / 1 / 2, -1 = missing.
        A read-only memory map is taken as it is.
    variants
        m rows: chrom (str), pos (int), id (str), counted, other (alleles); more columns may follow
        (``causal``, ``beta`` on simulated cohorts).
    samples
        n rows: fid, iid (str), sex (0 / 1 / 2); more columns may follow (population, family,
        covariates).
    trait
        The label that generators condition on, or None.

    Raises
    ------
    GenobenchError
        On any other shape, dtype, value or column.
    """

    genotypes: Genotypes
    variants: pd.DataFrame
    samples: pd.DataFrame
    trait: Trait | None = None

    def __post_init__(self) -> None:
        g = self.genotypes
        if not isinstance(g, np.ndarray) or g.dtype != np.int8 or g.ndim != 2:
            raise GenobenchError(
                "genotypes must be an int8 array (people, variants), got "
                f"{getattr(g, 'dtype', type(g).__name__)} {getattr(g, 'shape', '')}"
            )
        for what, table, rows, columns in (
            ("variants", self.variants, g.shape[1], VARIANT_COLUMNS),
            ("samples", self.samples, g.shape[0], SAMPLE_COLUMNS),
        ):
            if len(table) != rows:
                raise GenobenchError(f"{what}: {len(table)} rows for genotypes of shape {g.shape}")
            if absent := [c for c in columns if c not in table.columns]:
                raise GenobenchError(f"{what}: column(s) {', '.join(absent)} are missing")
        if self.trait is not None and len(self.trait.values) != g.shape[0]:
            raise GenobenchError(
                f"trait {self.trait.name}: {len(self.trait.values)} values for {g.shape[0]} people"
            )
        if g.size and (g.min() < MISSING or g.max() > 2):
            raise GenobenchError("genotypes must be 0, 1, 2 or -1 for missing")
        object.__setattr__(self, "genotypes", _frozen(np.ascontiguousarray(g)))
        object.__setattr__(self, "variants", self.variants.reset_index(drop=True))
        object.__setattr__(self, "samples", self.samples.reset_index(drop=True))

    def __repr__(self) -> str:
        """What is counted; no id, genotype or value, which a notebook would publish."""
        trait = f", trait {self.trait.name} ({self.trait.kind})" if self.trait else ""
        return f"<Cohort of {self.n:,} people x {self.m:,} variants{trait}>"

    @property
    def n(self) -> int:
        """Number of people."""
        return int(self.genotypes.shape[0])

    @property
    def m(self) -> int:
        """Number of variants."""
        return int(self.genotypes.shape[1])

    @property
    def labels(self) -> Labels:
        """(n,) float32, the trait's values; raises when the cohort has no trait."""
        if self.trait is None:
            raise GenobenchError("this cohort has no trait: name one with --trait")
        return self.trait.values

    def take(self, people: Any = None, variants: Any = None) -> Cohort:
        """Sub-cohort of rows and columns, by index array, boolean mask or slice."""
        g, trait = self.genotypes, self.trait
        samples, table = self.samples, self.variants
        if variants is not None:
            g, table = _columns(g, variants), table.iloc[variants]
        if people is not None:
            g, samples = g[people], samples.iloc[people]
            trait = replace(trait, values=trait.values[people]) if trait is not None else None
        return Cohort(g, table, samples, trait)

    def with_trait(self, trait: Trait | None) -> Self:
        """The same people under another label."""
        return replace(self, trait=trait)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of genotypes, variants, people and trait: the identity of the data."""
        digest = hashlib.sha256()
        digest.update(repr(self.genotypes.shape).encode())
        digest.update(self.genotypes.data if self.genotypes.size else b"")
        for table, columns in ((self.variants, VARIANT_COLUMNS), (self.samples, SAMPLE_COLUMNS)):
            digest.update(table[list(columns)].to_csv(index=False).encode())
        if self.trait is not None:
            digest.update(f"{self.trait.name}\x1f{self.trait.kind}".encode())
            digest.update(self.trait.values.tobytes())
        return digest.hexdigest()


def _columns(genotypes: Genotypes, variants: Any) -> Genotypes:
    """Columns in C order in one copy; plain fancy indexing would return them transposed."""
    if isinstance(variants, slice):
        return genotypes[:, variants]
    index = np.asarray(variants)
    return genotypes.take(np.flatnonzero(index) if index.dtype == bool else index, axis=1)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Read-only view of ``array``; the caller's own array keeps its flags."""
    view = array.view()
    view.flags.writeable = False
    return view

"""What every metric asks of the genotype arrays it is given, and equal-sized samples of them."""

from __future__ import annotations

import numpy as np

from genobench.cohort import MISSING, Genotypes
from genobench.errors import GenobenchError


def checked(genotypes: Genotypes, *, name: str, at_least: int = 1) -> Genotypes:
    """The same array, after looking at it.

    Parameters
    ----------
    genotypes
        (n, m) int8, copies of the counted allele 0 / 1 / 2.
    name
        What to call it in the error.
    at_least
        Fewest people the caller can work with.

    Raises
    ------
    GenobenchError
        On another dtype or rank, no variant, too few people, missing calls or other values.
    """
    if not isinstance(genotypes, np.ndarray) or genotypes.dtype != np.int8 or genotypes.ndim != 2:
        raise GenobenchError(f"{name} genotypes: expected an int8 array (people, variants)")
    n, m = genotypes.shape
    if m == 0:
        raise GenobenchError(f"{name} genotypes: no variant")
    if n < at_least:
        raise GenobenchError(f"{name} genotypes: {n} people, but this metric needs {at_least}")
    if genotypes.min() == MISSING:
        row, column = np.argwhere(genotypes == MISSING)[0]
        raise GenobenchError(
            f"{name} genotypes: missing call at person {row}, variant {column}; "
            "metrics take complete genotypes: impute or drop it first"
        )
    if genotypes.min() < 0 or genotypes.max() > 2:
        raise GenobenchError(f"{name} genotypes: values must be 0, 1 or 2")
    return genotypes


def comparable(synthetic: Genotypes, real: Genotypes, *, at_least: int = 1) -> None:
    """Check both arrays and that they have the same variants.

    Raises
    ------
    GenobenchError
        As `checked`, or when the numbers of variants differ.
    """
    checked(synthetic, name="synthetic", at_least=at_least)
    checked(real, name="real", at_least=at_least)
    if synthetic.shape[1] != real.shape[1]:
        raise GenobenchError(
            f"synthetic people have {synthetic.shape[1]} variants, real people {real.shape[1]}"
        )


def subsample(genotypes: Genotypes, size: int, rng: np.random.Generator) -> Genotypes:
    """``size`` people drawn without replacement, in their order; all when there are fewer."""
    if size >= len(genotypes):
        return genotypes
    return genotypes[np.sort(rng.choice(len(genotypes), size, replace=False))]

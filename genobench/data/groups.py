"""Who belongs together, so that no family or cage stands in two parts of the split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.data import kinship
from genobench.data.labels import NOBODY, Labels
from genobench.data.prepare import DataSpec
from genobench.data.source import Source, spaced

SPACED = 10_000  # SNPs read from a file, evenly spaced, to find relatives


def of_source(
    spec: DataSpec, source: Source, labels: Labels
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Groups of people whose genotypes are not loaded as a whole."""
    if labels.group is not None:
        return named(spec, labels.group)
    samples = source.samples.iloc[labels.people]
    if len(labels.people) > kinship.MOST_PEOPLE:
        nothing = np.zeros((len(labels.people), 0), dtype=np.int8)
        return found(nothing, source.variants.iloc[:0], samples)
    some = source.read(labels.people, spaced(len(source.variants), SPACED))
    return found(some.genotypes, some.variants, samples)


def named(spec: DataSpec, names: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Groups by a column; empty text is nobody's group."""
    codes = _coded(names)
    if spec.group == NOBODY:
        return codes, {"method": "none", "reason": "asked for, or the data set's default"}
    sizes = np.bincount(codes)
    return codes, {
        "method": f"column {spec.group}",
        "groups": int((sizes > 1).sum()),
        "people_in_groups": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max(initial=0)),
    }


def _coded(names: NDArray[Any]) -> NDArray[np.int64]:
    """Number of each person's group; everybody without a name gets a number of their own."""
    codes = pd.factorize(names)[0].astype(np.int64)
    alone = np.flatnonzero(names == "")
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes


def found(
    genotypes: Genotypes, variants: pd.DataFrame, samples: pd.DataFrame
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Families by kinship, joined with those that share a family id."""
    families = kinship.find_families(genotypes, variants)
    group, joined = kinship.with_family_ids(families.group, samples["fid"].to_numpy())
    return group, {**families.summary, "family_ids": joined}

"""Where genotypes come from while nothing has been chosen yet: memory, or a PLINK file set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.data.plink import genotype_blocks, read_plink
from genobench.data.plink_files import PlinkFiles

Rows = NDArray[np.int64]


class Source(Protocol):
    """Tables at once, genotypes on demand."""

    @property
    def samples(self) -> pd.DataFrame:
        """n rows."""

    @property
    def variants(self) -> pd.DataFrame:
        """m rows."""

    def read(self, people: Rows, variants: Rows | None = None) -> Cohort:
        """Cohort of some people and some or all variants, without trait."""

    def blocks(self, people: Rows) -> Iterator[tuple[int, Genotypes]]:
        """All variants, some at a time: first column, (people, k)."""


class MemorySource:
    """A cohort that is there already."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort.with_trait(None)
        self.samples, self.variants = cohort.samples, cohort.variants

    def read(self, people: Rows, variants: Rows | None = None) -> Cohort:
        """See `Source`."""
        return self._cohort.take(people, variants)

    def blocks(self, people: Rows) -> Iterator[tuple[int, Genotypes]]:
        """See `Source`."""
        yield 0, self._cohort.genotypes[people]


class PlinkSource:
    """Files of which only what is asked for is read."""

    def __init__(self, files: PlinkFiles) -> None:
        self._files = files
        self.samples, self.variants = files.samples, files.variants

    def read(self, people: Rows, variants: Rows | None = None) -> Cohort:
        """See `Source`."""
        return read_plink(self._files, variants=variants, people=people)

    def blocks(self, people: Rows) -> Iterator[tuple[int, Genotypes]]:
        """See `Source`."""
        return genotype_blocks(self._files, people=people)

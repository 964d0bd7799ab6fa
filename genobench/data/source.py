"""Where genotypes come from while nothing has been chosen yet: memory, or PLINK file sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.data.filesets import variants_of
from genobench.data.plink import packed, packed_blocks, read_plink
from genobench.data.plink_files import PlinkFiles

Rows = NDArray[np.int64]
Packed = NDArray[np.uint8]  # (variants, people / 4), as in a .bed


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

    def packed(self, first: int, step: int) -> Iterator[tuple[int, Packed]]:
        """Everybody at variants ``first`` and on, at most ``step`` at a time, and their number."""

    def identity(self) -> list[Any] | None:
        """What tells files from others without reading them; None: nothing lies in files."""


class MemorySource:
    """A cohort that is there already."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort.with_trait(None)
        self.samples, self.variants = cohort.samples, cohort.variants

    def read(self, people: Rows, variants: Rows | None = None) -> Cohort:
        """See `Source`."""
        return self._cohort.take(people, variants)

    def packed(self, first: int, step: int) -> Iterator[tuple[int, Packed]]:
        """See `Source`."""
        for start in range(first, self._cohort.m, step):
            yield start, packed(self._cohort.genotypes[:, start : start + step].T)

    def identity(self) -> list[Any] | None:
        """See `Source`."""
        return None


class PlinkSource:
    """Files of which only what is asked for is read; several sets hold the same people."""

    def __init__(self, *sets: PlinkFiles) -> None:
        self._sets = sets
        self._starts = np.cumsum([0, *(files.m for files in sets)])
        self.samples, self.variants = sets[0].samples, variants_of(sets)

    def read(self, people: Rows, variants: Rows | None = None) -> Cohort:
        """See `Source`."""
        if len(self._sets) == 1:
            return read_plink(self._sets[0], variants=variants, people=people)
        wanted = np.arange(self._starts[-1]) if variants is None else variants
        genotypes = np.empty((len(people), len(wanted)), dtype=np.int8)
        home = np.searchsorted(self._starts, wanted, side="right") - 1
        for number in np.unique(home):
            here = np.flatnonzero(home == number)
            columns = wanted[here] - self._starts[number]
            part = read_plink(self._sets[number], variants=columns, people=people)
            genotypes[:, here] = part.genotypes
        return Cohort(genotypes, self.variants.iloc[wanted], self.samples.iloc[people])

    def packed(self, first: int, step: int) -> Iterator[tuple[int, Packed]]:
        """See `Source`."""
        for files, start in zip(self._sets, self._starts[:-1], strict=True):
            if first < start + files.m:
                for here, block in packed_blocks(files, first=max(first - start, 0), step=step):
                    yield int(start) + here, block

    def identity(self) -> list[Any] | None:
        """See `Source`."""
        found = []
        for path in (p for files in self._sets for p in (files.bed, files.bim, files.fam)):
            status = path.stat()
            found.append([str(Path(path).resolve()), status.st_size, status.st_mtime_ns])
        return found


def spaced(m: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``m`` columns, evenly spaced."""
    return np.unique(np.linspace(0, m - 1, min(m, most)).astype(np.int64))

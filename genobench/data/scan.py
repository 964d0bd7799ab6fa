"""One pass over SNPs that do not fit in memory: quality counts of everybody, score tests.

The null model is fitted once and its basis projected out of a block of SNPs by one product, so
that a SNP costs a few sums over people (see `genobench.data.dosage_sums`). Every SNP's numbers are
the same whatever the size of the blocks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.data.calls import frequencies_of
from genobench.data.dosage_sums import (
    CONTROL,
    COUNTED,
    TRAINING,
    Adder,
    DosageSums,
)
from genobench.data.gwas import Association, NullModel, ScoreTest
from genobench.data.hardy_weinberg import exact_p, inflation
from genobench.data.journal import Arrays, Journal
from genobench.data.quality import HAPLOID, Thresholds, X
from genobench.data.source import Source
from genobench.errors import GenobenchError

CHUNK = "GENOBENCH_CHUNK_MIB"  # environment: memory of the blocks that are read at a time
CHUNK_MIB = 64
CALLS_PER_BYTE = 4
KEEP_SECONDS = 20.0  # between two entries of the journal
SAY_SECONDS = 15.0

LIMITS = Thresholds()

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Design:
    """Who is counted, and the vectors over people whose products with dosages hold the tests.

    Attributes
    ----------
    groups
        (n,) sums of `COUNTED`, `CONTROL` and `TRAINING`, over everybody in the source.
    vectors
        (c, n) float32 of `NullModel.vectors`; 0 outside the training people.
    test
        What makes tests of the products.
    """

    groups: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    test: ScoreTest

    @classmethod
    def of(
        cls,
        n: int,
        null: NullModel,
        *,
        training: NDArray[np.int64],
        counted: NDArray[np.int64],
        controls: NDArray[np.int64],
    ) -> Design:
        """Design for a source of ``n`` people; the others are positions of people there."""
        groups = np.zeros(n, dtype=np.uint8)
        for people, bit in ((counted, COUNTED), (controls, CONTROL), (training, TRAINING)):
            groups[people] |= bit
        found = null.vectors()
        vectors = np.zeros((len(found), n), dtype=np.float32)
        vectors[:, training] = found
        return cls(groups, vectors, null.test_of)

    def arrays(self) -> Arrays:
        """Everything, for a journal."""
        test = np.array([self.test.binary, self.test.degrees, self.test.residual_squares])
        return {"groups": self.groups, "vectors": self.vectors, "test": test}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Design:
        """What `arrays` was made of."""
        binary, degrees, squares = arrays["test"]
        test = ScoreTest(bool(binary), int(degrees), float(squares))
        return cls(arrays["groups"], arrays["vectors"], test)


@dataclass(frozen=True, eq=False)
class Scan:
    """Of m SNPs and n people.

    Attributes
    ----------
    counted, controls
        (m, 4) calls of 0, 1, 2 copies and missing ones, among the people of each group.
    association
        Among the training people.
    missing
        (n,) missing calls of each person at the SNPs that are called in enough people.
    """

    counted: NDArray[np.int64]
    controls: NDArray[np.int64]
    association: Association
    missing: NDArray[np.int64]

    @property
    def well_called(self) -> NDArray[np.bool_]:
        """(m,) SNPs that are called in enough people."""
        people = np.maximum(self.counted.sum(axis=1), 1)
        return np.asarray(1 - self.counted[:, 3] / people >= LIMITS.call_rate_variant)

    def incomplete(self, people: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ``people`` are called at too few of them."""
        most = (1 - LIMITS.call_rate_person) * int(self.well_called.sum())
        return np.asarray(self.missing[people] > most)


def scan(
    source: Source,
    design: Design,
    *,
    journal: Journal | None = None,
    chunk_bytes: int | None = None,
    say: Say = lambda _: None,
) -> Scan:
    """Look at every call once.

    Parameters
    ----------
    source
        Genotypes.
    design
        Of the people of ``source``.
    journal
        Where finished stretches are kept; those already there are not repeated.
    chunk_bytes
        Memory of the calls that are read at a time; None: see `chunk_setting`.
    say
        Told now and then how far it is.
    """
    m, n = len(source.variants), len(design.groups)
    step = max(1, CALLS_PER_BYTE * (chunk_bytes or chunk_setting()) // n)
    stretches = [] if journal is None else list(journal.stretches())
    done = stretches[-1][0] if stretches else 0
    found = [arrays for _, arrays in stretches]
    if done:
        say(f"association: {done:,} of {m:,} SNPs were tested by an earlier run")
    progress = _Progress(m, n, done, say)
    adder = Adder(design.groups, design.vectors, call_rate=LIMITS.call_rate_variant)
    open_stretch = _Stretch(design, adder, done)
    for first, block in source.packed(done, step) if done < m else ():
        open_stretch.add(block)
        last = first + len(block)
        if last == m or open_stretch.age >= KEEP_SECONDS:
            found.append(open_stretch.arrays())
            if journal is not None:
                journal.keep(open_stretch.first, last, found[-1])
            open_stretch = _Stretch(design, adder, last)
        progress.reached(last)
    return _scan_of(found, design)


def chunk_setting() -> int:
    """Bytes of calls that are read at a time: ``$GENOBENCH_CHUNK_MIB`` MiB, 64 without it."""
    text = os.environ.get(CHUNK, str(CHUNK_MIB))
    if not text.isdigit() or int(text) < 1:
        raise GenobenchError(f"{CHUNK}={text}: a whole number of MiB, such as {CHUNK_MIB}")
    return int(text) * 2**20


def sound(found: Scan, variants: pd.DataFrame) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """(m,) which SNPs keep the limits of quality control, and how many break which.

    Call rate and minor allele frequency first; of those left the autosomal ones are tested for
    Hardy-Weinberg equilibrium, unless the test would say nothing here (see `Thresholds`).
    """
    enough = found.well_called
    p = np.nan_to_num(frequencies_of(found.counted))
    common = np.minimum(p, 1 - p) >= LIMITS.maf
    good = enough & common & (p > 0) & (p < 1)
    account = {"low_call_rate": int((~enough).sum()), "rare": int((enough & ~good).sum())}
    chromosome = variants["chrom"].str.upper().str.removeprefix("CHR")
    judged = np.flatnonzero(good & ~chromosome.isin([*X, *HAPLOID]).to_numpy(dtype=bool))
    counts = found.controls[judged]
    if not inflation(counts) <= LIMITS.hwe_inflation:
        return good, account
    departs = judged[exact_p(counts) < LIMITS.hwe_p]
    good[departs] = False
    return good, {**account, "out_of_hardy_weinberg": len(departs)}


class _Stretch:
    """SNPs from ``first`` on whose results are not in the journal yet."""

    def __init__(self, design: Design, adder: Adder, first: int) -> None:
        self.design, self.adder, self.first = design, adder, first
        self._missing = np.zeros(len(design.groups), dtype=np.int32)
        self._totals = design.vectors.sum(axis=1, dtype=np.float64)
        self._parts: list[Arrays] = []
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since it was begun."""
        return time.monotonic() - self._began

    def add(self, block: NDArray[np.uint8]) -> None:
        """Sums and tests of one block."""
        sums = self.adder.sums(block, self._missing)
        tested = _tested(sums, self.design, self._totals)
        self._parts.append(
            {"counts": sums.counts, "z": tested.z, "p": tested.p, "beta": tested.beta}
        )

    def arrays(self) -> Arrays:
        """All of it."""
        names = ("counts", "z", "p", "beta")
        found = {name: np.concatenate([part[name] for part in self._parts]) for name in names}
        return {**found, "missing": self._missing}


class _Progress:
    """Says how far a pass is, every `SAY_SECONDS`."""

    def __init__(self, m: int, n: int, done: int, say: Say) -> None:
        self.m, self.n, self.done, self.say = m, n, done, say
        self.began = self.said = time.monotonic()

    def reached(self, last: int) -> None:
        """SNPs before ``last`` are done."""
        now = time.monotonic()
        if now - self.said < SAY_SECONDS or last == self.m:
            return
        self.said = now
        rate = (last - self.done) / max(now - self.began, 1e-9)
        self.say(
            f"association: {last:,} of {self.m:,} SNPs, {rate * self.n / 1e6:,.0f} million "
            f"genotypes per second, about {(self.m - last) / rate / 60:,.0f} min left"
        )


def _tested(sums: DosageSums, design: Design, totals: NDArray[np.float64]) -> Association:
    """Score tests out of products with uncentred dosages: missing calls take the SNP's mean."""
    trained = int(np.count_nonzero(design.groups & TRAINING))
    one, two, missing = sums.counts[:, 2].T
    called = trained - missing
    two = np.where(sums.flipped, called - one - two, two)
    mean = (one + 2 * two) / np.maximum(called, 1)
    present = totals - sums.absent  # (k, c) sum of each vector over the called
    centred = sums.products - mean[:, None] * present
    total = sums.squares - 2 * mean * sums.products[:, -1] + mean**2 * present[:, -1]
    sign = np.where(sums.flipped, -1.0, 1.0)
    return design.test.association(sign * centred[:, 0], total, centred[:, 1:-1].T)


def _scan_of(found: list[Arrays], design: Design) -> Scan:
    """All stretches together."""
    joined = {k: np.concatenate([part[k] for part in found]) for k in ("counts", "z", "p", "beta")}
    counted, controls = (
        _four(joined["counts"][:, group], int(np.count_nonzero(design.groups & bit)))
        for group, bit in ((0, COUNTED), (1, CONTROL))
    )
    missing = np.sum([part["missing"] for part in found], axis=0, dtype=np.int64)
    association = Association(joined["z"], joined["p"], joined["beta"])
    return Scan(counted, controls, association, missing)


def _four(counts: NDArray[np.int64], people: int) -> NDArray[np.int64]:
    """(m, 4) of (m, 3): those with no copy are the people left."""
    return np.column_stack([people - counts.sum(axis=1), counts])

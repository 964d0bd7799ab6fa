"""The pass over files larger than memory: against tests in memory, and against being stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cohort import MISSING, Cohort, Trait
from genobench.data import scan as scanning
from genobench.data.calls import genotype_counts
from genobench.data.filesets import scan_sets
from genobench.data.gwas import NullModel
from genobench.data.journal import Journal
from genobench.data.plink import write_plink
from genobench.data.scan import CHUNK, Design, Scan, chunk_setting, scan, sound
from genobench.data.source import MemorySource, Packed, PlinkSource
from genobench.errors import GenobenchError

N, M = 2_603, 67  # neither a multiple of what is worked on at a time
ROW = -(-N // 4)  # bytes of a SNP


@pytest.fixture(scope="module")
def people() -> NDArray[np.int64]:
    """Who trains."""
    return np.sort(np.random.default_rng(1).permutation(N)[:1_900])


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Rare and common alleles, missing calls, one SNP without variation, one never called."""
    draw = np.random.default_rng(0)
    G = draw.binomial(2, np.linspace(0.01, 0.99, M), size=(N, M)).astype(np.int8)
    G[draw.random(G.shape) < 0.02] = MISSING
    G[:, 5], G[:, 6] = 2, MISSING
    G[draw.random(N) < 0.3, 7] = MISSING
    variants = pd.DataFrame(
        {
            "chrom": np.where(np.arange(M) < 30, "1", "2"),
            "pos": 1_000 * np.arange(1, M + 1),
            "id": [f"rs{j}" for j in range(M)],
            "counted": "A",
            "other": "G",
        }
    )
    names = [f"p{i}" for i in range(N)]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 1})
    return Cohort(G, variants, samples, None)


def _null(kind: Any, cohort: Cohort, people: NDArray[np.int64]) -> NullModel:
    draw = np.random.default_rng(2)
    C = draw.normal(size=(len(people), 5))
    liability = (
        C[:, 0] + np.maximum(cohort.genotypes[people, 10], 0) + draw.normal(size=len(people))
    )
    y = liability > 0.8 if kind == "binary" else liability
    return NullModel(Trait("t", kind, y.astype(np.float32)), C)


def _design(cohort: Cohort, people: NDArray[np.int64], kind: Any = "binary") -> Design:
    everybody = np.arange(3, N)
    null = _null(kind, cohort, people)
    return Design.of(N, null, training=people, counted=everybody, controls=everybody[::2])


def _same(a: Scan, b: Scan) -> None:
    """To the last bit."""
    for name in ("counted", "controls", "missing"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    for name in ("z", "p", "beta"):
        assert getattr(a.association, name).tobytes() == getattr(b.association, name).tobytes()


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_the_pass_agrees_with_the_tests_in_memory(
    cohort: Cohort, people: NDArray[np.int64], kind: str
) -> None:
    """z, p and beta of float64 in memory, at every allele frequency, to 1e-6."""
    expected = _null(kind, cohort, people).test(cohort.genotypes, people)
    found = scan(MemorySource(cohort), _design(cohort, people, kind), chunk_bytes=7 * ROW)
    assert np.abs(expected.z).max() > 5
    np.testing.assert_allclose(found.association.z, expected.z, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.association.beta, expected.beta, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.association.p, expected.p, rtol=1e-4, atol=1e-12)
    assert found.association.z[[5, 6]].tolist() == [0, 0]


def test_counts_are_those_of_each_group(cohort: Cohort, people: NDArray[np.int64]) -> None:
    """Calls of the counted and the controls; missing calls of people where others are called."""
    found = scan(MemorySource(cohort), _design(cohort, people))
    counted, controls = np.arange(N) >= 3, np.isin(np.arange(N), np.arange(3, N)[::2])
    assert np.array_equal(found.counted, genotype_counts(cohort.genotypes, counted))
    assert np.array_equal(found.controls, genotype_counts(cohort.genotypes, controls))
    well = (cohort.genotypes[counted] != MISSING).mean(axis=0) >= 0.95
    assert np.flatnonzero(~well).tolist() == [6, 7]
    expected = (cohort.genotypes[:, well] == MISSING).sum(axis=1)
    assert np.array_equal(found.missing, expected)
    assert np.array_equal(found.incomplete(np.arange(N)), expected > 0.05 * (M - 2))


def test_the_size_of_the_blocks_changes_no_bit(
    cohort: Cohort, people: NDArray[np.int64], tmp_path: Path
) -> None:
    """One SNP at a time, an odd number, all at once; from memory and from files."""
    design = _design(cohort, people)
    files = PlinkSource(*scan_sets(str(write_plink(cohort, tmp_path / "one"))))
    whole = scan(MemorySource(cohort), design)
    for size in (1, 7, M):
        _same(scan(MemorySource(cohort), design, chunk_bytes=size * ROW), whole)
        _same(scan(files, design, chunk_bytes=size * ROW), whole)


def test_several_files_are_one(cohort: Cohort, people: NDArray[np.int64], tmp_path: Path) -> None:
    """A file per chromosome, tables and calls alike; some columns in another order too."""
    write_plink(cohort, tmp_path / "all")
    for name, columns in (("ukb_chr2", slice(0, 30)), ("ukb_chr10", slice(30, M))):
        write_plink(cohort.take(slice(None), np.arange(M)[columns]), tmp_path / name)
    one = PlinkSource(*scan_sets(str(tmp_path / "all.bed")))
    several = PlinkSource(*scan_sets(str(tmp_path / "ukb_chr*.bed")))
    pd.testing.assert_frame_equal(one.variants, several.variants)
    design = _design(cohort, people)
    _same(scan(several, design, chunk_bytes=7 * ROW), scan(one, design))
    some = np.array([40, 2, 29, 30, 66, 0])
    assert np.array_equal(
        several.read(people, some).genotypes, cohort.genotypes[np.ix_(people, some)]
    )


class _StoppedError(Exception):
    """Stands for a killed process."""


class _Fragile(MemorySource):
    """Stops after some blocks; remembers where it was asked to begin."""

    def __init__(self, cohort: Cohort, blocks: int) -> None:
        super().__init__(cohort)
        self.left, self.began = blocks, -1

    def packed(self, first: int, step: int) -> Iterator[tuple[int, Packed]]:
        """As of the cohort, for a while."""
        self.began = first
        for start, block in super().packed(first, step):
            if self.left == 0:
                raise _StoppedError
            self.left -= 1
            yield start, block


def test_a_stopped_pass_goes_on_to_the_same_bytes(
    cohort: Cohort, people: NDArray[np.int64], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice, with other blocks each time; nothing is looked at again."""
    monkeypatch.setattr(scanning, "KEEP_SECONDS", 0.0)
    design, journal = _design(cohort, people), Journal(tmp_path / "journal")
    whole = scan(MemorySource(cohort), design)
    for blocks, step, began in ((4, 5, 0), (3, 7, 20)):
        source = _Fragile(cohort, blocks)
        with pytest.raises(_StoppedError):
            scan(source, design, journal=journal, chunk_bytes=step * ROW)
        assert source.began == began
    said: list[str] = []
    last = _Fragile(cohort, 99)
    _same(scan(last, design, journal=journal, say=said.append), whole)
    assert last.began == 41
    assert said[0] == f"association: 41 of {M} SNPs were tested by an earlier run"
    _same(scan(_Fragile(cohort, 0), design, journal=journal), whole)  # nothing is left to do


def test_a_damaged_entry_of_the_journal_is_made_again(
    cohort: Cohort, people: NDArray[np.int64], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes before it counts."""
    monkeypatch.setattr(scanning, "KEEP_SECONDS", 0.0)
    design, journal = _design(cohort, people), Journal(tmp_path)
    whole = scan(MemorySource(cohort), design, journal=journal, chunk_bytes=20 * ROW)
    broken = tmp_path / "000000020-000000040.npz"
    broken.write_bytes(broken.read_bytes()[:300])
    source = _Fragile(cohort, 99)
    _same(scan(source, design, journal=journal), whole)
    assert source.began == 20


def test_sound_snps_keep_the_limits(cohort: Cohort, people: NDArray[np.int64]) -> None:
    """Called in few, without variation, rare; one with far too few heterozygotes."""
    G = np.where(cohort.genotypes == MISSING, MISSING, cohort.genotypes)
    G[:, 20] = np.where(np.random.default_rng(3).random(N) < 0.4, 2, 0)
    found = scan(MemorySource(Cohort(G, cohort.variants, cohort.samples, None)),
                 _design(cohort, people))  # fmt: skip
    good, account = sound(found, cohort.variants)
    assert not good[[5, 6, 7, 20]].any()
    assert account["low_call_rate"] == 2
    assert account["out_of_hardy_weinberg"] == 1
    assert good.sum() == M - sum(account.values())


def test_a_pass_says_how_far_it_is(
    cohort: Cohort, people: NDArray[np.int64], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every block here; nothing at the end, where the result speaks."""
    monkeypatch.setattr(scanning, "SAY_SECONDS", 0.0)
    said: list[str] = []
    scan(MemorySource(cohort), _design(cohort, people), chunk_bytes=30 * ROW, say=said.append)
    assert [text.split(" SNPs")[0] for text in said] == [
        f"association: {done} of {M}" for done in (30, 60)
    ]
    assert all("million genotypes per second, about 0 min left" in text for text in said)


def test_the_chunk_setting_is_a_number_of_mebibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment; anything else is refused by its name."""
    assert chunk_setting() == 64 * 2**20
    monkeypatch.setenv(CHUNK, "512")
    assert chunk_setting() == 512 * 2**20
    monkeypatch.setenv(CHUNK, "2G")
    with pytest.raises(GenobenchError, match="GENOBENCH_CHUNK_MIB=2G"):
        chunk_setting()


KILLED = """
import os, signal, sys
from pathlib import Path
from genobench.data import scan as scanning
from genobench.data.filesets import scan_sets
from genobench.data.journal import Journal
from genobench.data.source import PlinkSource

class Dying(PlinkSource):
    def packed(self, first, step):
        for start, block in super().packed(first, step):
            if start >= 40:
                os.kill(os.getpid(), signal.SIGKILL)
            yield start, block

scanning.KEEP_SECONDS = 0.0
journal = Journal(Path(sys.argv[2]))
design = scanning.Design.from_arrays(journal.load("design"))
scanning.scan(Dying(*scan_sets(sys.argv[1])), design, journal=journal, chunk_bytes=int(sys.argv[3]))
"""


def test_a_killed_process_loses_what_it_had_in_hand_alone(
    cohort: Cohort, people: NDArray[np.int64], tmp_path: Path
) -> None:
    """kill -9 at the fortieth SNP of sixty-seven; another process ends the pass."""
    bed, journal = write_plink(cohort, tmp_path / "one"), Journal(tmp_path / "journal")
    design = _design(cohort, people)
    journal.store("design", design.arrays())
    words = [sys.executable, "-c", KILLED, str(bed), str(journal.folder), str(10 * ROW)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert [end for end, _ in journal.stretches()] == [10, 20, 30, 40]
    kept = journal.load("design")
    assert kept is not None
    found = scan(PlinkSource(*scan_sets(str(bed))), Design.from_arrays(kept), journal=journal)
    _same(found, scan(MemorySource(cohort), design))

"""Several PLINK file sets as one: which belong together, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data import choice
from genobench.data.dosage_sums import Adder
from genobench.data.filesets import prefixes, scan_sets
from genobench.data.plink import packed_blocks, write_plink
from genobench.data.prepare import DataSpec, prepare, source_checksums
from genobench.data.simulate import SimulationSpec, simulate
from genobench.data.split import PARTS
from genobench.errors import GenobenchError


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """400 simulated people, nobody related."""
    return simulate(SimulationSpec(people=400, snps=250, regions=6, causal=20, relatives=0, seed=3))


@pytest.fixture
def folder(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cohort in one set, and in three."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path / "cache"))
    write_plink(cohort, tmp_path / "whole")
    for name, columns in (("chr1", (0, 90)), ("chr2", (90, 100)), ("chr10", (100, 250))):
        write_plink(cohort.take(slice(None), np.arange(*columns)), tmp_path / name)
    return tmp_path


def _spec(name: Path, snps: int = 60) -> DataSpec:
    return DataSpec(str(name), snps=snps, group="none")


def test_sets_are_in_the_order_of_their_numbers(folder: Path) -> None:
    """Chromosome 2 before 10; with or without the ending."""
    for pattern in ("chr*.bed", "chr*"):
        found = prefixes(str(folder / pattern))
        assert [p.name for p in found] == ["chr1", "chr2", "chr10"]
        assert DataSpec(str(folder / pattern)).is_path


def test_a_list_names_sets_in_its_own_order(folder: Path) -> None:
    """Relative to its folder; blank lines and comments are passed over."""
    listing = folder / "sets.list"
    listing.write_text("# ours\nchr10.bed\n\nchr1\n")
    assert [p.name for p in prefixes(str(listing))] == ["chr10", "chr1"]
    listing.write_text("chr1\nchr2\nchr1.bed\n")
    with pytest.raises(GenobenchError, match=r"sets\.list, line 3: chr1 stands on line 1 already"):
        prefixes(str(listing))
    listing.write_text("\n")
    with pytest.raises(GenobenchError, match="names no file set"):
        prefixes(str(listing))
    with pytest.raises(GenobenchError, match=r"absent\.list: cannot be read"):
        prefixes(str(folder / "absent.list"))


def test_a_name_with_brackets_that_is_there_is_no_pattern(folder: Path, cohort: Cohort) -> None:
    """A file called ``data[1].bed``."""
    write_plink(cohort, folder / "data[1]")
    assert scan_sets(str(folder / "data[1].bed"))[0].m == cohort.m


def test_what_does_not_fit_is_refused_by_name(folder: Path, cohort: Cohort) -> None:
    """No file, other people, people in another order, a damaged file among good ones."""
    with pytest.raises(GenobenchError, match=r"no \.bed in .* fits"):
        scan_sets(str(folder / "nothing*.bed"))
    with pytest.raises(GenobenchError, match="not in its folder"):
        scan_sets(str(folder / "*" / "chr1.bed"))
    part = cohort.take(slice(None), np.arange(100, 250))
    write_plink(part.take(np.arange(399)), folder / "chr10")
    with pytest.raises(GenobenchError, match=r"chr10.fam: 399 people, .*chr1.fam has 400"):
        scan_sets(str(folder / "chr*.bed"))
    swapped = np.arange(400)
    swapped[[6, 7]] = 7, 6
    write_plink(part.take(swapped), folder / "chr10")
    with pytest.raises(GenobenchError, match=r"chr10.fam, person 7: .* same people in the same"):
        scan_sets(str(folder / "chr*.bed"))
    (folder / "chr2.bed").write_bytes((folder / "chr2.bed").read_bytes()[:-1])
    with pytest.raises(GenobenchError, match=r"chr2.bed: .* truncated"):
        scan_sets(str(folder / "chr*.bed"))


def test_a_file_that_shrinks_while_it_is_read_is_refused(folder: Path) -> None:
    """By a whole SNP, which the blocks alone would not show."""
    (files,) = scan_sets(str(folder / "chr1.bed"))
    files.bed.write_bytes(files.bed.read_bytes()[: -(400 // 4)])
    with pytest.raises(GenobenchError, match=r"chr1\.bed: has become shorter"):
        list(packed_blocks(files, step=60))


@pytest.mark.parametrize("in_memory", [2**31, 0])
def test_several_files_give_the_split_of_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    """Loaded, and streamed; to the last genotype."""
    monkeypatch.setattr(choice, "IN_MEMORY", in_memory)
    one, several = (prepare(_spec(folder / name)) for name in ("whole.bed", "chr*.bed"))
    assert one.split.checksum == several.split.checksum
    assert one.report["selection"] == several.report["selection"]
    assert list(several.report["sources"])[:4] == ["bed 1", "bim 1", "fam 1", "bed 2"]


def test_every_file_belongs_to_the_key(folder: Path, cohort: Cohort) -> None:
    """Other genotypes in the last of three files are other data."""
    spec = _spec(folder / "chr*.bed")
    before = spec.key
    assert replace(spec).key == before
    G = cohort.genotypes[:, 100:250].copy()
    G[0, 0] = (G[0, 0] + 1) % 3
    part = cohort.take(slice(None), np.arange(100, 250))
    write_plink(Cohort(G, part.variants, part.samples, part.trait), folder / "chr10")
    assert replace(spec).key != before
    assert len(source_checksums(spec)) == 9


def test_clumping_of_streamed_files_reads_the_candidates_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SNPs of a split that was clumped in memory, but for those that people decide."""
    spec = replace(_spec(folder / "whole.bed", 40), clump_r2=0.3)
    whole = prepare(spec)
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    streamed = prepare(spec)
    chosen = [p.split.train.variants["id"].tolist() for p in (whole, streamed)]
    assert len(set(chosen[0]) & set(chosen[1])) >= 38  # components before and after control
    r2 = np.corrcoef(streamed.split.train.genotypes.T) ** 2
    np.fill_diagonal(r2, 0)
    region = streamed.split.train.variants["pos"].to_numpy()
    near = np.abs(region[:, None] - region) <= 250_000
    assert r2[near].max() <= 0.3 + 1e-6


def test_people_with_few_calls_in_the_files_are_left_out_of_a_streamed_split(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted, and nobody else goes with them."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    G = cohort.genotypes.copy()
    G[[3, 50], ::10] = -1
    bed = write_plink(Cohort(G, cohort.variants, cohort.samples, cohort.trait), tmp_path / "some")
    prepared = prepare(_spec(bed))
    assert prepared.report["people"]["incomplete"] == 2
    assert sum(getattr(prepared.split, name).n for name in PARTS) == cohort.n - 2
    gone = set(cohort.samples["iid"].iloc[[3, 50]])
    assert not any(gone & set(getattr(prepared.split, n).samples["iid"]) for n in PARTS)


def test_a_streamed_split_is_resumed_from_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run looks at no call for its tests; the split is the same to the byte."""
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    spec = _spec(folder / "chr*.bed")
    first = prepare(spec)
    said: list[str] = []
    monkeypatch.setattr(Adder, "sums", None)  # would fail if it were called
    again = prepare(spec, say=said.append)
    assert "association: 250 of 250 SNPs were tested by an earlier run" in said
    assert again.split.checksum == first.split.checksum
    assert again.report == first.report


def test_external_statistics_are_clumped_in_the_files(
    folder: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SNPs are those of a clumping in memory: LD of the training people, theirs the ranks."""
    table = cohort.variants.rename(columns={"chrom": "CHR", "pos": "BP", "id": "SNP"})
    p = np.linspace(1e-8, 0.9, cohort.m)[np.random.default_rng(2).permutation(cohort.m)]
    table = table.assign(A1=table["counted"], A2=table["other"], BETA=0.1, P=p)
    table[["CHR", "BP", "SNP", "A1", "A2", "BETA", "P"]].to_csv(
        folder / "gwas.tsv", sep="\t", index=False
    )
    spec = replace(_spec(folder / "chr*.bed", 30), gwas=folder / "gwas.tsv", clump_r2=0.2)
    whole = prepare(spec)
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    streamed = prepare(spec)
    assert streamed.report["selection"]["source"] == "external"
    assert streamed.report["after_quality_control"]["snps"] <= 60
    chosen = [p.split.train.variants["id"].tolist() for p in (whole, streamed)]
    assert len(set(chosen[0]) & set(chosen[1])) >= 28

"""A cohort of mosaics has its founders' frequencies and LD, families, and the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.data.kinship import kinship_tile
from genobench.data.mosaic import Founders, MosaicSpec, simulate_founders, write_biobank
from genobench.data.plink import read_plink
from genobench.errors import GenobenchError

SPEC = MosaicSpec(people=4_001, snps=120, seed=5, founders=300, relatives=0.1)


@pytest.fixture(scope="module")
def founders() -> Founders:
    """Of the cohort below."""
    return simulate_founders(SPEC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cohort is written."""
    made = tmp_path_factory.mktemp("biobank")
    write_biobank(SPEC, made / "big.bed")
    return made


@pytest.fixture(scope="module")
def cohort(folder: Path) -> Cohort:
    """What was written, read back."""
    return read_plink(folder / "big.bed")


def _genotypes(founders: Founders) -> NDArray[np.int8]:
    """(founders, m)."""
    haplotypes = np.stack([founders.haplotypes(j) for j in range(len(founders.sites))], axis=1)
    return haplotypes[0::2] + haplotypes[1::2]


def _expected(founders: Founders, cohort: Cohort) -> NDArray[np.float64]:
    """(m,) frequencies of the founders, with the cohort's shares of populations."""
    by_name = {name: number for number, name in enumerate(("POP_A", "POP_B", "ADMIXED"))}
    table = pd.read_csv(cohort.samples.attrs["pheno"], sep="\t")
    shares = table["population"].map(by_name).value_counts(normalize=True)
    G = _genotypes(founders)
    parts = [shares[p] * G[founders.populations == p].mean(axis=0) / 2 for p in range(3)]
    return np.asarray(np.sum(parts, axis=0))


def test_frequencies_are_the_founders(founders: Founders, cohort: Cohort, folder: Path) -> None:
    """Within four standard errors of drawing haplotypes, in each population's share."""
    cohort.samples.attrs["pheno"] = folder / "big.pheno.tsv"
    p = _expected(founders, cohort)
    found = cohort.genotypes.mean(axis=0) / 2
    error = np.sqrt(p * (1 - p) / (2 * cohort.n * 0.9))
    assert (np.abs(found - p) < 4.5 * error).all()
    assert found.min() > 0


def test_ld_is_the_founders(founders: Founders, cohort: Cohort) -> None:
    """r of neighbours in a region, and none between regions beyond that of the populations."""
    theirs, ours = (np.corrcoef(G.T) for G in (_genotypes(founders), cohort.genotypes))
    region = founders.sites["region"].to_numpy()
    near = (region[:, None] == region) & ~np.eye(SPEC.snps, dtype=bool)
    assert np.corrcoef(theirs[near], ours[near])[0, 1] > 0.97
    assert np.abs(theirs[near] - ours[near]).mean() < 0.05
    far = region[:, None] != region
    assert np.abs(ours[far]).mean() < 0.5 * np.abs(ours[near]).mean()


def test_people_of_one_family_are_related(folder: Path) -> None:
    """Two parents and two children share a FID; a child never lacks both alleles of a parent."""
    cohort = read_plink(folder / "big.bed")
    families = cohort.samples.groupby("fid").indices
    fours = [rows for rows in families.values() if len(rows) > 1]
    assert {len(rows) for rows in fours} == {4}
    assert len(fours) == pytest.approx(0.1 * SPEC.people / 4, abs=1)
    kinship = [kinship_tile(cohort.genotypes[rows], cohort.genotypes[rows]) for rows in fours]
    strangers = kinship_tile(cohort.genotypes[:200], cohort.genotypes[200:400])
    related = np.array([np.sort(k[np.triu_indices(4, 1)])[1:] for k in kinship])
    assert related.mean() == pytest.approx(0.25, abs=0.06)
    assert np.nanmean(strangers) < 0.05


def test_the_disease_has_the_size_that_was_asked_for(folder: Path, cohort: Cohort) -> None:
    """Prevalence; the .fam and the table agree; the true effects predict it."""
    table = pd.read_csv(folder / "big.pheno.tsv", sep="\t", dtype={"FID": str, "IID": str})
    assert table["disease"].mean() == pytest.approx(0.3, abs=0.001)
    assert table["IID"].tolist() == cohort.samples["iid"].tolist()
    codes = cohort.samples["phenotype"].astype(int).to_numpy()
    assert np.array_equal(codes - 1, table["disease"])
    causal = pd.read_csv(folder / "big.causal.tsv", sep="\t")
    assert causal["causal"].sum() == MosaicSpec(SPEC.people, SPEC.snps).simulation.causal
    score = cohort.genotypes @ causal["beta"].to_numpy()
    assert score.var() == pytest.approx(0.35, abs=0.01)
    cases = table["disease"].to_numpy() == 1
    assert score[cases].mean() - score[~cases].mean() > 0.3


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    """All five files."""
    write_biobank(SPEC, tmp_path / "again")
    for ending in ("bed", "bim", "fam", "pheno.tsv", "causal.tsv"):
        again = (tmp_path / f"again.{ending}").read_bytes()
        assert again == (folder / f"big.{ending}").read_bytes(), ending
    write_biobank(MosaicSpec(4_001, 120, seed=6, founders=300), tmp_path / "other")
    assert (tmp_path / "other.bed").read_bytes() != (folder / "big.bed").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_simulated_is_refused(tmp_path: Path) -> None:
    """Before a file is written."""
    with pytest.raises(GenobenchError, match="100 founders"):
        MosaicSpec(1_000, 10, founders=12)
    with pytest.raises(GenobenchError, match="share of relatives"):
        MosaicSpec(1_000, 10, relatives=0.9)
    (tmp_path / "file").write_text("")
    with pytest.raises(GenobenchError, match="cannot be written"):
        write_biobank(MosaicSpec(50, 5, founders=100), tmp_path / "file" / "big.bed")


def test_the_command_writes_a_biobank_and_tells_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ``--founders`` however few people; several files are described as one."""
    for number in (1, 2):
        words = ["data", "simulate", "--people", "300", "--snps", "20", "--founders", "100"]
        assert main([*words, "--out", str(tmp_path / f"chr{number}.bed")]) == 0
    assert "300 people, 20 SNPs, 100 founders" in capsys.readouterr().out
    assert main(["data", "info", str(tmp_path / "chr*.bed"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["people"], facts["variants"], len(facts["files"])) == (300, 40, 6)

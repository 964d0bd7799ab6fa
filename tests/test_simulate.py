"""The simulated cohort: people, families, linkage disequilibrium, disease, cache."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genobench.cohort import Cohort
from genobench.data import cache
from genobench.data.kinship import kinship_tile
from genobench.data.plink import read_plink
from genobench.data.simulate import SimulationSpec, embedded, export, simulate
from genobench.errors import GenobenchError

SMALL = SimulationSpec(people=600, snps=300, regions=8, causal=40, relatives=0.1)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """One small simulated cohort for the module."""
    return simulate(SMALL)


def test_sizes_and_columns_are_those_asked_for(cohort: Cohort) -> None:
    """People, SNPs, cases and causal SNPs come out exactly."""
    assert (cohort.n, cohort.m) == (600, 300)
    assert cohort.labels.sum() == 180
    assert cohort.variants["causal"].sum() == 40
    assert {"population", "family"} <= set(cohort.samples)
    assert cohort.samples["iid"].is_unique
    assert cohort.variants["id"].is_unique


def test_same_specification_same_bytes_other_seed_other_cohort(cohort: Cohort) -> None:
    """The seed alone decides."""
    assert simulate(SMALL).checksum == cohort.checksum
    assert simulate(replace(SMALL, seed=1)).checksum != cohort.checksum


def test_counted_allele_is_the_minor_one_above_the_limit(cohort: Cohort) -> None:
    """Frequencies lie between the limit and a half; thinning changes neither."""
    frequency = cohort.genotypes.mean(axis=0) / 2
    assert frequency.min() >= SMALL.minor_frequency
    assert frequency.max() <= 0.5


def test_variants_are_in_genome_order_in_regions_of_unequal_size(cohort: Cohort) -> None:
    """Positions rise within a chromosome; no common number of SNPs per region."""
    assert list(cohort.variants["chrom"].unique()) == [str(c) for c in range(1, 9)]
    for _, table in cohort.variants.groupby("chrom"):
        assert table["pos"].is_monotonic_increasing
    assert cohort.variants.groupby("region").size().nunique() > 4


def test_families_obey_mendel(cohort: Cohort) -> None:
    """In families of four, two people can be the parents of the other two at every SNP."""
    families = cohort.samples.groupby("family").indices
    quartets = [rows for rows in families.values() if len(rows) == 4]
    assert quartets
    for rows in quartets:
        g = cohort.genotypes[rows]
        assert any(
            _could_be_child(g[a], g[b], g[c]) and _could_be_child(g[a], g[b], g[d])
            for a, b, c, d in permutations(range(4))
        )


def _could_be_child(
    father: np.ndarray[tuple[int], np.dtype[np.int8]],
    mother: np.ndarray[tuple[int], np.dtype[np.int8]],
    child: np.ndarray[tuple[int], np.dtype[np.int8]],
) -> bool:
    least = (father == 2).astype(int) + (mother == 2)
    most = (father >= 1).astype(int) + (mother >= 1)
    return bool(((child >= least) & (child <= most)).all())


def test_share_and_kinship_of_relatives(cohort: Cohort) -> None:
    """A tenth of the people are in families, related to the first degree on average."""
    families = [r for r in cohort.samples.groupby("family").indices.values() if len(r) > 1]
    assert 60 <= sum(map(len, families)) <= 63
    pairs = np.array([rows[:2] for rows in families if len(rows) == 2])
    within = np.diag(kinship_tile(cohort.genotypes[pairs[:, 0]], cohort.genotypes[pairs[:, 1]]))
    strangers = kinship_tile(cohort.genotypes[:200], cohort.genotypes[200:400])
    assert within.mean() > 0.17
    assert np.median(strangers) < 0.02


def test_disease_follows_the_liability_model(cohort: Cohort) -> None:
    """Recomputed from the table: heritability as asked, none from other SNPs, men more often."""
    beta = cohort.variants["beta"].to_numpy()
    genetic = cohort.genotypes @ beta
    assert genetic.var() == pytest.approx(SMALL.heritability, rel=1e-6)
    assert (beta[~cohort.variants["causal"]] == 0).all()
    cases = cohort.labels == 1
    assert genetic[cases].mean() > genetic[~cases].mean() + 0.4
    many = simulate(replace(SMALL, people=1500, sex_effect=1.5)).samples.assign(case=0)
    strong = simulate(replace(SMALL, people=1500, sex_effect=1.5)).labels
    men = many["sex"].to_numpy() == 1
    assert strong[men].mean() > strong[~men].mean() + 0.2


def test_two_populations_differ_and_the_third_lies_between(cohort: Cohort) -> None:
    """On the first principal component, by population."""
    X = cohort.genotypes - cohort.genotypes.mean(axis=0)
    first = np.linalg.svd(X, full_matrices=False)[0][:, 0]
    means = [first[cohort.samples["population"] == p].mean() for p in ("POP_A", "ADMIXED", "POP_B")]
    assert sorted(means) in (means, means[::-1])
    assert abs(means[0] - means[2]) > 1.5 * first.std()


def test_cache_gives_the_same_cohort_and_mends_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second call reads; a damaged file is made again; no partial file stays."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    spec = SimulationSpec(people=60, snps=40, regions=3, causal=5)
    first = embedded(spec)
    [path] = (tmp_path / "simulated").iterdir()
    second = cache.fetch(path)
    assert second is not None
    assert second.checksum == first.checksum
    assert second.variants.equals(first.variants)
    assert second.samples.equals(first.samples)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert embedded(spec).checksum == first.checksum
    path.write_bytes(content[:100])
    assert embedded(spec).checksum == first.checksum
    assert cache.fetch(path) is not None
    assert list((tmp_path / "simulated").iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the folder should be."""
    (tmp_path / "simulated").write_text("in the way")
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    with pytest.raises(GenobenchError, match="GENOBENCH_CACHE"):
        embedded(SimulationSpec(people=60, snps=40, regions=3, causal=5))


@pytest.mark.parametrize("relatives", [0.0, 0.8])
def test_any_share_of_relatives_gives_the_asked_number_of_people(relatives: float) -> None:
    """From nobody to most."""
    made = simulate(SimulationSpec(people=40, snps=20, regions=2, causal=3, relatives=relatives))
    assert made.n == 40


@pytest.mark.parametrize(("people", "snps"), [(30, 20), (200, 1500)])
def test_other_sizes_are_reached(people: int, snps: int) -> None:
    """Regions and causal SNPs grow with the SNPs."""
    made = simulate(SimulationSpec.sized(people, snps, seed=4))
    assert (made.n, made.m) == (people, snps)
    assert made.variants["causal"].any()


def test_exported_files_hold_the_cohort(cohort: Cohort, tmp_path: Path) -> None:
    """PLINK files, phenotypes and true effects come back."""
    bed, pheno, causal = export(cohort, tmp_path / "simulated")
    np.testing.assert_array_equal(read_plink(bed).genotypes, cohort.genotypes)
    table = pd.read_csv(pheno, sep="\t")
    np.testing.assert_array_equal(table["disease"], cohort.labels)
    assert table["IID"].tolist() == cohort.samples["iid"].tolist()
    assert pd.read_csv(causal, sep="\t")["causal"].sum() == 40


def test_impossible_sizes_are_named() -> None:
    """More SNPs than the regions hold; too few people."""
    with pytest.raises(GenobenchError, match=r"hold \d+ SNPs .* fewer than the 5000"):
        simulate(SimulationSpec(people=40, snps=5000, regions=2))
    with pytest.raises(GenobenchError, match="at least 20 people"):
        SimulationSpec(people=3)

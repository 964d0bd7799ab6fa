"""Our numbers against those of the field's own programs, on one small cohort.

The fixtures are made by make.sh: 160 people of two populations with relatives, 240 SNPs, no
missing call. Tolerances are those at which the programs were found to agree, and half a unit of the
last digit that they print. Elsewhere: counted alleles, .bed files and exact tests of small samples
against PLINK 1.9 in tests/test_plink.py and tests/test_quality.py; AUC, ridge and principal
components against scikit-learn and scipy beside the metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.calls import genotype_counts
from genobench.data.gwas import NullModel, principal_components
from genobench.data.hardy_weinberg import exact_p
from genobench.data.kinship import kinship_tile
from genobench.data.plink import read_plink
from genobench.data.tables import trait_from_fam
from genobench.metrics import ancestry, frequency, ld, manifold, structure
from genobench.metrics.intervals import Z95, Interval
from genobench.metrics.neighbours import minimum
from genobench.metrics.performance import calibration_slope

FIXTURES = Path(__file__).parent / "fixtures"
REACH = 6  # SNPs apart, as in make.sh


def table(name: str) -> pd.DataFrame:
    """One of the programs' tables, as it was printed."""
    return pd.read_csv(FIXTURES / name, sep="\t", dtype=str)


def digits(column: pd.Series[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Printed numbers, and half a unit of the last digit of each."""
    mantissa = column.str.lower().str.split("e", expand=True)
    power = mantissa[1].fillna("0").astype(int) if 1 in mantissa else 0
    decimals = mantissa[0].str.partition(".")[2].str.len()
    return column.to_numpy(np.float64), np.asarray(0.5 * 10.0 ** (power - decimals))


def error(interval: Interval) -> float:
    """Standard error behind a normal interval."""
    return (interval.high - interval.low) / (2 * Z95)


def neighbours(m: int) -> Iterator[tuple[int, int]]:
    """Pairs of SNPs at most `REACH` apart, as the fixtures list them."""
    return ((j, k) for j in range(m) for k in range(j + 1, min(j + REACH, m - 1) + 1))


def asked_about() -> Cohort:
    """The cohort that every program was given, with the trait of its .fam."""
    people = read_plink(FIXTURES / "cohort")
    keep, trait = trait_from_fam(people.samples)
    assert keep.all()
    return people.with_trait(trait)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """The same, read once."""
    return asked_about()


@pytest.fixture(scope="module")
def tools() -> dict[str, Any]:
    """Numbers of the Python packages."""
    found: dict[str, Any] = json.loads((FIXTURES / "tools.json").read_text())
    return found


@pytest.fixture(scope="module")
def r2(cohort: Cohort) -> NDArray[np.float64]:
    """Our r2 of neighbours before the bias was removed: what other programs call r2."""
    band = ld.r2_band(cohort.genotypes, reach=REACH).astype(np.float64)
    corrected = np.array([band[k - j - 1, j] for j, k in neighbours(cohort.m)])
    bias = 1 / (cohort.n - 2)
    return (corrected + bias) / (1 + bias)


def test_r2_is_that_of_plink(cohort: Cohort, r2: NDArray[np.float64]) -> None:
    """`plink1.9 --r2`: the same pairs, to so much of the digits that it prints."""
    theirs = table("plink19.r2")
    ids = cohort.variants["id"].tolist()
    chromosome = cohort.variants["chrom"].tolist()
    same = [chromosome[j] == chromosome[k] for j, k in neighbours(cohort.m)]
    pairs = [(ids[j], ids[k]) for j, k in neighbours(cohort.m) if chromosome[j] == chromosome[k]]
    assert list(zip(theirs["SNP_A"], theirs["SNP_B"], strict=True)) == pairs
    value, half = digits(theirs["R2"])
    assert (np.abs(r2[same] - value) <= half + 5e-7).all()


def test_r2_is_that_of_rogers_and_huff(r2: NDArray[np.float64], tools: dict[str, Any]) -> None:
    """scikit-allel's `rogers_huff_r`, its size within 4.6e-6."""
    r = np.sqrt(np.maximum(r2, 0))
    np.testing.assert_allclose(r, np.abs(tools["rogers_huff_r"]), rtol=0, atol=4.6e-6)


def test_counts_are_those_of_plink(cohort: Cohort) -> None:
    """`plink2 --geno-counts` and `--freq counts`, exactly, of the same counted alleles."""
    theirs = table("plink2.gcount")
    columns = ["HOM_REF_CT", "HET_REF_ALT_CTS", "TWO_ALT_GENO_CTS"]
    wanted = theirs[columns].to_numpy(np.int64)
    np.testing.assert_array_equal(genotype_counts(cohort.genotypes)[:, :3], wanted)
    summed = frequency.genotype_counts(cohort.genotypes).sum(axis=0).T
    np.testing.assert_array_equal(summed, wanted)
    alleles = table("plink2.acount")
    assert alleles["ALT"].tolist() == cohort.variants["counted"].tolist()
    ours = frequency.allele_frequency(cohort.genotypes) * alleles["OBS_CT"].to_numpy(float)
    np.testing.assert_allclose(ours, alleles["ALT_CTS"].to_numpy(float), rtol=1e-12)


def test_equilibrium_is_that_of_plink(cohort: Cohort) -> None:
    """`plink2 --hardy`: exact p within 4e-6 relative, down to those of two populations mixed."""
    value = table("plink2.hardy")["P"].to_numpy(np.float64)
    assert value.min() < 1e-6
    np.testing.assert_allclose(exact_p(genotype_counts(cohort.genotypes)), value, rtol=4e-6)


def test_fst_is_that_of_plink(cohort: Cohort) -> None:
    """`plink1.9 --fst`: Weir and Cockerham's of every SNP within 4e-9 of the digits printed, and
    the ratio of sums over all SNPs, its "weighted" one.
    """
    within = pd.read_csv(FIXTURES / "cohort.within", sep="\t", header=None)[2]
    one, two = (
        frequency.genotype_counts(cohort.genotypes[(within == name).to_numpy()]).sum(axis=0)
        for name in sorted(within.unique())
    )
    parts = ancestry.weir_cockerham(one, two)
    value, half = digits(table("plink19.fst")["FST"])
    assert (np.abs(parts[:, 0] / parts[:, 1] - value) <= half + 4e-9).all()
    weighted = float((FIXTURES / "plink19.fst.weighted").read_text())
    assert ancestry.fst_interval(parts).value == pytest.approx(weighted, abs=1e-6)


def test_kinship_is_that_of_plink(cohort: Cohort) -> None:
    """`plink2 --make-king-table`: every pair of 64 people, a parent and child among them."""
    theirs = table("plink2.king")
    row = {iid: i for i, iid in enumerate(cohort.samples["iid"])}
    one, two = (theirs[c].map(row).to_numpy(np.int64) for c in ("#IID1", "IID2"))
    ours = kinship_tile(cohort.genotypes, cohort.genotypes)[one, two]
    value, half = digits(theirs["KINSHIP"])
    assert len(value) == 64 * 63 // 2
    assert value.max() > 0.2
    assert (np.abs(ours - value) <= half + 5e-7).all()


def slopes(cohort: Cohort, trait: Trait, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k, 2) slope and standard error of the trait on single SNPs."""
    found = []
    for j in columns:
        dosage = cohort.genotypes[:, j].astype(np.float64)
        fit = calibration_slope(dosage, trait.values, trait.kind)
        found.append((fit.value, error(fit)))
    return np.array(found)


def test_logistic_slope_is_that_of_plink(cohort: Cohort) -> None:
    """`plink1.9 --logistic` to print precision, `plink2 --glm` z within 8e-5 relative."""
    theirs, newer = table("plink19.logistic"), table("plink2.logistic")
    fitted = (theirs["BETA"] != "NA").to_numpy() & (newer["FIRTH?"] == "N").to_numpy()
    assert fitted.mean() > 0.95
    assert cohort.trait is not None
    ours = slopes(cohort, cohort.trait, np.flatnonzero(fitted))
    for column, name in enumerate(("BETA", "SE")):
        value, half = digits(theirs.loc[fitted, name])
        assert (np.abs(ours[:, column] - value) <= half + 2e-5 * np.abs(value) + 1e-7).all(), name
    z = newer.loc[fitted, "Z_STAT"].to_numpy(np.float64)
    np.testing.assert_allclose(ours[:, 0] / ours[:, 1], z, rtol=8e-5, atol=8e-5)


def test_regressions_are_those_of_statsmodels(cohort: Cohort, tools: dict[str, Any]) -> None:
    """Slope and standard error of `Logit` and `OLS`."""
    assert cohort.trait is not None
    columns, wanted = np.arange(0, cohort.m, 20), np.array(tools["regression"])
    logit = slopes(cohort, cohort.trait, columns)
    np.testing.assert_allclose(logit, wanted[:, :2], rtol=1e-5)
    line = slopes(cohort, Trait("t", "quantitative", cohort.labels), columns)
    np.testing.assert_allclose(line, wanted[:, 2:], rtol=1e-6)


def test_trend_is_that_of_plink(cohort: Cohort) -> None:
    """`plink1.9 --model trend-only`: chi-square of Cochran and Armitage to print precision."""
    assert cohort.trait is not None
    value, half = digits(table("plink19.trend")["CHISQ"])
    z = NullModel(cohort.trait).test(cohort.genotypes).z
    assert (np.abs(z**2 - value) <= half + 1e-9).all()


def test_linear_association_is_that_of_plink(cohort: Cohort) -> None:
    """`plink2 --glm` of a quantitative trait: t within 1e-5, p within 1e-4 relative."""
    theirs = table("plink2.linear")
    height = pd.read_csv(FIXTURES / "cohort.pheno", sep="\t")
    assert height["IID"].tolist() == cohort.samples["iid"].tolist()
    trait = Trait("height", "quantitative", height["height"].to_numpy(np.float32))
    ours = NullModel(trait).test(cohort.genotypes)
    assert theirs["A1"].tolist() == cohort.variants["counted"].tolist()
    np.testing.assert_allclose(ours.p, theirs["P"].to_numpy(np.float64), rtol=1e-4)
    np.testing.assert_allclose(ours.beta, theirs["BETA"].to_numpy(np.float64), rtol=2e-5, atol=2e-6)
    t = np.sign(ours.beta) * stats.t.isf(ours.p / 2, cohort.n - 2)
    np.testing.assert_allclose(t, theirs["T_STAT"].to_numpy(np.float64), rtol=2e-5, atol=2e-5)


def test_components_are_those_of_scikit_allel(cohort: Cohort, tools: dict[str, Any]) -> None:
    """Variances and scores of PCA on dosages scaled by their standard deviation."""
    axes = structure.fit_axes(cohort.genotypes, components=5)
    scores = structure.project(cohort.genotypes, axes)
    wanted = np.array(tools["pca"]["variance"])
    np.testing.assert_allclose(scores.var(axis=0), wanted, rtol=1e-5)
    theirs = np.array(tools["pca"]["scores"])
    signs = np.sign((scores[:, :2] * theirs).sum(axis=0))
    np.testing.assert_allclose(scores[:, :2] * signs, theirs, atol=2e-3)


def test_components_agree_with_those_of_plink(cohort: Cohort) -> None:
    """`plink2 --pca` scales by sqrt(2p(1-p)) instead: the same axis between the populations."""
    theirs = table("plink2.eigenvec")["PC1"].to_numpy(np.float64)
    for ours in (
        structure.project(cohort.genotypes, structure.fit_axes(cohort.genotypes))[:, 0],
        principal_components(cohort.genotypes, 1)[:, 0],
    ):
        assert abs(np.corrcoef(ours, theirs)[0, 1]) > 0.998


def halves(cohort: Cohort) -> tuple[Genotypes, Genotypes]:
    """The people that tools.py calls real, and those that it calls synthetic."""
    return cohort.genotypes[:80], cohort.genotypes[80:]


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_manifold_is_that_of_prdc(cohort: Cohort, tools: dict[str, Any], k: int) -> None:
    """Precision, recall, density and coverage of prdc on the same distances, within 1e-16."""
    real, made = halves(cohort)
    (found,) = manifold.manifold_curve(made, real, ks=(k,))
    for name, wanted in tools["prdc"][str(k)].items():
        assert getattr(found, name).value == pytest.approx(wanted, rel=0, abs=1e-16), name


def test_distances_are_those_of_sdmetrics(cohort: Cohort, tools: dict[str, Any]) -> None:
    """`calculate_dcr` averages |a - b| / range over SNPs: ours over 2 m, to the last integer."""
    real, made = (g[:, tools["sdmetrics"]["snps"]] for g in halves(cohort))
    theirs = np.array(tools["sdmetrics"]["dcr"]) * 2 * real.shape[1]
    np.testing.assert_allclose(theirs, np.round(theirs), atol=1e-9)
    np.testing.assert_array_equal(minimum(made, real), np.round(theirs))

"""Quality control: each step drops what it is there for, nothing else, and says so."""

from __future__ import annotations

import json
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.calls import selected
from genobench.data.hardy_weinberg import chi_square, exact_p, inflation
from genobench.data.plink import read_plink
from genobench.data.quality import (
    Step,
    Thresholds,
    called_frequencies,
    control,
    genotype_counts,
    impute,
)
from genobench.errors import GenobenchError

ORACLE = Path(__file__).parent / "fixtures" / "plink" / "dummy"


def cohort_of(
    genotypes: Genotypes, chrom: str | list[str] = "1", trait: Trait | None = None
) -> Cohort:
    """Cohort with made-up people, of unknown sex, and variants."""
    n, m = genotypes.shape
    variants = pd.DataFrame(
        {"chrom": chrom, "pos": np.arange(1, m + 1), "id": [f"rs{j}" for j in range(m)]}
    ).assign(counted="A", other="G")
    samples = pd.DataFrame({"fid": "F", "iid": [f"I{i}" for i in range(n)], "sex": 0})
    return Cohort(genotypes, variants, samples, trait)


def sound(n: int, m: int, seed: int = 0) -> Genotypes:
    """Independent variants in Hardy-Weinberg equilibrium, MAF .2 to .5, all called."""
    random = np.random.default_rng(seed)
    return random.binomial(2, random.uniform(0.2, 0.5, m), (n, m)).astype(np.int8)


def dropped(steps: tuple[Step, ...]) -> dict[str, int]:
    """Steps that dropped something."""
    return {f"{s.unit} {s.name}": s.dropped for s in steps if s.dropped}


def test_sound_cohort_stays_whole() -> None:
    """Nothing is dropped from sound data, and nothing is copied."""
    cohort = cohort_of(sound(300, 40))
    clean, report = control(cohort)
    assert dropped(report.steps) == {}
    assert clean.checksum == cohort.checksum
    assert np.shares_memory(clean.genotypes, cohort.genotypes)


def test_each_step_drops_what_it_is_there_for() -> None:
    """One planted fault of each kind is found by its own step; the rest stays, in order."""
    g = sound(400, 200)
    g[:, 3] = -1  # no call
    g[:40, 5] = -1  # 10 % missing
    g[:, 7] = 2  # monomorphic
    g[:, 9] = 0
    g[:6, 9] = 1  # MAF .0075
    g[:, 11] = 1  # all heterozygous
    g[50, 20:60] = -1  # a badly called person
    g[61] = g[60]  # one sample twice
    cohort = cohort_of(g, ["1"] * 100 + ["2"] * 100)
    variants = cohort.variants.copy()
    variants.loc[30, "pos"] = 30  # again at variant 29's place, the alleles the other way round
    variants.loc[30, "counted"], variants.loc[30, "other"] = "G", "A"
    variants.loc[32, "id"] = "rs31"
    samples = cohort.samples.copy()
    samples.loc[71, "iid"] = "I70"
    trait = Trait("t", "quantitative", np.arange(400, dtype=np.float32))
    clean, report = control(Cohort(g, variants, samples, trait))
    assert dropped(report.steps) == {
        "people repeated id": 1,
        "variants repeated place": 1,
        "variants repeated id": 1,
        "variants no call": 1,
        "variants call rate": 1,
        "people call rate": 1,
        "people identical calls": 1,
        "variants monomorphic": 1,
        "variants MAF": 1,
        "variants Hardy-Weinberg": 1,
    }
    rows = np.setdiff1d(np.arange(400), [50, 61, 71])
    columns = np.setdiff1d(np.arange(200), [3, 5, 7, 9, 11, 30, 32])
    np.testing.assert_array_equal(clean.genotypes, g[np.ix_(rows, columns)])
    np.testing.assert_array_equal(clean.labels, rows)
    assert list(clean.samples["iid"]) == [samples["iid"][i] for i in rows]
    assert list(clean.variants["id"]) == [variants["id"][j] for j in columns]
    assert (report.people, report.variants) == (397, 193)


def test_of_repeated_variants_the_best_called_stays() -> None:
    """The one with more missing calls goes, wherever it stands."""
    g = sound(200, 10)
    g[:5, 2] = -1
    cohort = cohort_of(g)
    cohort.variants.loc[3, "pos"] = 3
    clean, _ = control(cohort)
    assert "rs2" not in set(clean.variants["id"])
    assert "rs3" in set(clean.variants["id"])


def test_unknown_places_and_names_are_not_repeats() -> None:
    """Position 0 and the id '.' mean unknown: such variants are all kept."""
    cohort = cohort_of(sound(200, 10))
    variants = cohort.variants.assign(pos=0, id=".")
    assert control(Cohort(cohort.genotypes, variants, cohort.samples))[0].m == 10


@pytest.mark.parametrize(
    ("genotypes", "step"),
    [
        (np.full((9, 4), -1, np.int8), "no call"),
        (np.full((9, 4), 2, np.int8), "monomorphic"),
        (np.tile(np.array([[0], [-1]], np.int8), (9, 4)), "call rate"),
        (np.eye(200, 4, dtype=np.int8), "MAF"),
        (np.ones((200, 4), np.int8), "Hardy-Weinberg"),
    ],
)
def test_nothing_left(genotypes: Genotypes, step: str) -> None:
    """When a step drops everything the error names the step and its rule."""
    with pytest.raises(GenobenchError, match=f"the step '{step}' dropped all 4 variants") as raised:
        control(cohort_of(genotypes), Thresholds(hwe="always"))
    assert "loosen" not in str(raised.value)  # no option does
    assert "plink --bfile" in str(raised.value)


def test_exact_test_agrees_with_plink() -> None:
    """Counts and p values of `plink --hardy`, to the four digits that it prints."""
    table = pd.read_csv(f"{ORACLE}.hwe", sep=r"\s+")
    table = table[table["TEST"].str.startswith("ALL")]
    counts = genotype_counts(read_plink(ORACLE).genotypes)
    assert list(table["GENO"]) == [f"{c[2]}/{c[1]}/{c[0]}" for c in counts]
    np.testing.assert_allclose(exact_p(counts), table["P"], rtol=1e-3)


def enumerated_p(hom_a: int, het: int, hom_b: int) -> Fraction:
    """Exact p value in whole numbers: ways to pair up the alleles with h heterozygotes."""
    n, a = hom_a + het + hom_b, 2 * hom_a + het
    ways = {
        h: comb(n, h) * comb(n - h, (a - h) // 2) * 2**h
        for h in range(a % 2, min(a, 2 * n - a) + 1, 2)
    }
    return Fraction(sum(w for w in ways.values() if w <= ways[het]), sum(ways.values()))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_exact_test_by_enumeration(hom_a: int, het: int, hom_b: int) -> None:
    """The p value equals that of counting all configurations with whole numbers."""
    p = exact_p(np.array([[hom_a, het, hom_b]]))[0]
    if hom_a + het + hom_b:
        assert p == pytest.approx(float(enumerated_p(hom_a, het, hom_b)), rel=1e-6, abs=1e-18)
    else:
        assert p == 1


def test_exact_test_at_biobank_size() -> None:
    """With half a million people the exact p value meets the chi-square distribution."""
    n = 458_724
    counts = []
    for p, f in ((0.5, 0.0), (0.3, 0.002), (0.1, -0.003), (0.02, 0.004)):
        het = round(2 * n * p * (1 - p) * (1 - f))
        rare = round((2 * n * p - het) / 2)
        counts.append([n - het - rare, het, rare])
    table = np.array(counts)
    expected = scipy.stats.chi2.sf(chi_square(table), 1)
    np.testing.assert_allclose(exact_p(table), expected, rtol=0.05, atol=2e-3)
    assert exact_p(np.array([[n, 0, n]]))[0] == 0


def test_chi_square_of_scipy() -> None:
    """n F^2 equals Pearson's statistic over the three classes."""
    counts = np.array([[50, 30, 20], [8, 18, 10], [100, 1, 0]])
    for row, statistic in zip(counts, chi_square(counts), strict=True):
        n, p = row.sum(), (row[1] + 2 * row[2]) / (2 * row.sum())
        expected = n * np.array([(1 - p) ** 2, 2 * p * (1 - p), p**2])
        assert statistic == pytest.approx(scipy.stats.chisquare(row, expected).statistic)


def two_populations(n: int, m: int) -> Genotypes:
    """Half the people with frequency p, half with 1 - p, in equilibrium each: Wahlund's effect."""
    random = np.random.default_rng(1)
    p = random.uniform(0.1, 0.3, m)
    parts = [random.binomial(2, q, (n // 2, m)) for q in (p, 1 - p)]
    return np.vstack(parts).astype(np.int8)


def test_structure_is_not_bad_genotyping() -> None:
    """In a structured cohort the test is left out, and the report says why; it can be forced."""
    cohort = cohort_of(two_populations(1000, 30))
    assert inflation(genotype_counts(cohort.genotypes)) > 10
    clean, report = control(cohort)
    assert clean.m == 30
    assert "structure or relatives" in report.steps[-1].why
    assert control(cohort, Thresholds(hwe="always"))[0].m < 25
    assert control(cohort, Thresholds(hwe="never"))[0].m == 30


def test_inflation_of_sound_data_is_one() -> None:
    """Among unrelated people of one population the median statistic is as expected."""
    assert inflation(genotype_counts(sound(2000, 500))) == pytest.approx(1, abs=0.2)


def test_equilibrium_is_asked_of_controls() -> None:
    """A causal variant that is out of equilibrium in cases alone stays."""
    g = sound(600, 50)
    labels = (np.arange(600) < 200).astype(np.float32)
    g[:200, 4] = 1
    binary = control(cohort_of(g, trait=Trait("t", "binary", labels)))[0]
    assert "rs4" in set(binary.variants["id"])
    other = control(cohort_of(g, trait=Trait("t", "quantitative", labels)))[0]
    assert "rs4" not in set(other.variants["id"])


def with_x(n: int, m: int) -> Cohort:
    """Autosome 1 and as many variants on X, where men have one copy, coded 0 / 2."""
    g = sound(n, 2 * m)
    sex = np.where(np.arange(n) % 2, 2, 1)
    p = np.random.default_rng(5).uniform(0.2, 0.5, m)
    g[sex == 1, m:] = 2 * np.random.default_rng(6).binomial(1, p, ((sex == 1).sum(), m))
    g[sex == 2, m:] = np.random.default_rng(7).binomial(2, p, ((sex == 2).sum(), m))
    cohort = cohort_of(g, ["1"] * m + ["chrX"] * m)
    return Cohort(g, cohort.variants, cohort.samples.assign(sex=sex))


def test_sex_mismatch() -> None:
    """Two swapped people are found; X variants of men do not fail the equilibrium test."""
    cohort = with_x(400, 80)
    samples = cohort.samples.copy()
    samples.loc[[10, 21], "sex"] = [2, 1]
    samples.loc[[30, 31], "sex"] = 0
    clean, report = control(Cohort(cohort.genotypes, cohort.variants, samples))
    assert dropped(report.steps) == {"people sex mismatch": 2}
    assert not {"I10", "I21"} & set(clean.samples["iid"])


def test_sex_is_not_judged_where_x_cannot_tell() -> None:
    """When X does not separate the recorded sexes nobody is blamed, and the report says so."""
    cohort = with_x(400, 80)
    samples = cohort.samples.assign(sex=np.random.default_rng(0).integers(1, 3, 400))
    clean, report = control(Cohort(cohort.genotypes, cohort.variants, samples))
    assert clean.n == 400
    assert any("does not tell the recorded sexes apart" in step.why for step in report.steps)


def test_strangers_may_share_one_region() -> None:
    """On a single chromosome equal people are no proof of one sample: they stay."""
    g = np.repeat(sound(100, 150), 2, axis=0)
    assert control(cohort_of(g))[0].n == 200
    assert control(cohort_of(g, ["1"] * 75 + ["2"] * 75))[0].n == 100


def test_report() -> None:
    """The account is JSON of counts without ids, its table fits 80 columns and adds up."""
    g = sound(300, 120)
    g[:, 3] = -1
    earlier = Step("people", "no phenotype", 12, 300, "not in the phenotype table")
    _, report = control(cohort_of(g), steps=[earlier])
    table = report.table()
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "no phenotype" in table
    assert table.endswith("300 of 300 people and 119 of 120 variants stay")
    text = json.dumps(report.as_dict())
    assert "I7" not in text
    assert "rs3" not in text
    for unit, before in (("people", 312), ("variants", 120)):
        left = before
        for step in (s for s in report.steps if s.unit == unit):
            left -= step.dropped
            assert step.left == left


@pytest.mark.parametrize(
    "wrong", [{"maf": 0.6}, {"call_rate_person": 95}, {"call_rate_variant": -0.1}, {"hwe_p": 2}]
)
def test_thresholds_have_bounds(wrong: dict[str, float]) -> None:
    """Percentages given for shares, and the like, are refused."""
    with pytest.raises(GenobenchError, match=next(iter(wrong))):
        Thresholds(**wrong)  # type: ignore[arg-type]


@given(st.data(), st.integers(1, 600), st.integers(1, 5))
def test_counts_by_block(data: st.DataObject, n: int, m: int) -> None:
    """Counts of any subset equal plain counting, across block borders."""
    g = data.draw(arrays(np.int8, (n, m), elements=st.integers(-1, 2), fill=st.just(1)))
    people: NDArray[np.bool_] = data.draw(arrays(bool, n))
    expected = np.stack([(g[people] == v).sum(axis=0) for v in (0, 1, 2, -1)], axis=1)
    np.testing.assert_array_equal(genotype_counts(g, people), expected)
    variants: NDArray[np.bool_] = data.draw(arrays(bool, m))
    np.testing.assert_array_equal(selected(g, people, variants), g[people][:, variants])


def test_frequencies_ignore_missing_calls() -> None:
    """Frequencies are those of PLINK's counts; NaN where nobody is called."""
    table = pd.read_csv(f"{ORACLE}.frqx", sep="\t")
    called = table["C(HOM A1)"] + table["C(HET)"] + table["C(HOM A2)"]
    expected = (2 * table["C(HOM A1)"] + table["C(HET)"]) / (2 * called)
    np.testing.assert_allclose(called_frequencies(read_plink(ORACLE).genotypes), expected)
    assert np.isnan(called_frequencies(np.full((3, 1), -1, np.int8))).all()


def test_impute() -> None:
    """Missing calls alone are filled, with the binomial's frequencies, by the seed."""
    g = sound(20_000, 3)
    g[::2] = -1
    p = np.array([0.1, 0.5, 0.8])
    before = g.copy()
    filled = impute(g, p, seed=3)
    np.testing.assert_array_equal(g, before)
    np.testing.assert_array_equal(filled[1::2], g[1::2])
    new = filled[::2]
    for copies in range(3):
        expected = scipy.stats.binom.pmf(copies, 2, p)
        error = 5 * np.sqrt(expected * (1 - expected) / len(new))
        assert (np.abs((new == copies).mean(axis=0) - expected) < error).all()
    np.testing.assert_array_equal(filled, impute(g, p, seed=3))
    assert (filled != impute(g, p, seed=4)).any()
    assert impute(filled, p, seed=5) is filled


def test_impute_needs_a_frequency() -> None:
    """A variant without a single call cannot be filled; it is named."""
    g = sound(10, 3)
    g[:, 1] = -1
    with pytest.raises(
        GenobenchError, match="variant 2 has missing calls and allele frequency nan"
    ):
        impute(g, called_frequencies(g), seed=0)

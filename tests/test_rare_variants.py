"""Rare variants: bins by frequency, and the losses that averages over variants hide."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import frequency, rare
from genobench.metrics.maf_bins import is_rare, maf_bins, touching
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("rare_variants")
CARD, RareVariants = PLUGIN.card, PLUGIN.load()
Scores = dict[str, Estimate]
BINS = ("to2", "to5", "to20", "to50")


def thinned(cohort: Cohort) -> Cohort:
    """Alleles kept with a probability that differs by variant: MAF from 1 % up, LD left over."""
    g, rng = cohort.genotypes, np.random.default_rng(3)
    site = np.arange(cohort.m)
    keep = np.array([0.05, 0.12, 0.4, 1.0])[site // 4 % 4]
    # haplotype-like: a person keeps or loses the alleles of a run of four variants together
    kept = rng.random((cohort.n, cohort.m // 4 + 1))[:, site // 4] < keep
    return replace(cohort, genotypes=(g * kept).astype(np.int8))


@pytest.fixture(scope="module")
def split(make_cohort: Any) -> Split:
    """1,200 training, 600 validation, 700 test and 700 control people; 192 SNPs of all bins."""
    everybody = thinned(make_cohort(3200, 192, 31))
    rows = np.split(np.arange(3200), [1200, 1800, 2500])
    return Split(*(everybody.take(part) for part in rows))


@pytest.fixture(scope="module")
def reference(split: Split) -> Reference:
    """Bins and LD."""
    return Reference(split, RareVariants().prepare(split, seed=0))


def score(reference: Reference, people: Cohort) -> Scores:
    """Scores, checked against the card."""
    return validated(RareVariants().score(people, reference, seed=1), CARD)


def made(split: Split, genotypes: Genotypes) -> Cohort:
    """Synthetic people with the training people's labels."""
    return replace(split.train, genotypes=genotypes)


def flipped(split: Split) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where the counted allele is the common one, by the validation people."""
    flip: np.ndarray[Any, np.dtype[np.bool_]] = split.validation.genotypes.mean(axis=0) > 1
    return flip


@pytest.fixture(scope="module")
def real(split: Split, reference: Reference) -> Scores:
    """Scores of the control people."""
    return score(reference, split.control)


def test_every_bin_is_measured_and_real_people_pass(real: Scores) -> None:
    """All metrics of the card; targets inside (or next to) the interval in every bin."""
    assert set(real) == set(CARD.metrics)
    for name in ("rare_ratio", "burden_sd_ratio", *(f"copies_{b}" for b in BINS)):
        spread = (real[name].high - real[name].low) / 2
        assert abs(real[name].value - 1) < 1.6 * spread, name
    for name in BINS:
        assert real[f"lost_{name}"].value <= 0.05
        assert real[f"genotype_tv_{name}"].value < 0.03
        assert real[f"joint_gap_{name}"].low < 0.01
    assert real["ld_r2_corr_to50"].value > 0.95


def test_a_generator_that_drops_rare_alleles_is_caught(
    split: Split, reference: Reference, real: Scores
) -> None:
    """Half of the carriers of alleles below 5 % made common: seen there, and nowhere above."""
    g, flip = split.train.genotypes.copy(), flipped(split)
    few = is_rare(split.validation.genotypes.mean(axis=0) / 2)
    common = np.where(flip, 2, 0).astype(np.int8)
    dropped = (np.random.default_rng(0).random(g.shape) < 0.5) & few
    found = score(reference, made(split, np.where(dropped, common, g).astype(np.int8)))
    assert found["rare_ratio"].high < 0.8
    for name in ("to2", "to5"):
        assert found[f"copies_{name}"].value == pytest.approx(0.5, abs=0.12)
        assert found[f"copies_{name}"].high < 0.85
        assert found[f"genotype_tv_{name}"].low > real[f"genotype_tv_{name}"].value
    for name in ("to20", "to50"):
        assert abs(found[f"copies_{name}"].value - 1) < 0.1
    overall = frequency.frequency_rmse(made(split, g).genotypes, split.test.genotypes)
    with_loss = frequency.frequency_rmse(np.where(dropped, common, g), split.test.genotypes)
    assert with_loss.value < 2 * overall.value  # the mean over variants barely moves


def test_rare_sites_that_no_longer_vary_are_counted(split: Split, reference: Reference) -> None:
    """Every variant below 2 % constant: all of that bin lost, none of the others."""
    by = split.validation.genotypes.mean(axis=0) / 2
    g = split.train.genotypes.copy()
    inside = maf_bins(by)["to2"]
    g[:, inside] = np.where(flipped(split)[inside], 2, 0)
    found = score(reference, made(split, g))
    assert found["lost_to2"].value > 0.95
    assert found["copies_to2"].value == 0
    assert found["lost_to20"].value == found["lost_to50"].value == 0


def test_scattered_rare_alleles_are_caught(split: Split, reference: Reference) -> None:
    """`hwe` keeps every frequency and loses LD, the spread between people, and use."""
    g = split.train.genotypes
    hwe = np.random.default_rng(2).binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)
    found = score(reference, made(split, hwe))
    assert found["rare_ratio"].low < 1 < found["rare_ratio"].high
    assert found["burden_sd_ratio"].high < 0.9
    for name in BINS:
        ld = found[f"ld_r2_corr_{name}"]
        assert math.isnan(ld.value) or ld.high < 0.5
    assert found["joint_gap_to50"].high < 0


def test_counted_allele_does_not_matter(split: Split) -> None:
    """Counting the other allele at half of the variants changes nothing."""
    swap = np.arange(split.train.m) % 2 == 0
    other = Split(
        **{
            name: replace(part, genotypes=np.where(swap, 2 - part.genotypes, part.genotypes))
            for name, part in vars(split).items()
        }
    )
    one, two = (
        score(Reference(s, RareVariants().prepare(s, seed=0)), s.control) for s in (split, other)
    )
    for name, estimate in one.items():
        assert two[name].value == pytest.approx(estimate.value, rel=1e-4, abs=1e-4), name


def test_bins_by_hand() -> None:
    """Edges belong to the bin below; a bin of fewer than five is left out; other allele, same."""
    p = np.repeat([0.0, 0.02, 0.021, 0.05, 0.2, 0.201, 0.5], 5)
    found = maf_bins(np.append(p, 0.97))
    assert [int(found[name].sum()) for name in BINS] == [10, 11, 5, 10]
    assert found["to5"][-1]
    assert list(maf_bins(np.full(9, 0.3))) == ["to50"]
    assert maf_bins(np.full(4, 0.3)) == {}
    with pytest.raises(GenobenchError, match="one frequency between 0 and 1"):
        maf_bins(np.array([1.2]))


def test_pairs_of_a_bin_have_one_variant_in_it_or_both() -> None:
    """Five variants, the second and the third in the bin; pairs one and two apart."""
    inside = np.array([False, True, True, False, False])
    valid = np.array([[True, True, True, True, False], [True, True, False, False, False]])
    found = touching(valid, inside)
    assert found.tolist() == [[True, True, True, False, False], [True, True, False, False, False]]
    assert not touching(valid, np.zeros(5, dtype=bool)).any()
    np.testing.assert_array_equal(touching(valid, np.ones(5, dtype=bool)), valid)
    with pytest.raises(GenobenchError, match="for 4 variants"):
        touching(valid, inside[:4])


def test_ratio_and_burden_by_hand() -> None:
    """Six people, two variants, the second with the minor allele not counted."""
    real = np.array([[0, 2], [1, 2], [0, 1], [0, 2], [1, 2], [0, 1]], dtype=np.int8)
    half = np.array([[0, 2], [1, 2], [0, 1], [0, 2], [0, 2], [0, 2]], dtype=np.int8)
    flip = np.array([False, True])
    assert rare.burden(real, flip=flip).tolist() == [0, 1, 1, 0, 1, 1]
    assert rare.minor_ratio(half, real, flip=flip).value == pytest.approx(0.5)
    expected = rare.burden(half, flip=flip).std() / rare.burden(real, flip=flip).std()
    assert rare.burden_spread(half, real, flip=flip).value == pytest.approx(expected)
    nobody = np.full((6, 2), [0, 2], dtype=np.int8)
    assert math.isnan(rare.minor_ratio(half, nobody, flip=flip).value)
    assert math.isnan(rare.burden_spread(half, nobody, flip=flip).value)
    assert rare.burden_spread(nobody, real, flip=flip).value == 0
    with pytest.raises(GenobenchError, match="for 2 variants"):
        rare.burden(real, flip=np.array([True]))


def test_intervals_hold_what_they_promise() -> None:
    """95 % intervals of ratio and spread over fresh samples of one population hold 1."""
    rng = np.random.default_rng(8)
    p = rng.uniform(0.01, 0.05, 30)
    flip, inside = np.zeros(30, dtype=bool), np.zeros(2)
    for _ in range(200):
        one, two = (rng.binomial(2, p, (150, 30)).astype(np.int8) for _ in range(2))
        for i, metric in enumerate((rare.minor_ratio, rare.burden_spread)):
            found = metric(one, two, flip=flip)
            inside[i] += found.low <= 1 <= found.high
    assert (inside >= 180).all()


def test_without_rare_variants_the_headline_is_empty(split: Split) -> None:
    """A panel of common variants: what is not there is not scored."""
    common = split.train.genotypes.mean(axis=0) / 2
    kept = np.flatnonzero(frequency.minor(common) > 0.1)
    narrow = Split(**{k: v.take(variants=kept) for k, v in vars(split).items()})
    reference = Reference(narrow, RareVariants().prepare(narrow, seed=0))
    found = score(reference, narrow.control)
    assert math.isnan(found["rare_ratio"].value)
    assert "copies_to2" not in found
    assert found["copies_to50"].value == pytest.approx(1, abs=0.05)

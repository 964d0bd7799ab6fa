"""LD scores: a dense matrix, numpy's numbers, calibration, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import agreement, ld
from genobench.metrics.frequency import allele_frequency
from genobench.metrics.ld_score import has_score, ld_scores, score_agreement


def _valid(cohort: Cohort, reach: int) -> Any:
    return ld.pairs(
        chromosome=cohort.variants["chrom"].astype(np.int64).to_numpy(),
        position=cohort.variants["pos"].to_numpy(np.int64),
        frequency=allele_frequency(cohort.genotypes),
        reach=reach,
    ).valid


def _independent(g: Genotypes, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)


def test_scores_by_hand() -> None:
    """Four SNPs, the last on another chromosome: row sums of the symmetric matrix."""
    band = np.array([[0.5, 0.2, 0.9, 0], [0.1, 0.9, 0, 0]], np.float32)
    valid = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    assert ld_scores(band, valid) == pytest.approx([0.6, 0.7, 0.3, 0], abs=1e-7)
    assert has_score(valid).tolist() == [True, True, True, False]


def test_scores_are_row_sums_of_corrcoef_squared(make_cohort: Any) -> None:
    """The dense r2 matrix of numpy, bias removed, cut to the valid pairs."""
    cohort = make_cohort(200, 96, 1)
    g, reach = cohort.genotypes, 20
    valid = _valid(cohort, reach)
    r2 = np.corrcoef(g.T) ** 2
    r2 = r2 - (1 - r2) / (len(g) - 2)
    keep = np.zeros((96, 96), bool)
    for d in range(1, reach + 1):
        for j in range(96 - d):
            keep[j, j + d] = keep[j + d, j] = valid[d - 1, j]
    expected = np.where(keep, r2, 0).sum(axis=1)
    assert ld_scores(ld.r2_band(g, reach=reach), valid) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("m", "reach"), [(96, 16), (300, 40), (600, 290)])
def test_agreement_is_numpys(make_cohort: Any, m: int, reach: int) -> None:
    """Correlation and slope of the two score vectors, from sums over groups of people."""
    one, two = make_cohort(150, m, 1), make_cohort(130, m, 2)
    valid = _valid(two, reach)
    y, x = (ld_scores(ld.r2_band(c.genotypes, reach=reach), valid) for c in (one, two))
    y, x = y[has_score(valid)], x[has_score(valid)]
    correlation, slope = score_agreement(one.genotypes, two.genotypes, valid, reliable=0.8)
    assert correlation.value == pytest.approx(np.corrcoef(y, x)[0, 1], abs=1e-5)
    assert slope.value == pytest.approx(np.polyfit(x, y, 1)[0] / 0.8, rel=1e-4)


def test_fresh_people_agree_and_intervals_hold(make_cohort: Any) -> None:
    """Three populations: the slope's interval holds 1 in 26 of 30 pairs of samples or more.

    A jackknife over SNPs would hold it in two of three: structure moves all scores at once.
    """
    hits, values = 0, []
    for seed in range(30):
        one, two = (make_cohort(300, 96, 2 * seed + i, populations=3) for i in (0, 1))
        valid = _valid(two, 48)
        bands = ld.half_bands(two.genotypes, reach=48, rng=np.random.default_rng(seed))
        halves = [ld_scores(b, valid)[None] for b in bands]
        reliable = agreement.reliability(halves[0], halves[1], has_score(valid)[None])
        correlation, slope = score_agreement(one.genotypes, two.genotypes, valid, reliable=reliable)
        assert correlation.value > 0.9
        hits += slope.low < 1 < slope.high
        values.append(slope.value)
    assert hits >= 26
    assert np.mean(values) == pytest.approx(1, abs=0.03)


def test_lost_ld_is_found_and_noise_lies_between(make_cohort: Any) -> None:
    """The slope falls from 1 to 0 as calls are redrawn; repeated people raise it."""
    train, test = make_cohort(500, 128, 1), make_cohort(500, 128, 2)
    g, valid = train.genotypes, _valid(test, 32)
    redrawn, order = _independent(g), np.random.default_rng(3).random(g.shape)
    found = [
        score_agreement(np.where(order < q, redrawn, g).astype(np.int8), test.genotypes, valid)
        for q in (0, 0.2, 0.5, 1)
    ]
    slopes = [slope.value for _, slope in found]
    assert slopes == sorted(slopes, reverse=True)
    assert found[0][1].low > 0.85
    assert found[-1][1].high < 0.1
    assert found[-1][0].high < 0.5


def test_order_of_people_and_counted_allele_do_not_matter(make_cohort: Any) -> None:
    """The same values after shuffling, flipping alleles, and in another memory order."""
    made, test = make_cohort(120, 64, 1).genotypes, make_cohort(100, 64, 2)
    valid = _valid(test, 16)
    expected = [i.value for i in score_agreement(made, test.genotypes, valid)]
    flip = np.arange(64) % 3 == 0
    one, two = (np.where(flip, 2 - g, g).astype(np.int8) for g in (made, test.genotypes))
    shuffled = np.asfortranarray(np.random.default_rng(0).permutation(one))
    found = [i.value for i in score_agreement(shuffled, two, valid)]
    assert found == pytest.approx(expected, rel=1e-5)


def test_without_pairs_there_is_no_number(make_cohort: Any) -> None:
    """One SNP, or constant people: NaN and no warning."""
    g = make_cohort(60, 8, 1).genotypes
    for synthetic, real, valid in (
        (g[:, :1], g[:, :1], np.zeros((0, 1), bool)),
        (g, g, np.zeros((3, 8), bool)),
        (np.zeros_like(g), np.zeros_like(g), np.ones((3, 8), bool)),
    ):
        assert all(math.isnan(i.value) for i in score_agreement(synthetic, real, valid))


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Other variants, too few people, bands of other SNPs, a reliability that is none."""
    cohort = make_cohort(40, 16, 1)
    g, valid = cohort.genotypes, _valid(cohort, 4)
    with pytest.raises(GenobenchError, match="8 variants"):
        score_agreement(g[:, :8], g, valid)
    with pytest.raises(GenobenchError, match="needs 4"):
        score_agreement(g[:3], g, valid)
    with pytest.raises(GenobenchError, match="different SNPs"):
        ld_scores(ld.r2_band(g, reach=4), valid[:, :8])
    with pytest.raises(GenobenchError, match="reliability 2"):
        score_agreement(g, g, valid, reliable=2)

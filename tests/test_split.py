"""Splits by person: sizes, strata, families; kinship against the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genobench.cohort import MISSING, Genotypes, Trait
from genobench.data import kinship
from genobench.data.split import BIOBANK_SHARES, PARTS, SHARES, Split, SplitIndices, split_people
from genobench.errors import GenobenchError


def _trait(n: int, *, share: float = 0.3, seed: int = 0) -> Trait:
    values = np.random.default_rng(seed).random(n) < share
    return Trait("disease", "binary", values.astype(np.float32))


def _sizes(split: SplitIndices) -> list[int]:
    return [len(getattr(split, name)) for name in PARTS]


def _everybody(split: SplitIndices) -> NDArray[np.int64]:
    return np.sort(np.concatenate([getattr(split, name) for name in PARTS]))


@pytest.mark.parametrize(("n", "shares"), [(1_000, SHARES), (20_000, BIOBANK_SHARES)])
def test_sizes_and_label_balance_hit_the_target(
    n: int, shares: tuple[float, float, float, float]
) -> None:
    """72/18/5/5 from 20,000 people on, 50/10/20/20 below; to one person per class."""
    trait = _trait(n)
    split = split_people(trait, seed=0)
    assert (_everybody(split) == np.arange(n)).all()
    for name, share in zip(PARTS, shares, strict=True):
        part = getattr(split, name)
        assert abs(len(part) - share * n) <= 1
        assert abs(trait.values[part].sum() - share * trait.values.sum()) <= 1


def test_quantitative_trait_is_stratified_by_quantile() -> None:
    """Means of the parts agree far better than those of random parts would."""
    values = np.random.default_rng(1).normal(size=2_000).astype(np.float32)
    split = split_people(Trait("height", "quantitative", values), seed=0)
    means = [values[getattr(split, name)].mean() for name in PARTS]
    assert np.ptp(means) < 0.06  # random parts of these sizes: about .12
    assert _sizes(split) == [1000, 200, 400, 400]


def test_seed_decides() -> None:
    """Equal seeds, equal split; other seed, other people."""
    trait = _trait(500)
    a, b, c = (split_people(trait, seed=s) for s in (3, 3, 4))
    assert (a.test == b.test).all()
    assert not np.array_equal(a.test, c.test)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_groups_are_never_torn_and_sizes_stay_close(seed: int, largest: int) -> None:
    """Families of up to twelve people: each whole in one part, parts within 2 % of their share."""
    draw = np.random.default_rng(seed)
    n = 600
    group = np.repeat(np.arange(n), draw.integers(1, largest + 1, size=n))[:n]
    trait = _trait(n, seed=seed)
    group = draw.permutation(group)
    split = split_people(trait, seed=seed, group=group)
    assert sum(len(set(group[getattr(split, name)])) for name in PARTS) == len(set(group))
    for name, share in zip(PARTS, SHARES, strict=True):
        assert abs(len(getattr(split, name)) / n - share) < 0.02
    assert (_everybody(split) == np.arange(n)).all()


def test_when_everybody_is_in_a_group_nobody_is_left_to_fill_up() -> None:
    """Text groups of ten: sizes within a group of the target."""
    group = np.array([f"cage{i % 40}" for i in range(400)])
    split = split_people(_trait(400), seed=0, group=group)
    assert sum(len(set(group[getattr(split, name)])) for name in PARTS) == 40
    assert _sizes(split) == [200, 40, 80, 80]


def test_a_group_that_is_too_large_is_named() -> None:
    """One family of everybody leaves parts empty."""
    with pytest.raises(GenobenchError, match=r"largest group 100.*smaller groups"):
        split_people(_trait(100), seed=0, group=np.zeros(100))
    with pytest.raises(GenobenchError, match="more cases"):
        split_people(Trait("rare", "binary", np.eye(1, 100, dtype=np.float32)[0]), seed=0)


def test_biobank_size_is_split_in_seconds() -> None:
    """458,724 people with 20,000 pairs of relatives: disjoint, complete, on target."""
    n = 458_724
    group = np.arange(n)
    group[:40_000] //= 2
    trait = _trait(n, share=0.05)
    split = split_people(trait, seed=0, group=group)
    assert sum(_sizes(split)) == n
    assert len(split.train) / n == pytest.approx(0.72, abs=1e-4)
    assert trait.values[split.test].mean() == pytest.approx(0.05, abs=1e-3)


def test_saved_split_comes_back(tmp_path: Path, toy_split: Split) -> None:
    """Save, load: the same checksum."""
    toy_split.save(tmp_path / "data")
    assert Split.load(tmp_path / "data").checksum == toy_split.checksum


def _people(n: int, m: int, *, seed: int = 0) -> tuple[Genotypes, NDArray[np.float64]]:
    """Unrelated people at independent SNPs."""
    draw = np.random.default_rng(seed)
    frequency = draw.uniform(0.1, 0.5, size=m)
    return draw.binomial(2, frequency, size=(n, m)).astype(np.int8), frequency


def _child(a: Genotypes, b: Genotypes, draw: np.random.Generator) -> Genotypes:
    """One allele of each parent."""
    return (draw.binomial(1, a / 2) + draw.binomial(1, b / 2)).astype(np.int8)


def _king(a: Genotypes, b: Genotypes) -> float:
    """The definition, pair by pair."""
    both = (a != MISSING) & (b != MISSING)
    x, y = a[both].astype(int), b[both].astype(int)
    het = min((x == 1).sum(), (y == 1).sum())
    return float(0.5 - 0.25 * ((x - y) ** 2).sum() / het)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_kinship_tile_equals_the_definition(missing: float) -> None:
    """Matrix products against sums over SNPs, with and without missing calls."""
    g, _ = _people(30, 200)
    g[np.random.default_rng(1).random(g.shape) < missing] = MISSING
    tile = kinship.kinship_tile(g[:12], g[12:])
    expected = [[_king(a, b) for b in g[12:]] for a in g[:12]]
    np.testing.assert_allclose(tile, expected, rtol=1e-5)


def test_planted_relatives_are_found_across_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parents, child, twin and sibling become one family; strangers stay alone."""
    monkeypatch.setattr(kinship, "TILE", 64)
    g, _ = _people(200, 1_500)
    draw = np.random.default_rng(5)
    g[150], g[70] = _child(g[3], g[90], draw), _child(g[3], g[90], draw)
    g[120] = g[40]
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(1_500) * 2_000_000})
    families = kinship.find_families(g, variants)
    assert families.summary["method"] == "KING-robust"
    assert len({families.group[i] for i in (3, 90, 150, 70)}) == 1
    assert families.group[120] == families.group[40] != families.group[3]
    assert families.summary["families"] == 2
    assert families.summary["people_with_relatives"] == 6
    pairs, value = kinship.related_pairs(g)
    found = {(i, j): k for (i, j), k in zip(pairs.tolist(), value, strict=True)}
    assert found[(40, 120)] == pytest.approx(0.5)
    assert found[(3, 150)] == pytest.approx(0.25, abs=0.05)


def test_kinship_is_skipped_with_a_reason() -> None:
    """Too few independent SNPs."""
    g, _ = _people(100, 300)
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(300)})
    few = kinship.find_families(g, variants)
    assert few.summary["method"] == "none"
    assert "independent SNPs, KING needs 500" in few.summary["reason"]


def test_a_component_of_everybody_falls_back_to_closer_degrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chain of third-degree links through the whole cohort does not make one family."""
    g, _ = _people(300, 900, seed=2)
    chain = np.stack([np.arange(299), np.arange(1, 300)], axis=1)
    kin = np.full(299, 0.06, dtype=np.float32)
    kin[[10, 20]] = 0.24
    monkeypatch.setattr(kinship, "related_pairs", lambda _: (chain, kin))
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(900) * 2_000_000})
    families = kinship.find_families(g, variants)
    assert families.summary["threshold"] == kinship.BANDS[1]
    assert families.summary["families"] == 2
    assert families.group[10] == families.group[11] != families.group[12]


def test_family_ids_join_kinship_groups_unless_they_mean_nothing() -> None:
    """Same FID: together, transitively; a constant FID is left aside."""
    group = np.array([0, 0, 1, 2, 3, 4, *range(5, 45)])
    fid = np.array([f"p{i}" for i in range(46)], dtype=object)
    fid[[1, 3]] = "smith"
    joined, summary = kinship.with_family_ids(group, fid)
    assert summary == {"used": True, "families": 1}
    assert joined[0] == joined[1] == joined[3]
    assert joined[2] != joined[0]
    same, summary = kinship.with_family_ids(group, np.full(46, "batch1", dtype=object))
    assert not summary["used"]
    assert (same == group).all()

"""Relatives among very many people: by bits, as by matrices of floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cohort import MISSING, Cohort, Genotypes, Trait
from genobench.data import choice, kinship, kinship_planes
from genobench.data.journal import Journal
from genobench.data.kinship_planes import chance, encode, find_families, related_pairs
from genobench.data.plink import write_plink
from genobench.data.prepare import DataSpec, prepare
from genobench.data.split import PARTS

SNPS = 1_100  # no multiple of a word, and more than is read at a time


def strangers(n: int, m: int = SNPS, *, seed: int = 0) -> tuple[Genotypes, np.random.Generator]:
    """People of one population, SNPs independent."""
    draw = np.random.default_rng(seed)
    frequency = draw.uniform(0.1, 0.5, m)
    return draw.binomial(2, frequency, (n, m)).astype(np.int8), draw


def child(one: NDArray[Any], other: NDArray[Any], draw: np.random.Generator) -> NDArray[np.int8]:
    """Half of each parent's alleles."""
    return (draw.binomial(1, one / 2) + draw.binomial(1, other / 2)).astype(np.int8)


def cohort(n: int = 700) -> Genotypes:
    """Parents and a child, a grandchild of theirs, and somebody who is there twice."""
    g, draw = strangers(n)
    g[150] = child(g[3], g[90], draw)
    g[151] = child(g[150], g[91], draw)
    g[120] = g[40]
    return g


def in_files(g: Genotypes, folder: Path) -> DataSpec:
    """The cohort as PLINK files."""
    n = len(g)
    site = np.arange(SNPS)
    variants = pd.DataFrame(
        {"chrom": "1", "pos": site * 2_000_000, "id": [f"rs{j}" for j in site], "counted": "A",
         "other": "G"}
    )  # fmt: skip
    names = [f"p{i}" for i in range(n)]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 1})
    trait = Trait("disease", "binary", (np.arange(n) % 3 == 0).astype(np.float32))
    return DataSpec(str(write_plink(Cohort(g, variants, samples, trait), folder / "all")), snps=64)


def planes(g: Genotypes) -> kinship_planes.Planes:
    return encode(lambda columns: g[:, columns], np.arange(g.shape[1]), len(g))


def with_missing(g: Genotypes, share: float) -> Genotypes:
    """Some calls missing."""
    gone = np.random.default_rng(5).random(g.shape) < share
    return np.where(gone, np.int8(MISSING), g)


@pytest.mark.parametrize("missing", [0.0, 0.03])
@pytest.mark.parametrize("rows", [65, 700])
def test_pairs_are_those_of_the_matrices(missing: float, rows: int) -> None:
    """Every pair above the threshold and no other, with its kinship, in order."""
    g = with_missing(cohort(), missing)[:rows]
    expected, values = kinship.related_pairs(g, least=0.0513)
    pairs, found = related_pairs(planes(g), least=0.0513)
    order = np.lexsort(expected.T[::-1])
    np.testing.assert_array_equal(pairs, expected[order])
    np.testing.assert_allclose(found, values[order], rtol=1e-5)
    assert rows == 65 or len(pairs) >= 5


def test_families_are_found_to_the_degree_that_chance_allows() -> None:
    """Parents, child and grandchild are one family; the threshold is said."""
    g = cohort()
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(SNPS) * 2_000_000})
    said: list[str] = []
    families = find_families(
        len(g), g[::2], variants, lambda columns: g[:, columns], say=said.append
    )
    assert families.summary["method"] == "KING-robust"
    assert families.summary["threshold"] == kinship.BANDS[2]  # 1,100 SNPs: first degree alone
    assert len({families.group[i] for i in (3, 90, 91, 150, 151)}) == 1
    assert families.group[120] == families.group[40] != families.group[3]
    assert families.summary["people_with_relatives"] == 7
    assert said[-1].startswith("relatives: 100% of 244,650 pairs")


def test_too_few_variants_are_no_silence() -> None:
    """Nobody is put together by chance, and the reason is given."""
    g, _ = strangers(200, 300)
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(300) * 2_000_000})
    families = find_families(200, g, variants, lambda columns: g[:, columns])
    assert families.summary["method"] == "none"
    assert "too few to tell relatives among 200 people" in families.summary["reason"]
    assert len(set(families.group.tolist())) == 200


def test_people_with_few_calls_are_compared_with_nobody() -> None:
    """What was filled in for them would make all of them look alike."""
    g = cohort()
    g[200:300, ::2] = MISSING
    people = planes(g)
    assert list(np.flatnonzero(~people.known)) == list(range(200, 300))
    pairs, _ = related_pairs(people, least=0.15)
    assert len(pairs) == 5  # of parent and child, and the one who is there twice
    assert not np.isin(pairs, np.arange(200, 300)).any()


@pytest.mark.parametrize("rows", [1, 128])
def test_more_pairs_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Where everybody is there many times."""
    monkeypatch.setattr(kinship_planes, "ROWS", rows)
    g = np.repeat(strangers(3)[0], 100, axis=0)
    pairs, values = related_pairs(planes(g), least=0.4)
    assert len(pairs) == 3 * 100 * 99 / 2
    assert (values == 0.5).all()


def test_chance_is_what_strangers_show() -> None:
    """The standard error that the threshold is chosen by, against pairs of strangers."""
    g, _ = strangers(600, 2_000)
    apart = kinship.kinship_tile(g[:300], g[300:])
    assert chance(g) == pytest.approx(float(apart.std()), rel=0.1)
    many, _ = strangers(200, 3_200)
    second = kinship.BANDS[1] - kinship_planes.SLACK
    assert kinship_planes.SURE * chance(many) < second < kinship_planes.SURE * chance(g)


def test_what_is_finished_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that was stopped goes on where it was, and finds the same."""
    people, screen = planes(cohort()), kinship_planes._related
    whole = related_pairs(people, least=0.1)
    stretches: list[int] = []

    def near(who: Any, columns: Any, first: int, end: int, least: float) -> Any:
        if len(stretches) == 7:
            raise KeyboardInterrupt
        stretches.append(first)
        return screen(who, columns, first, end, least)

    monkeypatch.setattr(kinship_planes, "_related", near)
    with pytest.raises(KeyboardInterrupt):
        related_pairs(people, least=0.1, journal=Journal(tmp_path))

    def near_again(*asked: Any) -> Any:
        stretches.append(asked[2])
        return screen(*asked)

    monkeypatch.setattr(kinship_planes, "_related", near_again)
    again = related_pairs(people, least=0.1, journal=Journal(tmp_path))
    np.testing.assert_array_equal(again[0], whole[0])
    np.testing.assert_array_equal(again[1], whole[1])
    assert len(stretches) == len(set(stretches)) == kinship_planes.STRETCHES


@pytest.mark.parametrize("in_memory", [2**31, 0])
def test_relatives_among_very_many_stay_in_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    """Without a column of families, in memory and from files; what is told says how."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kinship, "MOST_PEOPLE", 600)
    monkeypatch.setattr(choice, "IN_MEMORY", in_memory)
    spec, said = in_files(cohort(), tmp_path), list[str]()
    prepared = prepare(spec, say=said.append)
    assert prepared.report["relatives"]["people_with_relatives"] == 7
    assert any("comparing 700 people at 1,1" in line for line in said)
    assert any("to the first degree by kinship at 1,1" in line for line in said)
    part = {iid: name for name in PARTS for iid in getattr(prepared.split, name).samples["iid"]}
    assert len({part[f"p{i}"] for i in (3, 90, 91, 150, 151)}) == 1
    assert part["p40"] == part["p120"]

"""Splits across populations: who is where, and what is said when a population is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cli import build_parser
from genobench.cohort import Cohort, Trait
from genobench.data import choice
from genobench.data.plink import write_plink
from genobench.data.prepare import DataSpec, prepare
from genobench.data.split import PARTS, Split, split_populations
from genobench.errors import GenobenchError

CohortMaker = Callable[..., Cohort]
NAMES = np.array(["A", "B", "C", ""])


@pytest.fixture
def files(make_cohort: CohortMaker, tmp_path: Path) -> DataSpec:
    """900 people of two populations and three superpopulations as PLINK files with a table."""
    cohort = make_cohort(900, 64, 5)
    bed = write_plink(cohort.with_trait(None), tmp_path / "mine")
    table = pd.DataFrame({"FID": cohort.samples["fid"], "IID": cohort.samples["iid"]})
    table["disease"] = cohort.labels.astype(int)
    table["population"] = cohort.samples["population"]
    table["superpopulation"] = np.array(["EUR", "AFR", "EAS"])[np.arange(900) % 3]
    table.to_csv(tmp_path / "pheno.tsv", sep="\t", index=False)
    pheno = tmp_path / "pheno.tsv"
    return DataSpec(str(bed), pheno=pheno, trait="disease", snps=40, group="none")


def people(n: int = 1200) -> tuple[Trait, NDArray[Any]]:
    """A binary trait and populations A, B, C and unknown in turn."""
    values = (np.random.default_rng(0).random(n) < 0.3).astype(np.float32)
    return Trait("disease", "binary", values), NAMES[np.arange(n) % 4]


def test_parts_are_of_the_populations_asked_for() -> None:
    """Train and validation of A, five to one; test and control of B, half and half; labels even."""
    trait, population = people()
    split = split_populations(trait, population, train="A", test="B", seed=0)
    sizes = [len(getattr(split, name)) for name in PARTS]
    assert sizes == [250, 50, 150, 150]
    for name, expected in zip(PARTS, "AABB", strict=True):
        rows = getattr(split, name)
        assert set(population[rows]) == {expected}
    shares = [trait.values[getattr(split, name)].mean() for name in PARTS]
    assert abs(shares[0] - shares[1]) < 0.02
    assert abs(shares[2] - shares[3]) < 0.02
    again = split_populations(trait, population, train="A", test="B", seed=0)
    other = split_populations(trait, population, train="A", test="B", seed=1)
    np.testing.assert_array_equal(again.train, split.train)
    assert not np.array_equal(other.train, split.train)


def test_families_stay_in_one_part() -> None:
    """Families of four, each within a population."""
    trait, population = people()
    at = np.arange(1200)
    group = at // 16 * 4 + at % 4
    split = split_populations(trait, population, train="A", test="C", seed=0, group=group)
    parts = [set(group[getattr(split, name)]) for name in PARTS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 150


def test_families_in_both_populations_leave_the_test_side() -> None:
    """Half of the families cross: nobody of theirs is tested."""
    trait, population = people()
    group = np.arange(1200)
    crossing = np.arange(0, 600, 4)  # A person i and B person i + 1
    group[crossing + 1] = crossing
    split = split_populations(trait, population, train="A", test="B", seed=0, group=group)
    tested = np.concatenate([split.test, split.control])
    assert len(split.train) + len(split.validation) == 300
    assert len(tested) == 150
    assert not set(group[tested]) & set(group[np.concatenate([split.train, split.validation])])
    assert not set(tested) & set(crossing + 1)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("A", "D", "population D: nobody is of it; these people are of A, B, C"),
        ("A", "A", "population A for training and for test: name two of A, B, C"),
    ],
)
def test_absent_populations_are_named(train: str, test: str, words: str) -> None:
    """With those that are there."""
    trait, population = people()
    with pytest.raises(GenobenchError, match=words):
        split_populations(trait, population, train=train, test=test, seed=0)


def _populations(split: Split) -> list[set[str]]:
    return [set(getattr(split, name).samples["population"]) for name in PARTS]


def test_prepared_across_populations(files: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the column in which both names are; SNPs are chosen in the training population."""
    crossed = replace(files, train_population="P0", test_population="P1")
    done = prepare(crossed)
    assert _populations(done.split) == [{"P0"}, {"P0"}, {"P1"}, {"P1"}]
    assert done.report["people"]["other_populations"] == 0
    continental = replace(files, train_population="EUR", test_population="EAS")
    done = prepare(continental)
    assert _populations(done.split) == [{"EUR"}, {"EUR"}, {"EAS"}, {"EAS"}]
    assert done.report["people"]["other_populations"] == 300
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    streamed = prepare(continental).split
    for name in PARTS:
        ids = (getattr(s, name).samples["iid"].tolist() for s in (streamed, done.split))
        assert next(ids) == next(ids)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_population": "EUR", "test_population": "P1"},
         "EUR, P1: not both there.*population: P0, P1; superpopulation: AFR, EAS, EUR"),
        ({"train_population": "EUR"}, "go together: name both"),
        ({"train_population": "P0", "test_population": "P0"}, "name two of P0"),
        ({"train_population": "P0", "test_population": "P1", "pheno": None, "trait": None},
         "no column population: name a table"),
    ],
)  # fmt: skip
def test_mistakes_list_what_there_is(
    files: DataSpec, make_cohort: CohortMaker, changes: dict[str, str], words: str
) -> None:
    """Populations by column, or what to do without one."""
    if "pheno" in changes:
        write_plink(make_cohort(900, 64, 5), Path(files.name).with_suffix(""))
    with pytest.raises(GenobenchError, match=words):
        prepare(replace(files, **changes))  # type: ignore[arg-type]


def test_command_line_has_the_options() -> None:
    """On run and data prepare."""
    words = ["--train-population", "EUR", "--test-population", "AFR"]
    for command in (["run"], ["data", "prepare", "hla1000g"]):
        found = build_parser().parse_args([*command, *words])
        assert (found.train_population, found.test_population) == ("EUR", "AFR")

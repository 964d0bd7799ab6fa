"""The dtype rules of a cohort."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError


def test_read_only(toy: Cohort) -> None:
    """Genotypes and labels are handed out read-only; the caller's array keeps its flags."""
    with pytest.raises(ValueError, match="read-only"):
        toy.genotypes[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        toy.labels[0] = 1
    mine = np.array(toy.genotypes)
    replace(toy, genotypes=mine)
    mine[0, 0] = 1


@pytest.mark.parametrize(
    ("genotypes", "message"),
    [
        (np.zeros((400, 64), dtype=np.float32), "int8"),
        (np.zeros((400, 64, 1), dtype=np.int8), "int8"),
        (np.full((400, 64), 3, dtype=np.int8), "0, 1, 2"),
        (np.full((400, 64), -2, dtype=np.int8), "0, 1, 2"),
        (np.zeros((400, 63), dtype=np.int8), "variants: 64 rows"),
        (np.zeros((399, 64), dtype=np.int8), "samples: 400 rows"),
    ],
)
def test_wrong_genotypes(toy: Cohort, genotypes: Any, message: str) -> None:
    """Other dtypes, values and shapes are refused with the reason."""
    with pytest.raises(GenobenchError, match=message):
        replace(toy, genotypes=genotypes)


def test_wrong_columns(toy: Cohort) -> None:
    """Tables must have their standard columns."""
    with pytest.raises(GenobenchError, match="counted"):
        replace(toy, variants=toy.variants.drop(columns="counted"))


@pytest.mark.parametrize(
    ("values", "message"), [([0, 1, 2], "coded 0 / 1"), ([0, 1, np.nan], "1 missing")]
)
def test_wrong_trait(values: list[float], message: str) -> None:
    """A binary trait is 0 / 1 and nobody's label is missing."""
    with pytest.raises(GenobenchError, match=message):
        Trait("t", "binary", np.array(values, dtype=np.float32))


def test_no_trait(toy: Cohort) -> None:
    """Asking a cohort without a trait for labels says what to do."""
    with pytest.raises(GenobenchError, match="--trait"):
        _ = toy.with_trait(None).labels


def test_take_keeps_rows_together(toy: Cohort) -> None:
    """People keep their genotypes, ids and labels, variants their names."""
    people, variants = np.array([5, 3, 8]), np.array([1, 0])
    part = toy.take(people, variants)
    assert np.array_equal(part.genotypes, toy.genotypes[people][:, variants])
    assert list(part.samples.iid) == list(toy.samples.iid.iloc[people])
    assert np.array_equal(part.labels, toy.labels[people])
    assert list(part.variants.id) == list(toy.variants.id.iloc[variants])


def test_checksum_sees_everything(toy: Cohort) -> None:
    """A changed call, name or label changes the checksum; a copy does not."""
    flipped = np.array(toy.genotypes)
    flipped[0, 0] = 2 - flipped[0, 0] if flipped[0, 0] != 1 else 0
    trait = toy.trait
    assert trait is not None
    others = [
        replace(toy, genotypes=flipped),
        replace(toy, variants=toy.variants.assign(counted="T")),
        replace(toy, samples=toy.samples.assign(sex=1 - (toy.samples.sex > 1))),
        toy.with_trait(replace(trait, values=1 - trait.values)),
    ]
    assert len({toy.checksum, *(c.checksum for c in others)}) == 5
    assert replace(toy).checksum == toy.checksum


def test_a_cohort_shows_nobody(toy_split: Split) -> None:
    """A notebook prints what it is given: counts, and the trait's name."""
    cohort = toy_split.train
    assert cohort.trait is not None
    shown = f"{cohort!r} {cohort.trait!r} {toy_split!r}"
    assert f"{cohort.n:,} people x {cohort.m:,} variants" in shown
    assert cohort.trait.name in shown
    assert not any(iid in shown for iid in cohort.samples["iid"])
    assert "array" not in shown
    assert "\n" not in shown

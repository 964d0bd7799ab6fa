"""Generators that cannot condition are fitted once per label stratum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.conditioning import build, load, strata_edges, stratum
from genobench.errors import GenobenchError
from genobench.generator import Budget, Card, Generator
from genobench.promises import toy


@dataclass
class Mean(Generator):
    """Knows the mean dosage and nothing of labels."""

    shift: int = 0

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        self.mean_ = train.genotypes.mean(axis=0)
        self.label_ = train.labels[:1]
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        return np.full((len(labels), len(self.mean_)), self.label_[0] > 0, dtype=np.int8)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.mean_, "label": self.label_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.mean_, self.label_ = state["mean"], state["label"]


CARD = Card("mean", "Mean", "Mean", conditioning="strata")


def test_each_stratum_has_its_own_fit(tmp_path: Path) -> None:
    """Cases come from the fit on cases, before and after a trip to disk."""
    train, validation = toy(8, "binary")
    generator = build(CARD, Mean, {})
    generator.fit(train, validation, seed=0, budget=Budget())
    assert np.array_equal(generator.sample(train.labels, seed=0)[:, 0], train.labels)
    generator.save(tmp_path)
    back = load(CARD, Mean, tmp_path)
    assert np.array_equal(back.sample(train.labels, seed=0)[:, 0], train.labels)


def test_quantiles_are_the_strata_of_a_quantity() -> None:
    """Ten bins of about equal size."""
    train, _ = toy(8, "quantitative")
    assert train.trait is not None
    sizes = np.bincount(stratum(train.labels, strata_edges(train.trait)))
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 2


def test_unknown_setting() -> None:
    """A setting that the class does not take is named."""
    with pytest.raises(GenobenchError, match="depth"):
        build(CARD, Mean, {"depth": 3})

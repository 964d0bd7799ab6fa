"""Independent sites in Hardy-Weinberg equilibrium: the floor of fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.generator import Budget, Generator

from ._binomial import calls


@dataclass
class Hwe(Generator):
    """Binomial(2, p) at every site, p the training allele frequency; labels are ignored."""

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Estimate allele frequencies."""
        self.frequency_ = train.genotypes.mean(axis=0, dtype=np.float64) / 2  # (m,)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Every call drawn by itself."""
        same = np.zeros(len(labels), dtype=np.intp)
        return calls(self.frequency_[None], same, np.random.default_rng(seed))

    def state(self) -> dict[str, NDArray[Any]]:
        """Allele frequencies."""
        return {"frequency": self.frequency_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the frequencies back."""
        self.frequency_ = np.asarray(state["frequency"])

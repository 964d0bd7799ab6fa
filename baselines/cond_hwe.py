"""Independent sites at each label's own allele frequencies: the floor of honest utility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.conditioning import strata_edges, stratum
from genobench.generator import Budget, Generator

from ._binomial import calls


@dataclass
class ConditionalHwe(Generator):
    """Binomial(2, p_y) at every site, p_y the allele frequency in the label's stratum.

    Strata are the classes of a binary trait, tenths of a quantitative one. It carries everything
    that single SNPs know of the trait, and no LD.
    """

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Estimate allele frequencies per stratum; an empty stratum takes the overall ones."""
        assert train.trait is not None
        self.edges_ = strata_edges(train.trait)
        part = stratum(train.labels, self.edges_)
        overall = train.genotypes.mean(axis=0, dtype=np.float64) / 2
        self.frequency_ = np.stack(  # (strata, m)
            [
                train.genotypes[part == k].mean(axis=0, dtype=np.float64) / 2
                if (part == k).any()
                else overall
                for k in range(len(self.edges_) + 1)
            ]
        )
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Every call drawn by itself, given the label."""
        part = stratum(np.asarray(labels), self.edges_)
        return calls(self.frequency_, part, np.random.default_rng(seed))

    def state(self) -> dict[str, NDArray[Any]]:
        """Allele frequencies per stratum, and the strata."""
        return {"frequency": self.frequency_, "edges": self.edges_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self.frequency_ = np.asarray(state["frequency"])
        self.edges_ = np.asarray(state["edges"])

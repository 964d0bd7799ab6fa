"""What the controls share: drawing real people by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.conditioning import strata_edges, stratum
from genobench.generator import Budget, Generator


@dataclass
class Resampling(Generator):
    """A control that keeps the people it was fitted on and hands them out again by label."""

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Keep the training people."""
        assert train.trait is not None
        self.genotypes_: Genotypes = np.array(train.genotypes)
        self.labels_: Labels = np.array(train.labels)
        self.edges_ = strata_edges(train.trait)
        return self

    def people(self, labels: Labels, rng: np.random.Generator) -> NDArray[np.intp]:
        """(k,) rows of people whose label lies in the stratum of each wanted label.

        Nobody is drawn twice before everybody of the stratum was drawn once.
        """
        have = stratum(self.labels_, self.edges_)
        want = stratum(np.asarray(labels), self.edges_)
        present = np.unique(have)
        rows = np.empty(len(want), dtype=np.intp)
        for part in np.unique(want):
            nearest = present[np.abs(present - part).argmin()]
            pool, places = np.flatnonzero(have == nearest), np.flatnonzero(want == part)
            rounds = -(-len(places) // len(pool))
            drawn = np.concatenate([rng.permutation(pool) for _ in range(rounds)])
            rows[places] = drawn[: len(places)]
        return rows

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """People of these labels, unchanged, in random order."""
        return self.genotypes_[self.people(labels, np.random.default_rng(seed))]

    def state(self) -> dict[str, NDArray[Any]]:
        """The people themselves: a control is the one generator that may keep them."""
        return {"genotypes": self.genotypes_, "labels": self.labels_, "edges": self.edges_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the people back."""
        self.genotypes_ = np.asarray(state["genotypes"])
        self.labels_ = np.asarray(state["labels"])
        self.edges_ = np.asarray(state["edges"])

    @property
    def parameters(self) -> int:
        """None are learned."""
        return 0

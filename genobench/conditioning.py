"""Labels for generators that cannot condition: one fit per label stratum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench import checkpoint
from genobench.cohort import Cohort, Genotypes, Labels, Trait
from genobench.errors import GenobenchError
from genobench.generator import Budget, Card, Generator
from genobench.seeds import derive

QUANTITATIVE_STRATA = 10


def build(card: Card, cls: type[Generator], settings: Mapping[str, Any]) -> Generator:
    """Generator as the harness fits it: wrapped per stratum when its card asks for it.

    Raises
    ------
    GenobenchError
        When the class does not take these settings.
    """
    try:
        generator = cls(**settings)
    except TypeError as error:
        raise GenobenchError(f"{card.name}: settings {dict(settings)}: {error}") from error
    return PerStratum(generator) if card.conditioning == "strata" else generator


def strata_edges(trait: Trait, parts: int = QUANTITATIVE_STRATA) -> NDArray[np.float32]:
    """Inner edges that cut the labels into strata: the classes, or quantile bins of equal size."""
    if trait.kind == "binary":
        return np.array([0.5], dtype=np.float32)
    quantiles = np.quantile(trait.values, np.linspace(0, 1, parts + 1)[1:-1])
    return np.asarray(np.unique(quantiles), dtype=np.float32)


def stratum(labels: Labels, edges: NDArray[np.float32]) -> NDArray[np.intp]:
    """(n,) index of each label's stratum."""
    return np.asarray(np.searchsorted(edges, labels, side="right"))


class PerStratum(Generator):
    """An unconditional generator, fitted once in each label stratum.

    Parameters
    ----------
    generator
        An instance of the generator; its settings build the copies.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.parts_: dict[int, Generator] = {}
        self.edges_ = np.array([], dtype=np.float32)

    def settings(self) -> dict[str, Any]:
        return self.generator.settings()

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Fit one copy per stratum that has training people, sharing the budget's seconds."""
        assert train.trait is not None
        self.edges_ = strata_edges(train.trait)
        mine, theirs = stratum(train.labels, self.edges_), stratum(validation.labels, self.edges_)
        present = np.unique(mine)
        share = Budget(budget.seconds / len(present), budget.device, budget.threads, budget.report)
        for part in present:
            held_out = validation.take(theirs == part) if (theirs == part).any() else validation
            copy = type(self.generator)(**self.generator.settings())
            copy.fit(train.take(mine == part), held_out, seed=derive(seed, int(part)), budget=share)
            self.parts_[int(part)] = copy
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Each label from the nearest stratum that was fitted."""
        fitted = np.array(sorted(self.parts_))
        wanted = stratum(np.asarray(labels), self.edges_)
        nearest = fitted[np.abs(wanted[:, None] - fitted[None, :]).argmin(axis=1)]
        rows: Genotypes | None = None
        for part in fitted:
            index = np.flatnonzero(nearest == part)
            drawn = self.parts_[int(part)].sample(labels[index], seed=derive(seed, int(part)))
            if rows is None:
                rows = np.empty((len(labels), drawn.shape[1]), dtype=np.int8)
            rows[index] = drawn
        if rows is None:
            raise GenobenchError("sample() before fit()")
        return rows

    def state(self) -> dict[str, NDArray[Any]]:
        parts = {f"{part}.{k}": v for part, g in self.parts_.items() for k, v in g.state().items()}
        return {"edges": self.edges_, **parts}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.edges_ = np.asarray(state["edges"])
        for part in sorted({int(k.split(".")[0]) for k in state if k != "edges"}):
            copy = type(self.generator)(**self.generator.settings())
            copy.restore(
                {k.split(".", 1)[1]: v for k, v in state.items() if k.startswith(f"{part}.")}
            )
            self.parts_[part] = copy


def load(card: Card, cls: type[Generator], folder: Path) -> Generator:
    """Generator saved in ``folder``, wrapped as `build` wraps it."""
    if card.conditioning != "strata":
        return cls.load(folder)
    settings, state = checkpoint.read(folder, PerStratum)
    generator = build(card, cls, settings)
    generator.restore(state)
    return generator

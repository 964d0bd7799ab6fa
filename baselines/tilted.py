"""People of several models, tilted towards real ones: a choice between them for each person.

Of our own design. A hidden Chow-Liu tree has local haplotypes right and loses what spans the
genome; a flow in the space of principal components has the whole right and blurs the parts; a
diffusion of masked calls has both and leans on its training people. Each synthetic person is one
of several candidates from them, chosen by how much likelier real people are than such candidates
(`_tilting`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator
from genobench.seeds import derive, rng

from . import _tilting
from ._discrete_diffusion import DiscreteDiffusion
from ._familiarity import Familiarity
from ._hidden_tree import HiddenTree
from ._principal_flow import PrincipalFlow
from ._tilting import Candidates, Tilt, chosen
from ._training import in_chunks

CHUNK = 512  # people chosen at once
SHARES = {"tree": 0.2, "flow": 0.2, "masked": 0.3}  # of the budget; the tilt ends at nine tenths


@dataclass
class Tilted(Generator):
    """Candidates from up to three models; boosted trees and a linear part choose among them.

    Parameters
    ----------
    tree, flow, masked
        Settings of the models: see `HiddenTree`, `PrincipalFlow` and `DiscreteDiffusion`.
    from_tree, from_flow, from_masked
        Candidates drawn from each of them for every synthetic person, of whom one is kept.
        A model of none is not fitted.
    rounds, trees, depth
        Rounds of boosted trees in the tilt, most trees in one, and their depth.
    rate
        Share of what a round finds that is taken.
    familiarity
        Whether the trees also see how familiar people look (`_familiarity`), and among whom: people
        of the ``models``, or the ``training`` people.
    ridge
        Noise that the linear part grants the training people's moments, in units of their
        sampling variance.
    most
        People by whom the tilt is learned (at random, when there are more).
    """

    tree: Mapping[str, Any] = field(default_factory=dict)
    flow: Mapping[str, Any] = field(default_factory=dict)
    masked: Mapping[str, Any] = field(default_factory=dict)
    from_tree: int = 12
    from_flow: int = 4
    from_masked: int = 0
    rounds: int = 8
    trees: int = 200
    depth: int = 3
    rate: float = 0.7
    familiarity: Literal["none", "models", "training"] = "none"
    ridge: float = 1.0
    most: int = 5_000

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """The models, then the tilt of their candidates."""
        began = monotonic()
        self.bases_ = self._bases()
        for name, base in self.bases_.items():
            part = Budget(
                SHARES[name] * budget.seconds, budget.device, budget.threads, budget.report
            )
            base.fit(train, validation, seed=derive(seed, "tilted", name), budget=part)
        draw = rng(seed, "tilted", "fit")
        sides = []
        for cohort in (self._some(train, draw), self._some(validation, draw)):
            drawn = self._drawn(cohort.labels, draw)
            sides.append(Candidates.of(cohort.genotypes, cohort.labels, drawn))
        self.tilt_ = _tilting.fit(
            *sides,
            familiarity=self._known(sides[0], draw),
            among=self.familiarity == "training",
            rounds=self.rounds,
            trees=self.trees,
            depth=self.depth,
            rate=self.rate,
            ridge=self.ridge,
            rng=draw,
            threads=budget.threads,
            deadline=began + 0.9 * budget.seconds,
            report=budget.report,
        )
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """One of the candidates for each label."""
        if not hasattr(self, "tilt_"):
            raise GenobenchError("tilted: sample() before fit()")
        draw = rng(seed, "tilted", "sample")
        rows = [self._chosen(part, draw) for part in in_chunks(labels, CHUNK)]
        empty = np.empty((0, len(self.tilt_.scale) - 1), dtype=np.int8)
        return np.concatenate([empty, *rows])

    def state(self) -> dict[str, NDArray[Any]]:
        named = dict(self.tilt_.arrays())
        for name, base in self.bases_.items():
            named |= {f"{name}/{key}": value for key, value in base.state().items()}
        return named

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.tilt_ = Tilt.of_arrays(state)
        self.bases_ = self._bases()
        for name, base in self.bases_.items():
            head = f"{name}/"
            own = {k[len(head) :]: v for k, v in state.items() if k.startswith(head)}
            base.restore(own)

    @property
    def parameters(self) -> int:
        tilt = self.tilt_
        own = tilt.weights.size + tilt.trees.value.size
        if tilt.familiarity is not None:
            own += tilt.familiarity.counts.size
        return own + sum(base.parameters for base in self.bases_.values())

    def _bases(self) -> dict[str, Generator]:
        every: dict[str, Generator] = {
            "tree": HiddenTree(**self.tree),
            "flow": PrincipalFlow(**self.flow),
            "masked": DiscreteDiffusion(**self.masked),
        }
        return {name: base for name, base in every.items() if self._counts[name]}

    @property
    def _counts(self) -> dict[str, int]:
        counts = {"tree": self.from_tree, "flow": self.from_flow, "masked": self.from_masked}
        if sum(counts.values()) < 1 or min(counts.values()) < 0:
            raise GenobenchError(
                "tilted: from_tree + from_flow + from_masked must be at least 1, none below 0"
            )
        return counts

    def _some(self, cohort: Cohort, draw: np.random.Generator) -> Cohort:
        """At most ``most`` people, at random."""
        if cohort.n <= self.most:
            return cohort
        return cohort.take(np.sort(draw.choice(cohort.n, self.most, replace=False)))

    def _drawn(self, labels: Labels, draw: np.random.Generator) -> Genotypes:
        """(k, candidates, m) people of all models with each of the labels (k,)."""
        parts = []
        for name, base in self.bases_.items():
            count = self._counts[name]
            rows = base.sample(np.repeat(labels, count), seed=int(draw.integers(2**31)))
            parts.append(rows.reshape(len(labels), count, -1))
        return np.concatenate(parts, axis=1)

    def _known(self, people: Candidates, draw: np.random.Generator) -> Familiarity | None:
        """With these training people's stretches, or those of a person of each model for each."""
        if self.familiarity == "none":
            return None
        if self.familiarity == "training":
            return Familiarity.of(people.real)
        seeds = (int(seed) for seed in draw.integers(2**31, size=len(self.bases_)))
        both = zip(self.bases_.values(), seeds, strict=True)
        crowd = [base.sample(people.labels, seed=seed) for base, seed in both]
        return Familiarity.of(np.concatenate(crowd))

    def _chosen(self, labels: Labels, draw: np.random.Generator) -> Genotypes:
        drawn = self._drawn(labels, draw)
        k, c, m = drawn.shape
        f = self.tilt_(drawn.reshape(-1, m), np.repeat(labels, c)).reshape(k, c)
        return np.asarray(drawn[np.arange(k), chosen(f, draw)])

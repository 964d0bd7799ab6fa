"""A tree of hidden categorical variables, one above each SNP: messages, EM and sampling.

Z_i has k states and one parent in the tree; SNP x_i in 0 / 1 / 2 hangs below Z_i. A person's
class c (the label) chooses among tables P(Z_i | Z_parent, c); a table that does not depend on the
class is stored once per class all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

from ._chow_liu import Tree

Array = NDArray[np.float32]
Classes = NDArray[np.intp]
MESSAGES = 32 << 20  # bytes of upward messages held at once
TINY = np.float32(1e-30)


class OutOfTimeError(Exception):
    """The deadline passed in the middle of a pass over the people."""


@dataclass(frozen=True)
class LatentTree:
    """Hidden Chow-Liu tree (Liu & Van den Broeck 2021), conditional on a class.

    Attributes
    ----------
    tree
        Over the hidden variables, one per SNP.
    transition
        (m, C, k, k) float32, P(Z_i = column | Z_parent = row, class); at the root all rows agree.
    emission
        (m, 3, k) float32, P(x_i | Z_i).
    """

    tree: Tree
    transition: Array
    emission: Array

    @property
    def k(self) -> int:
        """Hidden states per SNP."""
        return int(self.emission.shape[2])

    def log_likelihood(
        self, genotypes: Genotypes, classes: Classes, check: Callable[[], None] = lambda: None
    ) -> NDArray[np.float64]:
        """(n,) log P(x | class) in nats, exact.

        ``check`` is called between chunks of people and may raise to end the pass.
        """
        total = np.empty(len(genotypes))
        below = self.tree.children()
        for people, c in self._chunks(classes):
            check()
            total[people] = self._upward(genotypes[people], c, below)[2]
        return total

    def expected(
        self, genotypes: Genotypes, classes: Classes, check: Callable[[], None] = lambda: None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """E-step: expected counts of transitions (m, C, k, k), emissions (m, 3, k); likelihood."""
        transitions = np.zeros(self.transition.shape)
        emissions = np.zeros(self.emission.shape)
        below = self.tree.children()
        total = 0.0
        for people, c in self._chunks(classes):
            check()
            g = genotypes[people]
            local, message, likelihood = self._upward(g, c, below)
            self._downward(g, c, local, message, transitions, emissions)
            total += float(likelihood.sum())
        return transitions, emissions, total

    def draw(self, classes: Classes, rng: np.random.Generator) -> Genotypes:
        """(n, m) people by ancestral sampling from the root."""
        return self.draw_hidden(classes, rng)[1]

    def draw_hidden(
        self, classes: Classes, rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], Genotypes]:
        """(n, m) hidden states and calls of the same people."""
        n, m = len(classes), len(self.tree.parent)
        states = np.zeros((m, n), dtype=np.int16)
        rows = np.empty((m, n), dtype=np.int8)
        for i in self.tree.order:
            above = states[self.tree.parent[i]] if self.tree.parent[i] >= 0 else states[i]
            steps = np.cumsum(self.transition[i], axis=-1)  # (C, k, k)
            states[i] = _pick(steps[classes, above], rng)
            calls = np.cumsum(self.emission[i], axis=0).T  # (k, 3)
            rows[i] = _pick(calls[states[i]], rng)
        return np.ascontiguousarray(states.T), np.ascontiguousarray(rows.T)

    def _chunks(self, classes: Classes) -> Iterator[tuple[NDArray[np.intp], int]]:
        """People of one class, as many as the messages' memory allows."""
        size = max(16, MESSAGES // (4 * self.k * len(self.tree.parent)))
        for c in np.unique(classes):
            people = np.flatnonzero(classes == c)
            for start in range(0, len(people), size):
                yield people[start : start + size], int(c)

    def _upward(
        self, genotypes: Genotypes, c: int, below: list[list[int]]
    ) -> tuple[Array, Array, NDArray[np.float64]]:
        """Evidence at and below each Z_i, its message to the parent (m, n, k), log-likelihood.

        Both are scaled per person to a largest value of 1, which the log-likelihood makes up for.
        """
        x = np.ascontiguousarray(genotypes.T)
        m, n = x.shape
        local = np.empty((m, n, self.k), dtype=np.float32)
        message = np.empty_like(local)
        likelihood = np.zeros(n)
        for i in self.tree.order[::-1]:
            evidence = local[i]
            np.take(self.emission[i], x[i], axis=0, out=evidence)
            for child in below[i]:
                evidence *= message[child]
                if len(below[i]) > 2:  # many small factors would leave float32's range
                    likelihood += _rescale(evidence)
            likelihood += _rescale(evidence)
            np.matmul(evidence, self.transition[i, c].T, out=message[i])
        likelihood += np.log(np.maximum(message[self.tree.order[0]][:, 0], TINY))
        return local, message, likelihood

    def _downward(
        self,
        genotypes: Genotypes,
        c: int,
        local: Array,
        message: Array,
        transitions: NDArray[np.float64],
        emissions: NDArray[np.float64],
    ) -> None:
        """Posteriors from the root down, in place of ``local``; adds them to the counts."""
        calls = np.stack([call == genotypes.T for call in range(3)], 1).astype(np.float32)
        for i in self.tree.order:
            table, above = self.transition[i, c], self.tree.parent[i]
            if above < 0:
                posterior = local[i] * table[0]
                posterior /= posterior.sum(axis=1, keepdims=True) + TINY
                transitions[i, c] += posterior.sum(axis=0)
            else:
                rest = local[above] / np.maximum(message[i], TINY)  # all but what came from here
                transitions[i, c] += (rest.T @ local[i]) * table
                posterior = (rest @ table) * local[i]
                posterior /= posterior.sum(axis=1, keepdims=True) + TINY
            local[i] = posterior
            emissions[i] += calls[i] @ posterior

    def maximised(
        self,
        transitions: NDArray[np.float64],
        emissions: NDArray[np.float64],
        prior: Prior,
    ) -> LatentTree:
        """M-step: tables at the counts plus the prior's; below the root common to all classes."""
        root = self.tree.order[0]
        pooled = np.broadcast_to(transitions.sum(axis=1, keepdims=True), transitions.shape).copy()
        pooled[root] = transitions[root]
        return replace(
            self,
            transition=_normalised(pooled + prior.transition, 3, self.transition),
            emission=_normalised(emissions + prior.emission, 1, self.emission),
        )

    def tilted(
        self,
        transitions: NDArray[np.float64],
        prior: NDArray[np.float64],
        *,
        free: NDArray[np.bool_],
        rounds: int = 3,
    ) -> LatentTree:
        """M-step in which each class may favour some states: P(z | parent, c) ~ T(z | parent) w(z).

        ``free`` (m,): the hidden variables where it may; all else stays, the emissions too.

        One weight per state, class and SNP, where tables of their own would need one per pair of
        states. Iterative scaling (Darroch & Ratcliff 1972), every round of which raises the
        expected log-likelihood: the weights grow by counted over expected people in the state.
        """
        counts = transitions + prior
        people, counted = counts.sum(axis=3), counts.sum(axis=2)  # per parent's state, per own
        table = self.transition.astype(np.float64)
        for _ in range(rounds):
            expected = (people[:, :, None, :] @ table)[:, :, 0]  # (m, C, k)
            ratio = np.where(free[:, None, None], (counted + TINY) / (expected + TINY), 1.0)
            table *= ratio[:, :, None, :]
            table /= table.sum(axis=3, keepdims=True)
        return replace(self, transition=table.astype(np.float32))


@dataclass(frozen=True)
class Prior:
    """Pseudo-counts, broadcast against the tables' shapes: Laplace's, or those of other tables."""

    transition: Any
    emission: Any


def _rescale(evidence: Array) -> NDArray[np.float64]:
    """Divide each row by its maximum, in place; returns the maxima's logarithms."""
    peak = np.maximum(evidence.max(axis=1), TINY)
    evidence /= peak[:, None]
    return np.asarray(np.log(peak, dtype=np.float64))


def _normalised(counts: NDArray[np.float64], axis: int, before: Array) -> Array:
    """Counts to probabilities over ``axis``; what has no count at all stays as it was."""
    total = counts.sum(axis=axis, keepdims=True)
    table = np.where(total > 0, counts / np.where(total > 0, total, 1.0), before)
    return table.astype(np.float32)


def _pick(cumulative: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) categories drawn from (n, categories) cumulative probabilities."""
    level = rng.random(len(cumulative), dtype=np.float32) * cumulative[:, -1]
    above = (cumulative <= level[:, None]).sum(axis=1)
    return np.asarray(np.minimum(above, cumulative.shape[1] - 1), dtype=np.int64)

"""Learning a hidden Chow-Liu tree: structure, number of states, smoothing, and the classes' own.

The structure is Liu & Van den Broeck's (2021, arXiv:2106.02264): the Chow-Liu tree of the SNPs,
every SNP replaced by a hidden variable that emits it; learned by EM. The label chooses the root's
distribution, and below the root each class may move away from the common tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.conditioning import strata_edges, stratum
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator
from genobench.seeds import rng as random

from ._chow_liu import Tree, chow_liu, mutual_information, rerooted
from ._latent_tree import TINY, Classes, LatentTree, OutOfTimeError, Prior
from ._training import fixed_calls, in_chunks, write_fixed

Maximise = Callable[[LatentTree, NDArray[np.float64], NDArray[np.float64]], LatentTree]


@dataclass
class HiddenTree(Generator):
    """Generator whose model is a hidden Chow-Liu tree, conditional on the label.

    Parameters
    ----------
    states
        Numbers of hidden states tried in this order, until one has the lower validation
        log-likelihood.
    smoothing
        Pseudo-people per row of a table, spread evenly over a hidden variable's states and by
        genotype frequency over a SNP's calls; the one with the best validation log-likelihood.
    loyalty
        Pseudo-people that hold each class at the common tables when its weights may part; the
        best on validation, or no parting where the common tables are better.
    parts
        Classes that a quantitative label is cut into, at its quantiles.
    window
        SNPs on either side that may be a neighbour in the tree.
    links
        SNPs per chromosome that may be tied to another chromosome.
    nearby
        SNPs, those of most mutual information, by which people are grouped around each SNP for
        the start of EM.
    iterations, patience, gain
        Most EM steps of one ascent, and steps without a gain in validation (nats per person)
        before it stops.
    most
        People by whom the tree and the start are chosen (at random, when there are more).
    """

    states: Sequence[int] = (16, 32)
    smoothing: Sequence[float] = (0.1, 0.02)
    loyalty: Sequence[float] = (10.0, 100.0)
    parts: int = 5
    window: int = 128
    links: int = 16
    nearby: int = 32
    iterations: int = 60
    patience: int = 2
    gain: float = 0.02
    most: int = 5_000

    chunk: ClassVar[int] = 4096  # people drawn at once
    share: ClassVar[float] = 0.85  # of the budget, for the tree

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Tree, common tables for each number of states, then the classes' own."""
        self._deadline = monotonic() + self.share * budget.seconds
        self._report = budget.report
        assert train.trait is not None
        rng = random(seed, "hclt", "fit")
        self.edges_ = strata_edges(train.trait, self.parts)
        self.fixed_ = fixed_calls(train)
        self._people = tuple((c.genotypes, self._classes(c.labels)) for c in (train, validation))
        some = train.genotypes
        if train.n > self.most:
            some = some[np.sort(rng.choice(train.n, self.most, replace=False))]
        tree = self._tree(train, some)
        calls = np.stack([(some == call).mean(axis=0) for call in range(3)], 1)  # (m, 3)
        self._calls = (calls * len(some) + 0.5) / (len(some) + 1.5)

        best, score = self._common(tree, train, some, rng)
        for smoothing in self.smoothing[1:]:
            step = partial(LatentTree.maximised, prior=self._laplace(smoothing, best.k))
            best, score = self._ascend(best, score, step)
        self.model_ = self._parted(best, score)
        del self._people, self._calls, self._report, self._deadline
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """From the root down, given the label's class."""
        self._check_fitted("sample")
        rng = random(seed, "hclt", "sample")
        rows = [self._draw(part, rng) for part in in_chunks(labels, self.chunk)]
        empty = np.empty((0, len(self.fixed_)), dtype=np.int8)
        return write_fixed(np.concatenate([empty, *rows]), self.fixed_)

    def log_likelihood(self, genotypes: Genotypes, labels: Labels) -> NDArray[np.float64]:
        """(n,) exact log P(genotypes | label) of each person, in nats.

        A SNP that did not vary in training is sampled as it was, but here keeps the smoothing's
        small probability of another call, so that no person is impossible.
        """
        self._check_fitted("log_likelihood")
        return self.model_.log_likelihood(genotypes, self._classes(labels))

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            "order": self.model_.tree.order,
            "parent": self.model_.tree.parent,
            "transition": self.model_.transition,
            "emission": self.model_.emission,
            "edges": self.edges_,
            "fixed": self.fixed_,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        tree = Tree(np.array(state["order"]), np.array(state["parent"]))
        tables = np.array(state["transition"]), np.array(state["emission"])
        self.model_ = LatentTree(tree, *tables)
        self.edges_, self.fixed_ = np.array(state["edges"]), np.array(state["fixed"])

    @property
    def parameters(self) -> int:
        return int(self.model_.transition.size + self.model_.emission.size)

    def _check_fitted(self, what: str) -> None:
        if not hasattr(self, "model_"):
            name = type(self).__module__.rpartition(".")[2]
            raise GenobenchError(f"{name}: {what}() before fit()")

    def _draw(self, labels: Labels, rng: np.random.Generator) -> Genotypes:
        """(k, m) people with these labels."""
        return self.model_.draw(self._classes(labels), rng)

    def _classes(self, labels: Labels) -> Classes:
        return stratum(np.asarray(labels), self.edges_)

    def _tree(self, train: Cohort, some: Genotypes) -> Tree:
        """Chow-Liu tree whose root is the SNP that tells most of the label."""
        chrom = train.variants["chrom"].to_numpy(dtype=object)
        tree = chow_liu(some, chrom, window=self.window, links=self.links)
        # mutual information knows three values: low, middle and high labels
        cuts = np.quantile(train.labels, [1 / 3, 2 / 3])
        if train.trait is not None and train.trait.kind == "binary":
            cuts = np.array([0.5])
        label = np.searchsorted(cuts, train.labels, side="right").astype(np.int8)
        telling = mutual_information(label[:, None], train.genotypes)[0]
        return rerooted(tree, int(telling.argmax()))

    def _common(
        self, tree: Tree, train: Cohort, some: Genotypes, rng: np.random.Generator
    ) -> tuple[LatentTree, float]:
        """Tables that all classes share below the root, and their validation log-likelihood."""
        chrom = train.variants["chrom"].to_numpy(dtype=object)
        best: LatentTree | None = None
        score = -np.inf
        for place, k in enumerate(self.states):
            groups = _groups(some, chrom, k, self.nearby, self.window, rng, self._deadline)
            start = self._start(tree, some, groups, k)
            left = self._deadline - monotonic()
            until = monotonic() + left / (len(self.states) - place)
            step = partial(LatentTree.maximised, prior=self._laplace(self.smoothing[0], k))
            model, reached = self._ascend(start, -np.inf, step, until=until)
            if best is not None and reached <= score:
                break
            best, score = model, reached
        assert best is not None
        return best, score

    def _parted(self, common: LatentTree, score: float) -> LatentTree:
        """Classes with weights of their own on the states, where held-out people bear it out.

        The hidden variables are chosen by the expected log-likelihood of the validation people
        under the common tree: below a variable that follows the label, most need not.
        """
        check = _watch(self._deadline)
        try:
            counts, _, _ = common.expected(*self._people[0], check)
            held_out, _, _ = common.expected(*self._people[1], check)
        except OutOfTimeError:
            return common
        share = counts.sum(axis=(1, 3), keepdims=True) / len(self._people[0][1])  # of the parent
        best = common
        for loyalty in sorted(self.loyalty, reverse=True):
            prior = loyalty * share * common.transition
            every = np.ones(len(self.fixed_), dtype=np.bool_)
            parted = common.tilted(counts, prior, free=every, rounds=10)
            gain = held_out * (_log(parted.transition) - _log(common.transition))
            free = gain.sum(axis=(1, 2, 3)) > 0
            step = partial(_tilt, prior=prior, free=free)
            model, reached = self._ascend(common, -np.inf, step)
            if reached > score:
                best, score = model, reached
        return best

    def _start(self, tree: Tree, some: Genotypes, groups: NDArray[np.int64], k: int) -> LatentTree:
        """Tables counted as though the hidden states were the groups that people fall into."""
        m, C = len(tree.parent), len(self.edges_) + 1
        transition, emission = np.empty((m, k, k)), np.empty((m, 3, k))
        for i in range(m):
            above = groups[tree.parent[i]] if tree.parent[i] >= 0 else np.zeros_like(groups[i])
            transition[i] = np.bincount(above * k + groups[i], minlength=k * k).reshape(k, k)
            calls = some[:, i].astype(np.int64)
            emission[i] = np.bincount(calls * k + groups[i], minlength=3 * k).reshape(3, k)
        root = tree.order[0]
        transition[root] = transition[root, 0]
        empty = LatentTree(
            tree, np.zeros((m, C, k, k), dtype=np.float32), np.zeros((m, 3, k), dtype=np.float32)
        )
        counts = np.repeat(transition[:, None], C, axis=1)
        return empty.maximised(counts, emission, self._laplace(1.0, k))

    def _laplace(self, smoothing: float, k: int) -> Prior:
        """``smoothing`` pseudo-people per row of a table."""
        return Prior(smoothing / k, smoothing * self._calls[:, :, None])

    def _ascend(
        self,
        model: LatentTree,
        score: float,
        maximise: Maximise,
        *,
        until: float = np.inf,
    ) -> tuple[LatentTree, float]:
        """EM from ``model``, and the best of what it passes by validation log-likelihood.

        ``score`` is what the result has to beat; ``model`` itself is returned otherwise.
        """
        (genotypes, classes), (held_out, held_out_classes) = self._people
        check = _watch(min(until, self._deadline))
        best, since = model, 0
        for step in range(self.iterations):
            try:
                transitions, emissions, total = model.expected(genotypes, classes, check)
                model = maximise(model, transitions, emissions)
                reached = float(model.log_likelihood(held_out, held_out_classes, check).mean())
            except OutOfTimeError:
                break
            mean = total / len(classes)
            self._report({"step": step, "states": model.k, "train": mean, "held_out": reached})
            since = 0 if reached > score + self.gain else since + 1
            if reached > score:
                best, score = model, reached
            if since >= self.patience:
                break
        return best, score


def _tilt(
    model: LatentTree,
    transitions: NDArray[np.float64],
    _emissions: NDArray[np.float64],
    *,
    prior: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> LatentTree:
    """M-step of the classes' weights alone."""
    return model.tilted(transitions, prior, free=free)


def _log(table: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(table, TINY), dtype=np.float64))


def _watch(until: float) -> Callable[[], None]:
    """Function that raises `OutOfTimeError` after ``until``, a reading of ``time.monotonic()``."""

    def check() -> None:
        if monotonic() > until:
            raise OutOfTimeError

    return check


def _groups(
    genotypes: Genotypes,
    chrom: NDArray[np.object_],
    k: int,
    nearby: int,
    window: int,
    rng: np.random.Generator,
    deadline: float,
    rounds: int = 5,
) -> NDArray[np.int64]:
    """(m, n) group in 0..k-1 of each person around each SNP: k-means on the SNPs most tied to it.

    Once a quarter of the time is gone the remaining SNPs have their groups from the first centres,
    and once half of it is gone from their own calls: a Chow-Liu tree that hides nothing.
    """
    n, m = genotypes.shape
    now = monotonic()
    late, very_late = now + (deadline - now) / 4, now + (deadline - now) / 2
    fewer = genotypes[:: max(1, n // 1000)]  # enough people to rank neighbours by
    groups = np.empty((m, n), dtype=np.int64)
    for name in dict.fromkeys(chrom):
        columns = np.flatnonzero(chrom == name)
        for place, i in enumerate(columns):
            if monotonic() > very_late:
                groups[i] = np.minimum(genotypes[:, i], k - 1)
                continue
            near = columns[max(0, place - window) : place + window + 1]
            tie = mutual_information(fewer[:, [i]], fewer[:, near])[0]
            near = near[np.argsort(-tie, kind="stable")[:nearby]]
            x = genotypes[:, near].astype(np.float32)
            centre = x[rng.choice(n, k, replace=n < k)]
            for _ in range(rounds if monotonic() < late else 1):
                group = (np.square(centre).sum(axis=1) - 2 * x @ centre.T).argmin(axis=1)
                member = np.zeros((n, k), dtype=np.float32)
                member[np.arange(n), group] = 1
                size = member.sum(axis=0)
                mean = member.T @ x / np.maximum(size, 1)[:, None]
                centre = np.where(size[:, None] > 0, mean, centre)
            groups[i] = group
    return groups

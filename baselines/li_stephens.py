"""Li-Stephens mosaics: people copied in segments from training people of the same label.

The copying model of Li & Stephens (2003) on dosages, in the manner of HAPNEST (Wharrie et al.
2023). It copies real segments: attacks on privacy are expected to find that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.conditioning import strata_edges, stratum
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator
from genobench.seeds import rng as random

from ._copying import distances, log_likelihood, segments, switching
from ._training import in_chunks

Array = NDArray[np.float64]
Strata = NDArray[np.intp]


class OutOfTimeError(Exception):
    """The deadline passed in the middle of a likelihood."""


@dataclass
class LiStephens(Generator):
    """Mosaics of training people, conditional on the label.

    Parameters
    ----------
    sizes, thetas
        Effective sizes (switches per mean distance between SNPs, times templates) and
        probabilities of miscopying that are tried; the pair under which validation people are
        likeliest is kept.
    parts
        Strata that a quantitative label is cut into, at its quantiles.
    longest
        Largest share of the SNPs that one segment may have, so that nobody is one person's copy.
    templates, held_out
        Most training people per stratum, and validation people, that the likelihood is taken with.
    """

    sizes: Sequence[float] = (30.0, 10.0, 3.0, 1.0, 100.0, 300.0, 1000.0, 3000.0)
    thetas: Sequence[float] = (0.003, 0.01, 0.001, 0.03)
    parts: int = 5
    longest: float = 0.5
    templates: int = 400
    held_out: int = 200

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Keep the training people; choose size and theta by validation log-likelihood."""
        deadline = monotonic() + 0.7 * budget.seconds
        assert train.trait is not None
        self.edges_ = strata_edges(train.trait, self.parts)
        part = stratum(train.labels, self.edges_)
        order = np.argsort(part, kind="stable")
        self.genotypes_ = train.genotypes[order]  # stratum by stratum
        self.strata_: Strata = part[order]
        chrom = train.variants["chrom"].to_numpy(dtype=object)
        self.distance_ = distances(chrom, train.variants["pos"].to_numpy(dtype=np.int64))
        self.chosen_ = np.array([self.sizes[0], self.thetas[0]])
        best = -np.inf
        rng = random(seed, "li_stephens", "fit")
        people = np.sort(rng.permutation(validation.n)[: self.held_out])
        folds = list(self._folds(validation.take(people), rng))
        try:
            for size, theta in product(self.sizes, self.thetas):
                total = self._likelihood(folds, size, theta, _watch(deadline))
                reached = total / max(len(people), 1)
                budget.report({"size": size, "theta": theta, "held_out": reached})
                if reached > best:
                    best, self.chosen_ = reached, np.array([size, theta])
        except OutOfTimeError:
            pass  # what was best so far, or the first pair on the card
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """A new template at every switch, each with the wanted label; then miscopying."""
        if not hasattr(self, "chosen_"):
            raise GenobenchError("li_stephens: sample() before fit()")
        rng = random(seed, "li_stephens", "sample")
        known = set(_digests(self.genotypes_))
        rows = [self._nobody_twice(part, known, rng) for part in in_chunks(labels)]
        empty = np.empty((0, self.genotypes_.shape[1]), dtype=np.int8)
        return np.concatenate([empty, *rows])

    def state(self) -> dict[str, NDArray[Any]]:
        """The training people themselves: a copying model has no other memory."""
        return {
            "genotypes": self.genotypes_,
            "strata": self.strata_,
            "edges": self.edges_,
            "distance": self.distance_,
            "chosen": self.chosen_,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.genotypes_, self.strata_ = np.array(state["genotypes"]), np.array(state["strata"])
        self.edges_, self.distance_ = np.array(state["edges"]), np.array(state["distance"])
        self.chosen_ = np.array(state["chosen"])

    @property
    def parameters(self) -> int:
        """Effective size and miscopying; the people are kept, not learned."""
        return 2

    def _folds(
        self, validation: Cohort, rng: np.random.Generator
    ) -> Iterator[tuple[Genotypes, Genotypes, Array]]:
        """Per stratum its validation people, templates and genotype frequencies."""
        part = stratum(validation.labels, self.edges_)
        for c in np.intersect1d(part, self.strata_):
            pool = np.flatnonzero(self.strata_ == c)
            some = np.sort(rng.permutation(pool)[: self.templates])
            templates = self.genotypes_[some]
            calls = np.stack([(templates == call).sum(axis=0) for call in range(3)], axis=1)
            frequency = (calls + 0.5) / (len(templates) + 1.5)  # (m, 3)
            yield validation.genotypes[part == c], templates, frequency

    def _likelihood(
        self,
        folds: Sequence[tuple[Genotypes, Genotypes, Array]],
        size: float,
        theta: float,
        check: Callable[[], None],
    ) -> float:
        return sum(
            float(
                log_likelihood(
                    people,
                    templates,
                    frequency,
                    switching(self.distance_, size, len(templates)),
                    theta,
                    check,
                ).sum()
            )
            for people, templates, frequency in folds
        )

    def _nobody_twice(
        self, labels: Labels, known: set[bytes], rng: np.random.Generator, tries: int = 10
    ) -> Genotypes:
        """Mosaics, those that came out as a training person (``known``) drawn again.

        With a handful of SNPs every mosaic equals somebody; the last try is kept then.
        """
        labels = np.asarray(labels)
        rows = self._mosaics(labels, rng)
        for _ in range(tries):
            again = np.flatnonzero([digest in known for digest in _digests(rows)])
            if not len(again):
                break
            rows[again] = self._mosaics(labels[again], rng)
        return rows

    def _mosaics(self, labels: Labels, rng: np.random.Generator) -> Genotypes:
        """(n, m) people for one chunk of labels."""
        size, theta = self.chosen_
        n, m = len(labels), self.genotypes_.shape[1]
        present = np.unique(self.strata_)
        wanted = stratum(np.asarray(labels), self.edges_)
        wanted = present[np.abs(wanted[:, None] - present).argmin(axis=1)]
        first = np.searchsorted(self.strata_, wanted)
        count = np.searchsorted(self.strata_, wanted, side="right") - first

        rows = np.empty((n, m), dtype=np.int8)
        longest = max(1, int(self.longest * m))
        # the rate depends on how many templates there are: one row of rates per stratum's size
        switch = np.stack([switching(self.distance_, size, c) for c in np.unique(count)])
        begins = segments(switch[np.searchsorted(np.unique(count), count)], n, longest, rng)
        template = first + rng.integers(count)
        for j in range(m):
            fresh = begins[:, j]
            template[fresh] = _another(template[fresh], first[fresh], count[fresh], rng)
            rows[:, j] = self.genotypes_[template, j]
        miscopied = rng.random((n, m)) < theta
        person, snp = np.nonzero(miscopied)
        donor = first[person] + rng.integers(count[person])  # a draw from the frequencies
        rows[person, snp] = self.genotypes_[donor, snp]
        return rows


def _digests(genotypes: Genotypes) -> Iterator[bytes]:
    """Eight bytes per person, equal where the genotypes are."""
    return (blake2b(person.tobytes(), digest_size=8).digest() for person in genotypes)


def _another(
    template: Strata, first: Strata, count: Strata, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A template of the same stratum, evenly from all but the present one (where there are two)."""
    step = 1 + rng.integers(np.maximum(count - 1, 1))
    return first + (template - first + step) % count


def _watch(until: float) -> Callable[[], None]:
    """Function that raises `OutOfTimeError` after ``until``, of ``time.monotonic()``."""

    def check() -> None:
        if monotonic() > until:
            raise OutOfTimeError

    return check

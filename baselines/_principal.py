"""Principal components of genotypes, one set per chromosome, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes

Array = NDArray[np.float32]
ROWS = 8192  # people held as floats at once


@dataclass(frozen=True)
class Principal:
    """Block-diagonal PCA with standardised scores.

    Attributes
    ----------
    mean
        (L,) mean dosage.
    blocks
        Per chromosome its columns (L_c,) and components times score deviation (P_c, L_c): scores
        of unit variance times this gives dosages.
    """

    mean: Array
    blocks: tuple[tuple[NDArray[np.int64], Array], ...]

    @classmethod
    def fit(cls, train: Cohort, variance: float) -> Self:
        """As few components per chromosome as keep ``variance`` of its genotype variance."""
        chrom = train.variants["chrom"].to_numpy()
        mean = train.genotypes.mean(axis=0, dtype=np.float64)
        blocks = []
        for name in dict.fromkeys(chrom):
            columns = np.flatnonzero(chrom == name)
            values, vectors = _spectrum(train.genotypes[:, columns], mean[columns])
            total = values.sum()
            if total <= 0:
                continue  # monomorphic throughout
            kept = 1 + int(np.searchsorted(np.cumsum(values) / total, variance - 1e-9))
            kept = min(kept, int((values > 1e-9 * total).sum()))
            loadings = vectors[:, :kept].T * np.sqrt(values[:kept, None])
            blocks.append((columns, loadings.astype(np.float32)))
        return cls(mean.astype(np.float32), tuple(blocks))

    @property
    def width(self) -> int:
        """P, the number of components of all chromosomes."""
        return sum(len(loadings) for _, loadings in self.blocks)

    def scores(self, genotypes: Genotypes) -> Array:
        """(n, L) calls -> (n, P) scores, of mean 0 and variance 1 in training."""
        scores = np.empty((len(genotypes), self.width), dtype=np.float32)
        first = 0
        for columns, loadings in self.blocks:
            weights = (loadings / np.square(loadings).sum(axis=1, keepdims=True)).T
            last = first + len(loadings)
            for start in range(0, len(genotypes), ROWS):
                rows = slice(start, start + ROWS)
                scores[rows, first:last] = (genotypes[rows, columns] - self.mean[columns]) @ weights
            first = last
        return scores

    def dosages(self, scores: Array) -> Array:
        """(n, P) scores -> (n, L) continuous dosages."""
        dosages = np.tile(self.mean, (len(scores), 1))
        first = 0
        for columns, loadings in self.blocks:
            last = first + len(loadings)
            dosages[:, columns] += scores[:, first:last] @ loadings
            first = last
        return dosages

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        named: dict[str, NDArray[Any]] = {"principal.mean": self.mean}
        for i, (columns, loadings) in enumerate(self.blocks):
            named |= {f"principal.{i}.columns": columns, f"principal.{i}.loadings": loadings}
        return named

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        blocks, i = [], 0
        while f"principal.{i}.columns" in state:
            blocks.append(
                (
                    np.array(state[f"principal.{i}.columns"]),
                    np.array(state[f"principal.{i}.loadings"]),
                )
            )
            i += 1
        return cls(np.array(state["principal.mean"]), tuple(blocks))


def _spectrum(
    genotypes: Genotypes, mean: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues (descending) and vectors (L_c, rank) of the covariance."""
    n, m = genotypes.shape
    if n < m:  # the small side is that of the people
        centred = genotypes - mean
        _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
        return np.square(singular) / n, vectors.T
    covariance = np.zeros((m, m))
    for start in range(0, n, ROWS):
        part = genotypes[start : start + ROWS] - mean
        covariance += part.T @ part
    values, vectors = np.linalg.eigh(covariance / n)
    return values[::-1].clip(min=0), vectors[:, ::-1]

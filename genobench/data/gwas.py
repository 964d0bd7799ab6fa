"""Association of each SNP with the trait, and the choice of SNPs that a benchmark is run on.

Score tests: one null model without any SNP, then every SNP against its residuals (Sasieni 1997;
for quantitative traits the exact partial-correlation t test).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from genobench.cohort import MISSING, Genotypes, Trait
from genobench.data.clump import called_moments, clump, scaled
from genobench.data.quality_report import TooFewSnpsError
from genobench.errors import GenobenchError

CHUNK_CELLS = 2**25  # genotypes tested at a time: some 300 MB of float32 at most
PC_PEOPLE = 20_000  # loadings are as good as exact from this many
CLUMP_CANDIDATES = 50  # clumping looks at this many SNPs per SNP wanted
CHI2_MEDIAN = 0.45493642311957283  # of one degree of freedom


@dataclass(frozen=True, eq=False)
class Association:
    """One row per SNP: (m,) float64 each. A SNP without variation has z 0, p 1, beta 0."""

    z: NDArray[np.float64]
    p: NDArray[np.float64]
    beta: NDArray[np.float64]

    @property
    def genomic_control(self) -> float:
        """Lambda GC: median chi-square over its expectation."""
        return float(np.median(self.z**2) / CHI2_MEDIAN) if len(self.z) else float("nan")

    def at(self, columns: NDArray[np.int64]) -> Association:
        """The same of some SNPs."""
        return Association(self.z[columns], self.p[columns], self.beta[columns])


def concatenated(parts: list[Association]) -> Association:
    """One association out of those of consecutive blocks of SNPs."""
    none = np.zeros(0)
    return Association(
        np.concatenate([none, *(part.z for part in parts)]),
        np.concatenate([none, *(part.p for part in parts)]),
        np.concatenate([none, *(part.beta for part in parts)]),
    )


@dataclass(frozen=True)
class ScoreTest:
    """From the sums over people to the tests of SNPs.

    Attributes
    ----------
    binary
        Normal test; else the t test of the partial correlation.
    degrees
        People less the rank of the null model.
    residual_squares
        Sum of squares of the null model's residuals.
    """

    binary: bool
    degrees: int
    residual_squares: float

    def association(
        self,
        score: NDArray[np.float64],
        total: NDArray[np.float64],
        projected: NDArray[np.float64],
    ) -> Association:
        """Tests of SNPs of centred dosage g; u, w and Q are residuals, weights and null basis.

        Parameters
        ----------
        score, total, projected
            (m,) sum g u, (m,) sum w g^2, (c, m) Q' w^(1/2) g.
        """
        variance = total - (projected**2).sum(axis=0)
        tested = variance > 1e-6 * np.maximum(total, 1.0)
        safe = np.where(tested, variance, 1.0)
        beta = np.where(tested, score / safe, 0.0)
        if self.binary:
            z = np.where(tested, score / np.sqrt(safe), 0.0)
            return Association(z, 2 * stats.norm.sf(np.abs(z)), beta)
        return Association(*self._t_test(np.where(tested, score, 0.0), safe), beta)

    def _t_test(
        self, score: NDArray[np.float64], variance: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Partial correlation r of SNP and trait: t = r sqrt(df / (1 - r2)), as in OLS."""
        df = self.degrees - 1
        explained = np.minimum(score**2 / (variance * self.residual_squares), 1 - 1e-15)
        t = np.sign(score) * np.sqrt(df * explained / (1 - explained))
        p = 2 * stats.t.sf(np.abs(t), df)
        return np.sign(t) * stats.norm.isf(np.maximum(p, 1e-300) / 2), p


class NullModel:
    """The trait explained by intercept and covariates alone.

    Parameters
    ----------
    trait
        Binary (logistic null model) or quantitative (linear).
    covariates
        (n, c) finite, without intercept; columns that add nothing are tolerated.
    """

    def __init__(self, trait: Trait, covariates: NDArray[np.float64] | None = None) -> None:
        y = trait.values.astype(np.float64)
        self.binary = trait.kind == "binary"
        C = _design(len(y), covariates)
        self.degrees = len(y) - C.shape[1]
        if self.degrees < 2 or y.std() == 0:
            raise GenobenchError(
                f"trait {trait.name}: {len(y)} people, {C.shape[1] - 1} covariates and "
                f"{len(np.unique(y))} distinct values leave nothing to test"
            )
        mean = _logistic_mean(y, C) if self.binary else C @ (C.T @ y)
        self.weight = mean * (1 - mean) if self.binary else np.ones(len(y))
        self.residual = y - mean
        root = np.sqrt(self.weight)[:, None]
        # orthonormal basis of W^(1/2) C: projecting it out is one product per chunk
        self.basis = np.linalg.qr(root * C)[0]
        self.root = root[:, 0]
        self.test_of = ScoreTest(self.binary, self.degrees, float((self.residual**2).sum()))

    def test(
        self, genotypes: Genotypes, people: NDArray[np.int64] | slice = slice(None)
    ) -> Association:
        """Score test of each column; missing calls take the column's mean.

        Parameters
        ----------
        genotypes
            (N, m).
        people
            Rows that the trait is of, in its order; only these are looked at.
        """
        step = max(1, min(256, CHUNK_CELLS // max(len(self.residual), 1)))
        parts = [
            self._test(genotypes[:, start : start + step][people])
            for start in range(0, genotypes.shape[1], step)
        ]
        return concatenated(parts)

    def vectors(self) -> NDArray[np.float64]:
        """(c, n) whose products with dosages hold the test: residual, weighted basis, weight."""
        return np.vstack([self.residual, (self.root[:, None] * self.basis).T, self.weight])

    def _test(self, chunk: Genotypes) -> Association:
        dtype: Any = np.float32 if len(chunk) > PC_PEOPLE else np.float64  # for memory
        G = _centred(chunk, dtype)
        score = (G.T @ self.residual.astype(dtype)).astype(np.float64)
        G *= self.root.astype(dtype)[:, None]
        projected = (self.basis.astype(dtype).T @ G).astype(np.float64)
        total = np.einsum("ij,ij->j", G, G).astype(np.float64)
        return self.test_of.association(score, total, projected)


def principal_components(
    genotypes: Genotypes, count: int, *, most_variants: int = 1000
) -> NDArray[np.float64]:
    """Scores of people on the top principal components.

    Parameters
    ----------
    genotypes
        (n, m), best nearly independent; beyond ``most_variants`` every k-th SNP is used.
    count
        Components; fewer are returned when the SNPs hold fewer.

    Returns
    -------
    NDArray[np.float64]
        (n, count), each of unit variance.
    """
    some = np.ascontiguousarray(genotypes[:, :: max(1, -(-genotypes.shape[1] // most_variants))])
    sample = some[:: max(1, -(-len(some) // PC_PEOPLE))]
    mean, sd = called_moments(sample)
    X = scaled(sample, mean, sd)
    values, vectors = np.linalg.eigh(X.T @ X)  # SNP side: m x m, exact, small beside n
    order = np.argsort(values)[::-1][: min(count, X.shape[1])]
    loadings = vectors[:, order[values[order] > 1e-6 * max(values.max(initial=0.0), 1.0)]]
    scores = np.concatenate(
        [
            scaled(some[start : start + PC_PEOPLE], mean, sd) @ loadings
            for start in range(0, len(some), PC_PEOPLE)
        ]
    ).astype(np.float64)
    return np.asarray(scores / scores.std(axis=0))


def select(
    train_genotypes: Genotypes,
    variants: pd.DataFrame,
    association: Association,
    k: int,
    *,
    clump_r2: float | None = None,
    window_kb: float = 250.0,
) -> NDArray[np.int64]:
    """The ``k`` SNPs with the strongest association, in genome order.

    Parameters
    ----------
    train_genotypes
        (n, m) of the training people; used for LD when clumping.
    variants
        m rows.
    association
        Of the same training people, or of an external study.
    k
        SNPs wanted.
    clump_r2
        None: neighbours in LD stay. Otherwise each SNP taken drives out those within
        ``window_kb`` whose r2 with it is higher.

    Raises
    ------
    GenobenchError
        When fewer than ``k`` SNPs are there or survive clumping.
    """
    strength = np.abs(association.z)
    m = len(strength)
    if k < 1 or k > m:
        raise TooFewSnpsError(f"{k} SNPs were asked for, {m} are there: choose --snps of 1 to {m}")
    order = np.argsort(-strength, kind="stable")
    if clump_r2 is None:
        return np.sort(order[:k])
    candidates = np.sort(order[: CLUMP_CANDIDATES * k])
    kept = candidates[
        clump(
            train_genotypes[:, candidates],
            variants.iloc[candidates],
            strength[candidates],
            r2=clump_r2,
            window_kb=window_kb,
            most=k,
        )
    ]
    if len(kept) < k:
        raise TooFewSnpsError(
            f"{k} SNPs were asked for, {len(kept)} are left after clumping at r2 {clump_r2}: "
            "ask for fewer with --snps or clump less strictly"
        )
    return np.sort(kept)


def _design(n: int, covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Orthonormal basis (n, rank) of intercept and covariates."""
    columns = np.ones((n, 1))
    if covariates is not None and covariates.shape[1]:
        if len(covariates) != n:
            raise GenobenchError(f"{len(covariates)} rows of covariates for {n} people")
        C = covariates.astype(np.float64)
        C = C - C.mean(axis=0)
        sd = C.std(axis=0)
        columns = np.hstack([columns, C[:, sd > 0] / sd[sd > 0]])
    U, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(U[:, singular > 1e-8 * singular[0]])


def _logistic_mean(
    y: NDArray[np.float64], C: NDArray[np.float64], *, steps: int = 50
) -> NDArray[np.float64]:
    """Fitted probabilities of the logistic null model, by Newton's method."""
    coefficients = C.T @ np.full(len(y), np.log(y.mean() / (1 - y.mean())))
    for _ in range(steps):
        mean = 1 / (1 + np.exp(-np.clip(C @ coefficients, -30, 30)))
        weight = np.maximum(mean * (1 - mean), 1e-10)
        step = np.linalg.solve(C.T @ (weight[:, None] * C), C.T @ (y - mean))
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-9 * np.sqrt(len(y)):
            return np.asarray(1 / (1 + np.exp(-np.clip(C @ coefficients, -30, 30))))
    raise GenobenchError(
        "the covariates separate cases from controls: leave out the one that gives the trait away"
    )


def _centred(chunk: Genotypes, dtype: Any) -> NDArray[Any]:
    """Columns minus the mean of their called genotypes, missing as 0."""
    called = chunk != MISSING
    count = np.maximum(called.sum(axis=0), 1)
    mean = np.where(called, chunk, 0).sum(axis=0, dtype=np.int64) / count
    G = chunk.astype(dtype)
    G -= mean.astype(dtype)
    G[~called] = 0
    return G

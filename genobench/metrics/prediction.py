"""Predictors of a trait from genotypes, by which a source of training data is judged.

Several kinds of predictor, because one alone can be fooled: the marginal one sees allele
frequencies per class only, the joint linear one needs the LD (as does LDpred-inf, in `polygenic`),
the trees see interactions. Each is fitted on one source of people, with nothing tuned elsewhere,
and hands out scores for people of another.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import expit

from genobench.cohort import Genotypes, Labels
from genobench.metrics.moments import (
    LeftVectors,
    Moments,
    is_large,
    mean_and_variance,
    summed,
    times,
)

Floats = NDArray[np.float64]
Kind = Literal["binary", "quantitative"]
PENALTIES = np.geomspace(1e-3, 1e3, 25)  # of the ridge, per person and unit of variance
FOLDS = 5
DEPTHS = (1, 2, 3, 5)  # of trees, tried on the training source: 1 is additive
TRIED_ON = 20_000  # people are enough to choose a depth


def marginal_scores(train: Genotypes, labels: Labels, test: Genotypes) -> Floats:
    """Polygenic score from univariate effects, no adjustment for LD.

    Parameters
    ----------
    train, labels, test
        (n, m), (n,), (h, m).

    Returns
    -------
    (h,) sum over variants of the least-squares effect times the allele count; zeros when the labels
    do not vary.
    """
    y = labels.astype(np.float64) - labels.mean(dtype=np.float64)
    if is_large(train):
        variance, products = mean_and_variance(train)[1], summed(y, train)
    else:
        x = train.astype(np.float64)
        variance, products = (x**2).mean(0) - train.mean(0, dtype=np.float64) ** 2, y @ x
    found = np.zeros_like(variance)
    return times(test, np.divide(products / len(y), variance, out=found, where=variance > 1e-9))


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression of one set of people, decomposed once and fitted to any labels.

    The penalty minimises the leave-one-out squared error, which has a closed form (Golub, Heath and
    Wahba, Technometrics 1979). For a binary trait a logistic model is then fitted under the same
    penalty, scaled by p (1 - p), the weight of a person in the logistic likelihood.

    Attributes
    ----------
    mean, scale
        (m,) of the allele counts; variants that do not vary have scale inf and drop out.
    left, singular, right
        (n, r), (r,), (m, r): singular value decomposition of the standardised genotypes. Of many
        people the left vectors are made of the genotypes whenever they are needed.
    """

    mean: Floats
    scale: Floats
    left: Floats | LeftVectors
    singular: Floats
    right: Floats

    @classmethod
    def of(cls, genotypes: Genotypes) -> Ridge:
        """Decomposition of (n, m) genotypes; through whichever Gram matrix is the smaller."""
        if is_large(genotypes) and len(genotypes) >= genotypes.shape[1]:
            return cls._of_many(genotypes)
        mean = genotypes.mean(0, dtype=np.float64)
        scale: Floats = genotypes.std(0, dtype=np.float64)
        scale[scale < 1e-9] = math.inf
        x: Floats = (genotypes - mean) / scale
        n, m = x.shape
        values, vectors = eigh(x.T @ x if n >= m else x @ x.T)
        kept = values > max(values[-1], 1.0) * 1e-10
        singular = np.sqrt(values[kept])
        vectors = vectors[:, kept]
        other = (x @ vectors if n >= m else x.T @ vectors) / singular
        left, right = (other, vectors) if n >= m else (vectors, other)
        return cls(mean, scale, left, singular, right)

    @classmethod
    def _of_many(cls, genotypes: Genotypes) -> Ridge:
        """The same, never holding standardised genotypes."""
        moments = Moments.of(genotypes)
        values, vectors = eigh(moments.correlation * moments.n)
        kept = values > max(values[-1], 1.0) * 1e-10
        singular, right = np.sqrt(values[kept]), vectors[:, kept]
        left = LeftVectors(genotypes, moments.mean, right / singular * moments.inverse[:, None])
        scale = np.where(moments.inverse > 0, moments.deviation, math.inf)
        return cls(moments.mean, scale, left, singular, right)

    def fit(self, labels: Labels, kind: Kind) -> tuple[Floats, float]:
        """Effects (m,) of the standardised genotypes, and the intercept (a logit when binary)."""
        y = labels.astype(np.float64)
        average = float(y.mean())
        if self.singular.size == 0 or np.ptp(y) == 0:
            if kind == "binary":
                average = math.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
            return np.zeros(len(self.mean)), average
        penalty = self._penalty(y - average)
        if kind == "quantitative":
            shrunk = self.singular / (self.singular**2 + penalty)
            return self.right @ (shrunk * (self.left.T @ (y - average))), average
        weights, intercept = self._logistic(y, penalty * average * (1 - average))
        return self.right @ weights, intercept

    def predict(self, effects: Floats, intercept: float, genotypes: Genotypes) -> Floats:
        """(h,) linear predictor of (h, m) genotypes."""
        per_copy = effects / self.scale
        return times(genotypes, per_copy) + (intercept - self.mean @ per_copy)

    @cached_property
    def _shrinkage(self) -> tuple[Floats, Floats]:
        """(r, penalties) share of each component that stays, and (n, penalties) leverages."""
        squares = self.singular[:, None] ** 2
        kept = squares / (squares + PENALTIES * len(self.left))
        if isinstance(self.left, LeftVectors):
            return kept, self.left.squared_times(kept) + 1 / len(self.left)
        return kept, self.left**2 @ kept + 1 / len(self.left)

    def _penalty(self, y: Floats) -> float:
        """The one of `PENALTIES`, times n, with the least leave-one-out squared error."""
        kept, leverage = self._shrinkage
        fitted = self.left @ (kept * (self.left.T @ y)[:, None])
        errors = ((y[:, None] - fitted) / np.maximum(1 - leverage, 1e-6)) ** 2
        return float(PENALTIES[errors.mean(0).argmin()] * len(y))

    def _logistic(self, y: Floats, penalty: float) -> tuple[Floats, float]:
        """Penalised likelihood on the principal components, by L-BFGS.

        The Hessian is nearly diagonal there; dividing by its root makes ten steps enough.
        """
        p = y.mean()
        root = np.sqrt(p * (1 - p) * self.singular**2 + penalty)
        x = self.left * (self.singular / root)
        ridge = penalty / root**2

        def loss(theta: Floats) -> tuple[float, Floats]:
            eta = x @ theta[1:] + theta[0] / root0
            error = expit(eta) - y
            value = np.logaddexp(0, eta).sum() - y @ eta + (ridge * theta[1:] ** 2).sum() / 2
            slope = np.concatenate([[error.sum() / root0], x.T @ error + ridge * theta[1:]])
            return float(value), slope

        root0 = math.sqrt(len(y) * p * (1 - p))
        start = np.concatenate([[math.log(p / (1 - p)) * root0], np.zeros(len(root))])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
        return found[1:] / root, float(found[0] / root0)


def cross_fitted(
    genotypes: Genotypes, labels: Labels, kind: Kind, *, rng: np.random.Generator
) -> Floats:
    """Ridge predictions of people by the other people of the same source.

    Parameters
    ----------
    genotypes, labels
        (n, m), (n,).
    rng
        Deals the people into `FOLDS` folds.

    Returns
    -------
    (n,) linear predictor of each person, fitted without the person's fold.
    """
    fold = folds(labels, rng)
    scores = np.zeros(len(labels))
    for k in range(FOLDS):
        out, kept = fold == k, fold != k
        if out.any() and kept.any():
            ridge = Ridge.of(genotypes[kept])
            scores[out] = ridge.predict(*ridge.fit(labels[kept], kind), genotypes[out])
    return scores


def folds(labels: Labels, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) fold 0 to `FOLDS` - 1 of each person: of each run of people in label order one each.

    Folds are alike in their labels, whether these are classes or numbers; otherwise what a fold
    lacks the others have too much of, and predictions across folds would come out below chance.
    """
    n = len(labels)
    order = np.lexsort((rng.permutation(n), labels))
    dealt = rng.permuted(np.tile(np.arange(FOLDS), (-(-n // FOLDS), 1)), axis=1)
    fold = np.empty(n, dtype=np.int64)
    fold[order] = dealt.ravel()[:n]
    return fold


def tree_scores(
    train: Genotypes, labels: Labels, test: Genotypes, *, kind: Kind, seed: int
) -> Floats:
    """Gradient-boosted trees; depth and number chosen on a fifth of the training source itself.

    Each of `DEPTHS` is tried on (at most `TRIED_ON` of) the people of the source, and the one with
    the least loss in the held fifth is grown on all others until that loss no longer falls.

    Parameters
    ----------
    train, labels, test
        (n, m), (n,), (h, m).
    kind
        Logistic or squared-error loss.
    seed
        Of the inner split (stratified by label) and of the column sampling.

    Returns
    -------
    (h,) margin; zeros when the labels leave nothing to learn or to stop on.
    """
    rng = np.random.default_rng(seed)
    held = _inner(labels, kind, rng)
    if not held.any() or any(np.ptp(part) == 0 for part in (labels[held], labels[~held])):
        return np.zeros(len(test))
    tried = np.arange(len(labels))
    if len(tried) > TRIED_ON:
        tried = np.sort(rng.choice(tried, TRIED_ON, replace=False))
    matrices = _matrices(train[tried], labels[tried], held[tried])
    models = [_boosted(matrices, kind, depth, seed) for depth in DEPTHS]
    losses = [float(model.best_score) for model in models]
    model = models[int(np.argmin(losses))]
    if len(tried) < len(labels):
        depth = DEPTHS[int(np.argmin(losses))]
        model = _boosted(_matrices(train, labels, held), kind, depth, seed)
    margin = model.inplace_predict(
        test,
        iteration_range=(0, model.best_iteration + 1),
        predict_type="margin",
    )
    return np.asarray(margin, np.float64)


def _matrices(train: Genotypes, labels: Labels, held: NDArray[np.bool_]) -> tuple[Any, Any]:
    """What trees are grown on, and the held people."""
    import xgboost

    matrices: list[Any] = []
    for rows in (~held, held):
        ref = matrices[0] if matrices else None
        matrices.append(
            xgboost.QuantileDMatrix(
                train[rows], labels[rows], max_bin=4, ref=ref, nthread=_threads()
            )
        )
    return matrices[0], matrices[1]


def _boosted(matrices: tuple[Any, Any], kind: Kind, depth: int, seed: int) -> Any:
    """Trees of one depth, as many as lower the loss of the held people."""
    import xgboost

    settings = {
        "objective": "binary:logistic" if kind == "binary" else "reg:squarederror",
        "eval_metric": "logloss" if kind == "binary" else "rmse",
        "tree_method": "hist",
        "max_bin": 4,  # a genotype has three values
        "max_depth": depth,
        "eta": 0.1,
        "subsample": 0.8,
        "colsample_bytree": 0.5,
        "min_child_weight": 5,
        "seed": seed % 2**31,
        "nthread": _threads(),
    }
    return xgboost.train(
        settings,
        matrices[0],
        num_boost_round=400,
        evals=[(matrices[1], "held")],
        early_stopping_rounds=20,
        verbose_eval=False,
    )


def _inner(labels: Labels, kind: Kind, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Every fifth person in label order (binary: in random order within a class) is held."""
    n = len(labels)
    order = np.lexsort((rng.permutation(n), labels if kind == "binary" else np.zeros(n)))
    held = np.zeros(n, bool)
    held[order[2::5]] = True
    return held


def _threads() -> int:
    """CPU threads the harness gave this process."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1").split(",")[0]))

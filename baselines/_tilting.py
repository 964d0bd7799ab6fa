"""Exponential tilting: a base model's people reweighted until they are like real people.

p(x | y) is proportional to q(x | y) exp f(x, y), where q is the base model and f a sum of boosted
trees (told real people from drawn ones, round by round, by their dosages, their label and how
familiar they look: `_familiarity`) and of a linear part (makes allele
frequencies, and their regression on the label, those of the training people). A person of label y
is drawn by sampling importance resampling (Rubin 1987): one of several candidates from q(. | y),
with probability in proportion to exp f. Fitting works on the same candidates, so that what is
fitted is what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes, Labels

from ._boosted_trees import Trees
from ._familiarity import Familiarity

Floats = NDArray[np.float64]
Array = NDArray[np.float32]
NEGATIVES = 4  # drawn people per real person in a round of trees
LEAST_GAIN = 2e-3  # nats per held-out person below log 2 that a round of trees must win
BLOCK = 8192  # rows held as floats at once
OFTEN = 20.0  # times that a tree is offered how familiar people look, for a dosage once


@dataclass(frozen=True)
class Tilt:
    """f(x, y), the log of how much likelier real people are than the base model's.

    Attributes
    ----------
    trees
        On the m dosages and what stands `beside` them.
    familiarity
        How familiar people look; None where trees do not ask.
    weights
        (2, m) of the standardised dosage, and of its product with the standardised label.
    centre, scale
        (m + 1,) mean and standard deviation of the training people's dosages and label.
    """

    trees: Trees
    familiarity: Familiarity | None
    weights: Floats
    centre: Floats
    scale: Floats

    def __call__(self, genotypes: Genotypes, labels: Labels) -> Floats:
        """(k,) values of f for people (k, m) with labels (k,)."""
        return self.trees(genotypes, self.beside(genotypes, labels)) + self.linear(
            genotypes, labels
        )

    def beside(self, genotypes: Genotypes, labels: Labels, *, own: bool = False) -> Array:
        """(k, e) float32: the standardised label, and how familiar people look.

        ``own``: they are of the crowd.
        """
        columns = [self.label(labels).astype(np.float32)]
        if self.familiarity is not None:
            columns.append(self.familiarity(genotypes, own=own))
        return np.stack(columns, axis=1)

    def linear(self, genotypes: Genotypes, labels: Labels) -> Floats:
        """(k,) of the linear part alone."""
        y = self.label(labels)
        parts = [
            self._linear(genotypes[i : i + BLOCK], y[i : i + BLOCK])
            for i in range(0, len(genotypes), BLOCK)
        ]
        return np.concatenate([np.empty(0), *parts])

    def label(self, labels: Labels) -> Floats:
        """(k,) standardised labels."""
        return np.asarray((labels - self.centre[-1]) / self.scale[-1])

    def _linear(self, genotypes: Genotypes, y: Floats) -> Floats:
        per_dosage = self.weights / self.scale[:-1]  # (2, m)
        both = genotypes.astype(np.float32) @ per_dosage.T.astype(np.float32)  # (k, 2)
        both = both - per_dosage @ self.centre[:-1]
        return np.asarray(both[:, 0] + y * both[:, 1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        named = {"weights": self.weights, "centre": self.centre, "scale": self.scale}
        named = {f"tilt.{k}": v for k, v in named.items()}
        familiarity = self.familiarity.arrays() if self.familiarity is not None else {}
        return {**self.trees.arrays(), **familiarity, **named}

    @classmethod
    def of_arrays(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        named = {k: np.array(state[f"tilt.{k}"]) for k in ("weights", "centre", "scale")}
        asked = "windows.keys" in state
        familiarity = Familiarity.of_arrays(state) if asked else None
        return cls(Trees.of_arrays(state), familiarity, **named)


@dataclass
class Candidates:
    """People drawn from the base model for each of some real people's labels.

    Attributes
    ----------
    real
        (n, m) the real people.
    labels
        (n,) theirs.
    drawn
        (n, c, m) candidates.
    f
        (n, c) the tilt of each, as far as it is known.
    beside, drawn_beside
        (n, e) and (n, c, e): what trees see beside dosages; nothing until `look`.
    """

    real: Genotypes
    labels: Labels
    drawn: Genotypes
    f: Floats
    beside: Array = field(default_factory=lambda: np.empty((0, 0), np.float32))
    drawn_beside: Array = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))

    @classmethod
    def of(cls, real: Genotypes, labels: Labels, drawn: Genotypes) -> Self:
        """None of the candidates preferred."""
        return cls(real, labels, drawn, np.zeros(drawn.shape[:2]))

    def look(self, tilt: Tilt, *, own: bool = False) -> None:
        """Note what stands beside the dosages; ``own``: the real people are of the crowd."""
        n, c, m = self.drawn.shape
        self.beside = tilt.beside(self.real, self.labels, own=own)
        rows = self.drawn.reshape(-1, m)
        self.drawn_beside = tilt.beside(rows, np.repeat(self.labels, c)).reshape(n, c, -1)

    def pick(self, times: int, rng: np.random.Generator) -> tuple[Genotypes, Array]:
        """(times n, m) candidates in proportion to exp f, and what stands beside their dosages."""
        rows = np.arange(len(self.real))
        columns = [chosen(self.f, rng) for _ in range(times)]
        return (
            np.concatenate([self.drawn[rows, c] for c in columns]),
            np.concatenate([self.drawn_beside[rows, c] for c in columns]),
        )

    def rows(self) -> tuple[Genotypes, Array, Labels]:
        """(n c, m) all candidates, what stands beside their dosages, and their labels."""
        n, c, m = self.drawn.shape
        beside = self.drawn_beside.reshape(n * c, -1)
        return self.drawn.reshape(n * c, m), beside, np.repeat(self.labels, c)

    def add(self, more: Floats) -> None:
        """Add to f, candidate by candidate."""
        self.f = self.f + more.reshape(self.f.shape)

    def effective(self) -> float:
        """Mean over people of the effective number of candidates."""
        p = np.exp(self.f - self.f.max(axis=1, keepdims=True))
        return float((p.sum(axis=1) ** 2 / (p**2).sum(axis=1)).mean())


def chosen(f: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) one column of (n, c) log weights per row, in proportion to their exponentials."""
    return np.asarray((f + rng.gumbel(size=f.shape)).argmax(axis=1))


def fit(
    train: Candidates,
    held_out: Candidates,
    *,
    familiarity: Familiarity | None = None,  # of people in a crowd; None: trees do not ask
    among: bool = False,  # the training people are of that crowd
    rounds: int = 8,  # of trees
    trees: int = 200,  # most per round
    depth: int = 3,
    eta: float = 0.1,  # learning rate within a round
    rate: float = 0.7,  # share of a round's log ratio that is taken
    ridge: float = 1.0,  # noise granted to the training moments, over their sampling variance
    rng: np.random.Generator,
    threads: int = 1,
    deadline: float = np.inf,  # reading of time.monotonic()
    report: Callable[[Mapping[str, float]], None] = lambda _: None,
) -> Tilt:
    """The tilt that makes candidates like the real people; its ``f`` is left in both sets.

    Trees of a round are as many as held-out people bear out, and rounds end when they win less
    than `LEAST_GAIN`.
    """
    joint = np.column_stack([train.real, train.labels]).astype(np.float64)
    scale = joint.std(axis=0)
    tilt = Tilt(
        Trees.none(),
        familiarity,
        np.zeros((2, train.real.shape[1])),
        joint.mean(axis=0),
        np.where(scale > 0, scale, 1.0),
    )
    if monotonic() < deadline:
        train.look(tilt, own=among)
        held_out.look(tilt)
    parts: list[Trees] = []
    for number in range(rounds):
        if monotonic() > deadline:
            break
        found, gain = _round(
            train, held_out, trees=trees, depth=depth, eta=eta, rate=rate, rng=rng,
            threads=threads, deadline=deadline,
        )  # fmt: skip
        report({"round": number, "gain": gain, "effective": train.effective()})
        if gain < LEAST_GAIN:
            break
        parts.append(found)
        for people in (train, held_out):
            rows, beside, _ = people.rows()
            people.add(found(rows, beside))
    tilt = replace(tilt, trees=Trees.joined(parts))
    if monotonic() < deadline:
        linear = _linear_part(tilt, train, ridge=ridge)
        for people in (train, held_out):
            rows, _, labels = people.rows()
            people.add(linear.linear(rows, labels))
        tilt = linear
    report({"effective": train.effective()})
    return tilt


def _round(
    train: Candidates,
    held_out: Candidates,
    *,
    trees: int,
    depth: int,
    eta: float,
    rate: float,
    rng: np.random.Generator,
    threads: int,
    deadline: float,
) -> tuple[Trees, float]:
    """Trees that tell real people from picked ones, and their gain on held-out people in nats."""
    import xgboost as xgb

    class InTime(xgb.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, *_: object) -> bool:
            return monotonic() > deadline

    settings = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_bin": 16 if train.beside.shape[1] == 1 else 64,
        "max_depth": depth,
        "eta": eta,
        "subsample": 0.6,
        "colsample_bytree": 0.6,
        "min_child_weight": 8.0,
        "lambda": 5.0,
        "nthread": threads,
        "seed": int(rng.integers(2**31)),
        "base_score": 0.5,
        "verbosity": 0,
    }
    seen: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        settings,
        _matrix(train, rng),
        num_boost_round=trees,
        evals=[(_matrix(held_out, rng), "held_out")],
        evals_result=seen,
        early_stopping_rounds=15,
        verbose_eval=False,
        callbacks=[InTime()],
    )
    losses = np.array(seen["held_out"]["logloss"])  # of one tree, where time is over at once
    count = int(losses.argmin()) + 1
    return Trees.of(booster, count, depth, rate), float(np.log(2) - losses.min())


def _matrix(people: Candidates, rng: np.random.Generator) -> Any:
    """Real people (1) and picked candidates (0), of equal weight."""
    import xgboost as xgb

    picked, beside = people.pick(NEGATIVES, rng)
    n, m = people.real.shape
    x = np.concatenate([people.real, picked]).astype(np.float32)
    x = np.column_stack([x, np.concatenate([people.beside, beside])])
    real = np.arange(len(x)) < n
    weight = np.where(real, 1.0, 1.0 / NEGATIVES)
    data = xgb.DMatrix(x, real.astype(np.float32), weight=weight)
    if x.shape[1] > m + 1:
        data.set_info(feature_weights=np.where(np.arange(x.shape[1]) <= m, 1.0, OFTEN))
    return data


def _linear_part(tilt: Tilt, people: Candidates, *, ridge: float) -> Tilt:
    """The linear part that gives the picked candidates the real people's moments.

    Maximum likelihood of the real people's moments under the choice among each one's candidates
    (a conditional logit); at the optimum picked candidates have the mean dosages, and the mean
    products with the label, of the real people, as nearly as their own noise (``ridge``) says.
    """
    from scipy.optimize import minimize

    n, c, m = people.drawn.shape
    y = tilt.label(people.labels)
    wanted = _features(tilt, people.real, y).mean(axis=0)
    give = ridge / n

    def objective(weights: Floats) -> tuple[float, Floats]:
        now = replace(tilt, weights=weights.reshape(2, m))
        value, gradient = 0.0, np.zeros(2 * m)
        for start in range(0, n, max(1, BLOCK // c)):
            some = slice(start, start + max(1, BLOCK // c))
            rows, labels = people.drawn[some].reshape(-1, m), np.repeat(people.labels[some], c)
            f = people.f[some] + now.linear(rows, labels).reshape(-1, c)
            peak = f.max(axis=1, keepdims=True)
            e = np.exp(f - peak)
            total = e.sum(axis=1, keepdims=True)
            value += float((np.log(total) + peak).sum())
            p = (e / total).ravel().astype(np.float32)
            both = np.stack([p, p * np.repeat(y[some], c).astype(np.float32)])  # (2, k)
            sums = both @ rows.astype(np.float32)  # (2, m)
            sums = (sums - both.sum(axis=1)[:, None] * tilt.centre[:-1]) / tilt.scale[:-1]
            gradient += sums.ravel()
        penalty = 0.5 * give * float(weights @ weights)
        return value / n - weights @ wanted + penalty, gradient / n - wanted + give * weights

    found = minimize(
        objective, np.zeros(2 * m), jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    return replace(tilt, weights=np.asarray(found.x).reshape(2, m))


def _features(tilt: Tilt, genotypes: Genotypes, y: Floats) -> Floats:
    """(n, 2 m) standardised dosages, and their products with the standardised label."""
    x = (genotypes - tilt.centre[:-1]) / tilt.scale[:-1]
    return np.concatenate([x, x * y[:, None]], axis=1)

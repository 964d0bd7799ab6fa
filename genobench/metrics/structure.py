"""Principal components fitted on real people: where do synthetic people fall?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Z95, Interval
from genobench.metrics.moments import Moments, is_large, people_blocks

Scores = NDArray[np.float64]  # (n, components)


@dataclass(frozen=True)
class Axes:
    """Directions in genotype space, learned from some real people.

    Attributes
    ----------
    mean, scale
        (m,) float32 by which dosages are standardised (scale 1 where a SNP is constant).
    components
        (m, k) float32, orthonormal, the largest variance first.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    components: NDArray[np.float32]

    def leading(self, count: int) -> Axes:
        """The first ``count`` axes only."""
        return Axes(self.mean, self.scale, self.components[:, :count])


def fit_axes(genotypes: Genotypes, *, components: int = 10) -> Axes:
    """Leading principal components of standardised dosages.

    Signs are fixed (largest loading positive). Fewer axes come back when the people span fewer.

    Parameters
    ----------
    genotypes
        (n, m) int8 without missing calls, n >= 3.
    components
        How many axes are wanted.

    Raises
    ------
    GenobenchError
        When nobody differs from anybody.
    """
    checked(genotypes, name="real", at_least=3)
    if is_large(genotypes) and len(genotypes) >= genotypes.shape[1]:
        moments = Moments.of(genotypes)
        values, vectors = np.linalg.eigh(moments.correlation * moments.n)
        keep = _leading(values, components)
        deviation = np.where(moments.inverse > 0, moments.deviation, 1).astype(np.float32)
        return Axes(moments.mean.astype(np.float32), deviation, _signed(vectors[:, keep]))
    mean = genotypes.mean(axis=0, dtype=np.float32)
    scale = genotypes.std(axis=0, dtype=np.float32)
    constant = genotypes.min(axis=0) == genotypes.max(axis=0)
    scale[constant] = 1
    z = (genotypes - mean) / scale
    z[:, constant] = 0
    n, m = z.shape
    values, vectors = np.linalg.eigh((z @ z.T if n < m else z.T @ z).astype(np.float64))
    keep = _leading(values, components)
    loadings = z.T @ vectors[:, keep] / np.sqrt(values[keep]) if n < m else vectors[:, keep]
    return Axes(mean, scale, _signed(loadings))


def project(genotypes: Genotypes, axes: Axes) -> Scores:
    """(n, k) scores of people on the axes."""
    checked(genotypes, name="these")
    if genotypes.shape[1] != len(axes.mean):
        raise GenobenchError(f"{genotypes.shape[1]} variants, but axes of {len(axes.mean)}")
    scores = np.empty((len(genotypes), axes.components.shape[1]))
    for rows in people_blocks(genotypes) if is_large(genotypes) else [slice(None)]:
        z = (genotypes[rows] - axes.mean) / axes.scale
        scores[rows] = z @ axes.components
    return scores


def _leading(values: NDArray[Any], components: int) -> NDArray[np.int64]:
    """The largest eigenvalues, at most ``components`` and only such as are above 0."""
    keep: NDArray[np.int64] = np.argsort(values)[::-1][:components]
    keep = keep[values[keep] > 1e-6 * max(values.max(), 1e-30)]
    if len(keep) == 0:
        raise GenobenchError("real genotypes: all people are identical, there is no structure")
    return keep


def _signed(loadings: NDArray[Any]) -> NDArray[np.float32]:
    """(m, k) in float32, the largest loading of each axis positive."""
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    # in C order, as it comes back from disk: products then agree to the last bit
    return np.ascontiguousarray(loadings * np.sign(largest), dtype=np.float32)


def sliced_wasserstein(
    synthetic: Scores, real: Scores, *, rng: np.random.Generator, directions: int = 64
) -> float:
    """Mean 1-Wasserstein distance of the two clouds along random directions.

    In units of the real scores' root mean variance, so that an axis weighs as much as it varies.
    Both clouds need the same number of people: the distance between finite samples is not 0 and
    falls with their size.

    References
    ----------
    Bonneel 2015, Journal of Mathematical Imaging and Vision 51:22.
    """
    _same_axes(synthetic, real)
    if len(synthetic) != len(real):
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {len(real)}")
    unit = np.sqrt(real.var(axis=0).mean())
    if not unit > 0:
        raise GenobenchError("real scores do not vary")
    angles = rng.normal(size=(real.shape[1], directions))
    angles /= np.linalg.norm(angles, axis=0)
    one, two = (np.sort(cloud @ angles, axis=0) for cloud in (synthetic, real))
    return float(np.abs(one - two).mean() / unit)


def variance_ratio(synthetic: Scores, real: Scores) -> float:
    """Geometric mean over axes of synthetic variance divided by real variance.

    1 as much structure on every axis, 0 when one axis has none left.
    """
    _same_axes(synthetic, real)
    variances = [cloud.var(axis=0, ddof=1) for cloud in (synthetic, real)]
    if not (variances[1] > 0).all():
        raise GenobenchError("real scores do not vary on every axis")
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(variances[0] / variances[1]).mean()))


def bootstrap(
    statistic: Any,
    synthetic: list[Scores],
    real: list[Scores],
    *,
    rng: np.random.Generator,
    repeats: int = 100,
    log: bool = False,
) -> Interval:
    """Mean of a statistic over pairs of clouds, with an interval from redrawing their people.

    The spread over redrawn people is put around the value as it was measured (1.96 standard
    deviations), since distances between redrawn clouds are larger than between the clouds.

    Parameters
    ----------
    statistic
        (synthetic scores, real scores) -> float.
    synthetic, real
        Clouds, pairwise on the same axes.
    rng
        Redraws people.
    repeats
        How often.
    log
        Build the interval on the log scale, for ratios.
    """

    def mean(one: list[Scores], two: list[Scores]) -> float:
        return float(np.mean([statistic(a, b) for a, b in zip(one, two, strict=True)]))

    value = mean(synthetic, real)
    if log and value <= 0:
        return Interval(value)
    drawn = np.array([mean(_redrawn(synthetic, rng), _redrawn(real, rng)) for _ in range(repeats)])
    if not log:
        error = float(drawn.std(ddof=1))
        return Interval(value, max(0.0, value - Z95 * error), value + Z95 * error)
    factor = float(np.exp(Z95 * np.log(np.maximum(drawn, 1e-12)).std(ddof=1)))
    return Interval(value, value / factor, value * factor)


def _redrawn(clouds: list[Scores], rng: np.random.Generator) -> list[Scores]:
    return [c[rng.integers(0, len(c), len(c))] for c in clouds]


def _same_axes(synthetic: Scores, real: Scores) -> None:
    if synthetic.ndim != 2 or real.ndim != 2 or synthetic.shape[1] != real.shape[1]:
        raise GenobenchError(f"scores on different axes: {synthetic.shape} and {real.shape}")
    if min(len(synthetic), len(real)) < 2:
        raise GenobenchError("scores: at least 2 people on each side are needed")

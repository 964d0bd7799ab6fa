"""A trait simulated on real genotypes, so that the true effect of every variant is known.

An additive model as GCTA simulates it (Yang 2011, AJHG 88:76): causal variants drawn at random,
effects normal per standard deviation of the dosage, so that rarer alleles have the larger ones. A
binary trait is the liability above a threshold (Falconer 1965, Annals of Human Genetics 29:51).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genobench.cohort import Genotypes, Trait
    from genobench.data.source import Source

NAME = "simulated"
EXAMPLE = "h2=0.5,causal=20,seed=1"
SPARE = 4  # variants looked at per causal one wanted: rare and badly called ones do not qualify
LEAST_MAF = 0.01
LEAST_CALLED = 0.95
CELLS = 2**24  # dosages held at a time: 128 MiB


@dataclass(frozen=True)
class SimulatedTrait:
    """What to simulate.

    Attributes
    ----------
    h2
        Share of the variance of the trait, or of the liability, that the causal variants make.
    causal
        Number of causal variants.
    seed
        Draws variants, effects and noise.
    prevalence
        Share of cases; None: the trait is quantitative.
    """

    h2: float = 0.5
    causal: int = 20
    seed: int = 0
    prevalence: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.h2 <= 1:
            raise GenobenchError(f"simulated trait: h2={self.h2} must lie between 0 and 1")
        if self.causal < 1 or self.seed < 0:
            raise GenobenchError("simulated trait: causal is at least 1, seed at least 0")
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise GenobenchError(
                f"simulated trait: prevalence={self.prevalence} must lie between 0 and 1"
            )

    @classmethod
    def parse(cls, text: str) -> SimulatedTrait:
        """Specification in words such as ``h2=0.5,causal=20,seed=1,prevalence=0.3``.

        Raises
        ------
        GenobenchError
            Naming the part that is no setting, or no number.
        """
        given: dict[str, Any] = {}
        known = [f.name for f in fields(cls)]
        for part in text.split(","):
            name, _, value = (word.strip() for word in part.partition("="))
            if name not in known or name in given:
                raise GenobenchError(
                    f"simulated trait: {part.strip()!r}; settings are {', '.join(known)}, each "
                    f"once: {EXAMPLE}"
                )
            try:
                given[name] = int(value) if name in ("causal", "seed") else float(value)
            except ValueError as error:
                raise GenobenchError(f"simulated trait: {part.strip()!r} is no number") from error
        return cls(**given)

    @classmethod
    def named(cls, trait: str | None) -> SimulatedTrait | None:
        """Specification in the name of a trait, as `name` writes it; None for any other trait."""
        match = re.fullmatch(rf"{NAME}\((.*)\)", trait or "")
        return cls.parse(match[1]) if match else None

    @property
    def name(self) -> str:
        """Name of the trait: the whole specification, in one way of writing."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        words = [f"{k}={v:g}" for k, v in given.items() if v is not None]
        return f"{NAME}({','.join(words)})"


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a trait because somebody made it.

    Attributes
    ----------
    beta
        (m,) true effect per copy of the counted allele, 0 where a variant is not causal; in
        standard deviations of the trait or of its liability.
    genetic
        (n,) genetic value of each person.
    """

    beta: NDArray[np.float64]
    genetic: NDArray[np.float64]


def simulate_trait(spec: SimulatedTrait, source: Source) -> tuple[Trait, Truth]:
    """Trait of everybody in ``source``, and the truth about it.

    Raises
    ------
    GenobenchError
        When there are not as many common, well-called variants as causal ones are wanted.
    """
    import numpy as np

    from genobench.cohort import Trait
    from genobench.seeds import rng

    draw = rng(spec.seed, "simulated trait")
    n, m = len(source.samples), len(source.variants)
    tried = draw.permutation(m)[: max(SPARE * spec.causal, 100)]
    columns = np.sort(tried)
    genotypes = source.read(np.arange(n), columns).genotypes
    dosage, sound = _dosages(genotypes)
    sound = sound[np.searchsorted(columns, tried)]
    causal = tried[sound][: spec.causal]
    if len(causal) < spec.causal:
        raise GenobenchError(
            f"simulated trait: {int(sound.sum())} of {len(tried)} variants looked at are common "
            f"and well called, fewer than causal={spec.causal}: ask for fewer"
        )
    x = dosage[:, np.searchsorted(columns, causal)]
    effects = draw.normal(size=len(causal)) / x.std(axis=0)
    genetic = (x - x.mean(axis=0)) @ effects
    scale = np.sqrt(spec.h2) / genetic.std()
    liability = scale * genetic + draw.normal(scale=np.sqrt(1 - spec.h2), size=n)
    beta = np.zeros(m)
    beta[causal] = scale * effects
    if spec.prevalence is None:
        trait = Trait(spec.name, "quantitative", liability.astype(np.float32))
    else:
        case = liability > np.quantile(liability, 1 - spec.prevalence)
        trait = Trait(spec.name, "binary", case.astype(np.float32))
    return trait, Truth(beta, scale * genetic)


def embedded_truth(source: Source) -> Truth | None:
    """Truth of a cohort that carries it: the column ``beta`` of its variants; None without one."""
    import numpy as np

    if "beta" not in source.variants:
        return None
    beta = source.variants["beta"].to_numpy(np.float64)
    causal = np.flatnonzero(beta)
    x, _ = _dosages(source.read(np.arange(len(source.samples)), causal).genotypes)
    return Truth(beta, (x - x.mean(axis=0)) @ beta[causal])


def marginal_effects(
    genotypes: Genotypes, columns: NDArray[np.int64], genetic: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Slope of the genetic value on single variants: their own effect and what they tag.

    What a regression of the trait on one variant at a time estimates, without its noise. Missing
    calls count as the variant's mean; 0 where a variant does not vary.

    Parameters
    ----------
    genotypes
        (n, m).
    columns
        (k,) the variants wanted.
    genetic
        (n,) of the same people.

    Returns
    -------
    (k,) per copy of the counted allele.
    """
    import numpy as np

    slopes = np.zeros(len(columns))
    centred = genetic - genetic.mean()
    step = max(1, CELLS // max(len(genetic), 1))
    for first in range(0, len(columns), step):
        some = slice(first, first + step)
        x, _ = _dosages(genotypes[:, columns[some]])
        x -= x.mean(axis=0)
        variance = np.einsum("ij,ij->j", x, x)
        slopes[some] = np.divide(
            centred @ x, variance, out=np.zeros(x.shape[1]), where=variance > 1e-9
        )
    return slopes


def _dosages(genotypes: Genotypes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Dosages (n, m), a missing call as the variant's mean; and which are common and called."""
    import numpy as np

    from genobench.cohort import MISSING

    called = genotypes != MISSING
    count = np.maximum(called.sum(axis=0), 1)
    mean = np.where(called, genotypes, 0).sum(axis=0, dtype=np.float64) / count
    x = np.where(called, genotypes, mean)
    sound = (np.minimum(mean, 2 - mean) / 2 >= LEAST_MAF) & (called.mean(axis=0) >= LEAST_CALLED)
    return x, sound & (x.std(axis=0) > 0)

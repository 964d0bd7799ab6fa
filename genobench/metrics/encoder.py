"""One fixed encoder, trained on real people by the harness: the space of FReD.

No entrant takes part in making it, so that nobody is measured by a ruler of their own. It is a
denoising autoencoder: from genotypes of which some are hidden it gives back all of them, which
needs LD and structure. Its code is then what of a person is explained by other SNPs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked

Weights = NDArray[np.float32]

HIDDEN, CODE = 96, 32
HIDE = 0.3  # share of genotypes that are hidden
BATCH = 128
EPOCHS = 100  # at most: few SNPs are learnt long before all visits are made


@dataclass(frozen=True, eq=False)
class Encoder:
    """Standardise, two layers of tanh: (n, m) genotypes to (n, CODE).

    Attributes
    ----------
    mean, scale
        (m,) of the people it was trained on; scale 1 where a SNP is constant.
    first, first_bias, second, second_bias
        (m, HIDDEN), (HIDDEN,), (HIDDEN, CODE), (CODE,).
    """

    mean: Weights
    scale: Weights
    first: Weights
    first_bias: Weights
    second: Weights
    second_bias: Weights

    def __call__(self, genotypes: Genotypes) -> NDArray[np.float64]:
        """(n, CODE) codes of people."""
        checked(genotypes, name="these")
        if genotypes.shape[1] != len(self.mean):
            raise GenobenchError(
                f"{genotypes.shape[1]} variants, but an encoder of {len(self.mean)}"
            )
        hidden = np.tanh(((genotypes - self.mean) / self.scale) @ self.first + self.first_bias)
        codes: NDArray[np.float64] = np.tanh(hidden @ self.second + self.second_bias).astype(float)
        return codes


def train_encoder(genotypes: Genotypes, *, seed: int, visits: float) -> Encoder:
    """Train on real people; the same seed gives the same weights on one machine.

    Squared error of standardised dosages, Adam; in every epoch other genotypes are hidden, i.e.
    replaced by their mean.

    Parameters
    ----------
    genotypes
        (n, m) int8 without missing calls.
    seed
        Of weights, order and what is hidden.
    visits
        Genotypes seen in all epochs together, `EPOCHS` of them at most; it bounds the time.

    References
    ----------
    Vincent 2008, ICML, "Extracting and composing robust features with denoising autoencoders".
    """
    from sklearn.neural_network import MLPRegressor

    checked(genotypes, name="real", at_least=2)
    mean = genotypes.mean(axis=0, dtype=np.float32)
    scale = genotypes.std(axis=0, dtype=np.float32)
    scale[genotypes.min(axis=0) == genotypes.max(axis=0)] = 1
    z = (genotypes - mean) / scale
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN, CODE, HIDDEN),
        activation="tanh",
        batch_size=min(BATCH, len(z)),
        learning_rate_init=2e-3,
        random_state=seed % 2**32,
    )
    rng = np.random.default_rng(seed)
    for _ in range(int(np.clip(visits / z.size, 1, EPOCHS))):
        shown = rng.random(z.shape, dtype=np.float32) >= HIDE
        network.partial_fit(z * shown, z if z.shape[1] > 1 else z.ravel())
    weights = [w.astype(np.float32) for w in (*network.coefs_[:2], *network.intercepts_[:2])]
    return Encoder(mean, scale, weights[0], weights[2], weights[1], weights[3])

"""Membership by the flip of a coin: the split of a one-run privacy audit.

The ordinary split fixes how many people are trained on, so that one person's membership says
something of the next; an audit in one run needs independent flips (Steinke et al., NeurIPS 2023).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError
from genobench.seeds import rng

if TYPE_CHECKING:
    from genobench.data.split import Split

COIN = "coin"  # column of the samples: heads in training, tails in test, nothing elsewhere


def audit_split(families: NDArray[Any], *, seed: int) -> NDArray[np.bool_]:
    """Who of the candidates is trained on: one fair coin per family.

    Parameters
    ----------
    families
        (n,) family of each candidate; whoever has no relatives is one of his own. Relatives share a
        coin, since the genotypes of one tell of the other's.
    seed
        Equal seeds give equal flips.

    Returns
    -------
    (n,) true for those in training.

    Raises
    ------
    GenobenchError
        On fewer than two families, or (once in 2^(families - 1) seeds) when nobody or everybody is
        in.
    """
    names, family = np.unique(np.asarray(families), return_inverse=True)
    coins = rng(seed, "audit").random(names.size) < 0.5
    included: NDArray[np.bool_] = coins[family.ravel()]
    if not included.any() or included.all():
        raise GenobenchError(
            f"audit: {names.size} families, all on one side of the split; an audit needs more"
        )
    return included


def marked(split: Split) -> Split:
    """The same people, with a column that says how their coins fell: what makes it an audit."""
    sides = {"train": "heads", "test": "tails", "validation": "", "control": ""}
    parts = {name: getattr(split, name) for name in sides}
    return replace(
        split,
        **{
            name: replace(part, samples=part.samples.assign(**{COIN: sides[name]}))
            for name, part in parts.items()
        },
    )


def is_audit(split: Split) -> bool:
    """Whether coins decided who was trained on."""
    return COIN in split.train.samples and COIN in split.test.samples

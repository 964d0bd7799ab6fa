"""How familiar people look: how many people of a crowd share their stretches of genotypes.

Trees on single dosages would have to find piece by piece that a stretch is unlikely; its count says
so at once. Nobody is compared with themselves: who is of the crowd is left out of their own counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

WIDTH = 16  # SNPs of a window; 3 ** 39 is the last that an int64 holds
BLOCK = 8192  # people looked at together
UNSEEN = 0.5  # added to counts, whose logarithm is taken


@dataclass(frozen=True)
class Familiarity:
    """How many people of a crowd have each genotype of each window of `WIDTH` SNPs.

    Attributes
    ----------
    keys
        (C,) int64 ascending, window and genotype in one number.
    counts
        (C,) int32 people.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int32]

    @classmethod
    def of(cls, crowd: Genotypes) -> Self:
        """Counted in ``crowd`` (p, m), p >= 1; the last window may be shorter."""
        keys, counts = np.unique(_keys(crowd), return_counts=True)
        return cls(keys, counts.astype(np.int32))

    def __call__(self, people: Genotypes, *, own: bool = False) -> NDArray[np.float32]:
        """(k,) mean over windows of the log count of what people (k, m) have there.

        ``own``: they are of the crowd.
        """
        found = np.empty(len(people), dtype=np.float32)
        for start in range(0, len(people), BLOCK):
            wanted = _keys(people[start : start + BLOCK])
            at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            seen: NDArray[np.int32] = np.where(self.keys[at] == wanted, self.counts[at], 0) - own
            found[start : start + BLOCK] = np.log(seen + UNSEEN).mean(axis=1)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        return {"windows.keys": self.keys, "windows.counts": self.counts}

    @classmethod
    def of_arrays(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        return cls(np.array(state["windows.keys"]), np.array(state["windows.counts"]))


def _keys(people: Genotypes) -> NDArray[np.int64]:
    """(k, windows) number of each window's genotype, the window's own place before it."""
    k, m = people.shape
    count = -(-m // WIDTH)
    full = np.zeros((k, count * WIDTH), dtype=np.int8)
    full[:, :m] = people
    digits = 3 ** np.arange(WIDTH, dtype=np.int64)
    codes = full.reshape(k, count, WIDTH) @ digits
    return np.asarray(codes + np.arange(count, dtype=np.int64) * 3**WIDTH)

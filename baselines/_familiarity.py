"""How familiar people look: how many training people share their stretches of genotypes.

Trees on single dosages would have to find piece by piece that a stretch was never seen; its count
says so at once. Nobody is compared with themselves: a training person's own stretches are not
counted, so that real people and a model's are looked at alike. Counts by window are kept, and no
person of the training cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

WIDTHS = (8, 32)  # SNPs of a window; 3 ** 39 is the last that an int64 holds
BLOCK = 8192  # people looked at together
UNSEEN = 0.5  # added to counts, whose logarithm is taken

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """How many training people have each genotype of each window of ``width`` SNPs.

    Attributes
    ----------
    width
        SNPs in line; the last window may be shorter.
    keys
        (C,) int64 ascending, window and genotype in one number.
    counts
        (C,) int32 people.
    """

    width: int
    keys: NDArray[np.int64]
    counts: NDArray[np.int32]

    @classmethod
    def of(cls, people: Genotypes, width: int) -> Self:
        """Counted in ``people`` (n, m)."""
        keys, counts = np.unique(_keys(people, width), return_counts=True)
        return cls(width, keys, counts.astype(np.int32))

    def __call__(self, people: Genotypes, *, own: bool) -> Array:
        """(k,) mean log count of the windows of people (k, m); ``own``: they are counted in it."""
        wanted = _keys(people, self.width)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        seen: NDArray[np.int32] = np.where(self.keys[at] == wanted, self.counts[at], 0) - own
        return np.asarray(np.log(seen + UNSEEN).mean(axis=1), dtype=np.float32)


@dataclass(frozen=True)
class Familiarity:
    """Windows of several widths; of none, nothing is asked."""

    windows: tuple[Windows, ...] = ()

    @classmethod
    def of(cls, people: Genotypes) -> Self:
        """With the windows of ``people`` (n, m), n >= 1."""
        return cls(tuple(Windows.of(people, width) for width in WIDTHS))

    def __call__(self, people: Genotypes, *, own: bool = False) -> Array:
        """(k, widths) float32 of people (k, m); ``own``: they are those of the windows."""
        features = np.empty((len(people), len(self.windows)), dtype=np.float32)
        for start in range(0, len(people), BLOCK):
            some = slice(start, start + BLOCK)
            for i, windows in enumerate(self.windows):
                features[some, i] = windows(people[some], own=own)
        return features

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        named: dict[str, NDArray[Any]] = {}
        for w in self.windows:
            named |= {f"windows.keys{w.width}": w.keys, f"windows.counts{w.width}": w.counts}
        return named

    @classmethod
    def of_arrays(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        return cls(
            tuple(
                Windows(
                    w, np.array(state[f"windows.keys{w}"]), np.array(state[f"windows.counts{w}"])
                )
                for w in WIDTHS
                if f"windows.keys{w}" in state
            )
        )


def _keys(people: Genotypes, width: int) -> NDArray[np.int64]:
    """(k, windows) number of each window's genotype, the window's own place before it."""
    k, m = people.shape
    count = -(-m // width)
    full = np.zeros((k, count * width), dtype=np.int8)
    full[:, :m] = people
    digits = 3 ** np.arange(width, dtype=np.int64)
    codes = full.reshape(k, count, width) @ digits
    return np.asarray(codes + np.arange(count, dtype=np.int64) * 3**width)

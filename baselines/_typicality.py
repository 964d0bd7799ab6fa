"""How usual people look, in a few numbers: familiar stretches, and a crowded place to stand.

A stretch of genotypes that is frequent among the training people is familiar; a place where a model
puts many people is crowded. Both are features by which real people are told from a model's, which
trees on single dosages would have to find piece by piece. Nobody is compared with themselves: a
training person's own stretches are not counted, and the crowd is made of synthetic people. What is
kept are counts by window, and that crowd; no person of the training cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

WIDTHS = (8, 32)  # SNPs of a window; 3 ** 39 is the last that an int64 holds
NEIGHBOUR = 20  # whose distance says how crowded a place is
BLOCK = 2048  # people looked at together
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

    def familiarity(self, people: Genotypes, *, own: bool) -> Array:
        """(k,) mean log count of the windows of people (k, m); ``own``: they are counted in it."""
        wanted = _keys(people, self.width)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        seen: NDArray[np.int32] = np.where(self.keys[at] == wanted, self.counts[at], 0) - own
        return np.asarray(np.log(seen + UNSEEN).mean(axis=1), dtype=np.float32)


@dataclass(frozen=True)
class Typicality:
    """What people are compared with.

    Attributes
    ----------
    windows
        Of the training people, by width.
    crowd
        (p, m) int8 people of the models.
    """

    windows: tuple[Windows, ...]
    crowd: Genotypes

    @classmethod
    def none(cls) -> Self:
        """No comparison, and no number."""
        return cls((), np.empty((0, 0), dtype=np.int8))

    @classmethod
    def of(cls, people: Genotypes, crowd: Genotypes) -> Self:
        """Compared with the windows of ``people`` (n, m), and with ``crowd`` (p, m), p >= 1."""
        return cls(tuple(Windows.of(people, width) for width in WIDTHS), crowd)

    def __call__(self, people: Genotypes, *, own: bool = False) -> Array:
        """(k, features) float32 of people (k, m); ``own``: they are those of the windows."""
        count = len(self.windows) + bool(len(self.crowd))
        features = np.empty((len(people), count), dtype=np.float32)
        for start in range(0, len(people), BLOCK):
            some, mine = people[start : start + BLOCK], features[start : start + BLOCK]
            for i, windows in enumerate(self.windows):
                mine[:, i] = windows.familiarity(some, own=own)
            if len(self.crowd):
                mine[:, -1] = self._room(some)
        return features

    def _room(self, people: Genotypes) -> Array:
        """(k,) distance (sum over SNPs of |difference|) to the crowd's `NEIGHBOUR` th nearest."""
        k = min(NEIGHBOUR, len(self.crowd)) - 1
        some, crowd = _thermometer(people), _thermometer(self.crowd)
        apart = some.sum(axis=1)[:, None] + crowd.sum(axis=1) - 2 * (some @ crowd.T)
        return np.asarray(np.partition(apart, k, axis=1)[:, k])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        named: dict[str, NDArray[Any]] = {"typical.crowd": self.crowd}
        for w in self.windows:
            named |= {f"typical.keys{w.width}": w.keys, f"typical.counts{w.width}": w.counts}
        return named

    @classmethod
    def of_arrays(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        stored = {k: np.array(v) for k, v in state.items() if k.startswith("typical.")}
        windows = [
            Windows(width, stored[f"typical.keys{width}"], stored[f"typical.counts{width}"])
            for width in WIDTHS
            if f"typical.keys{width}" in stored
        ]
        return cls(tuple(windows), stored["typical.crowd"])


def _keys(people: Genotypes, width: int) -> NDArray[np.int64]:
    """(k, windows) number of each window's genotype, the window's own place before it."""
    k, m = people.shape
    count = -(-m // width)
    full = np.zeros((k, count * width), dtype=np.int8)
    full[:, :m] = people
    digits = 3 ** np.arange(width, dtype=np.int64)
    codes = full.reshape(k, count, width) @ digits
    return np.asarray(codes + np.arange(count, dtype=np.int64) * 3**width)


def _thermometer(people: Genotypes) -> Array:
    """(k, 2 m): whether a dosage is above 0, and above 1; they differ where dosages do."""
    return np.concatenate([people > 0, people > 1], axis=1).astype(np.float32)

"""Boosted trees as plain arrays: learned by XGBoost, stored and evaluated without it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xgboost as xgb

Array = NDArray[np.float32]
LEAF = -1  # in `feature`


@dataclass(frozen=True)
class Trees:
    """A sum of regression trees on dosages and what stands beside them.

    Attributes
    ----------
    feature
        (T, nodes) int32 column that a node looks at, -1 at a leaf. A node's children stand at
        2 i + 1 and 2 i + 2.
    value
        (T, nodes) float32: below it a row goes left; at a leaf, what the leaf adds.
    """

    feature: NDArray[np.int32]
    value: Array

    @classmethod
    def none(cls) -> Self:
        """No tree at all: 0 everywhere."""
        return cls(np.empty((0, 1), dtype=np.int32), np.empty((0, 1), dtype=np.float32))

    @classmethod
    def of(cls, booster: xgb.Booster, count: int, depth: int, rate: float) -> Self:
        """The first ``count`` trees, of at most ``depth`` levels, times ``rate``."""
        nodes = 2 ** (depth + 1) - 1
        feature = np.full((count, nodes), LEAF, dtype=np.int32)
        value = np.zeros((count, nodes), dtype=np.float32)
        for t, text in enumerate(booster.get_dump(dump_format="json")[:count]):
            todo: list[tuple[int, dict[str, Any]]] = [(0, json.loads(text))]
            while todo:
                i, node = todo.pop()
                if "leaf" in node:
                    value[t, i] = rate * node["leaf"]
                    continue
                feature[t, i] = int(node["split"][1:])  # "f12"
                value[t, i] = node["split_condition"]
                below = {child["nodeid"]: child for child in node["children"]}
                todo += [(2 * i + 1, below[node["yes"]]), (2 * i + 2, below[node["no"]])]
        return cls(feature, value)

    @classmethod
    def joined(cls, parts: Sequence[Trees]) -> Self:
        """The sum of several sums of trees, all of one depth."""
        parts = [p for p in parts if len(p.feature)]
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([p.feature for p in parts]), np.concatenate([p.value for p in parts])
        )

    def __call__(self, rows: NDArray[np.int8], beside: Array) -> NDArray[np.float64]:
        """(n,) sums over the trees for rows (n, m); columns m, m + 1 ... are ``beside`` (n, e)."""
        return np.asarray(_sums(self.feature, self.value, np.ascontiguousarray(rows), beside))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays."""
        return {"trees.feature": self.feature, "trees.value": self.value}

    @classmethod
    def of_arrays(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` wrote."""
        return cls(np.array(state["trees.feature"]), np.array(state["trees.value"]))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _sums(
    feature: NDArray[np.int32], value: Array, rows: NDArray[np.int8], beside: Array
) -> NDArray[np.float64]:
    n, m = rows.shape
    total = np.zeros(n)
    for row in range(n):
        for t in range(feature.shape[0]):
            i = 0
            while feature[t, i] >= 0:
                column = feature[t, i]
                x = beside[row, column - m] if column >= m else np.float32(rows[row, column])
                i = 2 * i + 1 if x < value[t, i] else 2 * i + 2
            total[row] += value[t, i]
    return total

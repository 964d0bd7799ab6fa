"""Chow-Liu trees over SNPs: the spanning tree of greatest mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

Array = NDArray[np.float64]
Columns = NDArray[np.int64]
BLOCK = 256  # SNPs whose pairs are counted at once
ROWS = 4096  # people held as one-hot floats at once


@dataclass(frozen=True)
class Tree:
    """A rooted tree over the columns of a genotype matrix.

    Attributes
    ----------
    order
        (m,) columns, every parent before its children; the first is the root.
    parent
        (m,) parent of each column, -1 at the root.
    """

    order: Columns
    parent: Columns

    def children(self) -> list[list[int]]:
        """Children of each column."""
        below: list[list[int]] = [[] for _ in self.parent]
        for i in self.order[1:]:
            below[self.parent[i]].append(int(i))
        return below


def mutual_information(left: Genotypes, right: Genotypes) -> Array:
    """(a, b) mutual information in nats between the columns of (n, a) and (n, b) dosages."""
    n, a = left.shape
    b = right.shape[1]
    joint = np.zeros((3 * a, 3 * b))
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        joint += _one_hot(left[rows]).T @ _one_hot(right[rows])
    joint = joint.reshape(3, a, 3, b) / max(n, 1)
    one, other = joint.sum(axis=(2, 3)), joint.sum(axis=(0, 1))  # (3, a) and (3, b), times b and a
    marginals = _entropy(one / b, 0)[:, None] + _entropy(other / a, 0)[None, :]
    return np.maximum(marginals - _entropy(joint, (0, 2)), 0.0)


def chow_liu(genotypes: Genotypes, chrom: NDArray[np.object_], *, window: int, links: int) -> Tree:
    """Maximum spanning tree of mutual information (Chow & Liu 1968), among near pairs.

    Parameters
    ----------
    genotypes
        (n, m) int8, 0 / 1 / 2.
    chrom
        (m,) chromosome of each column.
    window
        Columns on either side, on the same chromosome, that may be a neighbour.
    links
        SNPs per chromosome, evenly spread, that may be tied to those of other chromosomes; at
        least 1, so that the graph is connected.

    Returns
    -------
    Tree
        Rooted at column 0; `rooted` moves the root.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    m = genotypes.shape[1]
    pairs = [*_near(genotypes, chrom, window), _between(genotypes, chrom, links)]
    i, j, information = (np.concatenate(part) for part in zip(*pairs, strict=True))
    # an edge of weight 0 would be no edge to scipy
    cost = 1.0 + information.max(initial=0.0) - information
    spanning = minimum_spanning_tree(coo_array((cost, (i, j)), shape=(m, m)).tocsr())
    return rooted(spanning, 0)


def rooted(spanning: Any, root: int) -> Tree:
    """Tree of an undirected spanning tree (scipy sparse), seen from ``root``."""
    from scipy.sparse.csgraph import breadth_first_order

    order, parent = breadth_first_order(spanning, root, directed=False)
    above = np.array(parent, dtype=np.int64)
    above[root] = -1
    return Tree(np.array(order, dtype=np.int64), above)


def rerooted(tree: Tree, root: int) -> Tree:
    """The same edges seen from another root."""
    from scipy.sparse import coo_array

    m = len(tree.parent)
    child = tree.order[1:]
    edges = coo_array((np.ones(m - 1), (tree.parent[child], child)), shape=(m, m))
    return rooted(edges.tocsr(), root)


def _one_hot(genotypes: Genotypes) -> NDArray[np.float32]:
    """(n, m) -> (n, 3 m), all columns' zeros first."""
    return np.concatenate([genotypes == call for call in range(3)], axis=1, dtype=np.float32)


def _entropy(p: Array, axis: int | tuple[int, ...]) -> Array:
    """Shannon entropy in nats over ``axis``."""
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(-(p * np.log(safe)).sum(axis=axis))


Pairs = tuple[Columns, Columns, Array]


def _near(genotypes: Genotypes, chrom: NDArray[np.object_], window: int) -> list[Pairs]:
    """Pairs on one chromosome at most ``window`` columns apart, with their information."""
    found: list[Pairs] = []
    for name in dict.fromkeys(chrom):
        columns = np.flatnonzero(chrom == name)
        for start in range(0, len(columns), BLOCK):
            one = columns[start : start + BLOCK]
            other = columns[start : start + BLOCK + window]
            information = mutual_information(genotypes[:, one], genotypes[:, other])
            gap = np.arange(len(other))[None, :] - np.arange(len(one))[:, None]
            a, b = np.nonzero((gap > 0) & (gap <= window))
            found.append((one[a], other[b], information[a, b]))
    return found


def _between(genotypes: Genotypes, chrom: NDArray[np.object_], links: int) -> Pairs:
    """Pairs of a few SNPs of different chromosomes, with their information."""
    chosen = []
    for name in dict.fromkeys(chrom):
        columns = np.flatnonzero(chrom == name)
        at = np.linspace(0, len(columns) - 1, min(links, len(columns)))
        chosen.append(columns[np.rint(at).astype(int)])
    some = np.concatenate(chosen)
    information = mutual_information(genotypes[:, some], genotypes[:, some])
    other = chrom[some][:, None] != chrom[some][None, :]
    a, b = np.nonzero(np.triu(other))
    return some[a], some[b], information[a, b]

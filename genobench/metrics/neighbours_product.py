"""Nearest neighbours by L1 distance as a matrix product: for devices that multiply fastest.

With phi(x) = [x - 1, (x = 1)] of each allele count, |x - y| = 1 - phi(x) . phi(y) for all nine
pairs, so that the L1 distance over m variants is m minus one inner product. int8 factors with an
int32 product make that exact; a bf16 product would not (above 256 it has no odd numbers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

TILE = (4096, 8192)  # queries and base people that are multiplied together: 256 MiB of keys
ROWS = 32  # the int8 product of CUDA wants rows in multiples of 8, and more than 16
FAR = np.iinfo(np.int64).max


def nearest_by_product(
    queries: NDArray[np.uint64],
    base: NDArray[np.uint64],
    k: int,
    *,
    exclude_self: bool,
    device: str,
    tile: tuple[int, int] = TILE,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """`nearest` of codes on a torch device; the least of each tile is taken before the next is met.

    Tested on torch's CPU device alone: no CUDA device was at hand.

    Parameters
    ----------
    queries, base
        (n, w) and (r, w): words of `Codes` of the same variants, r >= k (+ 1 without oneself).
    k, exclude_self
        As in `nearest`.
    device
        Name of a torch device.
    tile
        Queries and base people multiplied together; decides the memory, never the answer.

    Returns
    -------
    distances, indices
        (n, k) int32 ascending and (n, k) int64; equal distances by index.
    """
    import torch

    n, r = len(queries), len(base)
    distances, indices = np.empty((n, k), np.int32), np.empty((n, k), np.int64)
    for i in range(0, n, tile[0]):
        left = _embedded(queries[i : i + tile[0]], device)
        rows = min(tile[0], n - i)
        best = torch.full((rows, k), FAR, dtype=torch.int64, device=device)
        for j in range(0, r, tile[1]):
            right = _embedded(base[j : j + tile[1]], device)
            columns = min(tile[1], r - j)
            d = left.shape[1] // 2 - torch._int_mm(left, right.T)[:rows, :columns]
            # one number orders by distance, then by row of the base
            key = d.long() * r + torch.arange(j, j + columns, device=device)
            if exclude_self and -rows < i - j < columns:
                key.diagonal(i - j).fill_(FAR)
            best = _least(torch.cat([best, _least(key, k)], dim=1), k)
        found = best.cpu().numpy()
        distances[i : i + rows], indices[i : i + rows] = found // r, found % r
    return distances, indices


def _least(key: Tensor, k: int) -> Tensor:
    """(rows, at most k) smallest keys of each row, ascending."""
    if k == 1:
        return key.amin(dim=1, keepdim=True)
    return key.topk(min(k, key.shape[1]), dim=1, largest=False, sorted=True).values


def _embedded(words: NDArray[np.uint64], device: str) -> Tensor:
    """(rows, 2 m') int8 phi of codes with m' bits a plane; rows filled up to multiples of `ROWS`.

    The zeros that fill a plane up stand for equal genotypes and add nothing to a distance.
    """
    import torch

    packed = torch.from_numpy(words.view(np.uint8).reshape(len(words), 2, -1)).to(device)
    shifts = torch.arange(8, dtype=torch.uint8, device=device)
    bits = ((packed[..., None] >> shifts) & 1).to(torch.int8).flatten(2)
    one, two = bits[:, 0], bits[:, 1]
    phi = torch.cat([one + two - 1, one - two], dim=1)
    return torch.nn.functional.pad(phi, (0, 0, 0, -len(words) % ROWS))

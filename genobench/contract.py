"""What a generator hands over, checked where it arrives."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError


class ContractError(GenobenchError):
    """A generator broke a promise of the contract; the message says which."""


def checked_sample(
    sample: object, shape: tuple[int, int], foreign: Iterable[NDArray[np.int8]] = ()
) -> Genotypes:
    """The sample, if it is one.

    Parameters
    ----------
    sample
        What ``sample`` returned.
    shape
        (labels asked for, variants of the training cohort).
    foreign
        Arrays whose memory it may not share: real genotypes, earlier samples.

    Returns
    -------
    (n, m) int8 in C order.

    Raises
    ------
    ContractError
        Naming what was wrong.
    """
    if not isinstance(sample, np.ndarray):
        raise ContractError(f"sample() must return a numpy array, got {type(sample).__name__}")
    if sample.dtype != np.int8:
        raise ContractError(f"sample() must return int8, got {sample.dtype}")
    if sample.shape != shape:
        raise ContractError(
            f"sample() must return shape {shape} (labels, variants), got {sample.shape}"
        )
    low, high = (int(sample.min()), int(sample.max())) if sample.size else (0, 2)
    if low < 0 or high > 2:
        raise ContractError(f"sample() must return 0, 1 and 2 only, got values {low} to {high}")
    if any(np.shares_memory(sample, other) for other in foreign):
        raise ContractError(
            "sample() must return memory of its own: this array shares memory with the cohort or "
            "with an earlier sample; return a copy"
        )
    return np.ascontiguousarray(sample)

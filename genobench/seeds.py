"""One seed per declared axis: what is drawn, for whom, in which repeat."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *axes: str | int) -> int:
    """Seed of one named stream below ``seed``.

    Parameters
    ----------
    seed
        The seed the user gave.
    *axes
        What the stream is for, from the general to the particular:
        ``derive(3, "fit", "vae")``, ``derive(0, "split")``.

    Returns
    -------
    int
        In [0, 2**63): the first 63 bits of SHA-256 over seed and axes, so that streams with
        different names are independent and adding one moves no other.
    """
    text = "\x1f".join([str(seed), *map(str, axes)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng(seed: int, *axes: str | int) -> np.random.Generator:
    """NumPy generator of the stream ``derive(seed, *axes)``."""
    return np.random.default_rng(derive(seed, *axes))

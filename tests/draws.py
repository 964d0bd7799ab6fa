"""People drawn from logits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

calibration: Any = import_module("genobench.baselines._calibration")
decoding: Any = import_module("genobench.baselines._decoding")


def drawn(logits: Any) -> Any:
    """(k, 3, L) logits -> (k, L) int8 calls drawn from their softmax."""
    return calibration.most_probable(logits + decoding.gumbel_like(logits))

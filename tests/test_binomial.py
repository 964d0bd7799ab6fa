"""Calls of the floors: the same however many people are drawn at a time."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

binomial = import_module("genobench.baselines._binomial")


def test_blocks_draw_what_one_draw_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row after row from one stream; also of nobody."""
    frequency = np.random.default_rng(0).random((3, 11))
    part = np.random.default_rng(1).integers(0, 3, size=50)
    whole = np.random.default_rng(2).binomial(2, frequency[part])
    for cells in (1, 40, 1 << 22):
        monkeypatch.setattr(binomial, "CELLS", cells)
        drawn = binomial.calls(frequency, part, np.random.default_rng(2))
        assert drawn.dtype == np.int8
        assert np.array_equal(drawn, whole)
    assert binomial.calls(frequency, part[:0], np.random.default_rng(2)).shape == (0, 11)

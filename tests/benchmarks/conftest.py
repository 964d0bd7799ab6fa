"""A recorder for every bench, which fails when what it measured misses its target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ledger import Recorder


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """``record(what, measured, unit, target=..., better=...)``, into speed.json and speed.md."""
    recorder = Recorder(request.node.path.stem.removeprefix("test_speed_"))
    yield recorder
    assert not recorder.missed, "; ".join(recorder.missed)

"""The clock is put back while a run goes on: nothing depends on what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from genobench.run import record

from .conftest import COUNTED


def test_clock_is_put_back(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is repeated or lost, no job ends before it began, durations are true."""
    begin, hours = datetime(2026, 3, 1, tzinfo=UTC), count()

    def earlier() -> str:
        return (begin - timedelta(hours=next(hours))).isoformat(timespec="seconds")

    monkeypatch.setattr(record, "now", earlier)
    models = [bench.generator("first", COUNTED), bench.generator("second", COUNTED)]
    tasks = [bench.task("one")]
    assert bench.run(models, tasks, jobs=2).statuses == {"ok": 2}
    before = {r["key"]: r for r in bench.store.records()}
    for found in before.values():
        assert found["started"] <= found["finished"]
        assert 0 < found["resources"]["total_seconds"] < 60
    again = bench.run(models, [*tasks, bench.task("two")])
    assert again.statuses == {"ok": 2}
    assert all(r["started"] == before[r["key"]]["started"] for r in bench.store.records())
    assert sorted((bench.plugins / "fits").read_text().split()) == ["first", "second"]

"""The committed table of speeds is what its rows say, and misses are told."""

from __future__ import annotations

from pathlib import Path

from . import ledger


def test_committed_table_is_rendered_from_its_rows() -> None:
    """speed.md is never written by hand."""
    assert ledger.TABLE.read_text() == ledger.render(ledger.read())


def test_rows_are_replaced_and_misses_collected(tmp_path: Path) -> None:
    """A second run of a bench takes the place of the first; both sides of a target work."""
    record = ledger.Recorder("toy", tmp_path / "speed.json")
    record("rate", 0.4, target=0.5)
    record("memory", 2.5, "GiB", target=3, better="lower", note="at its peak")
    assert record.missed == ["rate: 0.4, target >= 0.5"]
    ledger.Recorder("toy", record.path)("rate", 0.5, target=0.5)
    ledger.Recorder("toy", record.path)("other", None, "x", target=100, note="not installed")
    rows = {row.what: row for row in ledger.read(record.path)}
    assert {what: row.met for what, row in rows.items()} == {
        "memory": True,
        "rate": True,
        "other": None,
    }
    table = (tmp_path / "speed.md").read_text()
    assert "| memory [1] | 2.5 GiB | <= 3 GiB | yes |" in table
    assert "| rate | 0.5 | >= 0.5 | yes |" in table
    assert "| other [2] | not measured | >= 100 x |  |" in table
    assert "\n1. at its peak\n2. not installed\n" in table

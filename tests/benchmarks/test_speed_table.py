"""The committed table of speeds is what its rows say, and misses are told."""

from __future__ import annotations

from pathlib import Path

from . import ledger
from .test_cost_curves import GIB, LARGE, committed


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


def test_projection_in_the_docs_follows_from_the_records() -> None:
    """What docs/scale.md says that 500 generators on 50 data sets with 5 seeds would cost."""
    seconds, size = committed()
    generators, data_sets, seeds = LARGE
    jobs = generators * data_sets * seeds
    hours, records, samples = jobs * seconds / 3600, jobs * size / GIB, jobs * 3_000 * 256 / GIB
    text = " ".join((Path(__file__).parents[2] / "docs" / "scale.md").read_text().split())
    assert f"took {seconds:.0f} s a job" in text
    assert f"a record is {size / 1000:.0f} kB), {jobs:,} such jobs" in text
    assert f"about {round(hours, -2):,.0f} core hours, {records:.1f} GiB of records" in text
    assert f"and {samples:.0f} GiB of samples" in text

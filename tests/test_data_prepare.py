"""`genobench data prepare`: where it writes, what it refuses, and how its account reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from genobench.cli import main
from genobench.commands.datasets import _selection_rows
from genobench.data.split import Split


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for the module: the default cohort is simulated once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _prepare(out: Path, *more: str) -> int:
    return main(["data", "prepare", "default", "--snps", "40", "--out", str(out), *more])


def test_another_split_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same split may be asked for again; another one is refused, and nothing is left behind."""
    out = tmp_path / "new" / "prepared"
    assert _prepare(out) == 0
    checksum = Split.load(out).checksum
    written = (out / "train.npy").stat().st_mtime_ns
    assert _prepare(out) == 0
    assert (out / "train.npy").stat().st_mtime_ns == written
    assert _prepare(out, "--split-seed", "1") == 2
    assert "holds another split; name another folder" in capsys.readouterr().err
    (out / "report.json").unlink()  # as folders of before there was a report in them
    assert _prepare(out, "--split-seed", "1") == 2
    assert Split.load(out).checksum == checksum
    assert [p.name for p in out.parent.iterdir()] == ["prepared"]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file, a folder below a file, a folder of other things: an error, and no progress."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    for out, message in (
        ("file", "a file; --out names a folder"),
        ("file/below", "cannot be written"),
        ("full", "not a prepared data set"),
    ):
        assert _prepare(tmp_path / out) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "people" not in said
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "full", "thesis.tex"]
    (tmp_path / "empty").mkdir()
    assert _prepare(tmp_path / "empty") == 0


def test_the_choice_is_told_a_fact_to_the_line() -> None:
    """No dict, no None; strand-ambiguous SNPs by their name."""
    counts = {"lines": 4000, "matched": 250, "ambiguous": 7}
    rows = _selection_rows({"snps": 60, "clump_r2": None, "summary_statistics": counts})
    assert rows == [
        ["snps", "60"],
        ["clump r2", "-"],
        ["lines of summary statistics", "4,000"],
        ["SNPs matched", "250"],
        ["strand-ambiguous (A/T, C/G), taken as written", "7"],
    ]

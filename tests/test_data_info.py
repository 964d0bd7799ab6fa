"""`genobench data info` describes a PLINK file set from its two tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genobench.cli import main

DUMMY = Path(__file__).parent / "fixtures" / "plink" / "dummy.bed"


def test_plink_files_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    """People, variants and sexes are those of the .fam and the .bim."""
    assert main(["data", "info", str(DUMMY), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    fam = [line.split() for line in DUMMY.with_suffix(".fam").read_text().splitlines()]
    bim = DUMMY.with_suffix(".bim").read_text().splitlines()
    assert (facts["people"], facts["variants"]) == (len(fam), len(bim))
    assert facts["sex"]["female"] == sum(row[4] == "2" for row in fam)
    cases = sum(row[5] == "2" for row in fam)
    assert facts["trait"].startswith("binary")
    assert f"{cases} cases" in facts["trait"]


def test_numbers_read_as_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands are set apart, as `genobench list data` does."""
    assert main(["data", "info", "mice"]) == 0
    assert "1,814" in capsys.readouterr().out


def test_codes_of_the_fam_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Which number was taken for cases."""
    assert main(["data", "info", str(DUMMY), "--json"]) == 0
    assert "2 taken as case" in json.loads(capsys.readouterr().out)["trait"]


def test_an_absent_file_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message says which file is not there."""
    assert main(["data", "info", str(tmp_path / "absent.bed")]) != 0
    assert "absent.bed" in capsys.readouterr().err

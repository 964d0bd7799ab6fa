"""Readers of files that others wrote: a value or a message, whatever the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from .readers import READERS, Reader, attack, put, tried

INPUTS = {"plink": 100, "phenotype": 400, "summary": 400, "record": 400, "card": 500,
          "task card": 300, "portrait": 400}  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_good_files_are_read(reader: Reader, tmp_path: Path) -> None:
    """Else spoilt ones would prove nothing."""
    assert reader.good
    for files in reader.good:
        put(files, tmp_path)
        assert tried(reader, tmp_path, files) == ("read", "")


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_spoilt_files_are_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    """With the file's name; both happen, so that neither promise is empty."""
    ends = attack(reader, tmp_path, INPUTS[reader.name], seed=1)
    assert ends["refused"] > INPUTS[reader.name] // 10
    assert ends["read"] > 0

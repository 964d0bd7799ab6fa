"""A hundred thousand spoilt files for the readers of what others wrote."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.readers import READERS, attack

INPUTS = {"plink": 8_000, "phenotype": 10_000, "summary": 12_000, "record": 30_000,
          "card": 25_000, "task card": 15_000, "portrait": 10_000}  # fmt: skip
SEED = 2_026


@pytest.mark.benchmark_suite
@pytest.mark.timeout(3600)
def test_fuzzed_readers(tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is read or refused by name; `attack` raises where anything else happens."""
    assert sum(INPUTS.values()) >= 100_000

    def all_of_them() -> dict[str, tuple[Counter[str], float]]:
        found = {}
        for reader in READERS:
            folder = tmp_path / reader.name
            folder.mkdir()
            began = time.process_time()
            ends = attack(reader, folder, INPUTS[reader.name], SEED)
            found[reader.name] = ends, time.process_time() - began
        return found

    found = benchmark.pedantic(all_of_them, rounds=1)
    with capsys.disabled():
        for name, (ends, seconds) in found.items():
            rate = INPUTS[name] / seconds
            print(
                f"\n{name}: {INPUTS[name]:,} files, {rate:,.0f} a second of one core, {dict(ends)}",
                end="",
            )
    assert all(ends.keys() == {"read", "refused"} for ends, _ in found.values())

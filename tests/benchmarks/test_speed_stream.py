"""SNPs are chosen from files of biobank size as fast as they can be read, in bounded memory.

The files are those that ``genobench data simulate`` writes; a pass over them is compared with
pandas-plink's reading and decoding of the same calls alone, in the same process and in turn.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .ledger import Recorder

PEOPLE, SNPS = 458_724, 2_048
MORE = 8_192  # SNPs of the file whose memory is compared
CHILD = Path(__file__).parent / "stream_child.py"
SIMULATE = "from genobench.cli import main; import sys; sys.exit(main(sys.argv[1:]))"


def _python(*words: str | Path | int) -> str:
    """Standard output of a Python process."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _simulate(folder: Path, snps: int) -> tuple[Path, float]:
    """Write a biobank; the .bed and the seconds it took."""
    bed = folder / f"biobank{snps}.bed"
    size: list[str | Path | int] = ["--people", PEOPLE, "--snps", snps, "--out", bed]
    started = time.perf_counter()
    _python("-c", SIMULATE, "data", "simulate", *size)
    return bed, time.perf_counter() - started


@pytest.mark.benchmark_suite
@pytest.mark.timeout(3600)
def test_selection_streams_at_the_rate_of_reading(
    tmp_path: Path, benchmark: Any, record: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rate beside that of reading; peak memory at two sizes of file; the simulation before."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path / "cache"))
    size = f"{PEOPLE:,} x {SNPS:,}"
    bed, seconds = _simulate(tmp_path, SNPS)
    record(f"a biobank of {size} is simulated and written", seconds, "s")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    record(f"a biobank of {size} is simulated, peak memory", peak, "GiB", target=1, better="lower")
    found = benchmark.pedantic(
        lambda: json.loads(_python(CHILD, "rates", bed)), rounds=1, iterations=1
    )
    record(f"pandas-plink reads {size}", found["read"], "million calls/s")
    record(f"quality counts and score tests of {size}", found["pass"], "million calls/s")
    ratio = found["pass"] / found["read"]
    record("the same over reading alone", ratio, "", target=0.6, better="higher")
    for snps in (SNPS, MORE):
        if snps != SNPS:
            bed.unlink()
            bed, _ = _simulate(tmp_path, snps)
        used = json.loads(_python(CHILD, "memory", bed))
        assert used["chosen"] == min(2 * 1024, snps)
        what = f"SNPs chosen from files of {PEOPLE:,} x {snps:,}, peak memory"
        record(what, used["peak"], "GiB", target=2, better="lower")

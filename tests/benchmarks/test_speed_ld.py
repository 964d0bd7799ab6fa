"""The LD matrix of 458,724 people x 2,048 SNPs: as fast as the products it is, in little memory.

Compared with scikit-allel, which is installed into an environment of its own for that; its seconds
per pair of SNPs and person on a smaller cohort are taken for the full one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .ledger import Recorder

PEOPLE, VARIANTS = 458_724, 2_048
FEWER = 65_536
CHILD = Path(__file__).parent / "ld_child.py"
RATE = "of the fp32 product rate"
ALLEL = "scikit-allel==1.3.13"
ALLEL_PEOPLE, ALLEL_VARIANTS = 2_000, 1_024
ALLEL_CHILD = """
import sys, time
import allel, numpy
variants, people = map(int, sys.argv[1:])
genotypes = numpy.random.default_rng(0).integers(0, 3, (variants, people)).astype("int8")
allel.rogers_huff_r(genotypes[:10])
spent = []
for _ in range(2):
    started = time.perf_counter()
    allel.rogers_huff_r(genotypes)
    spent.append(time.perf_counter() - started)
print(min(spent))
"""


def python(*arguments: str | Path | int, executable: str | Path = sys.executable) -> str:
    """What a Python of its own prints."""
    command = [str(executable), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def allel_seconds(folder: Path) -> float | None:
    """Seconds per person and pair of SNPs; None where it cannot be installed."""
    python("-m", "venv", folder)
    own = folder / "bin" / "python"
    try:
        python("-m", "pip", "install", "--quiet", ALLEL, executable=own)
    except subprocess.CalledProcessError:
        return None
    spent = float(python("-c", ALLEL_CHILD, ALLEL_VARIANTS, ALLEL_PEOPLE, executable=own))
    return spent / (ALLEL_PEOPLE * ALLEL_VARIANTS * (ALLEL_VARIANTS - 1) / 2)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(900)
def test_ld_of_a_biobank(tmp_path: Path, benchmark: Any, record: Recorder) -> None:
    """Share of the product rate, memory that does not grow with people, multiples of allel."""
    few = json.loads(python(CHILD, FEWER, VARIANTS))
    all_ = json.loads(benchmark.pedantic(python, args=(CHILD, PEOPLE, VARIANTS), rounds=1))
    top = max(few["product_gflops"], all_["product_gflops"])
    unit = "GFLOP/s"
    record("fp32 matrix product (numpy)", top, unit)
    name = f"LD matrix, {PEOPLE:,} x {VARIANTS:,}"
    record(name, all_["seconds"], "s", better="lower")
    rate = PEOPLE * VARIANTS**2 / all_["seconds"] / 1e9
    half = "one multiplication and addition for each pair of SNPs (half of the square) and person"
    record(f"{name}, share {RATE}, pairs once", rate / top, note=half)
    full = "as for the whole square, which is what a product of two matrices costs"
    record(f"{name}, share {RATE}", 2 * rate / top, target=0.70, note=full)
    for people, found in ((FEWER, few), (PEOPLE, all_)):
        what = f"LD matrix, {people:,} people, memory beside the genotypes"
        record(what, found["gib"], "GiB", target=1, better="lower")
    assert all_["gib"] < few["gib"] + 0.1
    per_pair = allel_seconds(tmp_path / "allel")
    note = f"{ALLEL} on {ALLEL_PEOPLE:,} x {ALLEL_VARIANTS:,}, in proportion to people and pairs"
    if per_pair is None:
        note = f"{ALLEL} could not be installed"
    pairs = VARIANTS * (VARIANTS - 1) / 2
    times = None if per_pair is None else per_pair * PEOPLE * pairs / all_["seconds"]
    record("LD matrix, times scikit-allel", times, "x", target=100, note=note)

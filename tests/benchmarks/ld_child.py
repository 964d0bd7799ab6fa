"""The LD matrix of one cohort, in a process of its own: seconds and memory beside the genotypes.

    python tests/benchmarks/ld_child.py PEOPLE VARIANTS

Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from genobench.metrics.ld import r2_band

CHUNK = 1 << 14
GIB = 1 << 30


def memory_gib(name: str) -> float:
    """Resident memory now (``VmRSS``) or at its peak (``VmHWM``)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024 / GIB


def product_seconds(rows: int, variants: int) -> float:
    """Least seconds of five for the fp32 product of (variants, rows) with (rows, variants)."""
    rng = np.random.default_rng(0)
    left, right = (rng.random((rows, variants), dtype=np.float32) for _ in range(2))
    spent = []
    for _ in range(6):
        started = time.perf_counter()
        left.T @ right
        spent.append(time.perf_counter() - started)
    return min(spent[1:])


def main(people: int, variants: int) -> None:
    """One pass; the product's rate before and after, of which the better one counts."""
    rng = np.random.default_rng(0)
    genotypes = np.empty((people, variants), np.int8)
    for first in range(0, people, CHUNK):  # any genotypes cost the same
        part = genotypes[first : first + CHUNK]
        part[:] = rng.integers(0, 3, part.shape, np.int8)
    before = memory_gib("VmRSS")
    started = time.perf_counter()
    band = r2_band(genotypes, reach=variants - 1)
    seconds = time.perf_counter() - started
    peak = memory_gib("VmHWM")
    product = product_seconds(CHUNK, variants)
    result = {
        "seconds": seconds,
        "gib": peak - before,
        "product_gflops": 2 * CHUNK * variants**2 / product / 1e9,
        "mean": float(band.mean()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""The whole privacy task on one cohort, in a process of its own: seconds and peak memory.

    python tests/benchmarks/privacy_child.py people.npz

Prints one line of JSON. ``people.npz`` holds ``genotypes`` (train, validation, test, control and
synthetic people below each other), ``labels`` and ``edges``, as `test_speed_privacy` writes it.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.registry import find_task
from genobench.task import Reference

KIB_PER_GIB = 1 << 20


def peak_gib() -> float:
    """Most resident memory this process has had. Not `ru_maxrss`, which counts the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / KIB_PER_GIB


def cohorts(path: Path) -> list[Cohort]:
    """The five cohorts of ``people.npz``, on 22 chromosomes."""
    with np.load(path) as stored:
        genotypes, labels, edges = (stored[name] for name in ("genotypes", "labels", "edges"))
    m = genotypes.shape[1]
    site = np.arange(m)
    variants = pd.DataFrame(
        {
            "chrom": (site * 22 // m + 1).astype(str),
            "pos": 1_000 * (site + 1),
            "id": [f"rs{j}" for j in site],
            "counted": "A",
            "other": "G",
        }
    )
    found = []
    for first, last in pairwise(edges.tolist()):
        ids = [f"p{i}" for i in range(first, last)]
        samples = pd.DataFrame({"fid": ids, "iid": ids, "sex": 1})
        trait = Trait("toy", "binary", labels[first:last])
        found.append(Cohort(genotypes[first:last], variants, samples, trait))
    return found


def main(path: str) -> None:
    """Prepare and score once; the kernels are compiled (or loaded) before the clock starts."""
    *parts, synthetic = cohorts(Path(path))
    split = Split(*parts)
    task = find_task("privacy").load()()
    few = Split(*(part.take(slice(0, 60)) for part in parts))
    task.score(synthetic.take(slice(0, 60)), Reference(few, task.prepare(few, seed=0)), seed=0)
    started, worked = time.perf_counter(), time.process_time()
    statistics = task.prepare(split, seed=0)
    prepared = time.perf_counter()
    estimates = task.score(synthetic, Reference(split, statistics), seed=0)
    ended = time.perf_counter()
    result = {
        "prepare": prepared - started,
        "score": ended - prepared,
        "processor": time.process_time() - worked,
        "peak_gib": peak_gib(),
        "seconds": {name: e.seconds for name, e in estimates.items()},
        "values": {name: e.value for name, e in estimates.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])

"""The utility task on one split, prepared or scored in a process of its own: seconds and memory.

    python tests/benchmarks/utility_child.py prepare FOLDER BYTES
    python tests/benchmarks/utility_child.py score FOLDER BYTES

``FOLDER`` holds a split as `Split.save` writes it and ``synthetic.npy``, people with the labels of
the training people; ``BYTES`` stand for `moments.WHOLE`. Prints one line of JSON. Labels are
shuffled once and trees of one depth are grown, which takes as much memory as all of it and less
time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from genobench.data.split import Split
from genobench.metrics import moments, prediction
from genobench.registry import find_task
from genobench.run.worker import synthetic_cohort
from genobench.task import Reference

KIB_PER_GIB = 1 << 20


def peak_gib() -> float:
    """Most resident memory this process has had, mapped files among it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / KIB_PER_GIB


def main(phase: str, folder: Path, whole: int) -> None:
    """Prepare and store, or score by what is stored."""
    task = find_task("prs_utility").load()()
    brief = (
        (moments, "WHOLE", whole),
        (prediction, "DEPTHS", (2,)),
        (sys.modules[type(task).__module__], "SHUFFLES", 1),
    )
    for module, name, value in brief:
        setattr(module, name, value)
    split, stored = Split.load(folder), folder / "reference.npz"
    found: dict[str, float] = {"loaded_gib": peak_gib()}
    values: dict[str, float] = {}
    began, worked = time.perf_counter(), time.process_time()
    if phase == "prepare":
        np.savez(stored, **task.prepare(split, seed=0))
    else:
        genotypes = np.load(folder / "synthetic.npy", mmap_mode="r")
        with np.load(stored) as facts:
            reference = Reference(split, dict(facts))
        estimates = task.score(synthetic_cohort(genotypes, split.train), reference, seed=0)
        values = {name: estimate.value for name, estimate in estimates.items()}
    found |= {"seconds": time.perf_counter() - began, "processor": time.process_time() - worked}
    print(json.dumps({**found, "peak_gib": peak_gib(), "values": values}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

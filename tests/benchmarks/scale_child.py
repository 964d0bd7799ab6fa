"""One part of a benchmark on one split, in a process of its own: its memory.

    python tests/benchmarks/scale_child.py prepare TASK FOLDER BYTES
    python tests/benchmarks/scale_child.py score TASK FOLDER BYTES
    python tests/benchmarks/scale_child.py make GENERATOR FOLDER ORDER

``FOLDER`` holds a split and ``synthetic.npy``, as `biobank_split` writes them; ``BYTES`` stand for
`moments.WHOLE`; ``ORDER`` is JSON: a generator's settings, and the split's share of a biobank, by
which the bound on held latents is made smaller. Prints one line of JSON. A task's labels are
shuffled once and trees of one depth are grown, which takes as much memory as all of it and less
time. The round trip of a task that asks for one brings the test people back as they were.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from genobench import conditioning
from genobench.contract import checked_sample
from genobench.data.split import Split
from genobench.generator import Budget
from genobench.metrics import moments, prediction
from genobench.registry import find_generator, find_task
from genobench.run.worker import synthetic_cohort
from genobench.task import Reference

KIB_PER_GIB = 1 << 20


def peak_gib() -> float:
    """Most resident memory this process has had, mapped files among it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / KIB_PER_GIB


def prepare(name: str, folder: Path, text: str) -> None:
    """Prepare one task's reference, and store it."""
    _shorten(name, int(text))
    task = find_task(name).load()()
    np.savez(folder / f"{name}.npz", **task.prepare(Split.load(folder), seed=0))


def score(name: str, folder: Path, text: str) -> None:
    """Score the synthetic people by what `prepare` stored."""
    _shorten(name, int(text))
    task, split = find_task(name).load()(), Split.load(folder)
    genotypes = np.load(folder / "synthetic.npy", mmap_mode="r")
    with np.load(folder / f"{name}.npz") as facts:
        reference = Reference(split, dict(facts), round_trip=np.array(split.test.genotypes))
    assert task.score(synthetic_cohort(genotypes, split.train), reference, seed=0)


def make(name: str, folder: Path, text: str) -> None:
    """Fit one generator, and draw as many people as it was fitted to."""
    split, plugin = Split.load(folder), find_generator(name)
    people = split.control if plugin.card.fit_on == "control" else split.train
    order = json.loads(text)
    latents: Any = import_module("genobench.baselines._latents")
    latents.KEPT = round(latents.KEPT * order["share"])
    generator = conditioning.build(plugin.card, plugin.load(), order["settings"])
    generator.fit(people, split.validation, seed=0, budget=Budget())
    checked_sample(generator.sample(people.labels, seed=0), (people.n, people.m))


def _shorten(name: str, whole: int) -> None:
    """Less time, as much memory; people in blocks beyond ``whole`` bytes."""
    module = sys.modules[find_task(name).load().__module__]
    for where, setting, value in (
        (moments, "WHOLE", whole),
        (prediction, "DEPTHS", (2,)),
        (module, "SHUFFLES", 1),
    ):
        if hasattr(where, setting):
            setattr(where, setting, value)


if __name__ == "__main__":
    part = {"prepare": prepare, "score": score, "make": make}[sys.argv[1]]
    part(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    print(json.dumps({"peak_gib": peak_gib()}))

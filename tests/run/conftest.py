"""A small store with prepared data, and plug-ins written on the spot."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data.prepare import DataSpec
from genobench.data.split import Split
from genobench.run import prepared
from genobench.run.benchmark import RunOptions, Summary, run_benchmark
from genobench.run.events import Event
from genobench.run.store import Store

from .processes import Dask

DATA_KEY = "0" * 64

# A generator that keeps frequencies; faults override its methods.
GENERATOR = """
import ctypes, os, resource, signal, subprocess, sys, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from genobench.generator import Generator

FOLDER = Path(__file__).parent

class Sound(Generator):
    def fit(self, train, validation, *, seed, budget):
        self.p_ = train.genotypes.mean(axis=0, dtype=float) / 2
        budget.report({"step": 1, "validation": 0.5})
        return self

    def sample(self, labels, *, seed):
        rng = np.random.default_rng(seed)
        return rng.binomial(2, self.p_, (len(labels), len(self.p_))).astype(np.int8)

    def settings(self):
        return {}

    def state(self):
        return {"p": self.p_}

    def restore(self, state):
        self.p_ = state["p"]

"""

TASK = """
import os, signal
import numpy as np
from genobench.task import Estimate, Task

class Toy(Task):
    def prepare(self, split, *, seed):
        return {"mean": split.test.genotypes.mean(axis=0)}

    def score(self, synthetic, reference, *, seed):
        gap = synthetic.genotypes.mean(axis=0) - reference.statistics["mean"]
        return {"gap": Estimate(float(np.abs(gap).mean()), n=synthetic.n)}

"""
TASK_CARD = """
class = "Mine"
title = "Toy"
question = "?"
floors = []
[metrics.gap]
title = "Gap"
better = "lower"
reading = "Mean absolute difference of dosage."
version = {version}
headline = true
"""


class ToySpec(DataSpec):
    """Data that the store holds already."""

    key = DATA_KEY


class Bench:
    """One store and the plug-ins of one test."""

    def __init__(self, folder: Path, split: Split) -> None:
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self.out = folder / "out"
        self.store = Store(self.out)
        self.data = ToySpec("toy")
        self.events: list[Event] = []
        with self.store.locked(), self.store.building(self.store.data_folder(DATA_KEY)) as data:
            split.save(data)
            inputs = prepared.describe(self.data, split)
            (data / "inputs.json").write_text(json.dumps(inputs))

    def generator(self, name: str, body: str = "pass", card: str = "") -> str:
        """Write a generator whose class body is ``body``; its spec."""
        path = self.plugins / f"{name}.py"
        text = textwrap.indent(textwrap.dedent(body), "    ")
        path.write_text(f"{GENERATOR}class Mine(Sound):\n{text}\n")
        path.with_suffix(".toml").write_text(f'class = "Mine"\ntitle = "{name}"\n{card}')
        return f"{path}:Mine"

    def task(self, name: str, body: str = "pass", version: int = 1) -> str:
        """Write a task whose class body is ``body``; its spec."""
        path = self.plugins / f"{name}.py"
        text = textwrap.indent(textwrap.dedent(body), "    ")
        path.write_text(f"{TASK}class Mine(Toy):\n{text}\n")
        path.with_suffix(".toml").write_text(TASK_CARD.format(version=version))
        return f"{path}:Mine"

    def options(self, models: list[str], tasks: list[str], **more: Any) -> RunOptions:
        """Options of a run on one slot."""
        usual = {"seeds": (0,), "jobs": 1, "device": "cpu", "timeout_seconds": 60.0, **more}
        return RunOptions(
            out=self.out, models=tuple(models), tasks=tuple(tasks), data=self.data, **usual
        )

    def run(self, models: list[str], tasks: list[str], **more: Any) -> Summary:
        """Run, and collect the events."""
        self.events = []
        return run_benchmark(self.options(models, tasks, **more), self.events.append)

    def record(self, model: str) -> dict[str, Any]:
        """The only record of a model."""
        found = [r for r in self.store.records() if r["job"]["model"] == model]
        assert len(found) == 1, f"{len(found)} records of {model}"
        return found[0]


@pytest.fixture(scope="session")
def tiny_split(make_cohort: Callable[..., Cohort]) -> Split:
    """240 people x 24 SNPs."""
    everybody = make_cohort(240, 24)
    edges = np.cumsum([0, 100, 40, 50, 50])
    return Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))


@pytest.fixture
def bench(tmp_path: Path, tiny_split: Split) -> Bench:
    """An empty store with prepared data."""
    return Bench(tmp_path, tiny_split)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory, tiny_split: Split) -> Bench:
    """One store for the tests of a module."""
    return Bench(tmp_path_factory.mktemp("bench"), tiny_split)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Dask]:
    """A scheduler without workers."""
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = Dask(folder)
    try:
        yield cluster
    finally:
        cluster.stop()

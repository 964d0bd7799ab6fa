"""One process of the streaming bench: how fast files are read and tested, and in what memory.

    python tests/benchmarks/stream_child.py rates COHORT.bed
    python tests/benchmarks/stream_child.py memory COHORT.bed

Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genobench.cohort import Trait
from genobench.data import choice
from genobench.data.filesets import scan_sets
from genobench.data.gwas import NullModel
from genobench.data.labels import read_labels
from genobench.data.plink import opened
from genobench.data.prepare import DataSpec
from genobench.data.scan import Design, scan
from genobench.data.source import Packed, PlinkSource

GIB = 2**30
DECODED = 2**22  # calls at a time: more, or fewer, are decoded more slowly
COVARIATES = 5  # sex and four components
ROUNDS = 2


def rates(bed: str) -> dict[str, float]:
    """Most calls per microsecond of reading alone, and of the whole pass, taken in turn.

    Opening the files, which takes as long for two thousand SNPs as for a million, is in neither.
    """
    files = scan_sets(bed)[0]
    source, design = _Timed(files), _design(files.n)
    step = max(1, DECODED // files.n)
    spent: dict[str, list[float]] = {"read": [], "pass": []}
    with tempfile.TemporaryDirectory() as folder:
        block = _chunks(opened(files.bed, files.n, Path(folder), step))
        scan(source, design)  # compiles, and reads the file for the first time
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for number in range(-(-files.m // step)):
                block(number)
            spent["read"].append(time.perf_counter() - started)
            scan(source, design)
            spent["pass"].append(time.perf_counter() - source.began)
    calls = files.n * files.m
    return {name: calls / min(seconds) / 1e6 for name, seconds in spent.items()}


def _chunks(lazy: Any) -> Callable[[int], Any]:
    """Maker of the chunks of pandas-plink's array, each from its own few tasks.

    A slice of the array would be slower: it looks at the tasks of all chunks, and transposes.
    """
    import dask
    from dask.optimization import cull

    keys, tasks = lazy.T.__dask_keys__(), dict(lazy.T.__dask_graph__())
    return lambda number: dask.get(cull(tasks, [keys[number][0]])[0], keys[number][0])


class _Timed(PlinkSource):
    """Knows when its first block was there."""

    began = 0.0

    def packed(self, first: int, step: int) -> Iterator[tuple[int, Packed]]:
        """As of the files."""
        blocks = super().packed(first, step)
        start, block = next(blocks)
        self.began = time.perf_counter()
        yield start, block
        yield from blocks


def _design(n: int) -> Design:
    """Disease of a tenth; seven tenths train, half are controls."""
    draw = np.random.default_rng(0)
    training = np.sort(draw.permutation(n)[: 7 * n // 10])
    disease = Trait("disease", "binary", (draw.random(len(training)) < 0.1).astype(np.float32))
    null = NullModel(disease, draw.normal(size=(len(training), COVARIATES)))
    return Design.of(n, null, training=training, counted=np.arange(n), controls=np.arange(0, n, 2))


def memory(bed: str) -> dict[str, float]:
    """Peak of the memory of this process while SNPs are chosen from the files.

    Anonymous memory: pages of the .bed that are mapped are the kernel's, which takes them back.
    """
    choice.IN_MEMORY = 0
    watch = _Watch()
    source = PlinkSource(*scan_sets(bed))
    spec = DataSpec(bed, group="fid")
    labels = read_labels(spec, source.samples, None, None)
    found = choice.find_candidates(spec, source, labels, _silent)
    assert found.columns is not None
    return {"peak": watch.stop() / GIB, "chosen": len(found.columns)}


def _silent(_text: str) -> None:
    """Says nothing."""


class _Watch:
    """Looks at the memory of this process a hundred times a second."""

    def __init__(self) -> None:
        self.peak, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.01):
            status = Path("/proc/self/status").read_text()
            self.peak = max(self.peak, 1024 * int(status.split("RssAnon:")[1].split()[0]))

    def stop(self) -> int:
        """Bytes at the peak."""
        self._done.set()
        self._thread.join()
        return self.peak


if __name__ == "__main__":
    print(json.dumps({"rates": rates, "memory": memory}[sys.argv[1]](sys.argv[2])))

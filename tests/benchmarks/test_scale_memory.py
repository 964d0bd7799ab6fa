"""A cohort of UK Biobank's size through a whole benchmark, within 8 GiB of host memory.

The cohort is simulated, prepared (loaded, split, selected) and given to one generator after
another, each of which is fitted for about one pass, sampled and scored. Memory is that of the run's
process and everything below it, together, by phase.

It takes long, so the environment says what is run, and nothing is run without it:

    GENOBENCH_BENCH_MODELS=hwe,vae pytest tests/benchmarks/test_scale_memory.py -m benchmark_suite

`all` are all generators. `GENOBENCH_BENCH_SUITE` is `small` (default) or `full`, whose published
networks take days on a processor; `GENOBENCH_BENCH_TASKS` names tasks (default: all);
`GENOBENCH_BENCH_PEOPLE` is for a smaller trial.

The utility task has a bench of its own: its memory is linear in people, so that two sizes tell what
it needs at the whole one. `GENOBENCH_BENCH_SNPS` is for a smaller trial of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench.cohort import Cohort, Trait
from genobench.data.split import BIOBANK_SHARES, PARTS, Split
from genobench.metrics.moments import WHOLE
from genobench.registry import generators

from .ledger import Recorder
from .test_speed_privacy import people

PEOPLE = int(os.environ.get("GENOBENCH_BENCH_PEOPLE", 458_724))
SNPS = 2_048
LIMIT_GIB = 8
SUITE = os.environ.get("GENOBENCH_BENCH_SUITE", "small")
TASKS = os.environ.get("GENOBENCH_BENCH_TASKS", "all").split(",")
ASKED = os.environ.get("GENOBENCH_BENCH_MODELS", "")
MODELS = sorted(generators()) if ASKED == "all" else [name for name in ASKED.split(",") if name]
STEPS = 2_500  # of each stage's training at most: a pass in batches of 128
BRIEF = dict.fromkeys(("steps", "ae_steps", "vae_steps"), STEPS)
BRIEF |= dict.fromkeys(("sampling_steps", "solver_steps"), 2)  # as much memory, less time
HOURS = 4.0  # for one generator's job; a quarter of it is left when its fit must end
GIB = 2**30
CHILD = Path(__file__).parent / "phases_child.py"
UTILITY = Path(__file__).parent / "utility_child.py"
UTILITY_SIZES = (PEOPLE // 16, PEOPLE // 8)
UTILITY_SNPS = int(os.environ.get("GENOBENCH_BENCH_SNPS", SNPS))
SIMULATE = "from genobench.cli import main; import sys; sys.exit(main(sys.argv[1:]))"


def brief(model: str) -> str:
    """The generator with settings that shorten it, of those it has."""
    cls = generators()[model].load()
    known: list[str] = [field.name for field in fields(cls)] if is_dataclass(cls) else []
    words = ",".join(f"{name}={value}" for name, value in BRIEF.items() if name in known)
    return f"{model}({words})" if words else model


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PLINK files of the cohort; what is prepared of them lies beside and is used again."""
    bed = tmp_path_factory.mktemp("biobank") / "biobank.bed"
    size = ("--people", str(PEOPLE), "--snps", str(SNPS), "--out", str(bed))
    command = [sys.executable, "-c", SIMULATE, "data", "simulate", *size]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return bed


def phases(cohort: Path, model: str) -> dict[str, Any]:
    """What `phases_child` says of one generator's run."""
    order = {
        "out": str(cohort.parent / "out"),
        "models": [model],
        "data": {"name": str(cohort), "snps": SNPS, "group": "fid"},
        "suite": SUITE,
        "tasks": TASKS,
        "seeds": [0],
        "jobs": 1,
        "timeout_seconds": 3600 * HOURS,
    }
    command = [sys.executable, str(CHILD), json.dumps(order)]
    environment = os.environ | {"GENOBENCH_CACHE": str(cohort.parent / "cache")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.benchmark_suite
@pytest.mark.skipif(not MODELS, reason="takes long: GENOBENCH_BENCH_MODELS says what is run")
@pytest.mark.timeout(int(3600 * (HOURS + 4)))
@pytest.mark.parametrize("model", MODELS)
def test_biobank_within_eight_gibibytes(
    cohort: Path, model: str, benchmark: Any, record: Recorder
) -> None:
    """Peak of the run and of each phase; preparation and references belong to the first model."""
    found = benchmark.pedantic(phases, args=(cohort, brief(model)), rounds=1)
    spent = {name: phase for name, phase in found["phases"].items() if phase["bytes"]}
    at = max(spent, key=lambda name: float(spent[name]["bytes"]))
    dearest = sorted(spent.items(), key=lambda item: -item[1]["bytes"])[:6]
    parts = ", ".join(
        f"{name} {phase['bytes'] / GIB:.2f} GiB in {phase['seconds']:.0f} s"
        for name, phase in dearest
    )
    ended = "; ".join(found["problems"]) or "all ended well"
    record(
        f"{model} on {PEOPLE:,} x {SNPS:,}, peak memory of the run",
        spent[at]["bytes"] / GIB,
        "GiB",
        target=LIMIT_GIB,
        better="lower",
        note=f"{brief(model)}, settings {SUITE}: highest in {parts}; {ended}",
    )
    assert not found["problems"], found["problems"]


def write_split(folder: Path, size: int) -> None:
    """A split of ``size`` people with a disease, and as many synthetic people as train."""
    draw = np.random.default_rng(0)
    edges = np.cumsum([0, *(round(share * size) for share in BIOBANK_SHARES)]).tolist()
    n, site = edges[-1], np.arange(UTILITY_SNPS)
    genotypes = np.ascontiguousarray(people(n + edges[1], draw)[:, :UTILITY_SNPS])
    ids = [f"rs{j}" for j in site]
    table = {"chrom": "1", "pos": site + 1, "id": ids, "counted": "A", "other": "G"}
    liability = genotypes[:n] @ draw.normal(size=UTILITY_SNPS)
    liability = liability / liability.std() + draw.normal(0, 3, size=n)
    cases = (liability > np.quantile(liability, 0.8)).astype(np.float32)
    parts = {}
    for name, (first, last) in zip(PARTS, pairwise(edges), strict=True):
        names = [f"p{i}" for i in range(first, last)]
        samples = pd.DataFrame({"fid": names, "iid": names, "sex": 1})
        trait = Trait("disease", "binary", cases[first:last])
        parts[name] = Cohort(genotypes[first:last], pd.DataFrame(table), samples, trait)
    Split(**parts).save(folder)
    np.save(folder / "synthetic.npy", genotypes[n:])


def utility(folder: Path, phase: str, size: int) -> dict[str, float]:
    """What `utility_child` says.

    People are held in blocks from as many on as make the same share of ``size`` as of all.
    """
    whole = round(WHOLE * size * UTILITY_SNPS / (PEOPLE * SNPS))
    command = [sys.executable, str(UTILITY), phase, str(folder), str(whole)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.benchmark_suite
@pytest.mark.timeout(7200)
def test_utility_task_within_eight_gibibytes(
    tmp_path: Path, benchmark: Any, record: Recorder
) -> None:
    """Peak of its reference and of its scores by size, and on the line through them at the end."""
    peaks: dict[str, list[float]] = {"prepare": [], "score": []}
    for size in UTILITY_SIZES:
        folder = tmp_path / str(size)
        write_split(folder, size)
        for phase, found in peaks.items():
            last = phase == "score" and size == UTILITY_SIZES[-1]
            if last:
                spent = benchmark.pedantic(utility, args=(folder, phase, size), rounds=1)
            else:
                spent = utility(folder, phase, size)
            found.append(spent["peak_gib"])
            what = f"utility task, {phase}, {size:,} x {UTILITY_SNPS:,}"
            record(f"{what}, peak memory", spent["peak_gib"], "GiB", better="lower")
            record(what, spent["seconds"], "s", better="lower", note="shortened: `utility_child`")
    for phase, found in peaks.items():
        slope = (found[1] - found[0]) / (UTILITY_SIZES[1] - UTILITY_SIZES[0])
        record(
            f"utility task, {phase}, {PEOPLE:,} x {UTILITY_SNPS:,}, peak memory on the line",
            found[1] + slope * (PEOPLE - UTILITY_SIZES[1]),
            "GiB",
            target=LIMIT_GIB,
            better="lower",
            note=f"{slope * GIB / UTILITY_SNPS:.2f} bytes per SNP of one more person of the cohort",
        )

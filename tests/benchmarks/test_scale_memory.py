"""A cohort of UK Biobank's size through a whole benchmark, within 8 GiB of host memory.

The cohort is simulated, prepared (loaded, split, selected) and given to one generator after
another, each of which is fitted for about one pass, sampled and scored. Memory is that of the run's
process and everything below it, together, by phase.

It takes long, so the environment says what is run, and nothing is run without it:

    GENOBENCH_BENCH_MODELS=hwe,vae pytest tests/benchmarks/test_scale_memory.py -m benchmark_suite

`all` are all generators. `GENOBENCH_BENCH_SUITE` is `small` (default) or `full`, whose published
networks take days on a processor; `GENOBENCH_BENCH_TASKS` names tasks (default: all);
`GENOBENCH_BENCH_PEOPLE` is for a smaller trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from genobench.registry import generators

from .ledger import Recorder

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

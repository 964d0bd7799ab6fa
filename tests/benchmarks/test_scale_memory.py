"""A cohort of UK Biobank's size through a whole benchmark, within 8 GiB of host memory.

The cohort is simulated, prepared (loaded, split, selected) and given to one generator after
another, each of which is fitted for about one pass, sampled and scored. Memory is that of the run's
process and everything below it, together, by phase.

It takes long, so the environment says what is run, and nothing is run without it:

    GENOBENCH_BENCH_MODELS=hwe,vae pytest tests/benchmarks/test_scale_memory.py -m benchmark_suite

`all` are all generators. `GENOBENCH_BENCH_SUITE` is `small` (default) or `full`, whose published
networks take days on a processor; `GENOBENCH_BENCH_TASKS` names tasks (default: all);
`GENOBENCH_BENCH_PEOPLE` is for a smaller trial.

Every task and every generator has a short bench as well, which runs without being asked: memory is
linear in people, or stops growing where only some of them are looked at, so that a line through two
smaller sizes tells what the whole one needs, or more.
`GENOBENCH_BENCH_SNPS` is for a smaller trial of these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from genobench.metrics.moments import WHOLE
from genobench.registry import generators, tasks

from .biobank_split import write_split
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
PART = Path(__file__).parent / "scale_child.py"
PART_SNPS = int(os.environ.get("GENOBENCH_BENCH_SNPS", SNPS))
PHASES = ("prepare", "score")
SIZES = (PEOPLE // 16, PEOPLE // 8)  # of fewer, what networks hold of a batch is the most
FEW: dict[str, Any] = {
    **dict.fromkeys(BRIEF, 20),
    **dict.fromkeys(("sampling_steps", "solver_steps"), 2),
}
FEW |= {"iterations": 1, "states": [16], "sizes": [30.0], "thetas": [0.003]}
FEW |= {"rounds": 1, "trees": 5, "matched_noise": False}
CHEAPER = {"matched": "argmax", "validated": "argmax"}  # else tried on a thousand people
CALLED = {"prs_utility": "utility"}
SIMULATE = "from genobench.cli import main; import sys; sys.exit(main(sys.argv[1:]))"


def settings_of(model: str) -> list[str]:
    """Names of all that can be set."""
    cls = generators()[model].load()
    return [field.name for field in fields(cls)] if is_dataclass(cls) else []


def brief(model: str) -> str:
    """The generator with settings that shorten it, of those it has."""
    known = settings_of(model)
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


def note_line(record: Recorder, what: str, peaks: Sequence[float]) -> None:
    """GiB at the whole size, on the line through those of two smaller `SIZES`."""
    slope = max(peaks[1] - peaks[0], 0.0) / (SIZES[1] - SIZES[0])
    measured = ", ".join(f"{p:.2f} GiB of {n:,} people" for p, n in zip(peaks, SIZES, strict=True))
    record(
        f"{what}, {PEOPLE:,} x {PART_SNPS:,}, peak memory on the line",
        peaks[1] + slope * (PEOPLE - SIZES[1]),
        "GiB",
        target=LIMIT_GIB,
        better="lower",
        note=f"settings {SUITE}, shortened (`scale_child`): {measured}; "
        f"{slope * GIB / PART_SNPS:.2f} bytes per SNP of one more person of the cohort",
    )


def part(phase: str, name: str, folder: Path, text: str) -> float:
    """GiB that `scale_child` says."""
    command = [sys.executable, str(PART), phase, name, str(folder), text]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout)["peak_gib"])


def measured(benchmark: Any, orders: Sequence[tuple[str, str, Path, str]]) -> list[float]:
    """GiB that each part takes at its peak; the last one is timed as well."""
    *smaller, largest = orders
    return [*(part(*order) for order in smaller), benchmark.pedantic(part, largest, rounds=1)]


def whole(size: int) -> str:
    """Bytes up to which people are widened at once: the share of ``size`` that it is of all."""
    return str(round(WHOLE * size * PART_SNPS / (PEOPLE * SNPS)))


def shortened(settings: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The settings with few steps, of those that it ``known``, and so in settings within them."""
    inner = {
        name: shortened(value, value) if isinstance(value, dict) else CHEAPER.get(str(value), value)
        for name, value in settings.items()
    }
    return inner | {name: value for name, value in FEW.items() if name in known}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Folder of a split of so many people; written once."""
    base = tmp_path_factory.mktemp("splits")

    def written(size: int) -> Path:
        folder = base / str(size)
        if not folder.is_dir():
            write_split(folder, size, PART_SNPS)
        return folder

    return written


@pytest.mark.benchmark_suite
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("task", sorted(tasks()))
def test_task_within_eight_gibibytes(
    split: Callable[[int], Path], task: str, phase: str, benchmark: Any, record: Recorder
) -> None:
    """Peak of its reference and of its scores by size, and on the line through them at the end."""
    for size in SIZES:
        if phase == "score" and not (split(size) / f"{task}.npz").is_file():
            part("prepare", task, split(size), whole(size))
    orders = [(phase, task, split(size), whole(size)) for size in SIZES]
    note_line(record, f"{CALLED.get(task, task)} task, {phase}", measured(benchmark, orders))


@pytest.mark.benchmark_suite
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", sorted(generators()))
def test_generator_within_eight_gibibytes(
    split: Callable[[int], Path], model: str, benchmark: Any, record: Recorder
) -> None:
    """Peak of a fit of a few steps and of a sample of as many people as were fitted to."""
    card = generators()[model].card
    settings = shortened(card.settings_for(SUITE), settings_of(model))
    orders = [
        ("make", model, split(size), json.dumps({"settings": settings, "share": size / PEOPLE}))
        for size in SIZES
    ]
    note_line(record, f"{model}, fit and sample", measured(benchmark, orders))

"""What a benchmark costs by people, SNPs, models, seeds and workers; and what a large one would.

Each curve is a constant and a slope, fitted to small runs; `scale.md` has them all. The projection
multiplies what was measured by numbers of jobs: nobody has run it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from .curves import HEAD, Curve, write
from .ledger import Recorder, machine
from .test_speed_leaderboard import KEPT, fill, leaderboard

PEOPLE, SNPS = (1_500, 3_000, 6_000), (128, 256, 512)
USUAL = 3_000, 256  # what does not vary
CHEAP, DEEP = "hwe", "vae(steps=200,every=100)"
COUNTS = (1, 2, 4)  # of models, of seeds
CONTROLS = ("hwe", "cond_hwe", "noise05", "mosaic16")
SEEDS_PER_TABLE = (8, 32)  # of 20 models on 6 data sets: 960 and 3,840 records
LARGE = 500, 50, 5  # generators, data sets, seeds
GIB = 2**30
CHILD = Path(__file__).parent / "phases_child.py"
SIMULATE = "from genobench.cli import main; import sys; sys.exit(main(sys.argv[1:]))"

Found = dict[str, Any]


def simulated(folder: Path, people: int, snps: int) -> Path:
    """A cohort of that size as PLINK files."""
    bed = folder / f"cohort{people}x{snps}.bed"
    if not bed.exists():
        size = ("--people", str(people), "--snps", str(snps), "--out", str(bed))
        command = [sys.executable, "-c", SIMULATE, "data", "simulate", *size]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return bed


def measured(
    out: Path, bed: Path, models: Sequence[str], seeds: Sequence[int], *, jobs: int = 1, **more: Any
) -> Found:
    """What `phases_child` says of a run; each job has one core."""
    cores = set(sorted(os.sched_getaffinity(0))[:jobs])
    data = {"name": str(bed), "snps": int(bed.stem.split("x")[1])}
    order = {"out": str(out), "data": data, "models": list(models), "seeds": list(seeds)}
    command = [sys.executable, str(CHILD), json.dumps({**order, "jobs": jobs, **more})]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    found: Found = json.loads(done.stdout)
    assert not found["problems"], found["problems"]
    return found


def stages(found: Found) -> dict[str, float]:
    """Seconds of each stage, and the memory of the run in GiB."""
    phases = found["phases"]
    spent = {record["job"]["model"]: record["resources"] for record in found["records"]}
    cheap, deep = spent[CHEAP], next(r for model, r in spent.items() if model != CHEAP)
    references = (p["seconds"] for name, p in phases.items() if name.startswith("reference:"))
    return {
        "data prepared, s": phases["prepare"]["seconds"],
        "references of all tasks, s": sum(references),
        f"fit of {CHEAP}, s": cheap["fit_seconds"],
        f"fit of {DEEP}, s": deep["fit_seconds"],
        f"one sample of {CHEAP}, s": cheap["sample_seconds"],
        f"one sample of {DEEP}, s": deep["sample_seconds"],
        "all scores of a sample, s": cheap["score_seconds"],
        "process of a job, s": cheap["harness_seconds"],
        f"a job of {CHEAP}, s": cheap["total_seconds"],
        "memory of the run, GiB": max(phase["bytes"] for phase in phases.values()) / GIB,
    }


def both(folder: Path) -> tuple[Curve, Curve]:
    """Runs of all sizes, by people and by SNPs."""
    runs = {}
    for people, snps in {*((n, USUAL[1]) for n in PEOPLE), *((USUAL[0], m) for m in SNPS)}:
        bed, out = simulated(folder, people, snps), folder / f"out{people}x{snps}"
        runs[people, snps] = stages(measured(out, bed, (CHEAP, DEEP), (0,), device="cpu"))

    def along(axis: str, fixed: str, sizes: Sequence[int], at: Sequence[tuple[int, int]]) -> Curve:
        table = {stage: [runs[size][stage] for size in at] for stage in runs[USUAL]}
        return Curve(axis, fixed, tuple(sizes), table)

    return (
        along("people", f"{USUAL[1]} SNPs", PEOPLE, [(n, USUAL[1]) for n in PEOPLE]),
        along("SNPs", f"{USUAL[0]:,} people", SNPS, [(USUAL[0], m) for m in SNPS]),
    )


def counted(folder: Path) -> list[Curve]:
    """Seconds of runs on data that are prepared, by numbers of models, of seeds, of workers."""
    bed, out = simulated(folder, *USUAL), folder / "out{}x{}".format(*USUAL)
    usual: dict[str, Any] = {"device": "cpu", "tasks": ["association"]}
    by_model, by_seed, by_worker = [], [], []
    for count in COUNTS:
        run = measured(out, bed, CONTROLS[:count], (10 + count,), **usual)
        by_model.append(run["seconds"])
        seeds = range(10 * count + 100, 11 * count + 100)
        by_seed.append(measured(out, bed, (CHEAP,), tuple(seeds), **usual)["seconds"])
    for workers in (1, 2):
        seeds = range(1000 * workers, 1000 * workers + 2 * COUNTS[-1])
        run = measured(out, bed, (CHEAP,), tuple(seeds), jobs=workers, **usual)
        by_worker.append(run["seconds"])
    on = "{:,} people x {} SNPs, one task".format(*USUAL)
    return [
        Curve("models", f"one seed, {on}", COUNTS, {"the run, s": by_model}, per=1),
        Curve("seeds", f"{CHEAP}, {on}", COUNTS, {"the run, s": by_seed}, per=1),
        Curve("workers", f"{2 * COUNTS[-1]} jobs, {on}", (1, 2), {"the run, s": by_worker}, per=0),
    ]


def tables(folder: Path) -> Curve:
    """Seconds of ``genobench leaderboard`` by records, when no picture has to be drawn."""
    sizes, seconds = [], []
    for seeds in SEEDS_PER_TABLE:
        place = folder / f"tables{seeds}"
        fill(place, models=20, data_sets=6, seeds=seeds)
        leaderboard(place)
        sizes.append(120 * seeds)
        seconds.append(leaderboard(place))
    return Curve("records", "20 models, 6 data sets", tuple(sizes), {"leaderboard, s": seconds})


def committed() -> tuple[float, float]:
    """Of the committed records of the smoke suite: mean seconds of an entrant's job, and bytes."""
    paths = sorted(KEPT.glob("*.json"))
    records = [json.loads(path.read_text()) for path in paths]
    deep = [r["resources"]["total_seconds"] for r in records if r["resources"]["fit_seconds"] > 1]
    return fmean(deep), fmean(path.stat().st_size for path in paths)


def projection(
    people: Curve, table: Curve, per_job: float, size: float
) -> list[tuple[str, str, str]]:
    """What `LARGE` would cost on cohorts of the smoke suite's size, each with its formula."""
    generators, data_sets, seeds = LARGE
    jobs, n, m = generators * data_sets * seeds, 6_000, 256
    once = sum(people.line(s)(n) for s in ("data prepared, s", "references of all tasks, s"))
    own = people.line(f"a job of {CHEAP}, s")(n)
    hours = (jobs * per_job + data_sets * once) / 3600
    records, samples = jobs * size / GIB, jobs * n / 2 * m / GIB
    lines = table.line("leaderboard, s")
    of = f"{generators} generators x {data_sets} data sets x {seeds} seeds"
    return [
        ("jobs", f"{jobs:,}", of),
        (
            "core hours",
            f"{hours:,.0f}",
            f"(jobs x {per_job:.0f} s + data sets x {once:.0f} s) / 3,600; a job is the mean of "
            "the committed smoke records of generators that train; a data set, preparation and "
            f"references by the lines above at {n:,} people x {m} SNPs",
        ),
        (
            "of them not spent on fit and sample",
            f"{jobs * own / 3600:,.0f}",
            f"jobs x {own:.1f} s: the line of a job of {CHEAP}, whose scores and process cost what "
            "anybody's do",
        ),
        ("days on 100 cores", f"{hours / 2400:,.1f}", "core hours / 100 / 24"),
        ("disk for records", f"{records:,.1f} GiB", f"jobs x {size / 1000:.0f} kB, as committed"),
        (
            "disk for samples",
            f"{samples:,.0f} GiB",
            f"jobs x {n // 2:,} training people x {m} SNPs, a byte each; may be deleted",
        ),
        (
            "genobench leaderboard",
            f"{lines(jobs):,.0f} s",
            f"{lines.constant:.1f} s + {1000 * lines.slope:.2f} s per 1,000 records, as if 500 "
            "models cost no more than 20",
        ),
    ]


@pytest.mark.benchmark_suite
@pytest.mark.timeout(3600)
def test_cost_curves(tmp_path: Path, benchmark: Any, record: Recorder) -> None:
    """Curves on one core, the projection from them, and `scale.md` with both."""
    people, snps = benchmark.pedantic(both, args=(tmp_path,), rounds=1)
    others, table = counted(tmp_path), tables(tmp_path)
    for found in (people, snps):
        note_lines(record, found)
    for found in (*others, table):
        (stage,) = found.stages
        line = found.line(stage)
        note = f"{line.constant:.3g} s and {line.slope:.3g} s each; {found.fixed}"
        if found.axis == "workers":
            one, two = found.stages[stage]
            record("two jobs at a time against one, with start", one / two, "x", note=found.fixed)
        else:
            record(f"{found.axis} 1 to {found.sizes[-1]:,}, each adds", line.slope, "s", note=note)
    rows = projection(people, table, *committed())
    head = HEAD.format(machine=machine(), day=datetime.now(UTC).date().isoformat())
    write(record.path.with_name("scale.md"), [people, snps, *others, table], rows, head)


def note_lines(record: Recorder, found: Curve) -> None:
    """Slopes of one axis that matter most."""
    for stage in ("references of all tasks, s", f"a job of {CHEAP}, s", "memory of the run, GiB"):
        line, (what, unit) = found.line(stage), stage.rsplit(", ", 1)
        note = f"{line.constant:.3g} {unit} to begin with; {found.fixed}; {len(found.sizes)} sizes"
        record(f"{what}: 1,000 {found.axis} add", 1000 * line.slope, unit, note=note)

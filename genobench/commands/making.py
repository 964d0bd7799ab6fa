"""Commands that make things: ``run``, ``leaderboard``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.commands.catalogue import print_json, print_table, terminal_width
from genobench.errors import GenobenchError
from genobench.report.plain import wrap

if TYPE_CHECKING:
    from genobench.data.prepare import DataSpec
    from genobench.report.tables import Tables
    from genobench.run.benchmark import Summary
    from genobench.run.request import RunOptions

DATA_OPTIONS = (
    "pheno", "trait", "covariates", "gwas", "snps", "clump_r2", "group", "split_seed",
    "train_population", "test_population", "trait_kind", "membership",
)  # fmt: skip


def say(text: str) -> None:
    """One line on what is going on, apart from results."""
    print(text, file=sys.stderr, flush=True)


def data_spec(options: Namespace) -> DataSpec:
    """What the data options name; the suite's own data, changed by them, without ``--data``."""
    from genobench.data.prepare import DataSpec
    from genobench.run.suites import find_suite

    given = {k: v for k in DATA_OPTIONS if (v := getattr(options, k)) is not None}
    if options.data is not None:
        return DataSpec.for_name(options.data, **given)
    suite = find_suite(options.suite)
    if not suite.data:
        raise GenobenchError(f"suite {suite.name} has no data of its own: name some with --data")
    return DataSpec.for_name(**{**suite.data, **given})


def run(options: Namespace) -> int:
    """``genobench run``."""
    from genobench.run.benchmark import run_benchmark
    from genobench.run.request import RunOptions

    spec = data_spec(options)
    wanted = RunOptions(
        out=options.out,
        models=options.models,
        tasks=options.tasks,
        suite=options.suite,
        data=spec,
        seeds=options.seeds or (),
        device=options.device,
        jobs=options.jobs,
        timeout_seconds=options.timeout,
        memory_bytes=options.memory,
        overwrite=options.overwrite,
        cluster=options.cluster,
        cluster_tls=tuple(Path(name) for name in options.cluster_tls.split(",") if name),
    )
    if options.dry_run:
        return _dry_run(wanted, as_json=options.json)
    from genobench.commands.progress import watch

    with watch(plain=options.plain or options.json) as listener:
        summary = run_benchmark(wanted, listener)
    tables = _tables_of(options.out, summary.keys)
    if options.json:
        print_json(_as_json(summary, tables))
    else:
        _print_outcome(summary, tables, options.out)
    return 0 if all(status == "ok" for status, n in summary.statuses.items() if n) else 1


def _dry_run(wanted: RunOptions, *, as_json: bool) -> int:
    from genobench.run.benchmark import plan

    planned = plan(wanted)
    if not planned.data_ready and wanted.data is not None:
        _look_at(wanted.data)
    rows = [
        {
            "model": todo.job.model,
            "seed": todo.job.seed,
            "state": todo.state,
            "action": todo.action,
            "tasks": [task.task for task in todo.tasks],
        }
        for todo in planned.todos
    ]
    if as_json:
        print_json({"data_ready": planned.data_ready, "jobs": rows})
        return 0
    print_table(rows)
    left = len(planned.remaining)
    print(f"\n{left} of {len(rows)} jobs would be run; nothing was.")
    _print_advice(len(planned.kept_failures))
    return 0


def _look_at(spec: DataSpec) -> None:
    """Raise what is wrong with files of the user's own, without reading a genotype.

    Named data sets are left alone: looking at them may mean fetching them.
    """
    from genobench.data.labels import read_labels
    from genobench.data.plink_files import scan_plink
    from genobench.data.simulated_trait import SimulatedTrait

    if spec.is_path:
        samples = scan_plink(spec.name).samples
        if SimulatedTrait.named(spec.trait) is None:
            read_labels(spec, samples, spec.pheno, None)


def _print_advice(failures: int) -> None:
    """How to repeat what failed: the same command keeps it."""
    if failures:
        were = "failed and is" if failures == 1 else "failed and are"
        print(f"{failures} of the jobs that were there already {were} kept as such; "
              "repeat them with --overwrite failed")  # fmt: skip


def _tables_of(out: Path, keys: tuple[str, ...]) -> Tables:
    from genobench.report.collect import build
    from genobench.report.leaderboard import data_options
    from genobench.run.store import Store

    store = Store(out)
    records = [r for key in keys if (r := store.read_record(key)) is not None]
    return build(records, *cards(), data_options(out))


def cards() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Cards of the installed generators and tasks, by name."""
    from genobench.registry import generators, tasks

    return (
        {name: plugin.card for name, plugin in generators().items()},
        {name: plugin.card for name, plugin in tasks().items()},
    )


def _as_json(summary: Summary, tables: Tables) -> dict[str, Any]:
    from dataclasses import asdict

    from genobench.report.leaderboard import lines

    rows = [line for block in tables.blocks for table in block.tables for line in lines(table)]
    return {**asdict(summary), "tables": rows}


def _print_outcome(summary: Summary, tables: Tables, out: Path) -> None:
    from genobench.report.numerals import duration
    from genobench.report.terminal import show

    print(show(tables, terminal_width(), failures=False))
    counts = ", ".join(f"{n} {status}" for status, n in sorted(summary.statuses.items()) if n)
    jobs = f"{summary.asked} job{'s' if summary.asked != 1 else ''}"
    print(f"\n{jobs}: {counts}; {summary.kept} were there already; "
          f"{duration(summary.seconds)}")  # fmt: skip
    if summary.problems:
        print("\nWhat failed:")
        for problem in summary.problems:
            text, _, log = problem.partition(" (log: ")
            print("\n".join(wrap(text, terminal_width(), "  ", "    ")))
            print(f"    {log.removesuffix(')')}" if log else "", end="\n" if log else "")
        print("The same command keeps what failed: repeat it with --overwrite failed")
    print(f"\nRecords: {out / 'records'}")
    if summary.keys:
        print(f"One of them:    genobench show {summary.keys[0][:8]} --out {out}")
    print(f"All metrics:    genobench leaderboard --from {out} --out tables")


def leaderboard(options: Namespace) -> int:
    """``genobench leaderboard``."""
    from genobench.report import leaderboard as boards
    from genobench.report.figures import write_headline
    from genobench.report.headline import points
    from genobench.report.learning import learned
    from genobench.report.learning_figure import write_learning

    if options.check:
        if options.source is not None:
            raise GenobenchError("--check writes nothing: leave --from out")
        found = boards.check(options.out, *cards())
        print("\n".join(found) if found else f"{options.out}: every table agrees with its records")
        return 1 if found else 0
    if options.source is not None:
        taken = boards.adopt(options.source, options.out)
        say(f"{len(taken)} records taken over from {options.source}")
    tables = boards.rebuild(options.out, *cards())
    written = boards.write(tables, options.out)
    for block in tables.blocks:
        if points(block):
            written += write_headline(block, options.out / block.name)
        if learned(block):
            written.append(write_learning(block, options.out / block.name))
    print("\n".join(map(str, written)))
    return 0

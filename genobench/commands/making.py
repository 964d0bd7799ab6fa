"""Commands that make things: ``run``, ``leaderboard``."""

from __future__ import annotations

import gc
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.commands.catalogue import print_json, print_table, terminal_width
from genobench.errors import GenobenchError
from genobench.report.plain import visible, wrap

if TYPE_CHECKING:
    from genobench.data.prepare import DataSpec
    from genobench.report.tables import Block, Tables
    from genobench.run.benchmark import Summary
    from genobench.run.request import RunOptions

DATA_OPTIONS = (
    "pheno", "trait", "covariates", "gwas", "snps", "clump_r2", "group", "split_seed",
    "train_population", "test_population", "trait_kind", "membership",
)  # fmt: skip


def say(text: str) -> None:
    """One line on what is going on, apart from results."""
    print(visible(text), file=sys.stderr, flush=True)


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
        device_memory_bytes=options.device_memory,
        gpus_per_fit=options.gpus_per_fit,
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
    from genobench.run import costs
    from genobench.run.benchmark import plan
    from genobench.run.request import resolve
    from genobench.run.store import Store

    planned = plan(wanted)
    if not planned.data_ready and wanted.data is not None:
        _look_at(wanted.data)
    left = planned.remaining
    known = costs.expected(left, costs.before(left, Store(wanted.out).records()))
    rows = [
        {
            "model": todo.job.model,
            "seed": todo.job.seed,
            "state": todo.state,
            "action": todo.action,
            "seconds": known.get((todo.action, todo.job.model)),
            "tasks": [task.task for task in todo.tasks],
        }
        for todo in planned.todos
    ]
    slots = resolve(wanted).at_a_time
    spent = [known[of] for todo in left if (of := (todo.action, todo.job.model)) in known]
    total = costs.together(spent, slots) if spent else None
    if as_json:
        print_json({"data_ready": planned.data_ready, "seconds": total, "jobs": rows})
        return 0
    _print_plan(rows, len(left), len(left) - len(spent), total, slots)
    _print_advice(len(planned.kept_failures))
    return 0


def _print_plan(
    rows: list[dict[str, Any]], left: int, unknown: int, seconds: float | None, slots: int
) -> None:
    """The jobs, those alike together, and what those that are left should cost."""
    from genobench.report.markdown import seeds_in_words
    from genobench.report.numerals import duration

    def cost(row: Mapping[str, Any]) -> str:
        if row["action"] == "none":
            return ""
        return "not known" if row["seconds"] is None else duration(row["seconds"])

    groups: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        tasks = ", ".join(row["tasks"])
        of = (row["model"], row["state"], row["action"], cost(row), tasks)
        groups.setdefault(of, []).append(row["seed"])
    alike = {tasks for *_, tasks in groups} - {""}
    print_table(
        [
            {"model": model, "seeds": seeds_in_words(seeds), "state": state, "action": action,
             "each": each, **({"tasks": tasks} if len(alike) > 1 else {})}
            for (model, state, action, each, tasks), seeds in groups.items()
        ]
    )  # fmt: skip
    print()
    if len(alike) == 1:
        print("\n".join(wrap(f"Tasks: {alike.pop()}.", terminal_width())))
    print(f"{left} of {len(rows)} jobs would be run; nothing was.")
    if seconds is not None:
        at_a_time = f"{slots} at a time" if slots > 1 else "one at a time"
        more = f"; of {unknown} more nothing is known" if unknown else ""
        text = f"About {duration(seconds)}, {at_a_time}, by what old records say{more}."
        print("\n".join(wrap(text, terminal_width())))
    elif left:
        text = "What they take is not known: neither the run nor leaderboards/records, in the "
        text += "folder this is called from, holds a record of such a job."
        print("\n".join(wrap(text, terminal_width())))


def _look_at(spec: DataSpec) -> None:
    """Raise what is wrong with files of the user's own, without reading a genotype.

    Named data sets are left alone: looking at them may mean fetching them.
    """
    from genobench.data.filesets import scan_sets
    from genobench.data.labels import read_labels
    from genobench.data.simulated_trait import SimulatedTrait

    if spec.is_path:
        samples = scan_sets(spec.name)[0].samples
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
    were = "was" if summary.kept == 1 else "were"
    print(f"\n{jobs}: {counts}; {summary.kept} {were} there already; "
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

    if options.check:
        if options.source is not None:
            raise GenobenchError("--check writes nothing: leave --from out")
        with _keeping():
            found = boards.check(options.out, *cards())
        print("\n".join(found) if found else f"{options.out}: every table agrees with its records")
        return 1 if found else 0
    with _keeping():
        print("\n".join(map(str, _leaderboard(options))))
    return 0


def _leaderboard(options: Namespace) -> list[Path]:
    """Take over records, write tables, page and figures; what was written."""
    from genobench.report import leaderboard as boards

    taken: list[Path] = []
    if options.source is not None:
        taken = boards.adopt(options.source, options.out)
        say(f"{len(taken)} records taken over from {options.source}")
    tables = boards.rebuild(options.out, *cards())
    if taken and not options.no_portraits:
        tables = _with_portraits(options, taken, tables)
    options.tables = tables
    return boards.write(tables, options.out, partial(_pictures, options.out))


def _with_portraits(options: Namespace, taken: list[Path], tables: Tables) -> Tables:
    """The tables with portraits of the samples behind the records taken over."""
    from genobench.report import leaderboard as boards
    from genobench.report.plots.portray import keep, possible
    from genobench.report.portrait import kept

    drawn: list[Path] = []
    blocks, reasons = possible(options.source, taken, tables)
    if blocks:
        boards.write(tables, options.out)  # before what may take minutes
        with _searching():
            drawn, failed = keep(options.source, taken, blocks, cards()[0])
        reasons += failed
    for reason in reasons:
        say(f"no portraits of {reason}")
    if not drawn:
        return tables
    say(f"portraits of {len(drawn)} samples drawn for the page")
    return replace(tables, portraits=kept(options.out / "records"))


def _pictures(out: Path, block: Block) -> list[Path]:
    """The figures that the pages of one data set show."""
    from genobench.report.headline import points
    from genobench.report.learning import curves_of
    from genobench.report.learning_figure import write_learning
    from genobench.report.plots.headline import write_headline

    written = write_headline(block, out / block.name) if points(block) else []
    if any(map(curves_of, block.records)):
        written.append(write_learning(block, out / block.name))
    return written


@contextmanager
def _keeping() -> Iterator[None]:
    """No search for cyclic garbage: among millions of parts of records it costs the most time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # what is left is old now, and searched the least
        gc.enable()


@contextmanager
def _searching() -> Iterator[None]:
    """Within `_keeping`, garbage is sought among what comes from now on: figures leave much."""
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        gc.disable()
        gc.unfreeze()

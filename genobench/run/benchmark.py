"""A whole benchmark: what ``genobench run`` does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from genobench.entrant import Entrant
from genobench.run import environment, executor, prepared
from genobench.run.events import Listener, Said
from genobench.run.fork_server import ForkServers
from genobench.run.job import Job, asked
from genobench.run.ledger import outcome, without_reference
from genobench.run.plan import Overwrite, Plan, decide
from genobench.run.progress import Tracker
from genobench.run.request import Request, RunOptions, resolve
from genobench.run.stages import Jobs, References
from genobench.run.store import Store

__all__ = ["RunOptions", "Summary", "plan", "run_benchmark"]


@dataclass(frozen=True)
class Summary:
    """What came of it.

    Attributes
    ----------
    keys
        Keys of the jobs asked, whose records tables are made from.
    asked, kept, kept_failures
        Jobs asked, those whose records were there already, and those of them that had failed.
    statuses
        Jobs asked by status: ``ok``, ``scores failed``, ``failed``, ``timeout`` ..., ``missing``.
    problems
        One line per job that did not end well, with its log; before them one per task that is
        not possible on these data.
    seconds
        Wall-clock time of this run.
    harness_share
        Of the children's time in this run, the share spent on neither fit, sample nor score.
    """

    keys: tuple[str, ...]
    asked: int
    kept: int
    kept_failures: int
    statuses: Mapping[str, int]
    problems: tuple[str, ...]
    seconds: float
    harness_share: float


def plan(options: RunOptions) -> Plan:
    """What `run_benchmark` would do; nothing is written, no data are prepared."""
    return _plan(resolve(options), Store(options.out), options.overwrite)


def run_benchmark(options: RunOptions, on_event: Listener = lambda _: None) -> Summary:
    """Run what is asked and not there yet; every result is on disk as soon as it exists.

    Raises
    ------
    GenobenchError
        What the user can mend: names, data, limits, the folder. Jobs that fail do not raise; they
        are records, and lines of the summary.
    KeyboardInterrupt
        On Ctrl-C, SIGTERM or SIGHUP, after all children were stopped. What was running is missing
        from the records, and is run by the next call.
    """
    began = time.monotonic()
    wanted = resolve(options)
    _ = wanted.data.key  # a file that is not there is refused before a folder is made
    store = Store(options.out)
    with executor.interruptible(), store.locked():
        known = store.records()  # foreign ones are refused before anything is computed
        if options.overwrite != "never":
            prepared.ensure(store, wanted.data, on_event)
        prepared.note_options(store, wanted.data)
        store.note_specs(_places(wanted.models))
        planned = _plan(wanted, store, options.overwrite)
        run = _execute(store, wanted, planned, known, on_event)
        return _summary(store, planned, run, time.monotonic() - began)


def _execute(
    store: Store,
    wanted: Request,
    planned: Plan,
    known: Sequence[Mapping[str, Any]],
    on_event: Listener,
) -> Tracker:
    """Prepare the references that are missing, then run the jobs that remain."""
    tracker = Tracker(on_event, wanted.at_a_time)
    if wanted.gpus_per_fit > 1 and not wanted.wide_slots:
        on_event(Said('--gpus-per-fit: no card of these models says parallel = "ddp"'))
    remaining = planned.remaining
    if not remaining:
        return tracker
    inputs = prepared.inputs(store, wanted.data)
    prepared.verify(store, wanted.data)
    fits = sum(todo.action == "fit" for todo in remaining)
    store.require_space(fits * int(inputs["n_train"]) * int(inputs["m"]))
    folder = store.data_folder(wanted.data.key)
    people = partial(prepared.people, folder)
    references = References(store, folder, wanted.limits, tracker, people=people)
    jobs = Jobs(
        store,
        folder,
        tracker,
        inputs=inputs,
        software=environment.software(),
        people=people,
    )
    absent = references.absent(remaining)
    tracker.expect(remaining, known, references=len(absent))
    with _hands(wanted, on_event) as execute:
        execute(executor.Queue([references.work(t) for t in absent]))
        work = [w for todo in remaining if (w := jobs.work(todo, references.errors)) is not None]
        wide = [w for w in work if w.job is not None and w.job.processes > 1]
        narrow = [w for w in work if w.job is None or w.job.processes == 1]
        execute(executor.Queue(narrow, tracker.pick))
        if wide:
            execute(executor.Queue(wide, tracker.pick), slots=wanted.wide_slots)
    return tracker


@contextmanager
def _hands(wanted: Request, on_event: Listener) -> Iterator[Callable[..., None]]:
    """What runs a queue of work: the slots of this machine, or others of it, or a cluster."""
    if wanted.cluster is None:
        with ForkServers() as servers:
            yield partial(executor.execute, slots=wanted.slots, servers=servers)
        return
    from genobench.run.cluster_entry import opened

    with opened(
        wanted.cluster, wanted.device, wanted.jobs, lambda text: on_event(Said(text))
    ) as cluster:
        yield cluster.execute


def _plan(wanted: Request, store: Store, mode: Overwrite) -> Plan:
    ready = prepared.is_ready(store, wanted.data)
    split = str(prepared.inputs(store, wanted.data)["split_sha256"]) if ready else ""
    tasks = [asked(t, split_sha256=split, split_seed=wanted.data.split_seed) for t in wanted.tasks]
    todos = [
        decide(store, _job(wanted, entrant, seed, split), tasks, mode)
        for entrant in wanted.models
        for seed in wanted.seeds
    ]
    return Plan(tuple(todos), tuple(tasks), ready)


def _places(entrants: Sequence[Entrant]) -> dict[str, str]:
    """Where what is the user's own lies: plug-ins by checksum, files of settings by entrant."""
    plugins = {e.plugin.checksum: e.plugin.spec for e in entrants if not e.plugin.module}
    return plugins | {e.name: str(e.file) for e in entrants if e.file}


def _job(wanted: Request, entrant: Entrant, seed: int, split: str) -> Job:
    plugin = entrant.plugin
    return Job(
        model=entrant.name,
        spec=plugin.spec,
        plugin_sha256=plugin.checksum,
        settings=entrant.settings_for(wanted.suite.settings),
        suite=wanted.suite.name,
        data=Path(wanted.data.name).name,  # a path tells where somebody keeps things
        data_key=wanted.data.key,
        split_sha256=split,
        split_seed=wanted.data.split_seed,
        seed=seed,
        device=wanted.device,
        limits=wanted.limits,
        control=plugin.card.role != "entrant",
        variant=entrant.variant,
        tuning=entrant.tuning,
        processes=wanted.processes(entrant),
    )


def _summary(store: Store, planned: Plan, tracker: Tracker, seconds: float) -> Summary:
    """Statuses of all jobs asked, as the records now stand."""
    statuses: Counter[str] = Counter()
    impossible: dict[str, str] = {}
    problems = []
    for todo in planned.todos:
        record = store.read_record(todo.job.key)
        status, problem = outcome(record, {t.task: t.score_key(todo.job) for t in planned.tasks})
        statuses[status] += 1
        impossible |= _impossible(store, planned, record)
        if problem:
            log = store.log_path(todo.job.key)
            problems.append(f"{todo.job.title}: {status}: {problem} (log: {log})")
    return Summary(
        keys=tuple(todo.job.key for todo in planned.todos),
        asked=len(planned.todos),
        kept=len(planned.kept),
        kept_failures=len(planned.kept_failures),
        statuses=dict(statuses),
        problems=(*impossible.values(), *problems),
        seconds=seconds,
        harness_share=tracker.harness_seconds / max(tracker.child_seconds, 1e-9),
    )


def _impossible(store: Store, planned: Plan, content: Mapping[str, Any] | None) -> dict[str, str]:
    """By task, why a record has no score of it: its statistics of these people failed."""
    found = {}
    for task in planned.tasks:
        message = without_reference(content, task.task) if content else ""
        if message:
            log = store.log_path(task.reference_key)
            found[task.task] = (
                f"task {task.task} is not possible on these data: {message} (log: {log})"
            )
    return found

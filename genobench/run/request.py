"""What a user asks of a benchmark, with every name looked up before anything is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from genobench import registry
from genobench.data.prepare import DataSpec
from genobench.entrant import Entrant, find_entrant
from genobench.errors import GenobenchError
from genobench.run import environment, executor
from genobench.run.child import Slot
from genobench.run.job import Device, Limits
from genobench.run.plan import Overwrite
from genobench.run.suites import Suite, find_suite

if TYPE_CHECKING:
    from genobench.run.cluster_entry import Where

MEMORY_SHARE = 0.9  # of the machine, divided among the slots, unless --memory says otherwise
P = TypeVar("P", Entrant, registry.TaskPlugin)


@dataclass(frozen=True)
class RunOptions:
    """What is asked, as on the command line.

    Attributes
    ----------
    out
        Folder of the store.
    models, tasks
        Names, ``path/file.py:Class``, or ``all``; studies are no part of all tasks. Models may
        have settings of their own, as `genobench.entrant.find_entrant` reads them.
    suite
        Name of a suite, which gives what is left out below.
    data
        Data set; None: the suite's.
    seeds
        Seeds; empty: the suite's.
    device
        ``auto``, ``cpu`` or ``cuda``.
    jobs
        Child processes at a time; None: one per GPU, or per two CPU cores.
    timeout_seconds, memory_bytes
        Limits of one job; None: the suite's, and an equal share of nine tenths of the memory.
    device_memory_bytes
        What a job may take of a GPU; None: all that there is.
    gpus_per_fit
        GPUs of one fit, for models whose cards say that it may have several; on ``cpu`` processes.
    overwrite
        See `genobench.run.plan.decide`.
    cluster, cluster_tls
        Dask cluster that runs the jobs, as `genobench.run.cluster_entry.parsed` reads it; empty:
        this machine does. Its files for TLS: authority, certificate, key.
    """

    out: Path
    models: tuple[str, ...] = ("all",)
    tasks: tuple[str, ...] = ("all",)
    suite: str = "smoke"
    data: DataSpec | None = None
    seeds: tuple[int, ...] = ()
    device: str = "auto"
    jobs: int | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    device_memory_bytes: int | None = None
    gpus_per_fit: int = 1
    overwrite: Overwrite = "only-missing"
    cluster: str = ""
    cluster_tls: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class Request:
    """Options with every name resolved; ``slots`` are of this machine, none on a ``cluster``.

    In ``wide_slots`` run the models whose fits have several devices.
    """

    models: tuple[Entrant, ...]
    tasks: tuple[registry.TaskPlugin, ...]
    suite: Suite
    data: DataSpec
    seeds: tuple[int, ...]
    device: Device
    slots: tuple[Slot, ...]
    wide_slots: tuple[Slot, ...]
    limits: Limits
    cluster: Where | None
    jobs: int | None
    at_a_time: int
    gpus_per_fit: int

    def processes(self, model: Entrant) -> int:
        """In how many processes a fit of this model runs."""
        return self.gpus_per_fit if model.plugin.card.parallel == "ddp" else 1


def resolve(options: RunOptions) -> Request:
    """Every name looked up, so that a misspelt one costs nothing."""
    if options.overwrite not in get_args(Overwrite):
        raise GenobenchError(
            f"--overwrite {options.overwrite}: one of {', '.join(get_args(Overwrite))}"
        )
    suite = find_suite(options.suite)
    data = options.data
    if data is None:
        if not suite.data:
            raise GenobenchError(f"suite {suite.name} has no data of its own: name some, --data")
        data = DataSpec.for_name(**suite.data)
    models = _models(options.models)
    tasks = _unique("task", options.tasks, _every_task, registry.find_task)
    hands = _hands(options)
    wide = _wide_slots(options, hands.device, models)
    if options.device_memory_bytes and hands.device != "cuda":
        raise GenobenchError(
            "--device-memory: the jobs run on processors, whose memory is --memory; leave it out"
        )
    return Request(
        models=models,
        tasks=tasks,
        suite=suite,
        data=data,
        seeds=tuple(dict.fromkeys(options.seeds)) or suite.seeds,
        device=hands.device,
        slots=hands.slots,
        wide_slots=wide,
        limits=Limits(
            options.timeout_seconds or suite.timeout_seconds,
            hands.memory_bytes,
            options.device_memory_bytes or 0,
        ),
        cluster=hands.cluster,
        jobs=options.jobs,
        at_a_time=min(hands.at_a_time, len(wide)) if wide else hands.at_a_time,
        gpus_per_fit=options.gpus_per_fit,
    )


@dataclass(frozen=True)
class _Hands:
    """Where jobs are run: on ``slots`` of this machine, or on ``cluster``."""

    device: Device
    memory_bytes: int
    slots: tuple[Slot, ...]
    cluster: Where | None
    at_a_time: int


def _hands(options: RunOptions) -> _Hands:
    if options.cluster or options.cluster_tls:
        return _remote_hands(options)
    device = executor.resolve_device(options.device)
    slots = tuple(executor.make_slots(options.jobs, device))
    share = int(environment.memory_bytes() * MEMORY_SHARE / len(slots))
    return _Hands(device, options.memory_bytes or share, slots, None, len(slots))


def _remote_hands(options: RunOptions) -> _Hands:
    from genobench.run import cluster_entry

    if not options.cluster:
        raise GenobenchError(f"--cluster-tls: says nothing without --cluster {cluster_entry.FORMS}")
    if options.jobs is not None and options.jobs < 1:
        raise GenobenchError(f"--jobs {options.jobs}: at least one job must run at a time")
    where = cluster_entry.parsed(options.cluster, options.cluster_tls)
    there = cluster_entry.surroundings(where, options.device, options.memory_bytes)
    at_a_time = min(options.jobs or there.jobs, there.jobs)
    return _Hands(there.device, there.memory_bytes, (), where, at_a_time)


def _wide_slots(options: RunOptions, device: Device, models: Sequence[Entrant]) -> tuple[Slot, ...]:
    """Slots for fits on several devices; none where no model has such."""
    each = options.gpus_per_fit
    if each < 1:
        raise GenobenchError(f"--gpus-per-fit {each}: a fit has one GPU at least")
    if each > 1 and options.cluster:
        raise GenobenchError(
            f"--gpus-per-fit {each}: on a cluster each fit stays on the one GPU of its worker; "
            "leave it out, or run on this machine, without --cluster"
        )
    if each == 1 or not any(model.plugin.card.parallel == "ddp" for model in models):
        return ()
    return tuple(executor.make_slots(options.jobs, device, each))


def _models(names: Sequence[str]) -> tuple[Entrant, ...]:
    """Generators asked, controls first: they fail early when something is wrong with the data."""
    found = _unique("model", names, _every_model, find_entrant)
    return tuple(sorted(found, key=lambda entrant: entrant.plugin.card.role == "entrant"))


def _every_model() -> Mapping[str, Entrant]:
    """The generators of ``all``: as their cards have them."""
    return {name: Entrant(plugin) for name, plugin in registry.generators().items()}


def _every_task() -> Mapping[str, registry.TaskPlugin]:
    """The tasks of ``all``: studies are run when they are named."""
    return {name: plugin for name, plugin in registry.tasks().items() if not plugin.card.study}


def _unique(
    what: str,
    names: Sequence[str],
    everything: Callable[[], Mapping[str, P]],
    find: Callable[[str], P],
) -> tuple[P, ...]:
    """Plug-ins by name, path or ``all``, each once, under names that differ."""
    found: dict[str, P] = {}
    for name in names:
        for plugin in everything().values() if name == "all" else [find(name)]:
            found[plugin.spec] = plugin
    if not found:
        raise GenobenchError(f"no {what} is named, and none is installed")
    counts = Counter(plugin.name for plugin in found.values())
    if twice := [name for name, count in counts.items() if count > 1]:
        raise GenobenchError(
            f"two {what}s are named {twice[0]}: rename one of the files, or what is named in them"
        )
    return tuple(found.values())

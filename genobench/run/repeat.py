"""One job again, from nothing but its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from genobench import registry
from genobench.data.prepare import DataSpec
from genobench.errors import GenobenchError
from genobench.run import environment, executor, prepared
from genobench.run.events import Listener
from genobench.run.job import Asked, Device, Job, asked, recorded_job
from genobench.run.plan import Todo
from genobench.run.progress import Tracker
from genobench.run.stages import Jobs, References
from genobench.run.store import Store

INPUTS = ("split_sha256", "n_train", "n_validation", "n_test", "n_control", "m", "kind", "trait")


@dataclass(frozen=True, eq=False)
class Again:
    """What is to be repeated, with every name looked up.

    Attributes
    ----------
    record
        What was recorded.
    data, model, tasks
        Its data, and its plug-ins as they are here.
    absent
        Tasks with scores in the record that nobody has here.
    device
        ``cpu`` or ``cuda``.
    """

    record: Mapping[str, Any]
    data: DataSpec
    model: registry.GeneratorPlugin
    tasks: tuple[registry.TaskPlugin, ...]
    absent: tuple[str, ...]
    device: Device

    @property
    def original(self) -> Job:
        """The job as it was; its settings are those of the record, whatever the card says now."""
        return replace(recorded_job(self.record), spec=self.model.spec)

    @property
    def job(self) -> Job:
        """The job as it is repeated: by the source that is installed, on the device asked."""
        return replace(self.original, plugin_sha256=self.model.checksum, device=self.device)

    @property
    def questions(self) -> tuple[Asked, ...]:
        """The tasks as asked of it."""
        return tuple(_asked(task, self.original) for task in self.tasks)

    @property
    def other_sources(self) -> tuple[str, ...]:
        """What is not the source that the record was made with: ``model vae``, ``task privacy``."""
        found = []
        if self.model.checksum != self.record["software"]["plugin_sha256"]:
            found.append(f"model {self.record['job']['model']}")
        found += [
            f"task {task.card.name}" for task in self.tasks if scored_by(self.record, task) is False
        ]
        return tuple(found)


def scored_by(record: Mapping[str, Any], task: registry.TaskPlugin) -> bool | None:
    """Whether a record was scored by ``task`` as it is here; None when its keys do not tell."""
    score, job = record["scores"].get(task.card.name), recorded_job(record)
    if score is None or job.key != record["key"]:  # keys were once made in another way
        return None
    return bool(_asked(task, job).score_key(job) == score["key"])


def _asked(task: registry.TaskPlugin, job: Job) -> Asked:
    return asked(task, split_sha256=job.split_sha256, split_seed=job.split_seed)


def look_up(record: Mapping[str, Any], data: DataSpec, *, model: str, device: str | None) -> Again:
    """Find all that a repetition needs.

    Parameters
    ----------
    record, data
        What was recorded, and the data it was made from.
    model
        Where the model is found: a name, or ``path/file.py:Class``.
    device
        ``auto``, ``cpu`` or ``cuda``; None: the record's.

    Raises
    ------
    GenobenchError
        When the record holds no result, or when its model is not known here.
    """
    if record["status"] != "ok":
        raise GenobenchError(
            f"record {record['key'][:8]}: its job ended as {record['status']}, so that there is "
            "nothing to compare with; `genobench show` says how to run it again"
        )
    installed = registry.tasks()
    return Again(
        record=record,
        data=data,
        model=registry.find_generator(model),
        tasks=tuple(installed[task] for task in record["scores"] if task in installed),
        absent=tuple(task for task in record["scores"] if task not in installed),
        device=executor.resolve_device(device or record["job"]["budget"]["device"]),
    )


def run_again(again: Again, out: Path, on_event: Listener = lambda _: None) -> dict[str, Any]:
    """Fit, sample and score in child processes as a benchmark does; the new record.

    Everything is kept in the store ``out``; data and references that are there are used again. What
    was fitted with smaller batches than asked for, because memory ran out, begins with those.

    Raises
    ------
    GenobenchError
        When the data, prepared here, are not those of the record.
    """
    store = Store(out)
    with executor.interruptible(), store.locked():
        prepared.ensure(store, again.data, on_event)
        prepared.note_options(store, again.data)
        inputs = prepared.inputs(store, again.data)
        _same_inputs(again.record["inputs"], inputs)
        if not again.model.module:
            store.note_specs({again.model.checksum: again.model.spec})
        lowered = again.record["resources"].get("batch_used", {})
        todo = Todo(again.job, "fit", again.questions, "missing", None, lowered)
        _execute(store, again, todo, inputs, Tracker(on_event, 1))
        written = store.read_record(todo.job.key)
    assert written is not None
    return written


def _execute(
    store: Store, again: Again, todo: Todo, inputs: Mapping[str, Any], tracker: Tracker
) -> None:
    """The references that are missing, then the job, on as many threads and devices as it had."""
    (slot,) = executor.make_slots(1, todo.job.device, todo.job.processes)
    threads = again.record["environment"].get("threads", slot.threads)
    slots = [replace(slot, threads=int(threads))]
    folder = store.data_folder(todo.job.data_key)
    store.require_space(int(inputs["n_train"]) * int(inputs["m"]))
    people = partial(prepared.people, folder)
    references = References(store, folder, todo.job.limits, tracker, people=people)
    jobs = Jobs(
        store, folder, tracker, inputs=inputs, software=environment.software(), people=people
    )
    absent = references.absent([todo])
    tracker.expect([todo], [], references=len(absent))
    executor.execute(executor.Queue([references.work(task) for task in absent]), slots)
    work = jobs.work(todo, references.errors)
    assert work is not None
    executor.execute(executor.Queue([work]), slots)


def _same_inputs(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise what is other about the data that were prepared here."""
    other = [
        f"{name} {_short(here[name])} (recorded: {_short(recorded[name])})"
        for name in INPUTS
        if here[name] != recorded[name]
    ]
    if other:
        raise GenobenchError(
            f"the data are other than the record's: {'; '.join(other)}. They were asked for with "
            "the same words, so that another version of genobench or numpy must have split them"
        )


def _short(value: Any) -> Any:
    return value[:8] if isinstance(value, str) and len(value) == 64 else value


def differences(
    recorded: Mapping[str, Any], repeated: Mapping[str, Any]
) -> Sequence[tuple[str, str, str]]:
    """What, then and now, of versions and machine that are not the same."""
    found = []
    for part, left_out in (("software", ("plugin_sha256",)), ("environment", ())):
        then, now = recorded[part], repeated[part]
        found += [
            (name, str(then.get(name, "-")), str(now.get(name, "-")))
            for name in sorted(set(then) | set(now))
            if then.get(name) != now.get(name) and name not in left_out
        ]
    return found

"""The trials of one generator: what is tried next, run in a child of its own, kept, until enough.

Every model has the same number of trials and the same seconds: each trial may take the share
``seconds / trials`` as a whole, and its fit the part of that which a job's fit has of a job. What
one trial leaves over goes to no other, so that an outcome depends neither on the order of trials
nor on interruptions. Seeds of the fit, the sample and the scores are the same for all trials, which
makes differences between them smaller than errors of either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from genobench.data.prepare import DataSpec
from genobench.entrant import TRIALS, find_entrant
from genobench.errors import GenobenchError
from genobench.registry import GeneratorPlugin
from genobench.run import environment, executor, prepared
from genobench.run.child import Ended, Slot
from genobench.run.events import Event, Said
from genobench.run.executor import Queue, Work, execute
from genobench.run.job import Limits
from genobench.run.ledger import explain, refuse_full_disk
from genobench.run.record import FIT_SHARE
from genobench.run.request import MEMORY_SHARE
from genobench.run.store import Store
from genobench.run.suites import Suite, find_suite
from genobench.seeds import derive
from genobench.settings_check import checked, defaults
from genobench.tuning.found import Found, write
from genobench.tuning.journal import Journal, Trial
from genobench.tuning.space import Space, imported, propose, read

TRIAL_SECONDS = 180.0  # of one trial when no total is named


@dataclass(frozen=True)
class TuneOptions:
    """What is asked, as on the command line.

    Attributes
    ----------
    out
        Folder of what is found; ``work`` below it holds data and logs.
    trials, seconds
        Per model; None: `TRIAL_SECONDS` for each trial.
    suite, data
        Whose settings trials start from, and the data set.
    seed
        From which all others are derived.
    device, memory_bytes
        As for a run.
    """

    out: Path
    trials: int
    data: DataSpec
    suite: str = "smoke"
    seconds: float | None = None
    seed: int = 0
    device: str = "auto"
    memory_bytes: int | None = None

    @property
    def trial_seconds(self) -> float:
        """Wall-clock limit of one trial."""
        return TRIAL_SECONDS if self.seconds is None else self.seconds / self.trials


@dataclass(frozen=True, eq=False)
class Study:
    """One generator under tuning."""

    plugin: GeneratorPlugin
    space: Space
    suite: Suite
    options: TuneOptions
    store: Store
    slot: Slot

    @cached_property
    def base(self) -> dict[str, Any]:
        """The suite's settings, which trial 0 has and the others change."""
        return checked(self.plugin, self.plugin.card.settings_for(self.suite.settings))

    @property
    def plain(self) -> dict[str, Any]:
        """Values that trial 0 has of what is searched."""
        values = {**defaults(self.plugin), **self.base}
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return {name: listed[name] for name in self.space if name in listed}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the outcome of trials."""
        inputs = prepared.inputs(self.store, self.options.data)
        return {
            "model": self.plugin.name,
            "plugin_sha256": self.plugin.checksum,
            "suite": self.suite.name,
            "settings": self.base,
            "space": {name: dict(table) for name, table in self.plugin.card.search.items()},
            "data": inputs["data"],
            "data_key": self.options.data.key,
            "split_sha256": inputs["split_sha256"],
            "seed": self.options.seed,
            "device": self.slot.device,
            "trial_seconds": self.options.trial_seconds,
        }

    @property
    def file(self) -> Path:
        """Where the best settings go."""
        return self.options.out / f"{self.plugin.name}.toml"

    def log(self, number: int) -> str:
        """Name of a trial's log in the store."""
        return f"{self.plugin.name}-{number:04d}"

    def seed(self, *axes: str) -> int:
        """Seed of something that all trials share."""
        return derive(self.options.seed, "tune", self.plugin.name, *axes)


def open_study(model: str, options: TuneOptions) -> Study:
    """The study of one generator, with everything looked up; nothing is written.

    Raises
    ------
    GenobenchError
        When there is no such generator, or nothing in it to tune.
    """
    imported()
    entrant = find_entrant(model)
    if entrant.label:
        raise GenobenchError(f"{model}: a generator is tuned from its suite's settings: leave "
                             f"{entrant.label} out")  # fmt: skip
    space, suite = read(entrant.plugin), find_suite(options.suite)
    (slot,) = executor.make_slots(1, executor.resolve_device(options.device))
    return Study(entrant.plugin, space, suite, options, Store(options.out / "work"), slot)


def tune(study: Study, say: Callable[[str], None]) -> Found:
    """Run the trials that are missing; the best settings so far are on disk after each.

    Raises
    ------
    GenobenchError
        When the trials on disk are of another study, or when none succeeded.
    KeyboardInterrupt
        On Ctrl-C; the trial that ran is not kept, and is run by the next call.
    """
    (study.options.out / "work").mkdir(parents=True, exist_ok=True)
    with executor.interruptible(), study.store.locked():
        prepared.ensure(study.store, study.options.data, partial(_heard, say))
        journal = Journal(study.file.with_name(f"{study.file.stem}{TRIALS}"), study.identity)
        if journal.trials:
            say(f"{study.plugin.name}: {len(journal.trials)} trials are there already")
        while len(journal.trials) < study.options.trials:
            settings = _next(study, journal)
            if settings is None:
                say(f"{study.plugin.name}: every setting in the card's [search] has been tried")
                break
            journal.add(_run(study, len(journal.trials), settings))
            found = Found.of(journal)
            write(found, study.file)
            say(found.line(study.options.trials))
    found = Found.of(journal)
    if found.best is None:
        raise GenobenchError(
            f"{study.plugin.name}: no trial succeeded; {journal.path} says why of each, logs are "
            f"in {study.store.root / 'logs'}"
        )
    write(found, study.file)
    return found


def _heard(say: Callable[[str], None], event: Event) -> None:
    if isinstance(event, Said):
        say(event.text)


def _next(study: Study, journal: Journal) -> dict[str, Any] | None:
    """Settings of the next trial."""
    number = len(journal.trials)
    if number == 0:
        return {}
    seed = study.seed("sampler")
    return propose(study.space, journal.trials, study.plain, seed=seed, number=number)


def _run(study: Study, number: int, settings: Mapping[str, Any]) -> Trial:
    """One trial in a child process; however it ends, it is a trial."""
    options = study.options
    log = study.store.log_path(study.log(number))
    log.unlink(missing_ok=True)
    memory = options.memory_bytes or int(environment.memory_bytes() * MEMORY_SHARE)
    heard: dict[str, Any] = {}
    ends: list[Ended] = []

    def hear(message: dict[str, Any]) -> None:
        if message.get("at") == "trial":
            heard.update(message)

    def end(ended: Ended) -> None:
        ends.append(ended)

    work = Work(
        _order(study, settings),
        Limits(options.trial_seconds, memory),
        log,
        on_end=end,
        on_message=hear,
    )
    execute(Queue([work]), [study.slot])
    people = partial(prepared.people, study.store.data_folder(options.data.key))
    study.store.redact_log(study.log(number), people)
    (ended,) = ends
    seconds = round(ended.seconds, 3)
    if ended.finished and heard:
        parts = {name: float(value) for name, value in heard["components"].items()}
        total = sum(parts.values())
        return Trial(number, settings, "ok", total, parts, seconds, heard["fit_seconds"])
    refuse_full_disk(study.store, ended)
    status, error = explain(ended, people=people())
    if status == "interrupted":
        raise GenobenchError(f"trial {number}: {error['message']}; run again to go on")
    error["message"] = error["message"].replace("(--timeout)", "(--seconds / --trials)")
    return Trial(number, settings, status, None, {}, seconds, error=error)


def _order(study: Study, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the child is told; see `genobench.tuning.trial`."""
    return {
        "mode": "trial",
        "data": str(study.store.data_folder(study.options.data.key)),
        "spec": study.plugin.spec,
        "plugin_sha256": study.plugin.checksum,
        "settings": {**study.base, **settings},
        "device": study.slot.device,
        "fit_seconds": FIT_SHARE * study.options.trial_seconds,
        "inner_seed": derive(study.options.seed, "tune", "inner"),  # the same for all models
        "fit_seed": study.seed("fit"),
        "sample_seed": study.seed("sample"),
        "score_seed": derive(study.options.seed, "tune", "score"),
    }

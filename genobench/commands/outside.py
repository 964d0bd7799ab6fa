"""``genobench score``: a synthetic PLINK file that somebody else made, on the benchmark's tasks."""

from __future__ import annotations

import io
import math
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genobench.commands.intake import Intake, read
from genobench.commands.making import cards, say
from genobench.errors import GenobenchError
from genobench.seeds import derive, rng

if TYPE_CHECKING:
    from genobench.cohort import Cohort, Labels
    from genobench.data.split import Split
    from genobench.registry import GeneratorPlugin, TaskPlugin
    from genobench.report.outside import Judged, Report
    from genobench.report.tables import Block

STDOUT = "-"
Tell = Callable[[str], None]
Entries = Mapping[str, Mapping[str, Any]]  # model -> what a record holds of one task


def score(options: Namespace) -> int:
    """``genobench score``: verdicts on the file between levels made from the same people.

    Returns
    -------
    0, whatever the verdicts are; 1 where a task could not be scored.
    """
    _check_outputs(options)
    report = judge(options, say)
    _deliver(report, options)
    return 1 if any(task.refused for task in report.tasks) else 0


def judge(options: Namespace, tell: Tell) -> Report:
    """What is known of a file: every task's table and verdicts.

    Parameters
    ----------
    options
        Those of the command that say what is read and asked: ``synthetic``, ``train``, ``test``,
        ``reference``, ``pheno``, ``trait``, ``tasks``, ``seed``.
    tell
        Hears in a line what is going on.
    """
    from genobench.report.outside import Report

    asked = _asked(options.tasks)
    intake = read(options, tell)
    name = _name(options.synthetic)
    levels = _levels(asked, intake, options.seed, tell)
    judged = [_judged(plugin, name, intake, levels, options.seed, tell) for plugin in asked]
    split = intake.split
    return Report(
        file=name,
        people={
            "synthetic": intake.synthetic.n,
            **{k: getattr(split, k).n for k in ("train", "test", "control", "validation")},
        },
        variants=split.train.m,
        matching=tuple(entry.sentence for entry in intake.matched),
        matched=tuple(asdict(entry) for entry in intake.matched),
        notes=intake.notes,
        tasks=tuple(judged),
    )


def _asked(names: Sequence[str] | None) -> list[TaskPlugin]:
    """Tasks by name; without names those that verdicts are made from, privacy first."""
    from genobench.registry import find_task, tasks
    from genobench.report.verdicts import place

    common = {name: plugin for name, plugin in tasks().items() if not plugin.card.study}
    if names is None:
        places = {name: place(plugin.card) for name, plugin in common.items()}
        known = {name: at for name, at in places.items() if at is not None}
        return [common[name] for name in sorted(known, key=lambda name: known[name])]
    return list(common.values()) if tuple(names) == ("all",) else [find_task(n) for n in names]


def _name(bed: Path) -> str:
    """The file's row in the tables; its ending tells it from a control of the same name."""
    return bed.name if bed.suffix == ".bed" else f"{bed.name}.bed"


def _levels(
    asked: Sequence[TaskPlugin], intake: Intake, seed: int, tell: Tell
) -> dict[str, dict[str, Cohort]]:
    """Synthetic cohorts of the controls that each task is read against, by task and name.

    The ceiling and the floors of the task; where a leak is the floor, every known leak.
    """
    from genobench.registry import generators

    made: dict[str, Cohort] = {}
    wanted: dict[str, dict[str, Cohort]] = {}
    known = generators()
    for task in asked:
        floors = [floor for floor in task.card.floors if floor in known]
        leaky = any(known[floor].card.role == "leak" for floor in floors)
        roles = ("ceiling", "leak") if leaky else ("ceiling",)
        chosen = [n for n, p in known.items() if p.card.role in roles or n in floors]
        for name in chosen:
            if name not in made:
                tell(f"making the level {name}")
                made[name] = _level(known[name], intake, seed)
        wanted[task.card.name] = {name: made[name] for name in chosen}
    return wanted


def _level(plugin: GeneratorPlugin, intake: Intake, seed: int) -> Cohort:
    """Synthetic cohort of a control, fitted as in a benchmark, as large as the file if it can be.

    No larger than the people it is made from: they would only repeat.
    """
    from genobench.cohort import Trait
    from genobench.commands.single import synthetic_cohort
    from genobench.conditioning import build
    from genobench.generator import Budget

    def labelled(cohort: Cohort) -> Cohort:
        """Controls want labels: one for all where there are none."""
        nothing = Trait("none", "binary", np.zeros(cohort.n, dtype=np.float32))
        return cohort if cohort.trait is not None else cohort.with_trait(nothing)

    split, name = intake.split, plugin.card.name
    people = labelled(split.control if plugin.card.fit_on == "control" else split.train)
    generator = build(plugin.card, plugin.load(), plugin.card.settings_for("smoke"))
    seeds = derive(seed, "fit", name), derive(seed, "sample", name)
    generator.fit(people, labelled(split.validation), seed=seeds[0], budget=Budget())
    labels = _labels(people.labels, intake.synthetic.n, seed)
    rows = generator.sample(labels, seed=seeds[1])
    assert people.trait is not None
    cohort = synthetic_cohort(rows, people.variants, replace(people.trait, values=labels))
    return cohort if split.train.trait is not None else cohort.with_trait(None)


def _labels(labels: Labels, n: int, seed: int) -> Labels:
    """Those of the people fitted on, or ``n`` of them where the file is smaller."""
    if n >= len(labels):
        return labels
    return labels[np.sort(rng(seed, "level").choice(len(labels), n, replace=False))]


def _judged(
    plugin: TaskPlugin,
    name: str,
    intake: Intake,
    levels: Mapping[str, Mapping[str, Cohort]],
    seed: int,
    tell: Tell,
) -> Judged:
    """One task's table and verdicts, or why it cannot be scored."""
    from genobench.report.outside import Judged
    from genobench.report.verdicts import verdicts

    card = plugin.card
    try:
        entries = _scored(plugin, name, intake, levels[card.name], seed, tell)
    except GenobenchError as error:
        reason = str(error)
        if intake.unlabelled and "trait" in reason:  # the task cannot know why there is none
            reason = f"it needs labels, and there are none. {intake.unlabelled}"
        tell(f"{card.name}: not scored: {reason}")
        return Judged(card, None, (), reason)
    block = _block(plugin, name, intake, entries, seed)
    return Judged(card, block, tuple(verdicts(block.tables[0], block, name)))


def _scored(
    plugin: TaskPlugin,
    name: str,
    intake: Intake,
    levels: Mapping[str, Cohort],
    seed: int,
    tell: Tell,
) -> dict[str, dict[str, Any]]:
    """What one task says of the file and of every level, in the form of a record's score.

    Raises
    ------
    GenobenchError
        When the task refuses the people or the file; a level that it refuses is left out.
    """
    from genobench.task import Reference, unmet, validated

    if lacking := unmet(plugin.card, intake.split):
        raise GenobenchError(lacking)
    task, card = plugin.load()(), plugin.card
    began = time.monotonic()
    split = _even(plugin, intake.split, seed)
    statistics = task.prepare(split, seed=derive(seed, "reference", card.name))
    reference = Reference(split, statistics)
    entries = {}
    for model, cohort in {name: intake.synthetic, **levels}.items():
        try:
            found = task.score(cohort, reference, seed=derive(seed, "score", card.name))
        except GenobenchError as error:
            if model == name:
                raise
            tell(f"{card.name}: no level {model}: {error}")
            continue
        entries[model] = {
            metric: {**asdict(estimate), "version": card.metrics[metric].version}
            for metric, estimate in validated(found, card).items()
        }
        tell(f"{card.name}: {model}, {time.monotonic() - began:.0f} s")
    return entries


def _even(plugin: TaskPlugin, split: Split, seed: int) -> Split:
    """Where samples are compared, no more test people than there are for the real level.

    Most distances between samples fall with their size: a file that is compared with more people
    than the level has would look better than real people for that alone.
    """
    from genobench.report import fidelity

    surplus = split.test.n - split.control.n
    if surplus <= 0 or plugin.card.metrics.keys().isdisjoint(fidelity.METRICS):
        return split
    rows = rng(seed, "even").permutation(split.test.n)[surplus:]
    return replace(split, test=split.test.take(np.sort(rows)))


def _block(plugin: TaskPlugin, name: str, intake: Intake, entries: Entries, seed: int) -> Block:
    """The table of one task, built as from the records of a run."""
    from genobench.report.collect import build

    generators, _ = cards()
    shown = {known: card for known, card in generators.items() if known != name}
    split, task = intake.split, plugin.card
    records = [
        {
            "key": model,
            "job": {"model": model, "suite": "outside", "data": name, "data_key": "",
                    "split_seed": 0, "seed": seed},
            "inputs": {"n_train": split.train.n, "n_test": split.test.n, "m": split.train.m},
            "status": "ok",
            "resources": {"fit_seconds": math.nan},
            "scores": {task.name: {"metrics": metrics}},
        }
        for model, metrics in entries.items()
    ]  # fmt: skip
    return build(records, shown, {task.name: task}).blocks[0]


def _check_outputs(options: Namespace) -> None:
    """Before any work: folders exist, nothing that is read is written over."""
    given = {"--json": options.json, "--markdown": options.markdown}
    outputs = {name: out for name, out in given.items() if out is not None}
    if list(outputs.values()).count(STDOUT) > 1:
        raise GenobenchError("--json and --markdown cannot both go to standard output")
    for name, out in outputs.items():
        if out == STDOUT:
            continue
        path = Path(out)
        if path.suffix in (".bed", ".bim", ".fam") or path == options.pheno:
            raise GenobenchError(f"{name} {out}: that is data; give the report another name")
        if path.is_dir():
            raise GenobenchError(f"{name} {out}: a folder; name a file in it")
        if not path.parent.is_dir():
            raise GenobenchError(f"{name} {out}: there is no folder {path.parent}; make it first")


def _deliver(report: Report, options: Namespace) -> None:
    """Print the summary, unless another form goes to standard output; write what was asked for."""
    from genobench.commands.catalogue import print_json, terminal_width
    from genobench.report import outside

    if options.json is not None:
        buffer = io.StringIO()
        with redirect_stdout(buffer):
            print_json(outside.as_json(report))
        _write(options.json, buffer.getvalue())
    if options.markdown is not None:
        _write(options.markdown, outside.markdown(report))
    if STDOUT not in (options.json, options.markdown):
        from rich.console import Console

        width = terminal_width()
        console = Console(width=width, highlight=False, soft_wrap=True)
        console.print(outside.text(report, width))


def _write(out: str, text: str) -> None:
    """To standard output, or into a file that appears complete or not at all."""
    from genobench.run.store import write_bytes

    if out == STDOUT:
        print(text, end="")
        return
    try:
        write_bytes(Path(out), text.encode())
    except OSError as error:
        raise GenobenchError(f"{out}: cannot be written ({error.strerror or error})") from error
    say(f"written: {out}")

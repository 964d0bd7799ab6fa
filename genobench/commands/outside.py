"""``genobench score``: a synthetic PLINK file that somebody else made, on the benchmark's tasks."""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genobench.commands.alleles import align
from genobench.commands.making import cards, say
from genobench.errors import GenobenchError
from genobench.seeds import derive, rng

if TYPE_CHECKING:
    from genobench.cohort import Cohort
    from genobench.data.split import Split
    from genobench.registry import GeneratorPlugin, TaskPlugin
    from genobench.report.tables import Tables

# validation, control, test: how people outside training are used when no others are given
SHARES = (0.2, 0.4, 0.4)


def score(options: Namespace) -> int:
    """``genobench score``: the file between a floor and a ceiling made from the same people."""
    from genobench.commands.catalogue import print_json, terminal_width
    from genobench.registry import find_task, tasks
    from genobench.report.leaderboard import lines
    from genobench.report.terminal import show

    if options.tasks == ("all",):
        asked = list(tasks().values())
    else:
        asked = [find_task(name) for name in options.tasks]
    split, synthetic = read(options)
    cohorts = {options.synthetic.name.removesuffix(".bed"): synthetic}
    for plugin in _controls(asked):
        say(f"making the control {plugin.card.name}")
        cohorts[f"{plugin.card.name}"] = _control(plugin, split, options.seed)
    tables = _tables(asked, split, cohorts, options.seed)
    if options.json:
        print_json([x for b in tables.blocks for t in b.tables for x in lines(t)])
    else:
        print(show(tables, terminal_width()))
    return 0


def read(options: Namespace) -> tuple[Split, Cohort]:
    """The real people in four groups, and the synthetic ones, at the variants all files share."""
    from genobench.data.split import Split

    real = [options.train, options.test]
    real += [options.reference] if options.reference is not None else []
    cohorts = [_labelled(bed, options, real=True) for bed in real]
    cohorts.append(_labelled(options.synthetic, options, real=False))
    _refuse_shared_people(real, cohorts[:-1])
    *people, synthetic = _shared_variants([*real, options.synthetic], cohorts)
    if (synthetic.genotypes < 0).any():
        person, variant = np.argwhere(synthetic.genotypes < 0)[0]
        raise GenobenchError(
            f"{options.synthetic}: person {synthetic.samples['iid'][person]} has no call at "
            f"{synthetic.variants['id'][variant]}; fill missing calls in first"
        )
    kinds = {c.trait.kind for c in cohorts if c.trait is not None}
    if len(kinds) > 1:
        raise GenobenchError(
            f"{options.synthetic}: the labels in its .fam are not of the same kind as those of the "
            "real people: one is binary, the other quantitative"
        )
    train, *others = _filled_in(people, options.seed)
    if len(others) == 2:
        validation, control = _cut(others[1], (0.5, 0.5), options.seed)
        return Split(train, validation, others[0], control), synthetic
    validation, control, test = _cut(others[0], SHARES, options.seed)
    return Split(train, validation, test, control), synthetic


def _labelled(bed: Path, options: Namespace, *, real: bool) -> Cohort:
    """People of one file who have a label."""
    from genobench.data.plink import read_plink, scan_plink
    from genobench.data.tables import read_trait, trait_from_fam

    files = scan_plink(bed)
    if real and options.pheno is not None:
        if options.trait is None:
            raise GenobenchError(f"{options.pheno}: name one of its columns with --trait")
        keep, trait = read_trait(options.pheno, options.trait, files.samples)
    else:
        try:
            keep, trait = trait_from_fam(files.samples)
        except GenobenchError as error:
            raise GenobenchError(f"{files.fam}: {error}") from error
    say(f"{bed}: {files.n:,} people, {int(keep.sum()):,} with a label, {files.m:,} variants")
    name = options.trait or "phenotype"  # the .fam does not name it
    return read_plink(files, people=keep).with_trait(replace(trait, name=name))


def _shared_variants(files: Sequence[Path], cohorts: Sequence[Cohort]) -> list[Cohort]:
    """All cohorts at the variants that every file has, counted and ordered as in the first."""
    first, *others = cohorts
    found = [align(first.variants, other.variants) for other in others]
    for file, alignment in zip(files[1:], found, strict=True):
        absent = int((alignment.column < 0).sum())
        if absent == first.m:
            raise GenobenchError(
                f"{file}: none of the {first.m:,} variants of {files[0]} is there, by position and "
                "alleles or by id; are both of the same genome build?"
            )
        if absent or alignment.swapped.any():
            swapped = int(alignment.swapped.sum())
            say(f"{file}: {absent:,} variants are not there, {swapped:,} have alleles swapped")
    shared = np.logical_and.reduce([a.column >= 0 for a in found])
    if not shared.any():
        raise GenobenchError("no variant is in all files")
    kept = first.take(variants=shared)
    return [kept, *(a.apply(c, shared, kept.variants) for a, c in zip(found, others, strict=True))]


def _refuse_shared_people(files: Sequence[Path], cohorts: Sequence[Cohort]) -> None:
    """Train, test and reference have to be different people for privacy to mean anything."""
    seen: dict[tuple[str, str], Path] = {}
    for file, cohort in zip(files, cohorts, strict=True):
        people = list(zip(cohort.samples["fid"], cohort.samples["iid"], strict=True))
        for person in people:
            if person in seen:
                raise GenobenchError(
                    f"{file}: person {' '.join(person)} is in {seen[person]} as well; the files "
                    "must hold different people"
                )
        seen |= dict.fromkeys(people, file)


def _filled_in(cohorts: Sequence[Cohort], seed: int) -> list[Cohort]:
    """Missing calls drawn from the allele frequencies of the first cohort, the training people."""
    from genobench.data.calls import called_frequencies, impute

    frequencies = called_frequencies(cohorts[0].genotypes)
    filled = []
    for i, cohort in enumerate(cohorts):
        if (cohort.genotypes < 0).any():
            rows = impute(cohort.genotypes, frequencies, seed=derive(seed, "impute", i))
            cohort = replace(cohort, genotypes=rows)
        filled.append(cohort)
    return filled


def _cut(cohort: Cohort, shares: Sequence[float], seed: int) -> list[Cohort]:
    """Cohort in parts of these shares, each with its share of every label."""
    labels = cohort.labels
    noise = rng(seed, "outside").random(cohort.n)
    order = np.lexsort((noise, labels))  # neighbours in this order have like labels
    edges = np.cumsum([0.0, *shares])
    rank = np.empty(cohort.n, dtype=np.float64)
    size = min(10, cohort.n)  # within each run of ten like people, the shares are kept
    for start in range(0, cohort.n, size):
        block = order[start : start + size]
        rank[block] = (np.argsort(noise[block]).argsort() + 0.5) / len(block)
    part = np.searchsorted(edges[1:-1], rank, side="right")
    return [cohort.take(part == i) for i in range(len(shares))]


def _controls(asked: Sequence[TaskPlugin]) -> list[GeneratorPlugin]:
    """The ceiling, and the floors of the tasks asked."""
    from genobench.registry import generators

    floors = {floor for plugin in asked for floor in plugin.card.floors}
    return [p for n, p in generators().items() if p.card.role == "ceiling" or n in floors]


def _control(plugin: GeneratorPlugin, split: Split, seed: int) -> Cohort:
    """Synthetic cohort of a control, fitted as in a benchmark."""
    from genobench.commands.single import synthetic_cohort
    from genobench.conditioning import build
    from genobench.generator import Budget

    people = split.control if plugin.card.fit_on == "control" else split.train
    generator = build(plugin.card, plugin.load(), plugin.card.settings_for("smoke"))
    name = plugin.card.name
    generator.fit(people, split.validation, seed=derive(seed, "fit", name), budget=Budget())
    rows = generator.sample(people.labels, seed=derive(seed, "sample", name))
    assert people.trait is not None
    return synthetic_cohort(rows, people.variants, people.trait)


def _tables(
    asked: Sequence[TaskPlugin], split: Split, cohorts: dict[str, Cohort], seed: int
) -> Tables:
    """Scores of all cohorts, as the tables of one job each."""
    from genobench.report.collect import build

    records = [_record(name, split, seed) for name in cohorts]
    for plugin in asked:
        for record, entry in zip(records, _scored(plugin, split, cohorts, seed), strict=True):
            record["scores"][plugin.card.name] = entry
    generators, known = cards()
    entrant = next(iter(cohorts))
    shown = {name: card for name, card in generators.items() if name != entrant}
    return build(records, shown, {**known, **{p.card.name: p.card for p in asked}})


def _scored(
    plugin: TaskPlugin, split: Split, cohorts: dict[str, Cohort], seed: int
) -> list[dict[str, Any]]:
    """What one task says of every cohort, in the form of a record's score."""
    from genobench.task import Reference, validated

    task, name = plugin.load()(), plugin.card.name
    began = time.monotonic()
    reference = Reference(split, task.prepare(split, seed=derive(seed, "reference", name)))
    entries = []
    for cohort in cohorts.values():
        found = task.score(cohort, reference, seed=derive(seed, "score", name))
        metrics = {
            metric: {**asdict(estimate), "version": plugin.card.metrics[metric].version}
            for metric, estimate in validated(found, plugin.card).items()
        }
        entries.append({"metrics": metrics})
    say(f"{name}: {time.monotonic() - began:.1f} s")
    return entries


def _record(name: str, split: Split, seed: int) -> dict[str, Any]:
    """As much of a record as tables need."""
    return {
        "key": name,
        "job": {"model": name, "suite": "outside", "data": "your files", "data_key": "",
                "split_seed": 0, "seed": seed},
        "inputs": {"n_train": split.train.n, "n_test": split.test.n, "m": split.train.m},
        "status": "ok",
        "resources": {"fit_seconds": math.nan},
        "scores": {},
    }  # fmt: skip

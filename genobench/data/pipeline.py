"""The steps of `prepare`, in order, each in its own function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import MISSING, Cohort, Trait
from genobench.data import (
    account,
    audit,
    catalogue,
    choice,
    filesets,
    gwas,
    plink,
    public,
    quality,
    simulate,
    tables,
)
from genobench.data.clump import LD_PEOPLE, neighbour_r2
from genobench.data.labels import Labels, read_labels
from genobench.data.prepare import SNPS, DataSpec, source_checksums
from genobench.data.quality_report import TooFewSnpsError
from genobench.data.simulated_trait import (
    SimulatedTrait,
    Truth,
    embedded_truth,
    marginal_effects,
    simulate_trait,
)
from genobench.data.source import MemorySource, PlinkSource, Source
from genobench.data.split import PARTS, Split, SplitIndices
from genobench.errors import GenobenchError
from genobench.seeds import derive

Say = Callable[[str], None]

ROW = "_row"  # columns by which people and SNPs are followed through quality control
COLUMN = "_column"
GENETIC = "_genetic"  # genetic value of each person, where the truth is known
POPULATION_COLUMNS = ("population", "superpopulation")


@dataclass(frozen=True, eq=False)
class _Opened:
    """Where the data are: genotypes, table, and the trait that came with the genotypes."""

    source: Source
    pheno: Path | None
    trait: Trait | None


def run(spec: DataSpec, say: Say) -> tuple[Split, dict[str, Any]]:
    """Split of a completed specification, and its report without the key."""
    opened = _open(spec, say)
    labels, truth = _labelled(spec, opened, say)
    population = _populations(spec, opened)
    if spec.train_population is not None:
        labels = _of_populations(spec, labels, population)
    say(account.people_line(labels.counts, labels.trait.name))
    theirs = None if population is None else population[labels.people]
    candidates = choice.find_candidates(spec, opened.source, labels, say, theirs)
    labels = _told_of(labels, candidates)
    chosen = _chosen(spec, opened, labels, candidates, theirs, truth, say)
    cohort, checked, indices, group, relatives, selected, selection = chosen
    say(account.relatives_line(relatives))
    say(account.selection_line(selection, len(selected)))
    split, missing = _finished(cohort, indices, group, selected, spec.split_seed)
    if spec.membership == "coin":
        split = audit.marked(split)
    say(account.split_line(split))
    after = {"people": cohort.n, "snps": cohort.m}
    del cohort
    train = split.train
    selection["neighbour_r2"] = neighbour_r2(train.genotypes, train.variants)
    if truth is not None:
        selection["causal"] = int(train.variants["causal"].sum())
    return split, {
        "data": "plink" if spec.is_path else spec.name,
        "sources": source_checksums(spec),
        "trait": {"name": labels.trait.name, "kind": labels.trait.kind},
        "people": labels.counts,
        "quality": checked.as_dict(),
        "quality_table": checked.table(),
        "after_quality_control": after,
        "relatives": relatives,
        "selection": {name: _number(value) for name, value in selection.items()},
        "missing_filled_in": missing,
        "split": {name: _part_summary(getattr(split, name)) for name in PARTS},
    }


def _open(spec: DataSpec, say: Say) -> _Opened:
    """Genotypes of a path, of the simulation, or of a public data set."""
    if spec.is_path:
        return _Opened(PlinkSource(*filesets.scan_sets(spec.name)), spec.pheno, None)
    if catalogue.find(spec.name).files:
        local = public.get(spec.name, say=say)
        return _Opened(PlinkSource(plink.scan_plink(local.bed)), spec.pheno or local.pheno, None)
    cohort = simulate.embedded()
    return _Opened(MemorySource(cohort), spec.pheno, cohort.trait)


def _labelled(spec: DataSpec, opened: _Opened, say: Say) -> tuple[Labels, Truth | None]:
    """Labels, and the truth about the trait where somebody made it."""
    samples, simulated = opened.source.samples, SimulatedTrait.named(spec.trait)
    if simulated is not None:
        trait, truth = simulate_trait(simulated, opened.source)
        return read_labels(replace(spec, trait=None), samples, opened.pheno, trait), truth
    labels = read_labels(spec, samples, opened.pheno, opened.trait, say)
    own = opened.trait
    if own is None or not np.array_equal(labels.trait.values, own.values[labels.people]):
        return labels, None
    return labels, embedded_truth(opened.source)


def _populations(spec: DataSpec, opened: _Opened) -> NDArray[Any] | None:
    """(n,) population of everybody in the source, empty where not known; None without a column.

    Of the columns that may hold them, the one in which both populations asked for are; without any
    asked for, ``population``.
    """
    found: dict[str, NDArray[Any]] = {}
    samples = opened.source.samples
    listed = tables.read_table(opened.pheno).columns if opened.pheno is not None else ()
    for column in POPULATION_COLUMNS:
        if column in samples:
            found[column] = samples[column].astype(str).to_numpy()
        elif opened.pheno is not None and column in listed:
            found[column] = tables.read_groups(opened.pheno, column, samples).to_numpy()
    asked = {spec.train_population, spec.test_population} - {None}
    fitting = [p for p in found.values() if asked <= set(p)]
    if asked and not found:
        raise GenobenchError(
            f"--train-population: {spec.name} has no column population: name a table that has one "
            "with --pheno"
        )
    if asked and not fitting:
        known = "; ".join(f"{k}: {', '.join(sorted(set(p) - {''}))}" for k, p in found.items())
        missing = ", ".join(sorted(map(str, asked)))
        raise GenobenchError(f"populations {missing}: not both there. {spec.name} has {known}")
    return fitting[0] if asked else found.get("population")


def _of_populations(spec: DataSpec, labels: Labels, population: NDArray[Any] | None) -> Labels:
    """Labels of the people of the two populations asked for."""
    assert population is not None
    kept = np.isin(
        population[labels.people], [str(spec.train_population), str(spec.test_population)]
    )
    return Labels(
        labels.people[kept],
        Trait(labels.trait.name, labels.trait.kind, labels.trait.values[kept]),
        labels.covariates[kept],
        None if labels.group is None else labels.group[kept],
        {**labels.counts, "other_populations": int((~kept).sum())},
    )


def _told_of(labels: Labels, candidates: choice.Candidates) -> Labels:
    """Labels whose counts say how many people the pass over all SNPs rejects."""
    if candidates.unfit is None:
        return labels
    return replace(labels, counts={**labels.counts, "incomplete": int(candidates.unfit.sum())})


def _loaded(
    opened: _Opened,
    labels: Labels,
    candidates: choice.Candidates,
    population: NDArray[Any] | None,
    truth: Truth | None,
) -> Cohort:
    """Labelled people and candidate SNPs, numbered, with trait, population and true effects."""
    unfit = candidates.unfit
    rows = np.arange(len(labels.people)) if unfit is None else np.flatnonzero(~unfit)
    cohort = opened.source.read(labels.people[rows], candidates.columns)
    samples = cohort.samples.drop(columns="phenotype", errors="ignore")
    samples[ROW] = rows
    if population is not None:
        samples["population"] = population[rows]
    variants = cohort.variants.drop(columns=["causal", "beta"], errors="ignore")
    if truth is not None:
        beta = truth.beta if candidates.columns is None else truth.beta[candidates.columns]
        variants = variants.assign(causal=beta != 0, beta=beta)
        samples[GENETIC] = truth.genetic[labels.people[rows]]
    variants = variants.assign(**{COLUMN: np.arange(cohort.m)})
    trait = replace(labels.trait, values=labels.trait.values[rows])
    return Cohort(cohort.genotypes, variants, samples, trait)


class _Chosen(NamedTuple):
    """What quality control left, who is in which part, and which SNPs are looked at."""

    cohort: Cohort
    checked: quality.QualityReport
    indices: SplitIndices
    group: NDArray[Any]
    relatives: dict[str, Any]
    selected: NDArray[np.int64]
    selection: dict[str, Any]


def _chosen(
    spec: DataSpec,
    opened: _Opened,
    labels: Labels,
    candidates: choice.Candidates,
    population: NDArray[Any] | None,
    truth: Truth | None,
    say: Say,
) -> _Chosen:
    """Quality control, split and selection; with more candidates where too few of them survive."""
    while True:
        try:
            loaded = _loaded(opened, labels, candidates, population, truth)
            cohort, checked = _controlled(loaded, labels, say)
            rows = cohort.samples[ROW].to_numpy()
            settled = choice.settle_split(
                spec, opened.source, labels, candidates, cohort, rows, say
            )
            found = _selected(spec, cohort, labels.covariates[rows], settled[0], candidates)
            return _Chosen(cohort, checked, *settled, *found)
        except TooFewSnpsError:
            wider = candidates.wider()
            if wider is None:
                raise
            candidates = wider
            assert candidates.columns is not None
            say(f"too few SNPs are left: loading {len(candidates.columns):,} candidates")


def _controlled(cohort: Cohort, labels: Labels, say: Say) -> tuple[Cohort, quality.QualityReport]:
    """Quality control at the default thresholds; its account begins with all genotyped people."""
    controlled, report = quality.control(cohort, steps=account.left_out(labels.counts))
    report = replace(report, people_before=labels.counts["genotyped"])
    say(account.quality_line(report))
    return controlled, report


def _selected(
    spec: DataSpec,
    cohort: Cohort,
    covariates: NDArray[np.float64],
    indices: SplitIndices,
    candidates: choice.Candidates,
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Columns of the SNPs to run on, in genome order, and how they were chosen."""
    if candidates.association is None:
        association, found = choice.tested(spec, cohort, covariates, indices.train)
    else:
        association = candidates.association.at(cohort.variants[COLUMN].to_numpy())
        found = {}
    wanted = spec.snps or min(SNPS, cohort.m)
    thin = indices.train[:: max(1, -(-len(indices.train) // LD_PEOPLE))]
    try:
        selected = gwas.select(
            cohort.genotypes[thin], cohort.variants, association, wanted, clump_r2=spec.clump_r2
        )
    except TooFewSnpsError as error:
        raise TooFewSnpsError(f"{spec.name}, after quality control: {error}") from error
    summary = {"snps": wanted, "clump_r2": spec.clump_r2, **candidates.selection, **found}
    return selected, summary


def _finished(
    cohort: Cohort,
    indices: SplitIndices,
    group: NDArray[Any],
    selected: NDArray[np.int64],
    seed: int,
) -> tuple[Split, dict[str, float]]:
    """The four groups at the chosen SNPs, without missing calls; the share that was missing.

    Missing calls of every group are drawn from the training people's allele frequencies. The
    column ``family`` says who was kept together, since relatives are no independent observations.
    Where the truth about the trait is known, variants carry ``causal``, ``beta`` and
    ``marginal_beta``, what a variant shows for itself and for those in LD with it.
    """
    samples = cohort.samples.drop(columns=[ROW, GENETIC], errors="ignore")
    samples = samples.assign(family=[f"F{code}" for code in group])
    variants = cohort.variants.drop(columns=COLUMN).iloc[selected]
    if GENETIC in cohort.samples:
        genetic = cohort.samples[GENETIC].to_numpy(np.float64)
        tagged = marginal_effects(cohort.genotypes, selected, genetic)
        variants = variants.assign(marginal_beta=tagged)
    assert cohort.trait is not None
    parts: dict[str, Cohort] = {}
    shares: dict[str, float] = {}
    frequencies = None
    for name in PARTS:
        people = getattr(indices, name)
        genotypes = _rows_and_columns(cohort, people, selected)
        if frequencies is None:  # train comes first
            frequencies = quality.called_frequencies(genotypes)
        shares[name] = float((genotypes == MISSING).mean())
        if shares[name]:
            genotypes = quality.impute(genotypes, frequencies, seed=derive(seed, "impute", name))
        trait = Trait(cohort.trait.name, cohort.trait.kind, cohort.trait.values[people])
        parts[name] = Cohort(genotypes, variants, samples.iloc[people], trait)
    return Split(**parts), shares


def _rows_and_columns(
    cohort: Cohort, people: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Copy of a part, taken by blocks of people: no intermediate of full width."""
    part = np.empty((len(people), len(columns)), dtype=np.int8)
    for start in range(0, len(people), 4_096):
        block = people[start : start + 4_096]
        part[start : start + len(block)] = cohort.genotypes[block][:, columns]
    return part


def _part_summary(part: Cohort) -> dict[str, Any]:
    """Size of a part and the balance of its labels."""
    labels = part.labels
    numbers: dict[str, Any] = {"people": part.n, "snps": part.m}
    if part.trait is not None and part.trait.kind == "binary":
        return {**numbers, "cases": int(labels.sum())}
    return {**numbers, "mean": float(labels.mean()), "sd": float(labels.std())}


def _number(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not np.isfinite(value) else value

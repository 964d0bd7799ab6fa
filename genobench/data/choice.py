"""Which people train and which SNPs are looked at, from training people or an external study.

Three ways, by what there is: a data set that fits in memory is loaded whole; with external summary
statistics only its best SNPs are loaded; a larger one is split first, streamed past the training
people (`genobench.data.streamed`), and its best SNPs are loaded. Where even those that clumping
looks at do not fit in memory, they are clumped in the files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data import catalogue, groups, kinship, streamed, summary
from genobench.data.gwas import (
    CLUMP_CANDIDATES,
    Association,
    NullModel,
    principal_components,
)
from genobench.data.labels import Labels
from genobench.data.prepare import SNPS, DataSpec
from genobench.data.scan import sound
from genobench.data.source import Source, spaced
from genobench.data.split import (
    SplitIndices,
    split_by_coin,
    split_people,
    split_populations,
)
from genobench.data.summary_table import read_summary
from genobench.errors import GenobenchError

IN_MEMORY = 2**31  # genotypes: 2 GiB
SPARE = 2  # SNPs loaded per SNP wanted, so that quality control may drop some
COMPONENTS = 4
LEAST_COMPONENT_SNPS = 50


@dataclass(frozen=True, eq=False)
class Candidates:
    """What to load, and what is already settled before it is loaded.

    Attributes
    ----------
    columns
        Positions of SNPs in the source; None: all.
    association
        At those columns; None: still to be tested, on the loaded training people.
    split, group
        Over the labelled people, and the group of each; None: still to be made, after quality
        control.
    relatives, selection
        For the report.
    unfit
        Over the labelled people: called at too few of all SNPs of the source; None: not looked at.
    ranking, everywhere
        All usable SNPs, the strongest first, and the association at every SNP of the source, where
        ``columns`` are the best of these.
    """

    columns: NDArray[np.int64] | None
    association: Association | None
    split: SplitIndices | None
    group: NDArray[Any] | None
    relatives: dict[str, Any]
    selection: dict[str, Any]
    ranking: NDArray[np.int64] | None = None
    everywhere: Association | None = None
    unfit: NDArray[np.bool_] | None = None

    def best(self, count: int) -> Candidates:
        """The same with the ``count`` strongest SNPs, or with all that are usable."""
        assert self.ranking is not None
        assert self.everywhere is not None
        columns = np.sort(self.ranking[:count])
        return replace(self, columns=columns, association=self.everywhere.at(columns))

    def wider(self) -> Candidates | None:
        """The same with twice as many SNPs; None when there are no others."""
        if self.columns is None or self.ranking is None or len(self.columns) == len(self.ranking):
            return None
        return self.best(2 * len(self.columns))


def find_candidates(
    spec: DataSpec,
    source: Source,
    labels: Labels,
    say: Callable[[str], None],
    population: NDArray[Any] | None = None,
) -> Candidates:
    """What to load of ``source`` for ``spec``: see the module.

    ``population`` is that of the labelled people, where the parts are of different ones.
    """
    m = len(source.variants)
    wanted = spec.snps or min(SNPS, m)
    if wanted > m:
        raise GenobenchError(f"--snps {wanted}: {spec.name} has {m} SNPs")
    if spec.gwas is not None:
        return _external(spec, source, labels, wanted, say, population)
    if len(labels.people) * m <= IN_MEMORY:
        return Candidates(None, None, None, None, {}, {"source": "training people"})
    say("larger than memory: association is streamed")
    return _own(spec, source, labels, wanted, say, population)


def _own(
    spec: DataSpec,
    source: Source,
    labels: Labels,
    wanted: int,
    say: Callable[[str], None],
    population: NDArray[Any] | None,
) -> Candidates:
    """The best SNPs of a file larger than memory, by association in its training people."""
    group, relatives = groups.of_source(spec, source, labels, say)
    split = _split(spec, labels.trait, group, population)
    count = _component_count(spec)
    found, components = streamed.associated(
        source,
        labels,
        split.train,
        lambda: _components_of_source(spec, source, labels.people[split.train]),
        recipe=["components", count],
        say=say,
    )
    usable, account = sound(found, source.variants)
    selection = {
        "source": "training people",
        **_tested_summary(found.association, components),
        "dropped_unread": account,
    }
    everywhere = Candidates(
        None,
        None,
        split,
        group,
        relatives,
        selection,
        _ranking(found.association, usable),
        found.association,
        found.incomplete(labels.people),
    )
    return _narrowed(spec, source, labels, everywhere, wanted)


def _external(
    spec: DataSpec,
    source: Source,
    labels: Labels,
    wanted: int,
    say: Callable[[str], None],
    population: NDArray[Any] | None,
) -> Candidates:
    """The best SNPs by somebody else's summary statistics."""
    assert spec.gwas is not None
    say(f"matching {spec.gwas}")
    matched = summary.match(read_summary(spec.gwas, source.variants), source.variants)
    if spec.snps is not None and matched.counts["matched"] < spec.snps:
        raise GenobenchError(
            f"{spec.gwas}: {matched.counts['matched']} lines match a SNP of {spec.name}, fewer "
            f"than --snps {spec.snps}"
        )
    ranking = _ranking(matched.association, matched.matched)
    selection = {"source": "external", "summary_statistics": matched.counts}
    found = Candidates(None, None, None, None, {}, selection, ranking, matched.association)
    if spec.clump_r2 is not None and _too_many(labels, wanted):  # LD is of training people
        group, relatives = groups.of_source(spec, source, labels, say)
        split = _split(spec, labels.trait, group, population)
        found = replace(found, split=split, group=group, relatives=relatives)
    return _narrowed(spec, source, labels, found, wanted)


def _narrowed(
    spec: DataSpec, source: Source, labels: Labels, found: Candidates, wanted: int
) -> Candidates:
    """As many of the best SNPs as are to be loaded; clumped first where that would be too many."""
    if spec.clump_r2 is None:
        return found.best(wanted * SPARE)
    if not _too_many(labels, wanted):
        return found.best(wanted * CLUMP_CANDIDATES)
    assert found.ranking is not None
    assert found.everywhere is not None
    assert found.split is not None
    ranking = streamed.unlinked(
        source,
        labels.people[found.split.train],
        found.ranking[: wanted * CLUMP_CANDIDATES],
        found.everywhere,
        r2=spec.clump_r2,
        most=wanted * CLUMP_CANDIDATES,
    )
    return replace(found, ranking=ranking).best(wanted * SPARE)


def _too_many(labels: Labels, wanted: int) -> bool:
    """Whether all SNPs that clumping looks at would not fit in memory."""
    return len(labels.people) * wanted * CLUMP_CANDIDATES > IN_MEMORY


def settle_split(
    spec: DataSpec,
    source: Source,
    labels: Labels,
    candidates: Candidates,
    cohort: Cohort,
    rows: Any,
    say: Callable[[str], None],
) -> tuple[SplitIndices, NDArray[Any], dict[str, Any]]:
    """Split of the people that quality control left.

    Parameters
    ----------
    cohort, rows
        Who is left, and their positions among ``labels``.

    Returns
    -------
    split, group, relatives
        Over ``cohort``; the group (family, cage) of each person; what was found of relatives.
    """
    if candidates.split is not None and candidates.group is not None:
        place = np.full(len(labels.people), -1)
        place[rows] = np.arange(cohort.n)
        parts = (place[part][place[part] >= 0] for part in vars(candidates.split).values())
        return SplitIndices(*parts), candidates.group[rows], candidates.relatives
    assert cohort.trait is not None
    if labels.group is not None:
        group, relatives = groups.named(spec, labels.group[rows])
    elif candidates.columns is None:
        group, relatives = groups.found(cohort.genotypes, cohort.variants, cohort.samples, say)
    else:
        left = Labels(labels.people[rows], cohort.trait, labels.covariates[rows], None, {})
        group, relatives = groups.of_source(spec, source, left, say)
    population = cohort.samples["population"].to_numpy() if spec.train_population else None
    return _split(spec, cohort.trait, group, population), group, relatives


def _split(
    spec: DataSpec, trait: Trait, group: NDArray[Any], population: NDArray[Any] | None
) -> SplitIndices:
    """People shared out among the parts, by coin or population where the specification says so."""
    if spec.membership == "coin":
        return split_by_coin(trait, seed=spec.split_seed, group=group)
    if population is None or spec.train_population is None or spec.test_population is None:
        return split_people(trait, seed=spec.split_seed, group=group)
    return split_populations(
        trait,
        population,
        train=spec.train_population,
        test=spec.test_population,
        seed=spec.split_seed,
        group=group,
    )


def tested(
    spec: DataSpec,
    cohort: Cohort,
    covariates: NDArray[np.float64],
    train: NDArray[np.int64],
) -> tuple[Association, dict[str, Any]]:
    """Association in the training people of a loaded cohort; nobody else is looked at."""
    assert cohort.trait is not None
    scores = _components(spec, cohort.genotypes, cohort.variants, train)
    trait = Trait(cohort.trait.name, cohort.trait.kind, cohort.trait.values[train])
    null = NullModel(trait, np.hstack([covariates[train], scores]))
    association = null.test(cohort.genotypes, train)
    return association, _tested_summary(association, scores.shape[1])


def _tested_summary(association: Association, components: int) -> dict[str, Any]:
    return {
        "tested": len(association.z),
        "components": components,
        "genomic_control": association.genomic_control,
        "smallest_p": float(association.p.min(initial=1.0)),
    }


def _components_of_source(
    spec: DataSpec, source: Source, people: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The same as `_components`, of SNPs evenly spaced over a file."""
    some = source.read(people, spaced(len(source.variants), 1_000))
    return _components(spec, some.genotypes, some.variants, np.arange(len(people)))


def _component_count(spec: DataSpec) -> int:
    return COMPONENTS if spec.is_path else catalogue.find(spec.name).components


def _components(
    spec: DataSpec, genotypes: Genotypes, variants: pd.DataFrame, people: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(people, c) principal components of nearly independent SNPs."""
    count = _component_count(spec)
    if count == 0:
        return np.zeros((len(people), 0))
    thin = people[:: max(1, -(-len(people) // 5_000))]
    chosen = kinship.independent_variants(genotypes[thin], variants, most=1_000)
    if len(chosen) < LEAST_COMPONENT_SNPS:
        return np.zeros((len(people), 0))  # components of so few SNPs would be those SNPs
    return principal_components(genotypes[np.ix_(people, chosen)], count)


def _ranking(association: Association, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Columns of the usable SNPs, the strongest first."""
    order = np.argsort(np.where(usable, -np.abs(association.z), np.inf), kind="stable")
    return order[: int(usable.sum())]

"""Does a GWAS on synthetic people find what a GWAS on real people finds?

Every SNP is tested in synthetic people and in as many test people, with the same axes of ancestry
as covariates: axes of the training people, on which everybody is placed. Without them the chance by
which cases are more common in one population moves all SNPs of a sample together. The training
people's own association is no yardstick, since a copy of them would agree with itself. The `real`
control shows what noise leaves of a perfect agreement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.data.kinship import independent_variants
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import association
from genobench.metrics.association import Scan
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval
from genobench.metrics.polygenic import Blocks, ld_blocks, ldpred_inf
from genobench.metrics.structure import Axes, fit_axes, project
from genobench.seeds import rng
from genobench.task import Estimate, Reference, Task, timed

Facts = dict[str, NDArray[Any]]
FEWEST = 40  # people of either kind
COMPONENTS = 4  # as where SNPs are chosen by association
SNPS_PER_COMPONENT = 10  # components of fewer SNPs would be these SNPs
MOST_SNPS = 1_000


class Association(Task):
    """Effects, hits and inflation of a GWAS, against test people and, where known, the truth."""

    def prepare(self, split: Split, *, seed: int) -> Facts:
        """Axes of ancestry, GWAS of the test people, and what the true effects are in their LD."""
        test, facts = split.test, _ancestry(split.train)
        facts["scan"] = _scan(test, np.arange(test.n), facts).arrays()
        if "beta" in test.variants:
            beta = test.variants["beta"].to_numpy(np.float64)
            facts["implied"] = association.implied_effects(beta, test.genotypes, _blocks(test))
        return facts

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """All metrics at equal numbers of synthetic and test people, drawn by ``seed``.

        Metrics of causal variants are left out where the true effects are not known.
        """
        test, facts = reference.split.test, dict(reference.statistics)
        if synthetic.trait is None or test.trait is None or synthetic.trait.kind != test.trait.kind:
            raise GenobenchError("association: synthetic and test people need the same trait")
        comparable(synthetic.genotypes, test.genotypes, at_least=FEWEST)
        n = min(synthetic.n, test.n)
        people = _drawn(synthetic.n, n, rng(seed, "association", "synthetic"))
        made, real = _scan(synthetic, people, facts), Scan(*facts["scan"])
        if n < test.n:
            real = _scan(test, _drawn(test.n, n, rng(seed, "association", "real")), facts)
        found = timed(lambda: _against_people(made, real), n)
        if "implied" in facts:
            found |= timed(lambda: _against_truth(made, synthetic, people, test, facts), n)
        return found


def _against_people(made: Scan, real: Scan) -> dict[str, Interval]:
    at = association.level(real)
    return {
        "z_correlation": association.z_correlation(made, real),
        "effect_slope": association.effect_slope(made, real),
        "hit_recall": association.hit_recall(made, real, at=at),
        "false_discoveries": association.false_discoveries(made, real, at=at),
        "lambda_ratio": association.lambda_ratio(made, real),
    }


def _against_truth(
    made: Scan, synthetic: Cohort, people: NDArray[np.int64], test: Cohort, facts: Facts
) -> dict[str, Interval]:
    g = synthetic.genotypes[people]
    adjusted = association.adjusted(synthetic.labels[people], _placed(g, facts))
    effects = ldpred_inf(g, adjusted, _blocks(test))
    causal = test.variants["beta"].to_numpy(np.float64) != 0
    return {
        "causal_correlation": association.causal_correlation(made, facts["implied"]),
        "causal_ranking": association.causal_ranking(effects, causal),
    }


def _ancestry(train: Cohort) -> Facts:
    """Axes of nearly independent SNPs; none on one chromosome, where they would be its LD."""
    columns = independent_variants(train.genotypes, train.variants, most=MOST_SNPS)
    count = min(COMPONENTS, len(columns) // SNPS_PER_COMPONENT)
    if train.variants["chrom"].iloc[columns].nunique() < 2 or count == 0:
        return {"columns": np.zeros(0, np.int64)}
    axes = fit_axes(train.genotypes[:, columns], components=count)
    return {"columns": columns, **vars(axes)}


def _placed(genotypes: Genotypes, facts: Facts) -> NDArray[np.float64]:
    """(n, c) people on the axes of ancestry."""
    columns = facts["columns"]
    if not len(columns):
        return np.zeros((len(genotypes), 0))
    axes = Axes(facts["mean"], facts["scale"], facts["components"])
    return project(np.ascontiguousarray(genotypes[:, columns]), axes)


def _scan(cohort: Cohort, people: NDArray[np.int64], facts: Facts) -> Scan:
    if cohort.trait is None:
        raise GenobenchError("association: these people have no trait: name one with --trait")
    g = cohort.genotypes[people]
    return Scan.of(g, cohort.labels[people], _placed(g, facts), cohort.trait.kind)


def _blocks(cohort: Cohort) -> Blocks:
    return ld_blocks(cohort.variants["chrom"].to_numpy())


def _drawn(people: int, n: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """``n`` of ``people`` rows, in their order."""
    return np.sort(draw.choice(people, n, replace=False)) if n < people else np.arange(people)

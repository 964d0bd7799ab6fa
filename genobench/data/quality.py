"""Quality control of a cohort: what is dropped, in which order, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.calls import (
    called_frequencies,
    frequencies_of,
    genotype_counts,
    impute,
    missing_per_person,
    selected,
)
from genobench.data.hardy_weinberg import exact_p, inflation
from genobench.data.quality_report import QualityReport, Sieve, Step
from genobench.data.sample_checks import (
    FEMALE,
    contradicts_sex,
    seen_before,
    sexes_separate,
    x_inbreeding,
)
from genobench.errors import GenobenchError

__all__ = [
    "QualityReport",
    "Step",
    "Thresholds",
    "called_frequencies",
    "control",
    "genotype_counts",
    "impute",
]

X = ("X", "23")
HAPLOID = ("Y", "24", "MT", "M", "26")


@dataclass(frozen=True)
class Thresholds:
    """What a variant or a person needs in order to stay.

    Attributes
    ----------
    call_rate_variant, call_rate_person
        Least share of called genotypes; people are judged on the variants that passed.
    maf
        Least minor allele frequency.
    hwe
        ``auto`` tests Hardy-Weinberg equilibrium unless the median statistic is inflated more than
        ``hwe_inflation`` times (several populations, relatives, inbred strains), where the test
        would drop sound variants; ``always``; ``never``.
    hwe_p
        Variants with a smaller exact p value go. Controls alone are tested when the trait is
        binary, women alone on chromosome X, nobody on Y and MT.
    duplicate_panel
        People are compared with each other when this many variants vary, on two chromosomes or
        more: within one region two strangers may share both haplotypes. 0 never compares.
    sex_panel
        The recorded sex is compared with chromosome X when so many of its variants have
        MAF >= 0.05. 0 never compares.
    """

    call_rate_variant: float = 0.95
    call_rate_person: float = 0.95
    maf: float = 0.01
    hwe: Literal["auto", "always", "never"] = "auto"
    hwe_p: float = 1e-6
    hwe_inflation: float = 2.0
    duplicate_panel: int = 100
    sex_panel: int = 50

    def __post_init__(self) -> None:
        for name, top in (
            ("call_rate_variant", 1.0),
            ("call_rate_person", 1.0),
            ("maf", 0.5),
            ("hwe_p", 1.0),
        ):
            if not 0 <= getattr(self, name) <= top:
                raise GenobenchError(f"{name} = {getattr(self, name)}; it lies in [0, {top}]")


def control(
    cohort: Cohort, thresholds: Thresholds | None = None, *, steps: Sequence[Step] = ()
) -> tuple[Cohort, QualityReport]:
    """Cohort without the people and variants that fail, and the account of it.

    Parameters
    ----------
    cohort
        May have missing calls; a trait is carried along.
    thresholds
        None takes the defaults.
    steps
        What was dropped earlier (people without phenotype), to head the account.

    Returns
    -------
    cohort, report
        In the order of the input. Memory: one output array, none when nothing is dropped.

    Raises
    ------
    GenobenchError
        When a step leaves nobody or nothing, with its name.

    Notes
    -----
    Order: repeated ids, repeated variants, variants without a call, call rate of variants, of
    people, sex, identical people; then, among those left, monomorphic, MAF, Hardy-Weinberg.
    """
    t = thresholds or Thresholds()
    if not (cohort.n and cohort.m):
        raise GenobenchError(f"quality control: {cohort.n} people x {cohort.m} variants")
    s = Sieve(cohort, np.ones(cohort.n, bool), np.ones(cohort.m, bool), list(steps))
    counts = genotype_counts(cohort.genotypes)
    _repeated_ids(s)
    _repeated_variants(s, counts)
    _call_rates(s, counts, t)
    if not s.people.all():
        counts = genotype_counts(cohort.genotypes, s.people)
    _sex(s, counts, t)
    _identical_people(s, counts, t)
    if not s.people.all():
        counts = genotype_counts(cohort.genotypes, s.people)
    _rare_variants(s, counts, t)
    _hardy_weinberg(s, counts, t)
    clean = Cohort(
        selected(cohort.genotypes, s.people, s.variants),
        cohort.variants[s.variants],
        cohort.samples[s.people],
        _trait_of(cohort, s.people),
    )
    return clean, QualityReport(cohort.n, cohort.m, clean.n, clean.m, tuple(s.steps))


def _trait_of(cohort: Cohort, people: NDArray[np.bool_]) -> Trait | None:
    """The trait of those left."""
    trait = cohort.trait
    return None if trait is None else replace(trait, values=trait.values[people])


def _repeated_ids(s: Sieve) -> None:
    """A person is FID and IID together."""
    again = s.cohort.samples.duplicated(["fid", "iid"]).to_numpy()
    s.drop("people", "repeated id", again, "FID and IID seen before")


def _repeated_variants(s: Sieve, counts: NDArray[np.int64]) -> None:
    """Of variants at one place with the same alleles, or of one name, the best called stays."""
    table = s.cohort.variants
    best = np.argsort(counts[:, 3], kind="stable")
    alleles = np.sort(table[["counted", "other"]].to_numpy(dtype=str), axis=1)
    place = table[["chrom", "pos"]].assign(first=alleles[:, 0], second=alleles[:, 1])
    again = np.zeros(len(table), dtype=bool)
    again[best] = place.iloc[best].duplicated().to_numpy()
    again &= (table["pos"] > 0).to_numpy()  # 0: position unknown
    s.drop("variants", "repeated place", again, "position and alleles seen before")
    kept = best[s.variants[best]]
    again = np.zeros(len(table), dtype=bool)
    again[kept] = table["id"].iloc[kept].duplicated().to_numpy()
    again &= ~table["id"].isin([".", ""]).to_numpy()
    s.drop("variants", "repeated id", again, "variant id seen before")


def _call_rates(s: Sieve, counts: NDArray[np.int64], t: Thresholds) -> None:
    """Variants first: a person is not blamed for a probe that failed in everybody."""
    called = 1 - counts[:, 3] / s.cohort.n
    s.drop("variants", "no call", called == 0, "missing in everybody")
    low = called < t.call_rate_variant
    s.drop("variants", "call rate", low, f"called in less than {t.call_rate_variant:g} of people")
    share = 1 - missing_per_person(s.cohort.genotypes, s.variants) / s.variants.sum()
    low = share < t.call_rate_person
    s.drop("people", "call rate", low, f"called at less than {t.call_rate_person:g} of variants")


def _chromosome(s: Sieve, names: Sequence[str]) -> NDArray[np.bool_]:
    """(m,) mask of the variants on chromosomes of these names, with or without ``chr``."""
    plain = s.cohort.variants["chrom"].str.upper().str.removeprefix("CHR")
    return np.asarray(plain.isin(names).to_numpy(dtype=bool))


def _sex(s: Sieve, counts: NDArray[np.int64], t: Thresholds) -> None:
    """Recorded sex against chromosome X, where the data can tell."""
    name = "sex mismatch"
    p = frequencies_of(counts)
    panel = s.variants & _chromosome(s, X) & (np.minimum(p, 1 - p) >= 0.05)
    if t.sex_panel == 0 or panel.sum() < t.sex_panel:
        s.skip("people", name, f"{panel.sum()} common variants on X")
        return
    recorded = s.cohort.samples["sex"].to_numpy()
    f = x_inbreeding(s.cohort.genotypes[:, panel], p[panel])
    if not sexes_separate(f[s.people], recorded[s.people]):
        s.skip("people", name, "heterozygosity on X does not tell the recorded sexes apart")
        return
    wrong = contradicts_sex(f, recorded)
    s.drop("people", name, wrong, "chromosome X contradicts the recorded sex")


def _identical_people(s: Sieve, counts: NDArray[np.int64], t: Thresholds) -> None:
    """The same sample twice, or identical twins: equal calls over the whole panel, exactly."""
    name = "identical calls"
    p = frequencies_of(counts)
    panel = s.variants & (p > 0) & (p < 1)
    chromosomes = s.cohort.variants["chrom"][panel].nunique()
    if t.duplicate_panel == 0 or panel.sum() < t.duplicate_panel or chromosomes < 2:
        why = f"{panel.sum():,} varying variants on {chromosomes} chromosome(s) cannot tell"
        s.skip("people", name, why)
        return
    again = seen_before(s.cohort.genotypes, s.people, panel)
    s.drop("people", name, again, f"equal to another person at {panel.sum():,} variants")


def _rare_variants(s: Sieve, counts: NDArray[np.int64], t: Thresholds) -> None:
    """What does not vary, and what hardly does, among the people left."""
    p = frequencies_of(counts)
    s.drop("variants", "monomorphic", ~((p > 0) & (p < 1)), "one allele only")
    rare = np.minimum(p, 1 - p) < t.maf
    s.drop("variants", "MAF", rare, f"minor allele frequency below {t.maf:g}")


def _hardy_weinberg(s: Sieve, counts: NDArray[np.int64], t: Thresholds) -> None:
    """Genotyping errors show as departures from equilibrium, unless everything departs."""
    name = "Hardy-Weinberg"
    if t.hwe == "never":
        s.skip("variants", name, "switched off")
        return
    people, who = s.people, "everybody"
    trait = s.cohort.trait
    if trait is not None and trait.kind == "binary" and (people & (trait.values == 0)).any():
        people, who = people & (trait.values == 0), "controls"
        counts = genotype_counts(s.cohort.genotypes, people)
    on_x = _chromosome(s, X)
    autosomes = s.variants & ~on_x & ~_chromosome(s, HAPLOID)
    inflated = inflation(counts[autosomes])
    if t.hwe == "auto" and inflated > t.hwe_inflation:
        s.skip(
            "variants",
            name,
            f"median statistic {inflated:.1f} times its expectation (structure or relatives)",
        )
        return
    p = np.ones(s.cohort.m)
    p[autosomes] = exact_p(counts[autosomes])
    if (s.variants & on_x).any():
        women = people & (s.cohort.samples["sex"].to_numpy() == FEMALE)
        p[on_x] = exact_p(genotype_counts(s.cohort.genotypes, women)[on_x])
    s.drop("variants", name, p < t.hwe_p, f"exact p below {t.hwe_p:g} among {who}")

"""A trait simulated on given genotypes: the truth about it is what it claims, and travels along."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genobench.cli import build_parser
from genobench.cohort import MISSING, Cohort
from genobench.commands import arguments
from genobench.data import choice
from genobench.data.plink import write_plink
from genobench.data.prepare import DataSpec, prepare
from genobench.data.simulated_trait import (
    SimulatedTrait,
    embedded_truth,
    marginal_effects,
    simulate_trait,
)
from genobench.data.source import MemorySource
from genobench.errors import GenobenchError

CohortMaker = Callable[..., Cohort]
RECORDS = Path(__file__).parent.parent / "leaderboards" / "records"


@pytest.fixture
def files(make_cohort: CohortMaker, tmp_path: Path) -> DataSpec:
    """600 people, 80 SNPs, as PLINK files."""
    bed = write_plink(make_cohort(600, 80, 3), tmp_path / "mine")
    return DataSpec(str(bed), snps=60, group="none", trait="simulated(h2=0.8,causal=10,seed=1)")


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own for the embedded cohort."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOBENCH_CACHE", str(folder))
        yield folder


def test_without_noise_the_trait_is_the_genotypes_times_the_effects(
    make_cohort: CohortMaker,
) -> None:
    """h2 = 1: the truth explains everything, and least squares finds it to rounding."""
    cohort = make_cohort(500, 64)
    trait, truth = simulate_trait(SimulatedTrait(h2=1.0, causal=8, seed=2), MemorySource(cohort))
    x = cohort.genotypes - cohort.genotypes.mean(axis=0)
    np.testing.assert_allclose(trait.values, x @ truth.beta, atol=1e-5)
    assert np.count_nonzero(truth.beta) == 8
    assert trait.values.std() == pytest.approx(1, abs=1e-5)
    found = np.linalg.lstsq(x[:, truth.beta != 0], trait.values, rcond=None)[0]
    np.testing.assert_allclose(found, truth.beta[truth.beta != 0], atol=1e-5)


def test_heritability_and_prevalence_are_met(make_cohort: CohortMaker) -> None:
    """Half of a quantitative trait's variance is genetic; one in five people is a case."""
    source = MemorySource(make_cohort(4000, 64))
    trait, truth = simulate_trait(SimulatedTrait(h2=0.5, causal=20, seed=1), source)
    assert truth.genetic.var() == pytest.approx(0.5, abs=1e-9)
    assert np.corrcoef(truth.genetic, trait.values)[0, 1] ** 2 == pytest.approx(0.5, abs=0.04)
    binary, _ = simulate_trait(SimulatedTrait(prevalence=0.2), source)
    assert (binary.kind, binary.values.mean()) == ("binary", pytest.approx(0.2, abs=1e-3))
    again, _ = simulate_trait(SimulatedTrait(prevalence=0.2), source)
    other, _ = simulate_trait(SimulatedTrait(prevalence=0.2, seed=7), source)
    np.testing.assert_array_equal(again.values, binary.values)
    assert (other.values != binary.values).any()


def test_marginal_effects_are_single_regressions(make_cohort: CohortMaker) -> None:
    """Against numpy's polyfit per SNP; missing calls are the mean, constant SNPs 0."""
    cohort = make_cohort(300, 24)
    genotypes = cohort.genotypes.copy()
    genotypes[:, 5] = 1
    genetic = np.random.default_rng(0).normal(size=300)
    found = marginal_effects(genotypes, np.array([0, 5, 7]), genetic)
    assert found[1] == 0
    for at, column in ((0, 0), (2, 7)):
        expected = np.polyfit(genotypes[:, column].astype(float), genetic, 1)[0]
        assert found[at] == pytest.approx(expected)
    genotypes[:150, 0] = MISSING
    some = genotypes[150:, 0].astype(float)
    centred = genetic - genetic.mean()
    by_hand = (some - some.mean()) @ centred[150:] / ((some - some.mean()) ** 2).sum()
    assert marginal_effects(genotypes, np.array([0]), genetic)[0] == pytest.approx(by_hand)


def test_rare_and_badly_called_variants_are_not_causal(make_cohort: CohortMaker) -> None:
    """They would be dropped by quality control, and the truth with them."""
    cohort = make_cohort(400, 64)
    genotypes = cohort.genotypes.copy()
    genotypes[:, ::2] = 0
    genotypes[:100, 1::4] = MISSING
    source = MemorySource(replace(cohort, genotypes=genotypes))
    _, truth = simulate_trait(SimulatedTrait(causal=16), source)
    assert set(np.flatnonzero(truth.beta)) == set(range(3, 64, 4))
    with pytest.raises(GenobenchError, match=r"16 of 64 variants.*fewer than causal=17"):
        simulate_trait(SimulatedTrait(causal=17), source)


def test_truth_reaches_the_training_variants(files: DataSpec) -> None:
    """Columns causal, beta and marginal_beta; a trait with 80 % heredity shows them again."""
    done = prepare(files)
    train = done.split.train
    assert train.trait is not None
    assert (train.trait.name, train.trait.kind) == (files.trait, "quantitative")
    variants = train.variants
    assert done.report["selection"]["causal"] == variants["causal"].sum() >= 5
    assert ((variants["beta"] != 0) == variants["causal"]).all()
    assert not any(c.startswith("_") for c in (*variants.columns, *train.samples.columns))
    x = train.genotypes - train.genotypes.mean(axis=0)
    estimate = train.labels @ x / (x**2).sum(axis=0)
    truth = variants["marginal_beta"].to_numpy()
    assert np.corrcoef(estimate * x.std(axis=0), truth * x.std(axis=0))[0, 1] > 0.9


def test_truth_survives_storage_and_streaming(
    files: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From disk as in a worker, and when only chosen SNPs are loaded."""
    split = prepare(files).split
    split.save(tmp_path / "split")
    stored = type(split).load(tmp_path / "split").train.variants
    np.testing.assert_allclose(stored["marginal_beta"], split.train.variants["marginal_beta"])
    assert stored["causal"].tolist() == split.train.variants["causal"].tolist()
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    streamed = prepare(files).split.train.variants.set_index("id")["marginal_beta"]
    whole = split.train.variants.set_index("id")["marginal_beta"]
    shared = whole.index.intersection(streamed.index)
    assert len(shared) > 50
    np.testing.assert_allclose(streamed[shared], whole[shared])


def test_embedded_cohort_knows_its_own_disease_and_no_other_trait(cache_folder: Path) -> None:
    """Its effects belong to its disease; under a simulated trait they are that trait's."""
    own = prepare(DataSpec.for_name("default")).split.train.variants
    assert 20 < own["causal"].sum() < 100
    spec = DataSpec.for_name("default", trait="simulated(h2=0.5,causal=20,seed=1)")
    other = prepare(spec).split.train.variants
    assert other["causal"].sum() <= 20
    assert set(other["id"][other["causal"]]) != set(own["id"][own["causal"]])


def test_a_trait_of_unknown_origin_has_no_truth(files: DataSpec, make_cohort: CohortMaker) -> None:
    """Nothing is claimed of a trait that was measured."""
    variants = prepare(replace(files, trait=None)).split.train.variants
    assert not {"causal", "beta", "marginal_beta"} & set(variants.columns)
    cohort = make_cohort(50, 8)
    bare = replace(cohort, variants=cohort.variants.drop(columns="beta"))
    assert embedded_truth(MemorySource(bare)) is None


def test_keys_are_those_of_before_there_were_options(cache_folder: Path) -> None:
    """The committed records' data key; a simulated trait and a population change it."""
    record = json.loads(next((RECORDS / "default-smoke").glob("*.json")).read_text())
    default = DataSpec.for_name("default")
    assert default.key == record["job"]["data_key"]
    assert prepare(default).split.checksum == record["inputs"]["split_sha256"]
    names = ("simulated(h2=0.5,causal=20)", "simulated(causal=20,h2=.5)", "simulated(seed=1)")
    keys = [DataSpec.for_name("default", trait=name).key for name in names]
    crossed = DataSpec.for_name("default", train_population="POP_A", test_population="POP_B").key
    assert keys[0] == keys[1]
    assert len({default.key, crossed, *keys}) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("h2=2", "h2=2.0 must lie between 0 and 1"),
        ("h2=half", "'h2=half' is no number"),
        ("causal=1.5", "'causal=1.5' is no number"),
        ("causal=0", "causal is at least 1"),
        ("heritability=0.5", "settings are h2, causal, seed, prevalence"),
        ("h2=0.5,h2=0.6", "each once"),
        ("prevalence=1", "prevalence=1.0 must lie"),
    ],
)
def test_mistakes_in_the_specification_are_named(text: str, words: str) -> None:
    """What was wrong, and how it is written."""
    with pytest.raises(GenobenchError, match=words):
        SimulatedTrait.parse(text)
    with pytest.raises(ArgumentTypeError, match=words):
        arguments.simulated_trait(text)


def test_command_line_makes_it_the_trait() -> None:
    """``--simulate-trait`` names a trait in one way of writing, and excludes ``--trait``."""
    parse = build_parser().parse_args
    for command in (["run"], ["data", "prepare", "default"]):
        found = parse([*command, "--simulate-trait", "seed=3, causal=5,h2=.25"])
        assert found.trait == "simulated(h2=0.25,causal=5,seed=3)"
        assert SimulatedTrait.named(found.trait) == SimulatedTrait(0.25, 5, 3)
        assert parse(command).trait is None
    assert SimulatedTrait.named("disease") is None
    with pytest.raises(GenobenchError, match="not allowed with"):
        parse(["run", "--trait", "x", "--simulate-trait", "h2=0.5"])

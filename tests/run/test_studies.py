"""Studies in a benchmark: run when named, refused where the data lack what they need, passed over
where a generator has no round trip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench import registry
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.report.collect import build
from genobench.run.benchmark import RunOptions
from genobench.run.request import resolve
from genobench.task import TaskCard, populations, unmet

STUDIES = {"k_sensitivity", "cross_population", "rare_variants", "reconstruction",
           "effect_recovery"}  # fmt: skip
# a round trip that forgets the first SNP; every fit leaves a line beside the module
THERE_AND_BACK = """
def fit(self, train, validation, *, seed, budget):
    with (FOLDER / "fits.txt").open("a") as file:
        file.write(f"{seed}\\n")
    return super().fit(train, validation, seed=seed, budget=budget)

def reconstruct(self, genotypes):
    back = genotypes.copy()
    back[:, 0] = 0
    return back
"""
WITNESS = """
def score(self, synthetic, reference, *, seed):
    back = reference.round_trip
    assert back is not None
    return {"gap": Estimate(float((back != reference.split.test.genotypes).mean()))}
"""


def round_trip_task(bench: Any) -> str:
    """A task that asks for the round trip and says how much of it differs."""
    spec = str(bench.task("witness", WITNESS))
    path = Path(spec.partition(":")[0]).with_suffix(".toml")
    path.write_text('needs = ["reconstruct"]\nstudy = true\n' + path.read_text())
    return spec


def test_all_tasks_are_without_studies() -> None:
    """``--tasks all`` is what it was; a study is found by its name."""
    cards = {name: plugin.card for name, plugin in registry.tasks().items()}
    assert {name for name, card in cards.items() if card.study} == STUDIES
    everything = resolve(RunOptions(out=Path("x"), models=("hwe",)))
    assert {t.card.name for t in everything.tasks} == set(cards) - STUDIES
    both = resolve(RunOptions(out=Path("x"), models=("hwe",), tasks=("all", "rare_variants")))
    assert {t.card.name for t in both.tasks} - STUDIES == set(cards) - STUDIES
    assert {t.card.name for t in both.tasks} & STUDIES == {"rare_variants"}


def test_round_trip_reaches_the_task(bench: Any) -> None:
    """The test people, through the fitted generator, checked."""
    spec = round_trip_task(bench)
    summary = bench.run([bench.generator("traveller", THERE_AND_BACK)], [spec])
    assert summary.statuses == {"ok": 1}
    test = Split.load(bench.store.data_folder(bench.data.key)).test.genotypes
    expected = (test[:, 0] != 0).sum() / test.size
    found = bench.record("traveller")["scores"]["witness"]["metrics"]["gap"]["value"]
    assert found == pytest.approx(expected) != 0


def test_a_later_round_trip_is_that_of_the_same_fit(bench: Any) -> None:
    """Asked after the fit is gone, it is fitted again with its seed; record and sample stay."""
    model = bench.generator("traveller", THERE_AND_BACK)
    bench.run([model], [bench.task("plain")])
    before = bench.record("traveller")
    assert bench.run([model], [round_trip_task(bench)]).statuses == {"ok": 1}
    after = bench.record("traveller")
    assert set(after["scores"]) == {"plain", "witness"}
    for part in ("outputs", "determinism", "learning", "environment"):
        assert after[part] == before[part]
    seeds = (bench.plugins / "fits.txt").read_text().split()
    assert len(seeds) == 2
    assert len(set(seeds)) == 1


@pytest.mark.parametrize(
    ("card", "body", "words"),
    [
        ("", "pass", r"homebody offers no reconstruct\(genotypes\)"),
        ('conditioning = "strata"', THERE_AND_BACK, "homebody is fitted once per label stratum"),
    ],
    ids=["not offered", "per stratum"],
)
def test_without_a_round_trip_the_task_is_passed_over(
    bench: Any, card: str, body: str, words: str
) -> None:
    """The reason is in the record, other tasks are scored, nothing failed, nothing is repeated."""
    spec, model = round_trip_task(bench), bench.generator("homebody", body, card)
    tasks = [spec, bench.task("plain")]
    assert bench.run([model], tasks).statuses == {"ok": 1}
    record = bench.record("homebody")
    entry = record["scores"]["witness"]
    assert entry["metrics"] == {}
    assert re.search(words, entry["skipped"])
    assert record["scores"]["plain"]["metrics"]["gap"]["value"] > 0
    assert bench.run([model], tasks, overwrite="failed").kept == 1
    card_of_task = TaskCard.read(Path(spec.partition(":")[0]).with_suffix(".toml"))
    tables = build([record], {}, {"witness": card_of_task})
    assert tables.blocks[0].failures == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def reconstruct(self, genotypes): return genotypes.astype(float)", "must return int8"),
        ("def reconstruct(self, genotypes): return genotypes[:-1].copy()", "shape"),
        ("def reconstruct(self, genotypes): return genotypes", "memory of its own"),
        ("def reconstruct(self, genotypes): raise ValueError('lost')", "lost"),
    ],
    ids=["dtype", "people", "memory", "raises"],
)
def test_a_bad_round_trip_costs_that_task_alone(bench: Any, body: str, words: str) -> None:
    """Checked like a sample; the other task has its score."""
    model = bench.generator("clumsy", body)
    summary = bench.run([model], [round_trip_task(bench), bench.task("plain")])
    assert summary.statuses == {"scores failed": 1}
    scores = bench.record("clumsy")["scores"]
    assert words in scores["witness"]["error"]["message"]
    assert "metrics" in scores["plain"]


def test_data_without_the_truth_are_refused(bench: Any) -> None:
    """Before anything is scored, with what to do; a metric-less table would say nothing."""
    summary = bench.run([bench.generator("sound")], ["effect_recovery", "cross_population"])
    assert summary.statuses == {"scores failed": 1}
    text = " ".join(summary.problems)
    assert "true effects of these variants are not known" in text
    assert "--simulate-trait h2=0.5,causal=20,seed=1" in text
    assert "training people are of P0, P1, test people of P0, P1" in text


def test_needs_are_words_that_are_known(tmp_path: Path) -> None:
    """A misspelt need on a card is named."""
    plugin = registry.tasks()["reconstruction"]
    text = plugin.path.with_suffix(".toml").read_text()
    (tmp_path / "odd.toml").write_text(text.replace('"reconstruct"', '"reconstruction"'))
    with pytest.raises(GenobenchError, match="needs reconstruction; known are effects"):
        TaskCard.read(tmp_path / "odd.toml")


def test_what_is_unmet(tiny_split: Split) -> None:
    """Each need alone; the generator's own is no matter of the data."""
    cards: Mapping[str, TaskCard] = {n: p.card for n, p in registry.tasks().items()}
    assert unmet(cards["reconstruction"], tiny_split) == ""
    assert unmet(cards["fidelity"], tiny_split) == ""
    assert populations(tiny_split.train) == ("P0", "P1")
    parts = {
        name: part.take(np.flatnonzero(part.samples["population"] == population))
        for (name, part), population in zip(
            vars(tiny_split).items(), ("P0", "P0", "P1", "P1"), strict=True
        )
    }
    assert unmet(cards["cross_population"], Split(**parts)) == ""
    bare = {
        name: type(part)(
            part.genotypes, part.variants, part.samples.drop(columns="population"), part.trait
        )
        for name, part in vars(tiny_split).items()
    }
    assert "of no known population" in unmet(cards["cross_population"], Split(**bare))

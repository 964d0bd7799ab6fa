"""The people behind a figure: a run's prepared split and the samples that it has kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.metrics.genotypes import subsample
from genobench.metrics.prediction import Kind
from genobench.registry import find_task
from genobench.report.named import card_of, role_of
from genobench.report.tables import Block, Record
from genobench.run.job import asked
from genobench.run.store import Store
from genobench.run.worker import stored_sample, synthetic_cohort
from genobench.seeds import derive, rng

FEWEST = 5  # people (or alleles of people): smaller counts are not shown
T = TypeVar("T")
OF_PEOPLE = ("ceiling", "leak")  # roles whose samples are real people, or nearly


@dataclass(frozen=True, eq=False)
class Made:
    """One stored sample; ``key`` is that of its record."""

    key: str
    model: str
    role: str
    seed: int
    cohort: Cohort

    def score_seed(self, task: str) -> int:
        """The seed by which the task drew when it scored this sample."""
        return derive(self.seed, "score", task)

    @property
    def is_of_people(self) -> bool:
        """Whether a row of the sample may be a real person's."""
        return self.role in OF_PEOPLE


@dataclass(frozen=True, eq=False)
class People:
    """The real people of one data set of a run."""

    split: Split
    run: Path
    split_seed: int
    split_sha256: str
    known: dict[str, Any] = field(default_factory=dict)

    def reference_seed(self, task: str) -> int:
        """The seed by which the task looked at the real people."""
        return derive(self.split_seed, "reference", task)

    @property
    def kind(self) -> Kind:
        """Of the trait; an error without one."""
        trait = self.split.test.trait
        if trait is None:
            raise GenobenchError("these people have no trait: name one with --trait")
        return trait.kind

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` returns, made at the first call under this name."""
        if name not in self.known:
            self.known[name] = make()
        kept: T = self.known[name]
        return kept

    def facts(self, task: str) -> Mapping[str, NDArray[Any]]:
        """What the task prepared from the real people: as the run stored it, else made anew."""
        return self.once(f"facts of {task}", lambda: self._prepared(task))

    def _prepared(self, task: str) -> Mapping[str, NDArray[Any]]:
        from safetensors.numpy import load_file

        plugin = find_task(task)
        key = asked(plugin, split_sha256=self.split_sha256, split_seed=self.split_seed)
        path = Store(self.run).reference_path(task, key.reference_key)
        if path.is_file():
            return dict(load_file(path))
        return plugin.load()().prepare(self.split, seed=key.reference_seed)

    def alike(self, made: Made) -> tuple[Genotypes, Genotypes]:
        """As many synthetic as test people: those that the fidelity task compared."""
        test, synthetic = self.split.test.genotypes, made.cohort.genotypes
        n, seed = min(len(synthetic), len(test)), made.score_seed("fidelity")
        drawn = synthetic[rng(seed, "fidelity", "synthetic").permutation(len(synthetic))[:n]]
        return drawn, subsample(test, n, rng(seed, "fidelity", "real"))


def missing(run: Path, block: Block) -> str:
    """Why figures of samples cannot be drawn of this data set; "" when they can."""
    keys = {str(r["job"]["data_key"]) for r in block.records}
    if not any((Store(run).data_folder(key) / "trait.json").is_file() for key in keys):
        return (
            f"{run} keeps no prepared data and no samples; these figures need the "
            "folder that `genobench run --out` wrote"
        )
    if not any(Store(run).sample_path(r["key"]).is_file() for r in block.records):
        return f"{run} keeps no samples; run the models again into an empty folder"
    return ""


def load_people(run: Path, block: Block) -> People:
    """The real people of a data set."""
    record = block.records[0]
    job = record["job"]
    split = Split.load(Store(run).data_folder(str(job["data_key"])))
    sha256 = str(block.inputs.get("split_sha256") or split.checksum)
    return People(split, run, int(job.get("split_seed") or 0), sha256)


def load_samples(
    people: People, block: Block, models: Sequence[str], cards: Mapping[str, Card]
) -> list[Made]:
    """The sample of each model's first training seed that has one, in the order of ``models``.

    Raises
    ------
    GenobenchError
        When a sample is not the one that its record describes.
    """
    found = []
    for model in models:
        record = _sampled(people.run, block, model)
        if record is None:
            continue
        card = card_of(cards, model)
        asked_for = people.split.train
        if card is not None and card.fit_on == "control":
            asked_for = people.split.control
        path = Store(people.run).sample_path(record["key"])
        genotypes = stored_sample(path, str(record["outputs"]["synthetic_sha256"]))
        if len(genotypes) != asked_for.n:
            raise GenobenchError(
                f"{path}: {len(genotypes)} people for {asked_for.n} labels; was the model's card "
                "changed since? Run it again"
            )
        cohort = synthetic_cohort(np.asarray(genotypes), asked_for)
        seed = int(record["job"]["seed"])
        found.append(Made(record["key"], model, role_of(cards, model), seed, cohort))
    return found


def _sampled(run: Path, block: Block, model: str) -> Record | None:
    """The record of the model's first seed whose sample is there."""
    own = [r for r in block.records if r["job"]["model"] == model and r.get("outputs")]
    own = [r for r in own if Store(run).sample_path(r["key"]).is_file()]
    return min(own, key=lambda r: int(r["job"]["seed"]), default=None)

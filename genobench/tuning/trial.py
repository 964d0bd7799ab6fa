"""One trial as its child process carries it out: fit, sample, measure on validation people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench import conditioning, registry
from genobench.cohort import Cohort
from genobench.contract import checked_sample
from genobench.data.split import Split, carve
from genobench.generator import Budget
from genobench.run import environment
from genobench.run.lifeline import Messages
from genobench.tuning.objective import shortcomings

SET_ASIDE = 0.2  # of the training people: they stop fits early, as validation people do in a run


def run_trial(order: Mapping[str, Any], messages: Messages) -> None:
    """Carry out the order of `genobench.tuning.study` and send what was measured."""
    split = Split.load(Path(order["data"]))
    plugin = registry.find_generator(order["spec"])
    plugin.require(order["plugin_sha256"])
    people, aside = inner(split.train, seed=order["inner_seed"])
    generator = conditioning.build(plugin.card, plugin.load(), order["settings"])
    environment.limit_torch_threads(order["threads"])
    messages.phase("fit")
    began = time.monotonic()
    budget = Budget(order["fit_seconds"], order["device"], order["threads"])
    generator.fit(people, aside, seed=order["fit_seed"], budget=budget)
    environment.synchronise()
    fit_seconds = time.monotonic() - began
    messages.phase("sample")
    raw = generator.sample(people.labels, seed=order["sample_seed"])
    real = [cohort.genotypes for cohort in (people, aside, split.validation)]
    made = checked_sample(raw, (people.n, people.m), real)
    messages.phase("score:tuning")
    found = shortcomings(
        made,
        people.labels,
        people,
        aside,
        split.validation,
        seed=order["score_seed"],
        threads=order["threads"],
    )
    messages.send("trial", components=found, fit_seconds=fit_seconds)


def inner(train: Cohort, *, seed: int) -> tuple[Cohort, Cohort]:
    """Training people to fit to, and those set aside among them; families stay together.

    Validation people serve the objective alone: a fit that was stopped by them would look better on
    them than it is.
    """
    assert train.trait is not None
    kept, aside = carve(train.trait, seed=seed, share=SET_ASIDE, group=_families(train))
    return train.take(kept), train.take(aside)


def _families(people: Cohort) -> NDArray[Any] | None:
    """(n,) family of each person where the samples tell; whoever has none is one of his own."""
    if "family" not in people.samples:
        return None
    name = people.samples["family"].astype(str)
    own = "\t" + people.samples["fid"] + "\t" + people.samples["iid"]
    return np.asarray(name.where(~name.isin(["", "0", "nan"]), own), dtype=str)

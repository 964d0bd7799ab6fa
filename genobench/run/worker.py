"""One child process: fits, samples and scores one job, or prepares one task's reference.

It also tries the promises of ``genobench check`` and the trials of ``genobench tune``.

Forked by a server (see `fork_server`), or started as ``python -m genobench.run.worker``; the order
comes as JSON on standard input, results leave as messages through a pipe (see `lifeline`). Nothing
is caught here that a plug-in raises: the process ends, and the parent decides what that costs.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genobench import conditioning, npy, registry
from genobench.cohort import Cohort, Genotypes, Trait
from genobench.contract import checked_sample
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget, Card, Generator, Reconstructs
from genobench.run import environment, flops
from genobench.run.lifeline import Curve, Messages, take_orders
from genobench.run.read_ahead import split_in
from genobench.run.record import exhausted, score_entry, score_skipped
from genobench.run.reference import prepare_reference, stored_reference
from genobench.run.retries import batch_sizes
from genobench.run.store import write_whole
from genobench.run.usage import Meter
from genobench.task import Reference, validated

FULL_RESAMPLE_SECONDS = 60.0  # a slower sampler is drawn twice for a few people only
RESAMPLED_PEOPLE = 256
REPORT_SECONDS = 0.5  # between two learning points sent


@dataclass(frozen=True)
class Drawn:
    """A sample and how it came about."""

    genotypes: Genotypes
    seconds: float
    resample_seconds: float
    determinism: str


def main() -> None:
    """Take the order, carry it out, leave."""
    order = take_orders()
    messages = Messages(order["messages"])
    messages.report_crashes()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    messages.phase("load")
    if order["mode"] == "reference":
        prepare_reference(order, messages)
    elif order["mode"] == "promises":
        from genobench.check import try_promises

        try_promises(order, messages)
    elif order["mode"] == "trial":
        from genobench.tuning.trial import run_trial

        run_trial(order, messages)
    else:
        run_job(order, messages)
    messages.send("done")
    messages.leave(0)


def run_job(order: Mapping[str, Any], messages: Messages) -> None:
    """Fit and sample, unless a sample is there already; then score every task asked."""
    split = split_in(Path(order["data"]))
    plugin = registry.find_generator(order["spec"])
    plugin.require(order["plugin_sha256"])
    people = split.control if plugin.card.fit_on == "control" else split.train
    fitted: Generator | None = None
    if order["fit"]:
        fitted, genotypes = fit_and_sample(
            order, messages, split, people, plugin.card, plugin.load()
        )
    else:
        genotypes = stored_sample(Path(order["sample"]), order["sample_sha256"])
    synthetic = synthetic_cohort(genotypes, people)
    traveller = RoundTrip(order, split, people, plugin, fitted, messages)
    for entry in order["tasks"]:
        score(entry, messages, synthetic, split, traveller)


def fit_and_sample(
    order: Mapping[str, Any],
    messages: Messages,
    split: Split,
    people: Cohort,
    card: Card,
    cls: type[Generator],
) -> tuple[Generator, Genotypes]:
    """Fit one generator, sample it, store the sample, and send what both have cost."""
    if order["note"]:
        print(f"[{order['note']}]")
    messages.send("batch", sizes=batch_sizes(cls, order["settings"]))
    generator = conditioning.build(card, cls, order["settings"])
    environment.limit_torch_threads(order["threads"])
    environment.limit_device_memory(order["device_memory_bytes"])
    warmup = time.monotonic() - order["spawned"]
    curve = Curve()
    processes = order["processes"]
    with (
        Meter(order["device"]) as meter,
        flops.of_fit() as arithmetic,
        _company(order, messages),
    ):
        fit_seconds = _fit(generator, people, split.validation, order, messages, curve)
    drawn = _sample(generator, split, people, order["sample_seed"], messages)
    environment_seen = environment.observed(order["threads"])
    if processes > 1:
        environment_seen["processes"] = processes
    resources = {
        "warmup_seconds": warmup,
        "fit_seconds": fit_seconds,
        "budget_exhausted": exhausted(fit_seconds, order["fit_seconds"]),
        "sample_seconds": drawn.seconds,
        "resample_seconds": drawn.resample_seconds,
        "samples_per_second": len(drawn.genotypes) / max(drawn.seconds, 1e-9),
        "peak_memory_bytes": environment.peak_memory_bytes(),
        "peak_device_bytes": environment.peak_device_bytes(),
        **meter.found(),
        "fit_flops": arithmetic.total and processes * arithmetic.total,
        "sample_flops_per_person": flops.of_sampling(
            lambda some: generator.sample(np.resize(people.labels, some), seed=order["sample_seed"])
        ),
        "parameters": int(generator.parameters),
    }
    messages.phase("save")
    write_whole(Path(order["sample"]), lambda file: npy.write(file, drawn.genotypes))
    n, m = drawn.genotypes.shape
    messages.send(
        "fit",
        resources=resources,
        determinism=drawn.determinism,
        environment=environment_seen,
        learning=curve.points(),
        outputs={"synthetic_sha256": checksum(drawn.genotypes), "n": n, "m": m},
    )
    return generator, drawn.genotypes


@dataclass(frozen=True, eq=False)
class RoundTrip:
    """The test people through the generator and back, for tasks that ask for it.

    Attributes
    ----------
    order, split, people, plugin
        The job, its data, whom it is fitted to, its generator.
    fitted
        The generator as it was just fitted; None when only scores were missing. Fits are not
        stored, so that it is then fitted again, with the same seed.
    messages
        To the parent.
    """

    order: Mapping[str, Any]
    split: Split
    people: Cohort
    plugin: registry.GeneratorPlugin
    fitted: Generator | None
    messages: Messages

    def obstacle(self) -> str:
        """Why there is none; "" when it can be made."""
        if self.plugin.card.conditioning == "strata":
            return (
                f"{self.plugin.card.name} is fitted once per label stratum, and no label is given "
                "in a round trip"
            )
        if not issubclass(self.plugin.load(), Reconstructs):
            return f"{self.plugin.card.name} offers no reconstruct(genotypes)"
        return ""

    def genotypes(self) -> Genotypes:
        """(n_test, m) what became of the test people, checked like a sample."""
        test, order = self.split.test, self.order
        generator = self.fitted
        if generator is None:
            generator = conditioning.build(self.plugin.card, self.plugin.load(), order["settings"])
            environment.limit_torch_threads(order["threads"])
            budget = Budget(order["fit_seconds"], order["device"], order["threads"])
            validation, seed = self.split.validation, order["fit_seed"]
            with _company(order, self.messages):
                generator.fit(self.people, validation, seed=seed, budget=budget)
        assert isinstance(generator, Reconstructs)
        back = generator.reconstruct(test.genotypes)
        return checked_sample(back, (test.n, test.m), [test.genotypes])


def _fit(
    generator: Generator,
    people: Cohort,
    validation: Cohort,
    order: Mapping[str, Any],
    messages: Messages,
    curve: Curve,
) -> float:
    """Fit within the budget; seconds it took."""
    messages.phase("fit")
    began = time.monotonic()
    sent = began

    def report(progress: Mapping[str, float]) -> None:
        nonlocal sent
        at = time.monotonic()
        point = curve.add({**progress, "seconds": round(at - began, 3)})
        if at - sent >= REPORT_SECONDS:
            sent = at
            messages.send("learning", point=point)

    budget = Budget(order["fit_seconds"], order["device"], order["threads"], report)
    generator.fit(people, validation, seed=order["fit_seed"], budget=budget)
    environment.synchronise()
    return time.monotonic() - began


def _company(order: Mapping[str, Any], messages: Messages) -> AbstractContextManager[None]:
    """The other processes of a fit that runs in several."""
    if order["processes"] == 1:
        return nullcontext()
    from genobench.run import ranks

    return ranks.beside(order, messages)


def _sample(
    generator: Generator, split: Split, people: Cohort, seed: int, messages: Messages
) -> Drawn:
    """Sample one synthetic person per label of ``people``, and again to see whether it repeats."""
    messages.phase("sample")
    real = [split.train.genotypes, split.validation.genotypes, split.control.genotypes]
    began = time.monotonic()
    raw = generator.sample(people.labels, seed=seed)
    environment.synchronise()
    seconds = time.monotonic() - began
    sample = checked_sample(raw, (people.n, people.m), real)
    messages.phase("resample")
    began = time.monotonic()
    if seconds <= FULL_RESAMPLE_SECONDS:
        twice = [sample, generator.sample(people.labels, seed=seed)]
    else:
        few = people.labels[:RESAMPLED_PEOPLE]
        twice = [np.array(generator.sample(few, seed=seed)), generator.sample(few, seed=seed)]
    environment.synchronise()
    again = time.monotonic() - began
    checked_sample(twice[1], (len(twice[0]), people.m), [raw])
    same = np.array_equal(twice[0], twice[1])
    return Drawn(sample, seconds, again, "identical" if same else "different")


def stored_sample(path: Path, sha256: str) -> Genotypes:
    """The sample that an earlier process stored, if it is still the one its record describes."""
    try:
        genotypes: Genotypes = np.load(path, mmap_mode="r", allow_pickle=False)
        same = checksum(genotypes) == sha256
    except (OSError, ValueError, EOFError):
        same = False
    if not same:
        raise GenobenchError(
            f"{path}: not the sample that its record describes; delete the file and run again "
            "with --overwrite failed: the job is then fitted anew"
        )
    return genotypes


def synthetic_cohort(genotypes: Genotypes, people: Cohort) -> Cohort:
    """The sample as a cohort: the variants and labels it was asked for, people of no identity."""
    names = [f"syn{i}" for i in range(len(genotypes))]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 0})
    assert people.trait is not None
    trait = Trait(people.trait.name, people.trait.kind, people.trait.values)
    return Cohort(genotypes, people.variants, samples, trait)


def score(
    entry: Mapping[str, Any],
    messages: Messages,
    synthetic: Cohort,
    split: Split,
    traveller: RoundTrip,
) -> None:
    """Score one task and send its entry of the record; its seconds include importing it.

    A task that asks for a round trip is passed over, with the reason, where a generator has none.
    """
    messages.phase(f"score:{entry['task']}")
    began = time.monotonic()
    plugin = registry.find_task(entry["spec"])
    plugin.require(entry["sha256"])
    task, back = plugin.load()(), None
    if "reconstruct" in plugin.card.needs:
        if reason := traveller.obstacle():
            skipped = score_skipped(reason, key=entry["key"], seed=entry["seed"])
            messages.send("score", task=entry["task"], entry=skipped)
            return
        back = traveller.genotypes()
    reference = Reference(split, stored_reference(Path(entry["reference"])), back)
    estimates = validated(task.score(synthetic, reference, seed=entry["seed"]), plugin.card)
    messages.send(
        "score",
        task=entry["task"],
        entry=score_entry(
            estimates,
            key=entry["key"],
            seed=entry["seed"],
            seconds=time.monotonic() - began,
            versions=entry["versions"],
        ),
    )


def checksum(genotypes: Genotypes) -> str:
    """SHA-256 (hex) of the matrix's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(genotypes).data).hexdigest()


if __name__ == "__main__":
    main()

"""The promises of the generator contract, each one small named function."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels, Trait
from genobench.conditioning import build, load
from genobench.contract import ContractError, checked_sample
from genobench.generator import Budget, Generator, Reconstructs
from genobench.registry import GeneratorPlugin
from genobench.seeds import derive, rng

FIT_SECONDS = 60.0  # what a fit on a toy cohort may take
GRACE = 5.0  # seconds over its budget that a generator may need to come to a stop


class Subject:
    """One plug-in under test, with its fits on toy cohorts shared between the promises."""

    def __init__(self, plugin: GeneratorPlugin) -> None:
        self.plugin = plugin
        self.suite = "toy" if "toy" in plugin.card.settings else "smoke"
        self.fitted = cache(self._fitted)

    def new(self) -> Generator:
        """Unfitted instance with the toy settings (or smoke's)."""
        settings = self.plugin.card.settings_for(self.suite)
        return build(self.plugin.card, self.plugin.load(), settings)

    def _fitted(self, m: int, kind: Literal["binary", "quantitative"], seed: int = 0) -> Generator:
        generator = self.new()
        train, validation = toy(m, kind)
        generator.fit(train, validation, seed=seed, budget=Budget(seconds=FIT_SECONDS))
        return generator


def toy(m: int, kind: Literal["binary", "quantitative"], n: int = 400) -> tuple[Cohort, Cohort]:
    """Train and validation cohort: blocks in LD, a trait that genotypes predict, one dead column.

    Haplotypes are noisy copies of four founders per block of eight SNPs. The last column is
    monomorphic when there are at least two.
    """
    draw = rng(0, "toy", m)
    founders = draw.random((4, m)) < draw.uniform(0.1, 0.9, m)
    block = np.arange(m) // 8
    total = n + n // 2
    genotypes = np.zeros((total, m), dtype=np.int8)
    for _ in range(2):
        source = draw.integers(4, size=(total, m // 8 + 1))[:, block]
        haplotype = founders[source, np.arange(m)] ^ (draw.random((total, m)) < 0.05)
        genotypes += haplotype.astype(np.int8)
    if m > 1:
        genotypes[:, -1] = 0
    score = genotypes @ draw.normal(size=m)
    liability = (score - score.mean()) / (score.std() or 1) + draw.normal(size=total)
    values = liability > 0 if kind == "binary" else 170 + 10 * liability
    trait = Trait("toy", kind, np.asarray(values, dtype=np.float32))
    variants = pd.DataFrame(
        {
            "chrom": "1",
            "pos": np.arange(1, m + 1),
            "id": [f"rs{j}" for j in range(m)],
            "counted": "A",
            "other": "G",
        }
    )
    names = [f"p{i}" for i in range(total)]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 0})
    cohort = Cohort(genotypes, variants, samples, trait)
    return cohort.take(slice(0, n)), cohort.take(slice(n, None))


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ContractError(message)


# Each takes the subject, raises ContractError, and returns a reason where it does not apply.


def builds_from_card(subject: Subject) -> str | None:
    """Every suite's settings on the card are accepted, and building learns nothing."""
    card, cls = subject.plugin.card, subject.plugin.load()
    for suite in card.settings or ("smoke",):
        generator = build(card, cls, card.settings_for(suite))
        for key, value in card.settings_for(suite).items():
            got = generator.settings().get(key)
            same = list(got) == value if isinstance(got, tuple) else got == value
            _require(same, f"setting {key} of suite {suite} became {got!r}")
        _require(
            generator.settings() == build(card, cls, generator.settings()).settings(),
            f"suite {suite}: settings() does not rebuild the same generator",
        )
    return None


def keeps_input(subject: Subject) -> str | None:
    """`fit` leaves both cohorts as they were."""
    train, validation = toy(16, "binary")
    before = [c.checksum for c in (train, validation)]
    subject.new().fit(train, validation, seed=1, budget=Budget(seconds=1.0))
    after = [replace(c).checksum for c in (train, validation)]
    _require(before == after, "fit() changed its input")
    return None


def returns_genotypes(subject: Subject) -> str | None:
    """Shape, dtype and values are right, and the memory is the caller's own."""
    generator = subject.fitted(64, "binary")
    labels = toy(64, "binary")[0].labels[:50]
    first = generator.sample(labels, seed=1)
    checked_sample(first, (len(labels), 64))
    _require(first.flags.writeable, "sample() returned read-only memory")
    kept = first.copy()
    first[:] = 0
    again = generator.sample(labels, seed=1)
    _require(np.array_equal(again, kept), "writing into a sample changes what comes next")
    return None


def any_number_of_people(subject: Subject) -> str | None:
    """No people, one, and more than were trained on."""
    generator = subject.fitted(64, "binary")
    labels = np.resize(toy(64, "binary")[0].labels, 1000)
    for n in (0, 1, 1000):
        checked_sample(generator.sample(labels[:n], seed=n), (n, 64))
    return None


def any_width(subject: Subject) -> str | None:
    """One SNP, a few, an odd number."""
    for m in (1, 2, 3, 17):
        train, validation = toy(m, "binary")
        generator = subject.new()
        generator.fit(train, validation, seed=1, budget=Budget(seconds=1.0))
        checked_sample(generator.sample(train.labels[:20], seed=1), (20, m))
    return None


def monomorphic_stays(subject: Subject) -> str | None:
    """A column that does not vary in training does not vary in the sample."""
    rows = subject.fitted(64, "binary").sample(toy(64, "binary")[0].labels, seed=1)
    _require((rows[:, -1] == 0).all(), f"{(rows[:, -1] != 0).sum()} calls at a dead column changed")
    return None


def same_seed_same_rows(subject: Subject) -> str | None:
    """Sampling repeats with its seed and differs without it."""
    generator = subject.fitted(64, "binary")
    labels = toy(64, "binary")[0].labels
    one, same, other = (generator.sample(labels, seed=s) for s in (7, 7, 8))
    _require(np.array_equal(one, same), "the same seed gave other rows")
    _require(not np.array_equal(one, other), "another seed gave the same rows")
    return None


def same_seed_same_fit(subject: Subject) -> str | None:
    """Two fits with one seed sample the same rows."""
    train, validation = toy(16, "binary")
    drawn = []
    for _ in range(2):
        generator = subject.new()
        generator.fit(train, validation, seed=3, budget=Budget(seconds=FIT_SECONDS))
        drawn.append(generator.sample(train.labels, seed=3))
    _require(np.array_equal(drawn[0], drawn[1]), "two fits with the same seed differ")
    return None


def leaves_no_trace(subject: Subject) -> str | None:
    """Global random state, threads and default dtype are as they were."""
    train, validation = toy(16, "binary")
    subject.plugin.load()
    before = _global_state()
    generator = subject.new()
    generator.fit(train, validation, seed=1, budget=Budget(seconds=1.0))
    generator.sample(train.labels, seed=1)
    after = _global_state()
    changed = [k for k in before if before[k] != after.get(k)]
    _require(not changed, f"changed: {', '.join(changed)}")
    return None


def survives_disk(subject: Subject) -> str | None:
    """Saved and loaded, it samples the same rows."""
    generator = subject.fitted(64, "binary")
    labels = toy(64, "binary")[0].labels
    with tempfile.TemporaryDirectory() as folder:
        generator.save(Path(folder))
        foreign = [p.name for p in Path(folder).rglob("*") if p.suffix in (".pkl", ".pt", ".pth")]
        _require(not foreign, f"saved as pickle: {', '.join(foreign)}")
        back = load(subject.plugin.card, subject.plugin.load(), Path(folder))
        _require(
            np.array_equal(generator.sample(labels, seed=5), back.sample(labels, seed=5)),
            "the loaded generator samples other rows",
        )
    return None


def repeats_round_trips(subject: Subject) -> str | None:
    """What `reconstruct` returns is valid, repeatable and nearer to the people than chance."""
    generator = subject.fitted(64, "binary")
    if not isinstance(generator, Reconstructs):
        return "offers no reconstruct(genotypes)"
    people = toy(64, "binary")[1].genotypes
    back = generator.reconstruct(people)
    checked_sample(back, (len(people), 64))
    _require(not np.shares_memory(back, people), "reconstruct() returned its input")
    _require(np.array_equal(back, generator.reconstruct(people)), "two round trips differ")
    shuffled = people[np.random.default_rng(0).permutation(len(people))]
    own, chance = (float((back == g).mean()) for g in (people, shuffled))
    _require(own > chance, f"{own:.3f} of calls came back, {chance:.3f} agree with other people's")
    return None


def obeys_labels(subject: Subject) -> str | None:
    """Cases and controls differ as they do in training, and so do high and low quantities."""
    if subject.plugin.card.conditioning == "none":
        return "ignores labels on purpose"
    for kind in ("binary", "quantitative"):
        train, _ = toy(64, kind)
        rows = subject.fitted(64, kind).sample(train.labels, seed=1)
        real, synthetic = (_label_contrast(g, train.labels) for g in (train.genotypes, rows))
        slope = float(real @ synthetic / (real @ real))
        _require(
            slope > 0.4,
            f"{kind}: the difference between high and low labels is {slope:.2f} of the real one",
        )
    return None


def stops_in_time(subject: Subject) -> str | None:
    """A budget of one second ends the fit soon after, and the sample is valid."""
    train, validation = toy(64, "binary")
    generator = subject.new()
    started = time.perf_counter()
    generator.fit(train, validation, seed=2, budget=Budget(seconds=1.0))
    took = time.perf_counter() - started
    checked_sample(generator.sample(train.labels[:10], seed=2), (10, 64))
    _require(took < 1.0 + GRACE, f"took {took:.1f} s of a budget of 1 s")
    return None


def learns(subject: Subject) -> str | None:
    """Allele frequencies of the sample follow the training people's (r2 > .5)."""
    train, _ = toy(64, "binary")
    rows = subject.fitted(64, "binary").sample(train.labels, seed=1)
    r = np.corrcoef(rows.mean(axis=0), train.genotypes.mean(axis=0))[0, 1]
    _require(r > 0 and r * r > 0.5, f"r2 of allele frequencies is {r * r:.2f}")
    return None


def card_without_torch(subject: Subject) -> str | None:
    """The card is readable without importing the module or torch."""
    import subprocess

    code = (
        "import sys; from genobench.registry import find_generator as f; "
        "p = f(sys.argv[1]); print('torch' in sys.modules, p.card.title != '')"
    )
    command = [sys.executable, "-c", code, subject.plugin.spec]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    _require(done.returncode == 0, f"reading the card failed: {done.stderr[-300:]}")
    _require(done.stdout.split() == ["False", "True"], "reading the card imports torch")
    return None


PROMISES: dict[str, Callable[[Subject], str | None]] = {
    f.__name__: f
    for f in (
        builds_from_card,
        card_without_torch,
        keeps_input,
        returns_genotypes,
        any_number_of_people,
        any_width,
        monomorphic_stays,
        same_seed_same_rows,
        same_seed_same_fit,
        leaves_no_trace,
        survives_disk,
        repeats_round_trips,
        obeys_labels,
        stops_in_time,
        learns,
    )
}


def _label_contrast(genotypes: Genotypes, labels: Labels) -> NDArray[np.float64]:
    """(m,) mean dosage above the median label minus below it."""
    high = labels > np.median(labels) if len(np.unique(labels)) > 2 else labels == 1
    return np.asarray(genotypes[high].mean(axis=0) - genotypes[~high].mean(axis=0))


def _global_state() -> dict[str, object]:
    import random

    numpy_state = np.random.get_state()  # noqa: NPY002 - the legacy state is what must not move
    state: dict[str, object] = {
        "numpy's global random state": derive(0, str(numpy_state)),
        "random's state": hash(random.getstate()),
    }
    if "torch" in sys.modules:
        import torch

        state |= {
            "torch's random state": torch.random.get_rng_state().numpy().tobytes(),
            "torch's thread count": torch.get_num_threads(),
            "torch's default dtype": torch.get_default_dtype(),
            "torch's grad mode": torch.is_grad_enabled(),
        }
    return state

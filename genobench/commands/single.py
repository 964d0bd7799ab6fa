"""Commands for one generator outside a benchmark: ``fit`` and ``sample``."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.commands.making import data_spec, say
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    import pandas as pd

    from genobench.cohort import Cohort, Genotypes, Labels, Trait

ABOUT = "genobench.json"  # beside the weights: what they are of
REPORT_SECONDS = 10.0


def fit(options: Namespace) -> int:
    """``genobench fit``: prepare the data, fit, and write the fitted model into a folder."""
    from genobench.conditioning import build
    from genobench.data.prepare import prepare
    from genobench.generator import Budget
    from genobench.registry import find_generator
    from genobench.run.environment import cores
    from genobench.run.executor import resolve_device
    from genobench.run.suites import find_suite
    from genobench.seeds import derive

    plugin, suite = find_generator(options.model), find_suite(options.suite)
    spec = data_spec(options)
    if (options.out / ABOUT).exists():
        raise GenobenchError(f"{options.out}: a fitted model is there; give another --out")
    split = prepare(spec, say=say).split
    people = split.control if plugin.card.fit_on == "control" else split.train
    settings = plugin.card.settings_for(suite.settings)
    generator = build(plugin.card, plugin.load(), settings)
    budget = Budget(
        seconds=options.timeout or suite.timeout_seconds,
        device=resolve_device(options.device),
        threads=cores(),
        report=_Reporter(),
    )
    say(f"fitting {plugin.card.name} to {people.n:,} people and {people.m:,} SNPs")
    began = time.monotonic()
    seed = derive(options.seed, "fit", plugin.card.name)  # as in a benchmark
    generator.fit(people, split.validation, seed=seed, budget=budget)
    generator.save(options.out)
    trait = people.trait
    assert trait is not None
    people.variants.to_csv(options.out / "variants.tsv", sep="\t", index=False)
    _save_labels(options.out, trait)
    about = {
        "spec": plugin.spec,
        "model": plugin.card.name,
        "plugin_sha256": plugin.checksum,
        "trait": {"name": trait.name, "kind": trait.kind},
        "people": people.n,
        "seed": options.seed,
        "data_key": spec.key,
    }
    (options.out / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    print(f"{options.out}: {generator.parameters:,} parameters, {time.monotonic() - began:.1f} s")
    print(f"Next: genobench sample {options.out} --out synthetic.bed")
    return 0


class _Reporter:
    """Prints a fit's own figures now and then."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, progress: Mapping[str, float]) -> None:
        if time.monotonic() - self._at >= REPORT_SECONDS:
            self._at = time.monotonic()
            say("  " + ", ".join(f"{k} {v:.4g}" for k, v in progress.items()))


def _save_labels(folder: Path, trait: Trait) -> None:
    """The labels in ascending order: their distribution is needed, not whose they are."""
    import numpy as np

    np.save(folder / "labels.npy", np.sort(trait.values))


def sample(options: Namespace) -> int:
    """``genobench sample``: synthetic people with the training labels, as PLINK files."""
    from genobench.cohort import Trait
    from genobench.conditioning import load
    from genobench.contract import checked_sample
    from genobench.data.plink import write_plink
    from genobench.registry import find_generator
    from genobench.seeds import derive

    about, variants, labels = _fitted(options.model)
    plugin = find_generator(about["spec"])
    if plugin.checksum != about["plugin_sha256"]:
        say(f"note: {plugin.card.name} has changed since it was fitted")
    generator = load(plugin.card, plugin.load(), options.model)
    labels = _drawn(labels, options.people, options.seed)
    seed = derive(options.seed, "sample", plugin.card.name)
    rows = checked_sample(generator.sample(labels, seed=seed), (len(labels), len(variants)))
    trait = Trait(about["trait"]["name"], about["trait"]["kind"], labels)
    bed = write_plink(synthetic_cohort(rows, variants, trait), options.out)
    print(f"{bed}: {len(labels):,} synthetic people, {len(variants):,} SNPs; {trait.name} in .fam")
    return 0


def _fitted(folder: Path) -> tuple[dict[str, Any], pd.DataFrame, Labels]:
    """What `fit` left: description, variants, labels."""
    import numpy as np
    import pandas as pd

    try:
        about = json.loads((folder / ABOUT).read_text())
        text = dict.fromkeys(("chrom", "id", "counted", "other"), str)
        variants = pd.read_csv(folder / "variants.tsv", sep="\t", dtype=text, keep_default_na=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise GenobenchError(
            f"{folder}: no fitted model there ({error}); make one with `genobench fit`"
        ) from error
    return about, variants, labels


def _drawn(labels: Labels, people: int | None, seed: int) -> Labels:
    """The training labels, or as many drawn from them, in random order."""
    from genobench.seeds import rng

    stream = rng(seed, "labels")
    if people is None or people == len(labels):
        return stream.permutation(labels)
    return stream.choice(labels, size=people)


def synthetic_cohort(rows: Genotypes, variants: pd.DataFrame, trait: Trait) -> Cohort:
    """Cohort of synthetic people ``syn0``, ``syn1`` ..., of unknown sex."""
    import pandas as pd

    from genobench.cohort import Cohort

    names = [f"syn{i}" for i in range(len(rows))]
    return Cohort(rows, variants, pd.DataFrame({"fid": names, "iid": names, "sex": 0}), trait)

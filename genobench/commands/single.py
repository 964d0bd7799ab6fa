"""Commands for one generator outside a benchmark: ``fit`` and ``sample``."""

from __future__ import annotations

import json
import tempfile
import time
import traceback
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench import bounded, npy
from genobench.commands.making import data_spec, say
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    import pandas as pd

    from genobench.cohort import Cohort, Genotypes, Labels, Trait
    from genobench.data.prepare import DataSpec
    from genobench.entrant import Entrant
    from genobench.registry import GeneratorPlugin
    from genobench.run.suites import Suite

ABOUT = "genobench.json"  # beside the weights: what they are of
REPORT_SECONDS = 10.0


def fit(options: Namespace) -> int:
    """``genobench fit``: prepare the data, fit, and write the fitted model into a folder."""
    from genobench.entrant import find_entrant
    from genobench.run.suites import find_suite

    entrant, suite = find_entrant(options.model), find_suite(options.suite)
    spec = data_spec(options)
    if (options.out / ABOUT).exists():
        raise GenobenchError(f"{options.out}: a fitted model is there; give another --out")
    with _folder(options.out):
        return _fit(options, entrant, suite, spec)


def _fit(options: Namespace, entrant: Entrant, suite: Suite, spec: DataSpec) -> int:
    """Fit one generator, and write it with what is needed to sample from it."""
    from genobench.conditioning import build
    from genobench.data.prepare import prepare
    from genobench.generator import Budget
    from genobench.run.environment import cores
    from genobench.run.executor import resolve_device
    from genobench.run.seal import seal
    from genobench.seeds import derive

    plugin = entrant.plugin
    split = prepare(spec, say=say).split
    people = split.control if plugin.card.fit_on == "control" else split.train
    settings = entrant.settings_for(suite.settings)
    with _blamed(plugin):
        generator = build(plugin.card, plugin.load(), settings)
    budget = Budget(
        seconds=options.timeout or suite.timeout_seconds,
        device=resolve_device(options.device),
        threads=cores(),
        report=_Reporter(),
    )
    snps = "SNP" if people.m == 1 else "SNPs"
    say(f"fitting {entrant.name} to {people.n:,} people and {people.m:,} {snps}")
    began = time.monotonic()
    seed = derive(options.seed, "fit", entrant.name)  # as in a benchmark
    with _blamed(plugin):
        generator.fit(people, split.validation, seed=seed, budget=budget)
    trait = people.trait
    assert trait is not None
    about = {
        "spec": plugin.spec,
        "model": entrant.name,
        "plugin_sha256": plugin.checksum,
        "seal": "" if plugin.module else seal(plugin.spec),
        "trait": {"name": trait.name, "kind": trait.kind},
        "people": people.n,
        "seed": options.seed,
        "data_key": spec.key,
    }
    with _written(options.out):
        generator.save(options.out)
        people.variants.to_csv(options.out / "variants.tsv", sep="\t", index=False)
        _save_labels(options.out, trait)
        (options.out / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    print(f"{options.out}: {generator.parameters:,} parameters, {time.monotonic() - began:.1f} s")
    print(f"Next: genobench sample {options.out} --out synthetic.bed")
    return 0


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make a folder and try to write to it; remove it again when nothing comes of it.

    Raises
    ------
    GenobenchError
        When it cannot be written to; before the block begins.
    """
    made = not path.exists()
    with _written(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"can this be written?")
    try:
        yield
    finally:
        if made:
            with suppress(OSError):  # it holds something: all went well, or nearly
                path.rmdir()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a message."""
    try:
        yield
    except OSError as error:
        raise GenobenchError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _blamed(plugin: GeneratorPlugin) -> Iterator[None]:
    """Make one line of what a plug-in raises, with the place in its file."""
    try:
        yield
    except GenobenchError:
        raise
    except (Exception, SystemExit) as error:
        raise GenobenchError(_blame(error, plugin.path)) from error


def _blame(error: BaseException, path: Path) -> str:
    said = " ".join(str(error).split())
    return f"{_place(error, path)}: {type(error).__name__}" + (f": {said}" if said else "")


def _place(error: BaseException, path: Path) -> str:
    """File and line: the innermost in the plug-in's own file; the file alone without such."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f.lineno for f in frames if Path(f.filename) == path]
    return f"{path}:{own[-1]}" if own else str(path)


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

    npy.save(folder / "labels.npy", np.sort(trait.values))


def sample(options: Namespace) -> int:
    """``genobench sample``: synthetic people with the training labels, as PLINK files."""
    from genobench.cohort import Trait
    from genobench.conditioning import load
    from genobench.contract import checked_sample
    from genobench.data.plink import write_plink
    from genobench.registry import find_generator
    from genobench.seeds import derive

    about, variants, labels = _fitted(options.model)
    _require_ours(options.model, about)
    plugin = find_generator(about["spec"])
    if plugin.checksum != about["plugin_sha256"]:
        say(f"note: {plugin.card.name} has changed since it was fitted")
    with _blamed(plugin):
        generator = load(plugin.card, plugin.load(), options.model)
    if options.labels == "balanced":
        labels = _balanced(labels, options.people or len(labels), about["trait"])
    else:
        labels = _drawn(labels, options.people, options.seed)
    seed = derive(options.seed, "sample", about["model"])
    with _blamed(plugin):
        drawn = generator.sample(labels, seed=seed)
    rows = checked_sample(drawn, (len(labels), len(variants)))
    trait = Trait(about["trait"]["name"], about["trait"]["kind"], labels)
    bed = write_plink(synthetic_cohort(rows, variants, trait), options.out)
    print(f"{bed}: {len(labels):,} synthetic people, {len(variants):,} SNPs; {trait.name} in .fam")
    return 0


def _require_ours(folder: Path, about: Mapping[str, Any]) -> None:
    """Refuse code that a folder from elsewhere names; only who types a path may have it run."""
    from genobench.run.seal import is_ours

    spec = str(about["spec"])
    if ".py:" in spec and not is_ours(spec, about.get("seal", "")):
        raise GenobenchError(
            f"{folder}: its model lies in a file, {spec}, and was not fitted by you on this "
            "machine: read that file, and fit it again here if you trust it"
        )


def _fitted(folder: Path) -> tuple[dict[str, Any], pd.DataFrame, Labels]:
    """What `fit` left: description, variants, labels."""
    import numpy as np
    import pandas as pd

    try:
        about = bounded.read_json(folder / ABOUT)
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


def _balanced(labels: Labels, people: int, trait: Mapping[str, Any]) -> Labels:
    """As many of each class as of the other; of an odd number, one more of the controls."""
    import numpy as np

    if trait["kind"] != "binary":
        raise GenobenchError(
            f"--labels balanced: {trait['name']} is a quantity and has no classes; leave it out"
        )
    return np.resize(np.unique(labels), people).astype(labels.dtype)


def synthetic_cohort(rows: Genotypes, variants: pd.DataFrame, trait: Trait) -> Cohort:
    """Cohort of synthetic people ``syn0``, ``syn1`` ..., of unknown sex."""
    import pandas as pd

    from genobench.cohort import Cohort

    names = [f"syn{i}" for i in range(len(rows))]
    return Cohort(rows, variants, pd.DataFrame({"fid": names, "iid": names, "sex": 0}), trait)

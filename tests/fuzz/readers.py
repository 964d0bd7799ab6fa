"""The readers of files that others wrote, each with good files and what it promises of them.

Whatever a file holds, a reader returns a value that is right in kind, or raises a `GenobenchError`
that names the file. It raises nothing else, does not hang, and takes no memory to speak of.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import re
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

from genobench.data.plink import read_plink, scan_plink
from genobench.data.summary_table import read_summary
from genobench.data.tables import read_covariates, read_groups, read_trait
from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.report import page_portraits, portrait
from genobench.report.portrait import Panel, Shape, Words
from genobench.run import record
from genobench.run.store import read_record
from genobench.task import TaskCard

from .mutation import mutated

HANG_SECONDS = 10.0  # of the processor: the machine may be busy with other things
GROWTH_BYTES = 256 * 2**20  # of this process, over all inputs
MOST_SHOWN = 12
PEOPLE, VARIANTS = 13, 9
SAMPLES = pd.DataFrame({"fid": [f"F{i}" for i in range(PEOPLE)],
                        "iid": [f"I{i}" for i in range(PEOPLE)]})  # fmt: skip
DRAWING = {
    "class", "viewBox", "width", "height", "role", "aria-label", "x", "y", "d", "stroke", "fill",
    "text-anchor", "transform", "preserveAspectRatio", "href",
}  # fmt: skip
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes
    ----------
    name
        Of the kind of file.
    good
        Sets of files that it reads, by their names; one of a set is spoilt at a time.
    read
        Reads what lies in a folder, and asserts what is promised of the value.
    """

    name: str
    good: tuple[Files, ...]
    read: Callable[[Path], None]


class HungError(Exception):
    """A reader took longer than any file of this size may."""


def attack(reader: Reader, folder: Path, inputs: int, seed: int) -> Counter[str]:
    """Give a reader ``inputs`` spoilt files.

    Returns
    -------
    How many were ``read`` and how many ``refused``.

    Raises
    ------
    AssertionError
        With the seeds of the first inputs that broke the promise, and how.
    """
    ends: Counter[str] = Counter()
    broken: dict[str, str] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(inputs):
        files = spoilt(reader, f"{reader.name} {seed} {number}")
        put(files, folder)
        end, fault = tried(reader, folder, files)
        ends[end] += 1
        kind = re.sub(r"[^A-Za-z ]+", "", fault)[:60]
        if fault and len(broken) < MOST_SHOWN:
            broken.setdefault(kind, f"{reader.name} {seed} {number}: {fault}")
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert not broken, "\n".join(broken.values())
    assert grown < GROWTH_BYTES, f"{reader.name}: {grown / 2**20:,.0f} MiB more than before"
    return ends


def spoilt(reader: Reader, seed: str) -> dict[str, bytes]:
    """The files of one input."""
    rng = random.Random(seed)
    files = dict(rng.choice(reader.good))
    name = rng.choice(sorted(files))
    if name.endswith(".gz") and rng.random() < 0.5:  # spoilt before it was packed
        files[name] = gzip.compress(mutated(rng, gzip.decompress(files[name])), 1)
    else:
        files[name] = mutated(rng, files[name])
    return files


def put(files: Files, folder: Path) -> None:
    """These files and no others."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def tried(reader: Reader, folder: Path, files: Files) -> tuple[str, str]:
    """How it ended, and what was wrong with that."""
    try:
        with _watched():
            reader.read(folder)
    except GenobenchError as error:
        named = any(name in str(error) for name in files)
        return "refused", "" if named else f"names no file: {str(error)[:200]}"
    except HungError:
        return "broken", f"took more than {HANG_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
        return "broken", f"{type(error).__name__}: {str(error)[:200]}"
    return "read", ""


@contextmanager
def _watched() -> Iterator[None]:
    """Ends what hangs."""

    def rung(number: int, frame: FrameType | None) -> None:
        raise HungError

    before = signal.signal(signal.SIGPROF, rung)
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _plink() -> Files:
    rng = random.Random(0)
    width = -(-PEOPLE // 4)
    keep = (1 << 2 * (PEOPLE % 4)) - 1  # behind the last person there are zeros
    rows = [bytearray(rng.randbytes(width)) for _ in range(VARIANTS)]
    for row in rows:
        row[-1] &= keep
    bim = "".join(f"{1 + j % 2}\trs{j}\t0.{j}\t{1000 * (j + 1)}\tA\tG\n" for j in range(VARIANTS))
    fam = "".join(f"F{i} I{i} 0 0 {i % 3} {1 + i % 2}\n" for i in range(PEOPLE))
    bed = b"\x6c\x1b\x01" + b"".join(rows)
    return {"cohort.bed": bed, "cohort.bim": bim.encode(), "cohort.fam": fam.encode()}


def _read_plink(folder: Path) -> None:
    files = scan_plink(folder / "cohort.bed")
    cohort = read_plink(files)
    assert cohort.genotypes.shape == (files.n, files.m)
    assert np.isfinite(files.variants["cm"]).all()
    assert files.variants["pos"].abs().max() < 2**53
    assert set(files.samples["sex"]) <= {0, 1, 2}


def _phenotypes() -> Iterator[Files]:
    header = ["FID", "IID", "case", "height", "town"]
    rows = [
        [f"F{i}", f"I{i}", str(1 + i % 2), f"{150 + 7 * i % 40}.5", ("York", "Ely")[i % 2]]
        for i in range(PEOPLE)
    ]
    for separator in ("\t", " ", ","):
        text = "".join(separator.join(row) + "\n" for row in [header, *rows]).encode()
        yield {"pheno.tsv": text}
    yield {"pheno.tsv": "".join('"' + '","'.join(r) + '"\n' for r in [header, *rows]).encode()}
    yield {"pheno.tsv.gz": gzip.compress(text, 1)}


def _read_phenotypes(folder: Path) -> None:
    (path,) = folder.iterdir()
    for column in ("case", "height"):
        keep, trait = read_trait(path, column, SAMPLES, least=2)
        assert keep.sum() == len(trait.values)
        assert np.isfinite(trait.values).all()
    covariates = read_covariates(path, ["height", "town"], SAMPLES)
    assert len(covariates) == PEOPLE
    assert not np.isinf(covariates.select_dtypes("number").to_numpy(float)).any()
    assert len(read_groups(path, "town", SAMPLES)) == PEOPLE


def _summaries() -> Iterator[Files]:
    tables = {
        "ssf": ("chromosome base_pair_location rsid effect_allele other_allele beta p_value",
                "1 {pos} rs{j} A G 0.{j} 0.0{j}1"),
        "logistic": ("CHR SNP BP A1 TEST NMISS OR STAT P",
                     "1 rs{j} {pos} A ADD 100 1.{j} 2.1 0.03"),
        "glm": ("#CHROM POS ID REF ALT A1 TEST OBS_CT BETA SE T_STAT P",
                "1 {pos} rs{j} G A A ADD 99 -0.{j} 0.1 -1.2 1e-{j}0"),
        "regenie": ("CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P EXTRA",
                    "1 {pos} rs{j} G A 0.2 99 ADD 0.{j} 0.1 3.1 {j}.5 NA"),
    }  # fmt: skip
    for number, (header, line) in enumerate(tables.values()):
        rows = [line.format(j=j, pos=1000 * j) for j in range(1, VARIANTS)]
        text = "\n".join([header, *rows, ""])
        text = text if number % 2 else text.replace(" ", "\t")
        yield {"summary.txt": text.encode()}
        yield {"summary.txt.gz": gzip.compress(text.encode(), 1)}


def _read_summary(folder: Path) -> None:
    (path,) = folder.iterdir()
    table = read_summary(path).table
    assert np.isfinite(table["z"]).all()
    assert table["p"].between(0, 1).all()
    assert table["pos"].between(0, 2**53).all()


KEY = "7" * 64


def _record() -> Files:
    sha = "3" * 64
    content: dict[str, Any] = {
        "schema": 1, "key": KEY,
        "job": {"model": "hwe", "spec": "hwe", "suite": "smoke", "settings": {"width": 3},
                "data": "toy", "data_key": sha, "split_seed": 0, "seed": 1,
                "budget": {"seconds": 60.0, "memory_bytes": 10**9, "device": "cpu"}},
        "software": {"genobench": "0.1", "python": "3.11", "plugin_sha256": sha},
        "inputs": {"data": "toy", "trait": "t", "kind": "binary", "m": 24, "split_sha256": sha,
                   "n_train": 100, "n_validation": 40, "n_test": 50, "n_control": 50},
        "status": "ok", "phase": "done", "error": None,
        "environment": {"device": "cpu", "device_name": "", "cpu": "Some", "cores": 2, "threads": 1,
                        "platform": "Linux"},
        "resources": {"warmup_seconds": 1.5, "fit_seconds": 0.25, "sample_seconds": 0.1,
                      "resample_seconds": 0.1, "samples_per_second": 1000.0, "score_seconds": 0.1,
                      "harness_seconds": 0.2, "total_seconds": 2.0, "peak_memory_bytes": 10**8,
                      "peak_device_bytes": None, "parameters": 24},
        "determinism": "identical", "outputs": {"synthetic_sha256": sha, "n": 100, "m": 24},
        "learning": [{"step": 1.0, "validation": 0.5}],
        "scores": {"toy": {"key": sha, "seed": 2, "seconds": 0.1, "metrics": {"gap": {
            "value": 0.5, "low": None, "high": 0.75, "n": 100, "seconds": 0.0, "version": 1}}}},
        "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:01+00:00",
    }  # fmt: skip
    return {f"{KEY}.json": record.to_json(content, where="good").encode()}


def _read_record(folder: Path) -> None:
    content = read_record(folder / f"{KEY}.json")
    assert content["key"] == KEY
    for text in _texts(content):
        text.encode()
    again = json.loads(record.to_json(content, where="again"))
    assert again == content, "not-a-number came through"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _texts(part)
    else:
        assert not isinstance(value, float) or math.isfinite(value)


MODEL_CARD = b"""class = "Mine"
title = "A model"
paper = "arXiv:1234.5678"
year = 2024
role = "entrant"
conditioning = "native"
faithful = "All of it."
departures = ["None.", "Or one."]
[settings.smoke]
steps = 100
width = 0.5
[settings.paper]
steps = 1000
[search.width]
low = 0.1
high = 1.0
log = true
[expected_failures]
learns = "it does not"
[[published]]
claim = "Recall"
value = "0.9"
data = "1000 Genomes"
differs = "Fewer people."
metric = "fidelity.recall"
"""
TASK_CARD = b"""class = "Mine"
title = "Toy"
question = "?"
floors = ["hwe"]
needs = ["effects"]
study = false
[metrics.gap]
title = "Gap"
better = "lower"
reading = "Less is better."
version = 1
headline = true
low = 0.0
[metrics.ratio]
title = "Ratio"
better = "target"
target = 1.0
reading = "One is best."
version = 2
"""


def _read_card(folder: Path) -> None:
    card = Card.read(folder / "mine.toml")
    for text in (card.class_name, card.title, card.paper, card.faithful, *card.departures):
        assert isinstance(text, str)
        text.encode()
    assert all(isinstance(k, str) for k in card.settings_for("smoke"))
    assert all(isinstance(v, Mapping) for v in card.search.values())
    assert all(isinstance(reason, str) for reason in card.expected_failures.values())
    assert card.year is None or isinstance(card.year, int)
    assert card.behaviour


def _read_task_card(folder: Path) -> None:
    card = TaskCard.read(folder / "task.toml")
    assert sum(m.headline for m in card.metrics.values()) == 1
    for metric in card.metrics.values():
        assert isinstance(metric.title, str)
        assert isinstance(metric.reading, str)
        assert metric.low <= metric.high
        assert metric.version >= 1
    assert card.behaviour


def _portrait() -> Files:
    """A panel with one of everything."""
    panel = Panel(
        "pca", "PCA", "Of 13 people.", "PC 1", "PC 2", ((0, "-1"), (900, "1")), ((500, "0"),),
        (Shape("solid", "ink", "M0 10L-5 1000", "real"), Shape("dots", "#0072b2", "M1 2h0M3 4h0")),
        (Words(20, 30, "slope 1", "end"),), "iVBORw0KGgo=", True,
    )  # fmt: skip
    return {"0a.portrait": portrait.to_json((panel, panel)).encode()}


def _read_portrait(folder: Path) -> None:
    """What is read becomes a drawing of known elements and attributes."""
    for panel in portrait.read(folder / "0a.portrait"):
        (drawn,) = page_portraits.panels((panel,), "vae")
        for tag in re.findall(r"<(/?[^ >]*)", drawn):
            assert tag.lstrip("/") in {"svg", "g", "path", "text", "tspan", "image"}
        outside = re.sub(r'"[^"]*"', '""', drawn)
        assert set(re.findall(r'([\w-]+)=""', outside)) <= DRAWING, "an attribute of its own"


READERS = (
    Reader("plink", (_plink(),), _read_plink),
    Reader("phenotype", tuple(_phenotypes()), _read_phenotypes),
    Reader("summary", tuple(_summaries()), _read_summary),
    Reader("record", (_record(),), _read_record),
    Reader("card", ({"mine.toml": MODEL_CARD},), _read_card),
    Reader("task card", ({"task.toml": TASK_CARD},), _read_task_card),
    Reader("portrait", (_portrait(),), _read_portrait),
)

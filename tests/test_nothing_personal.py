"""What is published holds no genotypes, no ids, and no count of fewer than five people.

Of what is committed, and of everything that a run of somebody's own files leaves beside the folders
of its data and samples: records, logs, tables, page, portraits, figures, and what was printed.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.data.plink import write_plink

LEADERBOARDS = Path(__file__).parent.parent / "leaderboards"
SUFFIXES = (".json", ".jsonl", ".toml", ".md", ".csv", ".html", ".portrait")
TEXTS = sorted(p for p in LEADERBOARDS.rglob("*") if p.suffix in SUFFIXES)
RECORDS = [p for p in TEXTS if p.suffix == ".json"]
SMALLEST = 5  # people, of whom a number may be said
CALLS = re.compile(r"(?<![\w.])(?:[012][\s,;|/]*){24}(?![\w.])")  # a row or a column of genotypes
IDS = re.compile(r"\b(?:HG|NA)\d{5}\b|\bS\d{4,6}\b")  # of 1000 Genomes, and simulated ones
# whole numbers that count no people
UNCOUNTED = {
    "schema",
    "version",
    "seed",
    "split_seed",
    "cores",
    "threads",
    "parameters",
    "exit_code",
    "best_trial",
    "failed",
}
LISTS = {
    "learning",
    "settings",
    "trials",
}  # measured while learning, what the model was told, tuning


def leaves(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value in JSON with the keys that lead to it; lists are values."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, (*keys, key))
    else:
        yield keys, content


def small_counts(record: Any) -> list[tuple[str, ...]]:
    """Where whole numbers above 0 and below `SMALLEST` stand that may count people."""
    return [
        keys
        for keys, value in leaves(record)
        if type(value) is int and 0 < value < SMALLEST
        if keys[-1] not in UNCOUNTED and "settings" not in keys
    ]


def lists(record: Any) -> set[tuple[str, ...]]:
    """Where lists stand that could hold a row of genotypes."""
    found = {keys for keys, value in leaves(record) if isinstance(value, list)}
    return {keys for keys in found if not LISTS & set(keys)}


def test_the_scan_finds_what_it_looks_for() -> None:
    """Genotypes, ids and small counts that are planted."""
    assert CALLS.search("genotypes: " + "0, 1, 2, 1, " * 6)
    assert CALLS.search("x " + "012" * 8)
    assert not CALLS.search("0.012012012012012012012012012 " + "a0" * 30)
    assert IDS.search("no luck with HG00096")
    assert IDS.search("sample S0012 twice")
    planted = {"scores": {"fidelity": {"metrics": {"af": {"n": 3, "carriers": 4, "version": 1}}}}}
    assert [keys[-1] for keys in small_counts(planted)] == ["n", "carriers"]
    assert lists({"inputs": {"ids": ["a"]}, "learning": [{}]}) == {("inputs", "ids")}


@pytest.mark.parametrize("folder", sorted({p.parent for p in RECORDS}), ids=lambda p: p.name)
def test_records_count_no_few_people(folder: Path) -> None:
    """Neither a whole number below five where people are counted, nor a list of anything else."""
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text())
        assert small_counts(record) == [], path.name
        assert lists(record) == set(), path.name


def test_no_text_holds_genotypes_or_ids() -> None:
    """Of records, tables and pages."""
    assert len(TEXTS) > 200
    for path in TEXTS:
        text = path.read_text()
        assert (found := CALLS.search(text)) is None, f"{path.name}: {found}"
        assert (found := IDS.search(text)) is None, f"{path.name}: {found}"


def test_pictures_say_nothing_but_what_they_show() -> None:
    """Texts in PNG files: the program, and the digest of what was drawn."""
    from PIL import Image

    pictures = sorted(LEADERBOARDS.rglob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as image:
            texts = {k: v for k, v in image.info.items() if isinstance(v, str)}
        assert set(texts) <= {"Software", "Comment"}
        assert re.fullmatch(r"shows [0-9a-f]{64}", texts["Comment"])


class Fresh(NamedTuple):
    """A run of PLINK files of one's own, what was made of it, and what was printed meanwhile."""

    home: Path
    cohort: Cohort
    printed: str


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, make_cohort: Callable[..., Cohort]) -> Fresh:
    """Controls and a generator that is cut off, tables and figures."""
    home = tmp_path_factory.mktemp("fresh")
    made = make_cohort(240, 40)
    names = [f"donor{i:04d}q" for i in range(made.n)]
    cohort = replace(made, samples=made.samples.assign(fid=names, iid=names))
    write_plink(cohort, home / "own.bed")
    broken = home / "broken.py"
    broken.write_text(BROKEN)
    broken.with_suffix(".toml").write_text('class = "Broken"\ntitle = "Broken"\n')
    run, board = str(home / "run"), str(home / "board")
    words = ("--data", str(home / "own.bed"), "--group", "none", "--device", "cpu", "--plain")
    with pytest.MonkeyPatch.context() as patch, (home / "printed").open("w") as printed:
        patch.setattr("sys.stdout", printed)
        patch.setattr("sys.stderr", printed)
        models = f"copy,hwe,li_stephens,{broken}:Broken"
        assert main(["run", "--models", models, *words, "--seeds", "0", "--out", run]) == 1
        assert main(["leaderboard", "--from", run, "--out", board]) == 0
        assert main(["figures", run, "--out", str(home / "figures")]) == 0
        assert main(["show", next(Path(run, "records").glob("*.json")).stem, "--out", run]) == 0
    return Fresh(home, cohort, (home / "printed").read_text())


BROKEN = """
from dataclasses import dataclass
from genobench.generator import Generator

@dataclass
class Broken(Generator):
    def fit(self, train, validation, *, seed, budget):
        print("first person", train.samples["iid"].iloc[0])
        raise ValueError(f"cannot fit {list(train.samples['iid'].iloc[:3])}")

    def sample(self, labels, *, seed):
        raise NotImplementedError

    def state(self):
        return {}

    def restore(self, state):
        pass
"""


def published(fresh: Fresh) -> dict[str, bytes]:
    """By path, all bytes but those of the input and of the folders that stay at home."""
    at_home = {fresh.home / "run" / name for name in ("data", "samples", "references")}
    found = {}
    for path in sorted(p for p in fresh.home.rglob("*") if p.is_file()):
        inside = path.parent == fresh.home and path.stem in ("own", "broken")
        if not inside and at_home.isdisjoint(path.parents):
            found[path.relative_to(fresh.home).as_posix()] = unpacked(path)
    return found


def unpacked(path: Path) -> bytes:
    """A file, with the compressed parts of a PDF as what they hold."""
    content = path.read_bytes()
    if path.suffix != ".pdf":
        return content
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    for part in parts:
        try:
            content += zlib.decompress(part)
        except zlib.error:  # a picture, or a font
            continue
    return content


def test_fresh_run_names_nobody(fresh: Fresh) -> None:
    """Not where a job printed ids and failed with them in its message, either."""
    files = published(fresh)
    kinds = {Path(name).suffix for name in files}
    assert kinds >= {".json", ".log", ".md", ".csv", ".html", ".portrait", ".png", ".pdf"}
    for name, content in files.items():
        assert re.search(rb"donor\d{4}q", content) is None, name
    assert "donor" not in fresh.printed
    blanked = {Path(name).suffix for name, content in files.items() if b"<id>" in content}
    assert blanked >= {".json", ".log"}


def test_fresh_run_shows_no_genotypes(fresh: Fresh) -> None:
    """Neither a row nor a column, however its dosages are parted, nor as the bytes of a matrix."""
    g = fresh.cohort.genotypes
    rows = [*g, *np.ascontiguousarray(g.T[:, :40])]
    telling = [row[:24] for row in rows if np.count_nonzero(row[:24]) >= 6]  # not all alike
    assert len(telling) > 200
    packed = [row.tobytes() for row in telling]
    spelt = {"".join(map(str, row)) for row in telling}
    for name, content in published(fresh).items():
        assert not any(row in content for row in packed), name
        if Path(name).suffix in (".png", ".pdf"):
            continue
        text = content.decode(errors="replace")
        for found in CALLS.finditer(text):
            digits = re.sub(r"\D", "", found.group())
            assert not any(digits[i : i + 24] in spelt for i in range(len(digits) - 23)), name
    assert CALLS.search(fresh.printed) is None


def test_fresh_run_counts_no_few_people(fresh: Fresh) -> None:
    for path in fresh.home.glob("run/records/*.json"):
        record = json.loads(path.read_text())
        assert small_counts(record) == [], path.name
        assert lists(record) <= {("error", "last_lines")}, path.name

"""What is published holds no genotypes, no ids, and no count of fewer than five people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LEADERBOARDS = Path(__file__).parent.parent / "leaderboards"
SUFFIXES = (".json", ".md", ".csv", ".html", ".portrait")
TEXTS = sorted(p for p in LEADERBOARDS.rglob("*") if p.suffix in SUFFIXES)
RECORDS = [p for p in TEXTS if p.suffix == ".json"]
SMALLEST = 5  # people, of whom a number may be said
CALLS = re.compile(r"(?<![\w.])(?:[012][\s,;|/]*){24}(?![\w.])")  # a row or a column of genotypes
IDS = re.compile(r"\b(?:HG|NA)\d{5}\b|\bS\d{4,6}\b")  # of 1000 Genomes, and simulated ones
# whole numbers that count no people
UNCOUNTED = {"schema", "version", "seed", "split_seed", "cores", "threads", "parameters"}
LISTS = {"learning", "settings"}  # what was measured while learning, and what the model was told


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

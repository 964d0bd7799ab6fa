"""One PLINK file set, or several of the same people, such as one per chromosome."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from genobench.data.plink_files import PlinkFiles, prefix_of, scan_plink
from genobench.errors import GenobenchError

WILDCARDS = "*?["
LIST = ".list"  # ending of a text file with a file set per line


def is_several(name: str) -> bool:
    """Whether ``name`` is a pattern or a list of file sets."""
    if name.endswith(LIST):
        return True
    return any(c in name for c in WILDCARDS) and not Path(f"{prefix_of(name)}.bed").is_file()


def prefixes(name: str) -> list[Path]:
    """What the three files of each set have in common, in the order of their numbers.

    Parameters
    ----------
    name
        ``cohort.bed``, a pattern such as ``ukb_chr*.bed``, or the path of a ``.list``: one file
        set per line, relative to the list's folder.

    Raises
    ------
    GenobenchError
        A pattern that fits nothing, a list that is absent, empty or names a set twice.
    """
    if not is_several(name):
        return [prefix_of(name)]
    if name.endswith(LIST):
        return _listed(Path(name))
    pattern = Path(f"{prefix_of(name)}.bed")
    if any(c in str(pattern.parent) for c in WILDCARDS):
        raise GenobenchError(f"{name}: wildcards may stand in the file's name, not in its folder")
    found = [prefix_of(path) for path in pattern.parent.glob(pattern.name)]
    if not found:
        raise GenobenchError(
            f"{name}: no .bed in {pattern.parent} fits; is the pattern in quotation marks, lest "
            "the shell reads it first?"
        )
    return sorted(found, key=_numbered)


def scan_sets(name: str) -> tuple[PlinkFiles, ...]:
    """File sets of ``name``, each checked in itself, and all of the same people in one order.

    Raises
    ------
    GenobenchError
        As `prefixes` and `scan_plink`, or with the first line in which two .fam differ.
    """
    sets = tuple(scan_plink(f"{prefix}.bed") for prefix in prefixes(name))
    for other in sets[1:]:
        _check_same_people(sets[0], other)
    return sets


def variants_of(sets: tuple[PlinkFiles, ...]) -> pd.DataFrame:
    """Variants of all sets, one set after the other."""
    if len(sets) == 1:
        return sets[0].variants
    return pd.concat([files.variants for files in sets], ignore_index=True)


def _listed(path: Path) -> list[Path]:
    """Sets that a text file names."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GenobenchError(f"{path}: cannot be read ({error})") from error
    found: dict[Path, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        prefix = prefix_of(path.parent / line.strip())
        if prefix in found:
            raise GenobenchError(
                f"{path}, line {number}: {prefix.name} stands on line {found[prefix]} already"
            )
        found[prefix] = number
    if not found:
        raise GenobenchError(f"{path}: names no file set; give one .bed per line")
    return list(found)


def _numbered(path: Path) -> list[tuple[int, str]]:
    """Key that sorts chr2 before chr10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _check_same_people(first: PlinkFiles, other: PlinkFiles) -> None:
    """The same FID and IID on every line."""
    if first.n != other.n:
        raise GenobenchError(
            f"{other.fam}: {other.n} people, {first.fam} has {first.n}; file sets that are read "
            "together hold the same people in the same order"
        )
    ids = [files.samples[["fid", "iid"]].to_numpy(dtype=str) for files in (first, other)]
    differs = (ids[0] != ids[1]).any(axis=1)
    if differs.any():
        row = int(differs.argmax())
        ours, theirs = ids[0][row], ids[1][row]
        raise GenobenchError(
            f"{other.fam}, person {row + 1}: FID {theirs[0]} IID {theirs[1]}, where {first.fam} "
            f"has FID {ours[0]} IID {ours[1]}; file sets that are read together hold the same "
            "people in the same order"
        )

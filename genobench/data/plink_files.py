"""The three files of a PLINK 1 set, checked against each other before a genotype is read."""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.errors import GenobenchError

MAGIC = b"\x6c\x1b"  # then \x01 when each variant is one run of bytes, \x00 when each person is
BIM_COLUMNS = ("chrom", "id", "cm", "pos", "counted", "other")
FAM_COLUMNS = ("fid", "iid", "father", "mother", "sex", "phenotype")
LARGEST = 2**53  # no position and no map lies beyond
LOOKED_AT = (1_000, 100)  # variants, and bytes of each, that tell of lines too few or too many
CERTAIN = 100  # variants from which on two copies of A1 at all of them are no person's
OTHERS = 0.9  # of these variants, at which nobody else may have them


@dataclass(frozen=True, eq=False)
class PlinkFiles:
    """A .bed with its two tables, checked against each other; no genotype has been read.

    Attributes
    ----------
    bed, bim, fam
        Where they are.
    variants
        m rows: chrom, id (str), cm (float), pos (int), counted (A1), other (A2).
    samples
        n rows: fid, iid (str), sex (0 / 1 / 2), phenotype (text, as it stands).
    """

    bed: Path
    bim: Path
    fam: Path
    variants: pd.DataFrame
    samples: pd.DataFrame

    @property
    def n(self) -> int:
        """Number of people."""
        return len(self.samples)

    @property
    def m(self) -> int:
        """Number of variants."""
        return len(self.variants)


def scan_plink(path: str | Path) -> PlinkFiles:
    """Read .bim and .fam and make sure that the .bed belongs to them.

    Parameters
    ----------
    path
        The .bed (or .bim, .fam), or what the three names have in common; dots are fine.

    Raises
    ------
    GenobenchError
        A file that is absent, a .bed that is truncated, foreign, sample-major, of another size
        than its tables ask for, with calls of people whom the .fam lacks or without those of
        people whom it lists, a table with a wrong number of columns, a position that is not a
        number (all with the line), two people with the same FID and IID.
    """
    prefix = prefix_of(path)
    bed, bim, fam = (Path(f"{prefix}.{ending}") for ending in ("bed", "bim", "fam"))
    for file in (bed, bim, fam):
        if not file.is_file():
            raise GenobenchError(f"{file}: not there{_alternatives(prefix)}")
    try:
        variants, samples = _variants(bim), _samples(fam)
        _check_bed(bed, len(samples), len(variants))
    except OSError as error:
        raise GenobenchError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return PlinkFiles(bed, bim, fam, variants, samples)


def prefix_of(path: str | Path) -> Path:
    """Common part of the three names, which may itself hold dots."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".bed", ".bim", ".fam") else path


def _alternatives(prefix: Path) -> str:
    """What the user may have meant: the file sets in the same folder."""
    if not prefix.parent.is_dir():
        return f"; there is no folder {prefix.parent}"
    found = sorted(p.stem for p in prefix.parent.glob("*.bed"))[:5]
    return f"; this folder has {', '.join(found)}" if found else "; no .bed is in this folder"


def _table(path: Path, names: tuple[str, ...]) -> pd.DataFrame:
    """Headless table as text; a line with another number of columns is named."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of fields that it drops
            table = pd.read_csv(
                path,
                sep=r"\s+",
                header=None,
                names=[*names, "surplus"],
                dtype=str,
                index_col=False,
                na_values=[],
                keep_default_na=False,
                quoting=csv.QUOTE_NONE,
            )
        table = table.fillna("")
        whole = bool((table["surplus"] == "").all() and (table[names[-1]] != "").all())
    except UnicodeDecodeError as error:
        raise GenobenchError(f"{path}: not a text file ({error})") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        whole = False
    if not whole:
        raise GenobenchError(_ragged(path, names))
    if table.empty:
        raise GenobenchError(f"{path}: empty; it needs a line for each person or variant")
    return table.drop(columns="surplus")


def _ragged(path: Path, names: tuple[str, ...]) -> str:
    """Message that names the first line of another width."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if (width := len(_fields(line))) not in (0, len(names)):
                return (
                    f"{path}, line {number}: {width} column(s) where a {path.suffix} has "
                    f"{len(names)}: {', '.join(names)}"
                )
    return f"{path}: not a table of {len(names)} columns separated by white space"


def _fields(line: str) -> list[str]:
    """Of a line, as they are told apart when the table is read: by blanks and tabs alone."""
    return [field for field in re.split(r"[ \t\r\n]+", line) if field]


def _variants(bim: Path) -> pd.DataFrame:
    """The .bim with numbers as numbers; a variant without a name gets one."""
    table = _table(bim, BIM_COLUMNS)
    for column, kind in (("pos", np.int64), ("cm", np.float64)):
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = ~(numbers.abs() < LARGEST)
        if column == "pos":
            wrong |= numbers % 1 != 0
        if wrong.any():
            text = table[column][wrong].iloc[0]
            line = _line_of(bim, column, text)
            raise GenobenchError(f"{bim}, line {line}: {column} {text!r} is not a number")
        table[column] = numbers.astype(kind)
    rest = table[["pos", "counted", "other"]].astype(str)
    named = table["chrom"].str.cat(rest, sep=":")
    table["id"] = table["id"].where(table["id"] != ".", named)
    return table


def _line_of(bim: Path, column: str, text: str) -> int:
    """Line on which ``text`` first stands in ``column``: blank lines count as lines."""
    at = BIM_COLUMNS.index(column)
    with bim.open(encoding="utf-8", errors="replace") as lines:
        return next(
            (i for i, line in enumerate(lines, 1) if _fields(line)[at : at + 1] == [text]), 0
        )


def _samples(fam: Path) -> pd.DataFrame:
    """The .fam; what is neither 1 nor 2 is an unknown sex, as in PLINK."""
    table = _table(fam, FAM_COLUMNS)
    twice = table.duplicated(["fid", "iid"])
    if twice.any():
        fid, iid = table.loc[twice, ["fid", "iid"]].iloc[0]
        raise GenobenchError(
            f"{fam}: {int(twice.sum())} id(s) occur more than once, the first is FID {fid} IID "
            f"{iid}; give each person an id of their own"
        )
    table["sex"] = table["sex"].map({"1": 1, "2": 2}).fillna(0).astype(np.int8)
    return table[["fid", "iid", "sex", "phenotype"]]


def _check_bed(bed: Path, n: int, m: int) -> None:
    """The first three bytes and the size say whether a .bed belongs to its tables."""
    with bed.open("rb") as file:
        head = file.read(3)
    if head[:2] != MAGIC:
        raise GenobenchError(
            f"{bed}: not a PLINK 1 .bed (it begins with {head.hex(' ') or 'nothing'}, not 6c 1b 01)"
        )
    if head[2:] != b"\x01":
        raise GenobenchError(
            f"{bed}: sample-major or without a mode byte; rewrite it with plink --make-bed"
        )
    per_variant = -(-n // 4)
    size, expected = bed.stat().st_size, 3 + m * per_variant
    if size == expected:
        _check_last_people(bed, n, m)
        return
    stored, rest = divmod(size - 3, per_variant)
    guess = (
        f"it holds {stored} variants of {n} people: the .bim belongs to another .bed"
        if rest == 0
        else "it is truncated (copy it again), or the .fam or .bim belongs to another .bed"
    )
    raise GenobenchError(
        f"{bed}: {size} bytes, but {n} people (.fam) and {m} variants (.bim) take {expected}; "
        f"{guess}"
    )


def _check_last_people(bed: Path, n: int, m: int) -> None:
    """Refuse a .fam of one to three lines too few or too many: of the size they leave no trace.

    At most `LOOKED_AT` variants, evenly spaced, and the last people of the .bed are looked at.
    """
    packed = np.memmap(bed, np.uint8, "r", offset=3, shape=(m, -(-n // 4)))
    rows = np.unique(np.linspace(0, m - 1, min(m, LOOKED_AT[0])).astype(np.int64))
    last = packed[rows, -LOOKED_AT[1] :]
    codes = (last[:, :, None] >> np.arange(0, 8, 2, dtype=np.uint8) & np.uint8(3)).reshape(
        len(rows), -1
    )
    beyond = -n % 4  # places behind the last person, in a byte of four
    listed = codes.shape[1] - beyond
    called = codes[:, listed:].any(axis=1)
    if called.any():
        raise GenobenchError(
            f"{bed}: disagrees with its .fam, which lists {n} people: behind the last of them "
            f"there are more calls (first at variant {int(rows[called][0]) + 1}). The .fam has "
            "lost lines, and whoever follows a lost line would get another person's genotypes: "
            "take the .fam that was written with this .bed"
        )
    surplus = _surplus(codes[:, :listed], 3 - beyond) if len(rows) >= CERTAIN else 0
    if surplus:
        raise GenobenchError(
            f"{bed}: disagrees with its .fam, which lists {n} people: the last {surplus} would "
            f"have two copies of A1 at each of {len(rows)} variants, as room for nobody reads, and "
            "the people before them come nowhere near that. The .fam has lines too many, and "
            "whoever follows one of them would get another person's genotypes: take the .fam that "
            "was written with this .bed"
        )


def _surplus(codes: NDArray[np.uint8], most: int) -> int:
    """How many of the last people, at most ``most``, have the code 0 alone: it is also padding.

    None where somebody else nearly has, as where A1 is the common allele of rare variants.
    """
    share = (codes == 0).mean(axis=0)
    surplus = 0
    while surplus < min(most, len(share) - 1) and share[-1 - surplus] == 1:
        surplus += 1
    return surplus if share[: len(share) - surplus].max() < OTHERS else 0

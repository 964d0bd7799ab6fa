"""PLINK 1 genotypes: read in blocks through pandas-plink, written by rename.

One allele convention, fixed here: genotypes count A1, the fifth column of the .bim (``counted``).
pandas-plink calls that allele ``a0``; its own default counts the other one.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.plink_files import BIM_COLUMNS, MAGIC, PlinkFiles, prefix_of, scan_plink
from genobench.errors import GenobenchError

__all__ = [
    "PlinkFiles",
    "genotype_blocks",
    "packed",
    "packed_blocks",
    "read_plink",
    "scan_plink",
    "write_blocks",
    "write_plink",
]

BLOCK_CELLS = 2**24  # calls decoded at a time; pandas-plink needs about 7 bytes for each
# 2-bit code of -1 / 0 / 1 / 2 copies of A1: missing 01, homozygous A2 11, heterozygous 10, A1 00
CODE = np.array([0b01, 0b11, 0b10, 0b00], dtype=np.uint8)
ABSENT = 3  # a missing call among copies that are unpacked


def _copies_in_bytes() -> NDArray[np.uint8]:
    """(256, 4) copies of A1 of the four people in each byte, `ABSENT` = missing."""
    codes = np.arange(256, dtype=np.uint8)[:, None] >> np.arange(0, 8, 2, dtype=np.uint8) & 3
    copies_of = np.empty(4, dtype=np.uint8)
    copies_of[CODE] = ABSENT, 0, 1, 2
    return np.asarray(copies_of[codes])


COPIES = _copies_in_bytes()


def read_plink(
    source: PlinkFiles | str | Path,
    *,
    variants: Any = None,
    people: Any = None,
    chunk: int | None = None,
) -> Cohort:
    """Cohort of some or all people and variants of a PLINK file set, without a trait.

    Parameters
    ----------
    source
        What `scan_plink` returned, or a path for it.
    variants, people
        Positions (in the order wanted) or boolean mask; None takes all.
    chunk
        Variants decoded at a time; by default as many as give 2**24 calls. Peak memory is the
        int8 result plus some 7 bytes per call of one block.

    Returns
    -------
    Cohort
        ``genotypes`` counts A1; -1 = missing. ``samples`` keeps the .fam's ``phenotype`` as text.
    """
    files = source if isinstance(source, PlinkFiles) else scan_plink(source)
    columns = _positions(variants, files.m, "variants", files.bim)
    rows = _positions(people, files.n, "people", files.fam)
    genotypes = np.empty((len(rows), len(columns)), dtype=np.int8)
    for start, block in genotype_blocks(files, variants=columns, people=rows, chunk=chunk):
        genotypes[:, start : start + block.shape[1]] = block
    return Cohort(genotypes, files.variants.iloc[columns], files.samples.iloc[rows])


def genotype_blocks(
    files: PlinkFiles, *, variants: Any = None, people: Any = None, chunk: int | None = None
) -> Iterator[tuple[int, Genotypes]]:
    """Genotypes in blocks of variants, for passes over files larger than memory.

    Parameters as `read_plink`.

    Yields
    ------
    start, block
        First position within ``variants``, and (people, k) int8 copies of A1, -1 = missing.
    """
    columns = _positions(variants, files.m, "variants", files.bim)
    rows = _positions(people, files.n, "people", files.fam)
    everyone = np.array_equal(rows, np.arange(files.n))
    step = chunk or max(1, BLOCK_CELLS // files.n)
    with tempfile.TemporaryDirectory(prefix="genobench-") as folder:
        bed, columns = _gathered(files, columns, Path(folder))
        calls = opened(bed, files.n, Path(folder), step)
        for start in range(0, len(columns), step):
            wanted = columns[start : start + step]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lazy = calls[:, _slice_or(wanted)]
                dosage: Any = lazy.compute(scheduler="synchronous")
            np.nan_to_num(dosage, copy=False, nan=-1)
            block = dosage.astype(np.int8)
            yield start, block if everyone else block[rows]


def packed_blocks(
    files: PlinkFiles, *, first: int = 0, step: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Bytes of the .bed as they are, for passes that unpack a little at a time (see `COPIES`).

    Yields
    ------
    start, block
        First variant, and (k, people / 4) bytes of at most ``step`` variants.
    """
    width = -(-files.n // 4)
    with files.bed.open("rb") as file:
        file.seek(3 + first * width)
        for start in range(first, files.m, step):
            size = min(step, files.m - start) * width
            block = np.fromfile(file, np.uint8, size)
            if block.size != size:
                raise GenobenchError(f"{files.bed}: has become shorter while it was read")
            yield start, block.reshape(-1, width)


def write_plink(cohort: Cohort, prefix: str | Path) -> Path:
    """Write ``prefix``.bed, .bim and .fam: under other names first, renamed when all are complete.

    The trait goes into the sixth column of the .fam: 1 control / 2 case, the value of a
    quantitative trait, -9 without a trait. Parents are unknown (0).

    Returns
    -------
    Path
        The .bed.

    Raises
    ------
    GenobenchError
        When the folder cannot be written, or when a name cannot stand in a PLINK table (empty, or
        with white space), or a quantitative value is -9, which PLINK reads as missing.
    """
    fam = _fam_text(cohort.samples, cohort.trait)
    step = max(1, BLOCK_CELLS // max(cohort.n, 1))
    blocks = (cohort.genotypes[:, start : start + step].T for start in range(0, cohort.m, step))
    return _write(prefix, _bim_text(cohort.variants), blocks, lambda: fam)


def write_blocks(
    prefix: str | Path,
    variants: pd.DataFrame,
    blocks: Iterable[Genotypes],
    people: Callable[[], tuple[pd.DataFrame, Trait | None]],
) -> Path:
    """As `write_plink`, of genotypes that are never there as a whole.

    Parameters
    ----------
    variants
        m rows.
    blocks
        (k, n) genotypes of the next variants, m in all.
    people
        Asked for samples and trait after the last block.
    """
    return _write(prefix, _bim_text(variants), blocks, lambda: _fam_text(*people()))


def _write(
    prefix: str | Path, bim: str, blocks: Iterable[Genotypes], fam: Callable[[], str]
) -> Path:
    """The three files; ``fam`` is asked for last."""
    base = prefix_of(prefix)
    parts: dict[Path, Path] = {}
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        for ending in ("fam", "bim", "bed"):  # .bed last: where it is, the tables are
            part = base.parent / f".{base.name}.{os.getpid()}.{ending}.part"
            parts[part] = Path(f"{base}.{ending}")
        part_of = {final.suffix: part for part, final in parts.items()}
        part_of[".bim"].write_bytes(bim.encode())
        with part_of[".bed"].open("wb") as file:
            file.write(MAGIC + b"\x01")
            for block in blocks:
                file.write(packed(block).tobytes())
        part_of[".fam"].write_bytes(fam().encode())
        for part, final in parts.items():
            part.replace(final)
    except OSError as error:
        raise GenobenchError(
            f"{base}.bed: cannot be written ({error.strerror}); is there room, and may you write?"
        ) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return Path(f"{base}.bed")


def _positions(wanted: Any, size: int, what: str, file: Path) -> NDArray[np.intp]:
    """Index array out of None, a mask or positions."""
    if wanted is None:
        return np.arange(size)
    index = np.asarray(wanted)
    if index.dtype == bool:
        if index.shape != (size,):
            raise GenobenchError(f"{file}: a mask over {what} has {size} entries, not {index.size}")
        return np.flatnonzero(index)
    index = index.astype(np.intp)
    if index.size and not (index.min() >= 0 and index.max() < size):
        raise GenobenchError(f"{file}: {what} are numbered 0 to {size - 1}")
    return index


def _gathered(
    files: PlinkFiles, columns: NDArray[np.intp], folder: Path
) -> tuple[Path, NDArray[np.intp]]:
    """A .bed in which the wanted variants lie close together, and their positions there.

    pandas-plink decodes whole runs of variants. Few wanted ones, or wanted in another order, are
    first copied, still packed, one behind the other: nothing else of a large file is touched.
    """
    if np.array_equal(columns, np.arange(files.m)):
        return files.bed, columns
    if len(columns) > files.m // 2 and (np.diff(columns) > 0).all():
        return files.bed, columns
    packed = np.memmap(files.bed, np.uint8, "r", offset=3, shape=(files.m, -(-files.n // 4)))
    bed = folder / "gathered.bed"
    with bed.open("wb") as file:
        file.write(MAGIC + b"\x01")
        for column in columns:
            file.write(packed[column].tobytes())
    return bed, np.arange(len(columns))


def opened(bed: Path, n: int, folder: Path, step: int) -> Any:
    """Lazy (n, m) array of A1 counts, NaN = missing.

    pandas-plink guesses types of ids and honours quotation marks; the tables it is given here are
    plain numbers, the true ones have been read and checked by `scan_plink`.
    """
    m = (bed.stat().st_size - 3) // -(-n // 4)
    if m == 0:
        return np.empty((n, 0), dtype=np.float32)
    fam, bim = folder / "plain.fam", folder / "plain.bim"
    fam.write_text("".join(f"{i} {i} 0 0 0 0\n" for i in range(n)))
    bim.write_text("".join(f"1 {i} 0 {i} 1 2\n" for i in range(m)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies deprecate things now and then
        from pandas_plink import Chunk, read_plink1_bin

        return read_plink1_bin(
            bed, bim, fam, verbose=False, ref="a0", chunk=Chunk(nsamples=None, nvariants=step)
        ).data


def _slice_or(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """A slice where the positions are consecutive: dask then copies nothing."""
    if index[-1] - index[0] == len(index) - 1:
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def packed(block: Genotypes) -> NDArray[np.uint8]:
    """(k, n / 4) bytes of (k, n) genotypes: four people each, the first in the lowest bits."""
    k, n = block.shape
    codes = np.zeros((k, -(-n // 4) * 4), dtype=np.uint8)
    codes[:, :n] = CODE[block + 1]
    parts = codes[:, 0::4] | codes[:, 1::4] << 2 | codes[:, 2::4] << 4 | codes[:, 3::4] << 6
    return np.asarray(parts, dtype=np.uint8)


def _bim_text(variants: pd.DataFrame) -> str:
    """Lines of the .bim."""
    cm = pd.Series("0", index=variants.index)
    if "cm" in variants:
        cm = variants["cm"].map("{:.10g}".format)
    columns = {**{c: variants[c] for c in BIM_COLUMNS if c != "cm"}, "cm": cm}
    return _lines(pd.DataFrame(columns)[list(BIM_COLUMNS)], "variant", "id")


def _fam_text(samples: pd.DataFrame, trait: Trait | None) -> str:
    """Lines of the .fam."""
    table = samples[["fid", "iid", "sex"]].copy()
    table.insert(2, "father", "0")
    table.insert(3, "mother", "0")
    table["phenotype"] = _phenotype(trait, len(samples))
    return _lines(table, "person", "iid")


def _phenotype(trait: Trait | None, n: int) -> list[str]:
    """Sixth column of the .fam."""
    if trait is None:
        return ["-9"] * n
    if trait.kind == "binary":
        return ["2" if value else "1" for value in trait.values]
    if (trait.values == -9).any():
        person = int(np.flatnonzero(trait.values == -9)[0])
        raise GenobenchError(
            f"trait {trait.name}: person {person + 1} has the value -9, which PLINK reads as "
            "missing; shift the trait"
        )
    return [str(value) for value in trait.values]


def _lines(table: pd.DataFrame, what: str, name: str) -> str:
    """Tab-separated lines of a table whose names PLINK will be able to read back."""
    text = table.astype(str)
    for column in text.columns:
        wrong = text[column].str.contains(r"\s", regex=True) | (text[column] == "")
        if wrong.any():
            row = text[wrong].iloc[0]
            raise GenobenchError(
                f"{what} {row[name]!r}: {column} {row[column]!r} cannot be written to a PLINK "
                "table; names there are not empty and have no white space"
            )
    return "".join("\t".join(row) + "\n" for row in text.itertuples(index=False))

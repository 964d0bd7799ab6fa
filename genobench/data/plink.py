"""PLINK 1 genotypes: read in blocks through pandas-plink, written by rename.

One allele convention, fixed here: genotypes count A1, the fifth column of the .bim (``counted``).
pandas-plink calls that allele ``a0``; its own default counts the other one.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.plink_files import BIM_COLUMNS, MAGIC, PlinkFiles, prefix_of, scan_plink
from genobench.errors import GenobenchError

__all__ = ["PlinkFiles", "genotype_blocks", "read_plink", "scan_plink", "write_plink"]

BLOCK_CELLS = 2**24  # calls decoded at a time; pandas-plink needs about 7 bytes for each
# 2-bit code of -1 / 0 / 1 / 2 copies of A1: missing 01, homozygous A2 11, heterozygous 10, A1 00
CODE = np.array([0b01, 0b11, 0b10, 0b00], dtype=np.uint8)


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
        calls = _opened(bed, files.n, Path(folder), step)
        for start in range(0, len(columns), step):
            wanted = columns[start : start + step]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lazy = calls[:, _slice_or(wanted)]
                dosage: Any = lazy.compute(scheduler="synchronous")
            np.nan_to_num(dosage, copy=False, nan=-1)
            block = dosage.astype(np.int8)
            yield start, block if everyone else block[rows]


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
    base = prefix_of(prefix)
    tables = {"fam": _fam_text(cohort), "bim": _bim_text(cohort)}
    parts: dict[Path, Path] = {}
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        for ending in ("fam", "bim", "bed"):  # .bed last: where it is, the tables are
            part = base.parent / f".{base.name}.{os.getpid()}.{ending}.part"
            parts[part] = Path(f"{base}.{ending}")
            with part.open("wb") as file:
                if ending == "bed":
                    _write_bed(cohort.genotypes, file)
                else:
                    file.write(tables[ending].encode())
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


def _opened(bed: Path, n: int, folder: Path, step: int) -> Any:
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


def _write_bed(genotypes: Genotypes, file: BinaryIO) -> None:
    """Pack four people to a byte, the first in the lowest bits, variant after variant."""
    n, m = genotypes.shape
    file.write(MAGIC + b"\x01")
    step = max(1, BLOCK_CELLS // max(n, 1))
    for start in range(0, m, step):
        block = genotypes[:, start : start + step].T  # (k, n)
        codes = np.zeros((len(block), -(-n // 4) * 4), dtype=np.uint8)
        codes[:, :n] = CODE[block + 1]
        file.write(
            (
                codes[:, 0::4] | codes[:, 1::4] << 2 | codes[:, 2::4] << 4 | codes[:, 3::4] << 6
            ).tobytes()
        )


def _bim_text(cohort: Cohort) -> str:
    """Lines of the .bim."""
    table = cohort.variants
    cm = table["cm"].map("{:.10g}".format) if "cm" in table else pd.Series("0", index=table.index)
    columns = {**{c: table[c] for c in BIM_COLUMNS if c != "cm"}, "cm": cm}
    return _lines(pd.DataFrame(columns)[list(BIM_COLUMNS)], "variant", "id")


def _fam_text(cohort: Cohort) -> str:
    """Lines of the .fam."""
    table = cohort.samples[["fid", "iid", "sex"]].copy()
    table.insert(2, "father", "0")
    table.insert(3, "mother", "0")
    table["phenotype"] = _phenotype(cohort.trait, cohort.n)
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

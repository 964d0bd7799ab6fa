"""Where data that were made or fetched once are kept, and how: no pickle, written by rename."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench import npy
from genobench.cohort import Cohort, Trait
from genobench.errors import GenobenchError

Kind = Literal["binary", "quantitative"]


def folder() -> Path:
    """Cache folder: ``$GENOBENCH_CACHE``, else ``~/.cache/genobench``."""
    named = os.environ.get("GENOBENCH_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "genobench"


def store(cohort: Cohort, path: Path) -> None:
    """Write ``cohort`` as one .npz, complete or not at all.

    Text columns are stored as fixed-width Unicode, so that nothing needs unpickling.

    Raises
    ------
    GenobenchError
        When the folder cannot be written.
    """
    arrays = {"genotypes": np.asarray(cohort.genotypes)}
    for name, table in (("variants", cohort.variants), ("samples", cohort.samples)):
        for column in table.columns:
            values = table[column].to_numpy()
            arrays[f"{name}/{column}"] = values.astype(str) if values.dtype == object else values
    if cohort.trait is not None:
        arrays[f"trait/{cohort.trait.kind}/{cohort.trait.name}"] = np.asarray(cohort.trait.values)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            _write_npz(file, arrays)
        part.replace(path)
    except OSError as error:
        raise GenobenchError(
            f"{path}: cannot be written ({error.strerror}): make room, or name another folder in "
            "the environment variable GENOBENCH_CACHE"
        ) from error
    finally:
        if part.is_file():
            part.unlink()


def _write_npz(file: IO[bytes], arrays: dict[str, NDArray[Any]]) -> None:
    """As ``numpy.savez``, which on a full disk leaves its archive open."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write(member, array)


def fetch(path: Path) -> Cohort | None:
    """Cohort that `store` wrote, or None when the file is absent or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        trait = None
        for name in content:
            if name.startswith("trait/"):
                _, kind, label = name.split("/", 2)
                trait = Trait(label, cast(Kind, kind), content[name])
        variants, samples = _table(content, "variants"), _table(content, "samples")
        return Cohort(content["genotypes"], variants, samples, trait)
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zlib.error, zipfile.BadZipFile,
            GenobenchError):  # fmt: skip
        return None  # the caller makes it again


def _table(content: dict[str, NDArray[Any]], what: str) -> pd.DataFrame:
    """Columns stored under ``what/``; text as Python strings, which is what tables hold."""
    columns = {
        name.removeprefix(f"{what}/"): values.astype(object) if values.dtype.kind == "U" else values
        for name, values in content.items()
        if name.startswith(f"{what}/")
    }
    return pd.DataFrame(columns)

"""Records as they lie on disk, read for tables: ten thousand of them in about a second."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from genobench import bounded
from genobench.errors import GenobenchError
from genobench.report.cores import over_cores
from genobench.report.estimates import Estimates, Floats, as_table, numbers
from genobench.run.record import SCHEMA

SHARE = 1000  # files that a process reads at a time; of fewer it does not pay to fork one
_KEY = re.compile(r"[\w-]*")  # it names files
_NUMBERS = frozenset((float, int, type(None)))
_Place = tuple[int, str, tuple[str, ...]]  # of a table: number of the record, task, metrics


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records below ``folder``, sorted by path; their ``metrics`` are `Estimates`.

    Raises
    ------
    GenobenchError
        Naming the file that is no record, or is one of another schema version.
    """
    paths = paths_of(folder)
    found = []
    for records, places, table in over_cores(_read, _shares(paths)):
        start = 0
        for number, task, names in places:
            end = start + len(names)
            records[number]["scores"][task]["metrics"] = Estimates(names, table[start:end])
            start = end
        found += records
    return found


def paths_of(folder: Path) -> list[Path]:
    """Files of all records below ``folder``, sorted."""
    if not folder.is_dir():
        raise GenobenchError(f"{folder}: no such folder; records are made by `genobench run`")
    return sorted(folder.rglob("*.json"))


def read_one(path: Path) -> dict[str, Any]:
    """The record in one file, as it is there; errors as in `read_records`."""
    try:
        record = orjson.loads(bounded.read_bytes(path))
    except (OSError, ValueError) as error:
        raise GenobenchError(
            f"{path}: not a record ({error}); delete it and run again to have it made anew"
        ) from error
    if not isinstance(record, dict) or not {"schema", "key", "job", "status"} <= set(record):
        raise GenobenchError(f"{path}: not a record of genobench; move it elsewhere")
    job = record["job"]
    if not isinstance(job, dict) or not _KEY.fullmatch(str(job.get("data_key", ""))):
        raise GenobenchError(f"{path}: not a record: no job with a data_key; move it elsewhere")
    if record["schema"] != SCHEMA:
        raise GenobenchError(
            f"{path}: schema version {record['schema']}, this genobench reads {SCHEMA}; "
            "use the genobench that wrote it, or run the job again"
        )
    return record


def _shares(paths: Sequence[Path]) -> list[Sequence[Path]]:
    return [paths[start : start + SHARE] for start in range(0, len(paths), SHARE)]


def _read(paths: Sequence[Path]) -> tuple[list[dict[str, Any]], list[_Place], Floats]:
    """Records without their metrics, and these in one table, which is quickly handed over."""
    records: list[dict[str, Any]] = []
    places: list[_Place] = []
    tables: list[Floats] = []
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for path in paths:
        record = read_one(path)
        estimates: list[float | None] = []  # of one record, while they are in the cache
        try:
            for task, entry in record.get("scores", {}).items():
                if (metrics := entry.get("metrics")) is not None:
                    names = tuple(metrics)
                    places.append((len(records), task, known.setdefault(names, names)))
                    estimates += numbers(metrics.values())
                    entry["metrics"] = None
            if not _NUMBERS.issuperset(map(type, estimates)):
                raise TypeError("an estimate is no number")
            tables.append(as_table(estimates))
        except (AttributeError, KeyError, TypeError) as error:
            raise GenobenchError(
                f"{path}: not a record: its scores cannot be read ({error}); move it elsewhere"
            ) from error
        records.append(record)
    return records, places, np.concatenate(tables)

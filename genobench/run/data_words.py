"""Which data a record was made from: the words of the command line, and the way back from them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genobench.data.prepare import DataSpec
from genobench.errors import GenobenchError
from genobench.run.suites import suites

ELSEWHERE = "path/to/"  # begins the published path of a file that somebody keeps somewhere
_KINDS: Mapping[str, Callable[[str], Any]] = {
    "snps": int,
    "split_seed": int,
    "clump_r2": float,
    "pheno": Path,
    "gwas": Path,
    "covariates": lambda text: tuple(text.split(",")),
}


def beside(path: Path, data_key: str) -> list[str]:
    """Words that name the data of the record in ``path``, as kept with it; empty: there are none.

    In the folder of a run they lie with the prepared data, among leaderboards beside the record.
    """
    for folder in (path.parent.parent, path.parent.parent.parent):
        for name in ("options.local.txt", "options.txt"):
            kept = folder / "data" / data_key / name
            if kept.is_file():
                return shlex.split(kept.read_text())
    kept = path.parent / f"{data_key}.options"
    return shlex.split(kept.read_text()) if kept.is_file() else []


def spec_of(words: Sequence[str], given: Mapping[str, Any] | None = None) -> DataSpec:
    """Data that ``words`` name, with what is ``given`` in their place.

    Raises
    ------
    GenobenchError
        When the words leave open where a file lies, or are no words for data.
    """
    names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
    found: dict[str, Any] = dict(zip(names, words[1::2], strict=False))
    found["name"] = found.pop("data", "")
    found |= given or {}
    if lost := [k for k, v in found.items() if str(v).startswith(ELSEWHERE)]:
        options = [f"--{'data' if k == 'name' else k.replace('_', '-')}" for k in lost]
        raise GenobenchError(
            f"the record was made from files of somebody's own ({shlex.join(words)}): say where "
            f"they lie with {', '.join(options)}"
        )
    try:
        return DataSpec.for_name(
            **{k: _KINDS[k](v) if isinstance(v, str) and k in _KINDS else v
               for k, v in found.items()}
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise GenobenchError(f"{shlex.join(words)}: not the words for data: {error}") from error


def recorded(path: Path, record: Mapping[str, Any], given: Mapping[str, Any]) -> DataSpec:
    """Data of the record in ``path``, whose key is that of the record.

    Parameters
    ----------
    path
        Where it lies; what names its data may lie beside it.
    record
        What it says.
    given
        Fields of `DataSpec` that the user named instead.

    Raises
    ------
    GenobenchError
        When the data are other than the record's, or nobody can tell where they are.
    """
    job = record["job"]
    words = beside(path, job["data_key"])
    tried = [spec_of(words, given)] if words else _guesses(record, given)
    for spec in tried:
        if spec.key == job["data_key"]:
            return spec
    cause = "the files or an option"
    if any(spec.name == "default" for spec in tried):
        cause += " (or msprime, which simulates them)"
    raise GenobenchError(
        f"{path}: the data are other than the record's: they have key {tried[0].key[:8]}, the "
        f"record {job['data_key'][:8]}; {cause} must differ. Name the record's data with --data "
        "and the options that went with it"
    )


def _guesses(record: Mapping[str, Any], given: Mapping[str, Any]) -> list[DataSpec]:
    """Data that a record may mean beside which no words are kept: the likeliest first."""
    job, inputs = record["job"], record["inputs"]
    seed = {"name": job["data"], "split_seed": job["split_seed"]}
    suite = suites().get(job["suite"])
    own = dict(suite.data) if suite is not None and suite.data.get("name") == job["data"] else {}
    chosen = {"trait": inputs["trait"], "snps": inputs["m"]}
    return [DataSpec.for_name(**{**more, **seed, **given}) for more in (own, {}, chosen)]

"""What is asked from Python, read as the command line reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench.data.prepare import DataSpec

    Several = str | Iterable[object]  # "a,b" as on the command line, or a list


class DataOptions(TypedDict, total=False):
    """Options that say which people, label and SNPs; None is as if left out.

    They are those of ``genobench run --help`` under *data*, with ``_`` for ``-``, and described in
    `genobench.data.prepare.DataSpec`. A trait is simulated by the name
    ``"simulated(h2=0.5,causal=20,seed=1)"``.
    """

    pheno: str | Path | None
    trait: str | None
    trait_kind: str | None
    covariates: Several | None
    gwas: str | Path | None
    snps: int | None
    clump_r2: float | None
    group: str | None
    split_seed: int | None
    train_population: str | None
    test_population: str | None
    membership: str | None


def data_spec(data: str | Path | None, suite: str, options: Mapping[str, Any]) -> DataSpec:
    """What the options name; the suite's data where none are."""
    from argparse import Namespace

    from genobench.commands import making
    from genobench.registry import near

    if unknown := sorted(set(options) - set(making.DATA_OPTIONS)):
        meant = near(unknown[0], making.DATA_OPTIONS)
        raise GenobenchError(f"no option is called {unknown[0]!r}{meant}")
    given = {name: read(name, options.get(name)) for name in making.DATA_OPTIONS}
    name = None if data is None else str(data)
    return making.data_spec(Namespace(data=name, suite=suite, **given))


def read(name: str, value: Any) -> Any:
    """The value as the command line would read it; None stays."""
    from argparse import ArgumentTypeError

    if value is None:
        return None
    listed = isinstance(value, Iterable) and not isinstance(value, str)
    text = ",".join(map(str, value)) if listed else str(value)
    try:
        return _readers().get(name, str)(text)
    except ArgumentTypeError as error:
        raise GenobenchError(f"{name}: {error}") from error


def _readers() -> dict[str, Callable[[str], Any]]:
    """How text of each option is read; of those not named, as it is."""
    from genobench.commands import arguments

    return {
        "models": arguments.models,
        "tasks": arguments.names,
        "seeds": arguments.seeds,
        "jobs": arguments.positive,
        "gpus_per_fit": arguments.positive,
        "timeout": arguments.duration,
        "memory": arguments.size,
        "device_memory": arguments.size,
        "cluster_tls": arguments.names,
        "pheno": Path,
        "trait_kind": _trait_kind,
        "covariates": arguments.names,
        "gwas": Path,
        "snps": arguments.positive,
        "clump_r2": arguments.correlation,
        "split_seed": _whole,
    }


def _trait_kind(text: str) -> str:
    """One of the kinds that labels may be said to have."""
    from argparse import ArgumentTypeError

    from genobench.data.tables import Kind

    if text not in get_args(Kind):
        raise ArgumentTypeError(f"{text!r} is none of {', '.join(get_args(Kind))}")
    return text


def _whole(text: str) -> int:
    """Whole number of any sign."""
    from argparse import ArgumentTypeError

    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None

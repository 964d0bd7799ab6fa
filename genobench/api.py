"""genobench from Python: the commands ``run``, ``score`` and ``data`` as functions for notebooks.

Importing this module imports nothing heavy; each function imports what it needs.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

from genobench.asked import DataOptions, data_spec, read
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    import inspect

    from genobench.asked import Several
    from genobench.cohort import Cohort
    from genobench.data.prepare import DataSpec
    from genobench.data.split import Split
    from genobench.results import RunResult, ScoreResult

    Data = Cohort | str | Path


def load_cohort(
    data: str | Path = "default",
    *,
    pheno: str | Path | None = None,
    trait: str | None = None,
    trait_kind: str | None = None,
) -> Cohort:
    """Everybody who has a label in a data set, at all of its SNPs, as they are on file.

    Parameters
    ----------
    data
        A name of ``genobench list data``, or the path of a .bed.
    pheno, trait, trait_kind
        As in `DataOptions`, except that none is simulated. A .bed without any usable label is read
        without a trait, with a warning, unless a label was asked for.

    Raises
    ------
    GenobenchError
        As `genobench.data.prepare.prepare`.

    Examples
    --------
    >>> cohort = genobench.load_cohort("cohort.bed")
    >>> cohort.n, cohort.m, cohort.trait.kind
    (240, 32, 'binary')
    """
    from genobench.data.labels import read_labels

    options = {"pheno": pheno, "trait": trait, "trait_kind": trait_kind}
    spec = data_spec(data, "smoke", options)
    cohort, table = _everybody(spec)
    try:
        found = read_labels(spec, cohort.samples, table, cohort.trait)
    except GenobenchError as error:
        if not spec.is_path or any(value is not None for value in options.values()):
            raise
        warnings.warn(f"{data}: read without a trait: {error}", stacklevel=2)
        return cohort
    return cohort.with_trait(None).take(found.people).with_trait(found.trait)


def load_split(data: str | Path | None = None, **options: Unpack[DataOptions]) -> Split:
    """The four groups that a benchmark makes of a data set: train, validation, test, control.

    Quality control, split by person and choice of SNPs are those of `run`.

    Parameters
    ----------
    data
        A name of ``genobench list data``, or the path of a .bed; None: the embedded cohort.
    **options
        See `DataOptions`.

    Examples
    --------
    >>> split = genobench.load_split("cohort.bed", snps=12, group="none")
    >>> split.train.n, split.validation.n, split.test.n, split.control.n, split.train.m
    (120, 24, 48, 48, 12)
    """
    from genobench.data.prepare import prepare

    return prepare(data_spec(data, "smoke", options)).split


def run(
    models: Several = "all",
    *,
    suite: str = "smoke",
    data: str | Path | None = None,
    tasks: Several = "all",
    seeds: int | Several | None = None,
    device: str = "auto",
    jobs: int | None = None,
    out: str | Path = "runs",
    overwrite: str = "only-missing",
    timeout: float | str | None = None,
    memory: int | str | None = None,
    device_memory: int | str | None = None,
    gpus_per_fit: int = 1,
    cluster: str = "",
    cluster_tls: Several | None = None,
    progress: bool = True,
    **options: Unpack[DataOptions],
) -> RunResult:
    """Run a benchmark, or what is missing of it: ``genobench run``.

    Models run in processes of their own, so that one of yours has to be in a file
    (``my_model.py:MyModel``), not in a cell of a notebook.

    Parameters
    ----------
    models, tasks
        ``"a,b"`` as on the command line, or a list; of models also members of `generators`.
    suite, data, device, jobs, out, overwrite, gpus_per_fit, cluster, cluster_tls
        As on the command line.
    seeds
        ``"0-4"``, a number, or several; None: the suite's.
    timeout, memory, device_memory
        Per job: seconds or ``"2h"``; bytes or ``"16G"``.
    progress
        Whether standard error tells what is going on.
    **options
        See `DataOptions`.

    Raises
    ------
    GenobenchError
        For what was asked wrongly. A job that fails raises nothing; see `RunResult.problems`.

    Examples
    --------
    >>> result = genobench.run(
    ...     ["real", "hwe"], data="cohort.bed", snps=12, group="none", tasks="association",
    ...     seeds=0, jobs=1, device="cpu", out="runs", progress=False,
    ... )
    >>> result.records[["model", "seed", "status"]].to_dict("list")
    {'model': ['hwe', 'real'], 'seed': [0, 0], 'status': ['ok', 'ok']}
    >>> list(result.leaderboard("association").index)
    ['real', 'hwe']
    >>> list(result.table("association").loc[("z_correlation", "hwe")].index[:3])
    ['value', 'low', 'high']
    """
    from genobench.commands.progress import watch
    from genobench.results import of_run
    from genobench.run.benchmark import run_benchmark
    from genobench.run.request import RunOptions

    wanted = RunOptions(
        out=Path(out),
        models=read("models", models),
        tasks=read("tasks", tasks),
        suite=suite,
        data=data_spec(data, suite, options),
        seeds=read("seeds", seeds) or (),
        device=device,
        jobs=read("jobs", jobs),
        timeout_seconds=read("timeout", timeout),
        memory_bytes=read("memory", memory),
        device_memory_bytes=read("device_memory", device_memory),
        gpus_per_fit=read("gpus_per_fit", gpus_per_fit),
        overwrite=overwrite,  # type: ignore[arg-type]
        cluster=cluster,
        cluster_tls=tuple(map(Path, read("cluster_tls", cluster_tls) or ())),
    )
    with watch() if progress else nullcontext(_silent) as listener:
        summary = run_benchmark(wanted, listener)
    return of_run(wanted.out, summary)


def score(
    synthetic: Data,
    *,
    train: Data,
    test: Data,
    reference: Data | None = None,
    pheno: str | Path | None = None,
    trait: str | None = None,
    tasks: Several | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ScoreResult:
    """Judge a synthetic cohort that somebody made: ``genobench score``.

    Parameters
    ----------
    synthetic, train, test, reference
        Cohorts, or paths of .bed files.
    pheno, trait, tasks, seed
        As on the command line.
    progress
        Whether standard error tells what is going on.

    Raises
    ------
    GenobenchError
        As `genobench.commands.intake.read`.

    Examples
    --------
    >>> found = genobench.score(
    ...     "synthetic.bed", train="train.bed", test="test.bed", tasks="association"
    ... )
    >>> print(found.verdicts[0])
    A GWAS finds in the file what it finds in fresh real people (z against test people 0...
    >>> print(found.metrics.loc[("association", "hit_recall", "synthetic.bed"), "value"])
    0.5
    >>> found.to_markdown().splitlines()[0]
    '# synthetic.bed'
    """
    import tempfile

    from genobench.commands.making import say
    from genobench.results import of_score

    given = {"synthetic": synthetic, "train": train, "test": test, "reference": reference}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: _bed(Path(folder, f"{name}.bed"), who) for name, who in given.items()}
        rest = {"pheno": pheno, "trait": trait, "tasks": tasks}
        options = {**paths, **{name: read(name, value) for name, value in rest.items()}}
        return of_score({**options, "seed": seed}, say if progress else _silent)


class RunPackage(ModuleType):
    """What makes the package `genobench.run` callable: it bears the name of the function."""

    def __call__(self, *args: Any, **kwargs: Any) -> RunResult:
        return run(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        return inspect.signature(run)


def _silent(event: object) -> None:
    """Listener that tells nothing."""


def _everybody(spec: DataSpec) -> tuple[Cohort, Path | None]:
    """All people of a data set, with the trait that came with them, and their phenotype table."""
    from genobench.commands.making import say
    from genobench.data import catalogue, public, simulate
    from genobench.data.filesets import scan_sets
    from genobench.data.plink import read_plink, scan_plink
    from genobench.data.source import PlinkSource

    if spec.is_path:
        source = PlinkSource(*scan_sets(spec.name))
        return source.read(source.samples.index.to_numpy()), spec.pheno
    if catalogue.find(spec.name).files:
        local = public.get(spec.name, say=say)
        return read_plink(scan_plink(local.bed)), spec.pheno or local.pheno
    return simulate.embedded(), spec.pheno


def _bed(path: Path, who: Data | None) -> Path | None:
    """The file that holds them; a cohort in memory is written to ``path``."""
    from genobench.cohort import Cohort
    from genobench.data.plink import write_plink

    if isinstance(who, Cohort):
        return write_plink(who, path)
    return None if who is None else Path(who)

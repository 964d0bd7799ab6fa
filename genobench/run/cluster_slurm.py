"""Workers as jobs of Slurm: a profile in TOML, and the cluster that dask-jobqueue makes of it."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError
from genobench.run.cluster_crew import RESOURCE


@dataclass(frozen=True)
class Profile:
    """One kind of Slurm job, in each of which one worker runs.

    Attributes
    ----------
    cores, memory, walltime
        Of one worker: ``8``, ``"64GB"``, ``"12:00:00"``.
    workers
        How many are asked for.
    gpus
        Of one worker; with 1 it asks for ``--gres=gpu:1``.
    jobs_per_worker
        Jobs at a time in one worker, which share its cores, memory and GPU.
    queue, account
        Partition and account; empty: Slurm's defaults.
    directives
        Further ``#SBATCH`` words, such as ``"--exclude=node7"``.
    setup
        Lines of shell before the worker starts, such as ``"module load cuda"``.
    python
        Interpreter on the nodes; empty: the one that runs now, by its path.
    local_directory
        Scratch folder on the nodes: the split and the samples of running jobs lie there.
    shared_directory
        Folder that this machine and the nodes have in common, for the run's own certificates;
        empty: the one that the command is given in.
    interface
        Network interface, such as ``ib0``; empty: the default one.
    """

    cores: int
    memory: str
    walltime: str
    workers: int = 1
    gpus: int = 0
    jobs_per_worker: int = 1
    queue: str = ""
    account: str = ""
    directives: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    python: str = ""
    local_directory: str = ""
    shared_directory: str = ""
    interface: str = ""

    @property
    def memory_bytes(self) -> int:
        """Of one worker."""
        from dask.utils import parse_bytes

        return int(parse_bytes(self.memory))


def read_profile(path: Path) -> Profile:
    """The profile in a TOML file.

    Raises
    ------
    GenobenchError
        When it is not there, not TOML, lacks a field, has one too many or one of another kind.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise GenobenchError(
            f"{path}: not a readable profile of Slurm ({error}); docs/scale.md has an example"
        ) from error
    _check(path, content)
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    profile = Profile(**given)
    try:
        enough = profile.memory_bytes > 0
    except ValueError:
        enough = False
    if not enough:
        raise GenobenchError(f'{path}: memory = "{profile.memory}": say it as in "64GB"')
    if profile.gpus > 1:
        raise GenobenchError(f"{path}: gpus = {profile.gpus}: a worker has one GPU or none; ask "
                             "for more workers")  # fmt: skip
    if profile.jobs_per_worker > profile.cores:
        raise GenobenchError(
            f"{path}: jobs_per_worker = {profile.jobs_per_worker} on {profile.cores} cores: each "
            "job needs one"
        )
    return profile


def slurm_cluster(profile: Profile, security: Any = None) -> Any:
    """A SLURMCluster whose scheduler runs here; no job is submitted before it is scaled.

    Parameters
    ----------
    profile
        Of its workers.
    security
        A Dask `Security`; True: certificates made now, for this run alone; None: not encrypted,
        or as distributed is set to.

    Raises
    ------
    GenobenchError
        When dask-jobqueue, or what makes certificates, is not installed.
    """
    needed = {"dask_jobqueue": "dask-jobqueue"}
    if security is True:
        needed["cryptography"] = "cryptography (or --cluster-tls with files of your own)"
    for module, name in needed.items():
        if importlib.util.find_spec(module) is None:
            raise GenobenchError(
                f"--cluster slurm: needs {name}, which is not installed: pip install "
                "'genobench[cluster]'"
            )
    from dask_jobqueue import SLURMCluster

    gpus = [f"--gres=gpu:{profile.gpus}"] if profile.gpus else []
    given = {
        "queue": profile.queue,
        "account": profile.account,
        "python": profile.python,
        "local_directory": profile.local_directory,
        "interface": profile.interface,
        "security": security,
    }
    return SLURMCluster(
        cores=profile.cores,
        processes=1,
        job_name="genobench",
        memory=profile.memory,
        walltime=profile.walltime,
        job_extra_directives=[*gpus, *profile.directives],
        job_script_prologue=list(profile.setup),
        shared_temp_directory=profile.shared_directory or str(Path.cwd()),
        worker_extra_args=["--resources", f"{RESOURCE}={profile.jobs_per_worker}"],
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        **{name: value for name, value in given.items() if value},
    )


def forget_certificates(cluster: Any) -> None:
    """Remove the files of a run's own certificates; dask-jobqueue keeps them while it exists."""
    for name, held in vars(cluster).items():
        if name.startswith("_job_") and hasattr(held, "close"):
            held.close()


def _check(path: Path, content: Mapping[str, Any]) -> None:
    """Raise what is wrong with the fields of a profile."""
    known = {f.name: f for f in fields(Profile)}
    if unknown := sorted(set(content) - set(known)):
        raise GenobenchError(f"{path}: unknown {unknown[0]}; a profile has {', '.join(known)}")
    if missing := [name for name in ("cores", "memory", "walltime") if name not in content]:
        raise GenobenchError(f"{path}: {missing[0]} is missing; docs/scale.md has an example")
    for name, value in content.items():
        kind = str(known[name].type)
        if kind == "int" and (type(value) is not int or value < (0 if name == "gpus" else 1)):
            raise GenobenchError(f"{path}: {name} = {value!r}: a whole number of 1 or more")
        if kind == "str" and not isinstance(value, str):
            raise GenobenchError(f"{path}: {name} = {value!r}: a text, in quotes")
        if kind.startswith("tuple") and not (
            isinstance(value, list) and all(isinstance(v, str) for v in value)
        ):
            raise GenobenchError(f"{path}: {name} = {value!r}: a list of texts, in quotes")

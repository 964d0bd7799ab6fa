"""What ``--cluster`` says: which Dask cluster runs the jobs, and how it is reached or started."""

from __future__ import annotations

import importlib.util
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.run import environment, executor
from genobench.run.job import Device
from genobench.run.request import MEMORY_SHARE

if TYPE_CHECKING:
    from genobench.run.cluster import Cluster
    from genobench.run.cluster_slurm import Profile

FORMS = "tcp://HOST:PORT, tls://HOST:PORT, local:N or slurm:profile.toml"
CONNECT_SECONDS = 10
WORKER_SECONDS = 30.0  # for the first worker, when it must be asked what it is
LOOPBACK = ("127.", "localhost", "[::1]")
OPEN = (Path("none"),)  # --cluster-tls none: in the clear, on purpose


@dataclass(frozen=True)
class Where:
    """One cluster, by its name on the command line.

    Attributes
    ----------
    text
        As given.
    workers
        Of ``local:N``; 0 otherwise.
    profile
        Of ``slurm:``; None otherwise.
    tls
        Files of authority, certificate and key; empty: none are named.
    in_the_clear
        Whether nothing need be encrypted.
    """

    text: str
    workers: int
    profile: Profile | None
    tls: tuple[Path, ...]
    in_the_clear: bool = False

    @property
    def address(self) -> str:
        """Of a scheduler that runs already; empty when one is started."""
        return "" if self.workers or self.profile else self.text


@dataclass(frozen=True)
class Surroundings:
    """What jobs find on a cluster: ``auto`` resolved, bytes for one job, jobs at a time."""

    device: Device
    memory_bytes: int
    jobs: int


def parsed(text: str, tls: tuple[Path, ...]) -> Where:
    """What ``--cluster`` and ``--cluster-tls`` mean; nothing is connected.

    Raises
    ------
    GenobenchError
        When Dask is not installed, the words are none of `FORMS`, or genotypes would travel in
        the clear and nobody said that they may.
    """
    _require_dask()
    in_the_clear, tls = tls == OPEN, () if tls == OPEN else tls
    if tls and (len(tls) != 3 or not all(path.is_file() for path in tls)):
        names = ",".join(map(str, tls))
        raise GenobenchError(
            f"--cluster-tls {names}: three files that exist are needed: ca.pem,cert.pem,key.pem"
        )
    if local := re.fullmatch(r"local:([1-9]\d*)", text):
        return Where(text, int(local[1]), None, tls, in_the_clear)
    if text.startswith("slurm:"):
        from genobench.run.cluster_slurm import read_profile

        profile = read_profile(Path(text.removeprefix("slurm:")))
        return Where(text, 0, profile, tls, in_the_clear)
    if not re.fullmatch(r"(tcp|tls)://[^/\s]+:\d+", text):
        raise GenobenchError(f"--cluster {text}: one of {FORMS}")
    if tls and text.startswith("tcp://"):
        raise GenobenchError(f"--cluster {text}: with --cluster-tls it is tls://, not tcp://")
    if _is_open(text) and not in_the_clear:
        raise GenobenchError(
            f"--cluster {text}: genotypes, and orders to run code, would travel in the clear. "
            "Use tls:// (docs/scale.md shows how), or add --cluster-tls none where the network is "
            "yours alone"
        )
    return Where(text, 0, None, tls, in_the_clear)


def surroundings(where: Where, device: str, memory_bytes: int | None) -> Surroundings:
    """What a run on ``where`` has; a scheduler that runs is asked what the options leave open."""
    if where.workers:
        share = int(environment.memory_bytes() * MEMORY_SHARE / where.workers)
        return Surroundings(executor.resolve_device(device), memory_bytes or share, where.workers)
    if where.profile is not None:
        profile = where.profile
        auto: Device = "cuda" if profile.gpus else "cpu"
        known = auto if device == "auto" else executor.resolve_device(device)
        share = int(profile.memory_bytes * MEMORY_SHARE / profile.jobs_per_worker)
        return Surroundings(known, memory_bytes or share, profile.workers * profile.jobs_per_worker)
    if device != "auto" and memory_bytes is not None:
        return Surroundings(executor.resolve_device(device), memory_bytes, 1)
    return _asked(where, device, memory_bytes)


@contextmanager
def opened(
    where: Where, device: Device, jobs: int | None, say: Callable[[str], None]
) -> Iterator[Cluster]:
    """The cluster, ready to execute; what was started for it is stopped at the end."""
    from genobench.run.cluster import Cluster
    from genobench.run.cluster_crew import Crew

    with _connected(where) as client:
        if _is_open(client.scheduler.address):
            say(f"{where.text}: not encrypted; genotypes travel in the clear: see docs/scale.md")
        cluster = Cluster(Crew(client, where.text, device, say), jobs)
        try:
            yield cluster
        finally:
            if client.status == "running":
                cluster.carrier.tidy()


@contextmanager
def _connected(where: Where) -> Iterator[Any]:
    """A Dask client of the scheduler, which is started unless it runs already."""
    from distributed import Client

    with ExitStack() as stack:
        address: Any = where.address or stack.enter_context(_started(where))
        security = _security(where.tls)
        try:
            client = Client(
                address,
                timeout=CONNECT_SECONDS,
                set_as_default=False,
                **({"security": security} if security else {}),
            )
        except (OSError, ValueError, TypeError) as error:
            raise GenobenchError(
                f"--cluster {where.text}: no Dask scheduler can be reached there ({error}); start "
                "one with `dask scheduler`, and workers with `dask worker`"
            ) from error
        stack.callback(client.close, timeout=2)
        if where.workers:
            client.wait_for_workers(where.workers, timeout=60)
        yield client


@contextmanager
def _started(where: Where) -> Iterator[Any]:
    """A cluster of this run's own."""
    if where.profile is not None:
        from genobench.run.cluster_slurm import forget_certificates, slurm_cluster

        made = None if where.in_the_clear or _configured() else True  # certificates of this run
        with slurm_cluster(where.profile, _security(where.tls) or made) as cluster:
            cluster.scale(jobs=where.profile.workers)
            try:
                yield cluster
            finally:
                forget_certificates(cluster)
        return
    from distributed import LocalCluster

    security = _security(where.tls)
    with (
        tempfile.TemporaryDirectory(prefix="genobench-") as scratch,
        LocalCluster(
            n_workers=where.workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,
            local_directory=scratch,
            preload="genobench.run.cluster_worker",
            silence_logs=50,
            **({"security": security, "protocol": "tls://"} if security else {}),
        ) as cluster,
    ):
        yield cluster


def _asked(where: Where, device: str, memory_bytes: int | None) -> Surroundings:
    """What the workers of a running scheduler are; the first must come soon."""
    from genobench.run.cluster_crew import Crew

    with _connected(where) as client:
        crew = Crew(client, where.text, None, lambda _: None)
        deadline = time.monotonic() + WORKER_SECONDS
        crew.look()
        while not crew.places:
            if crew.aside:
                crew.require()
            if time.monotonic() > deadline:
                raise GenobenchError(
                    f"--cluster {where.text}: no worker is there yet; start one with `dask worker "
                    f"{where.text}`, or say --device and --memory, and its jobs wait for workers"
                )
            time.sleep(0.2)
            crew.look()
        places = list(crew.places.values())
        auto: Device = "cuda" if any(place.gpus for place in places) else "cpu"
        share = int(MEMORY_SHARE * min(crew.memory_share(place) for place in places))
        known = auto if device == "auto" else executor.resolve_device(device)
        return Surroundings(known, memory_bytes or share, sum(p.jobs for p in places))


def _require_dask() -> None:
    if importlib.util.find_spec("distributed") is None:
        raise GenobenchError(
            "--cluster needs Dask, which is not installed: pip install 'genobench[cluster]'"
        )


def _security(tls: tuple[Path, ...]) -> Any:
    """The three files in every role; None leaves it to distributed's own configuration."""
    if not tls:
        return None
    from distributed import Security

    authority, certificate, key = map(str, tls)
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=authority,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )


def _configured() -> bool:
    """Whether distributed's own settings name certificates."""
    import dask
    import distributed

    assert distributed.__version__  # reading its settings is what importing it does
    return dask.config.get("distributed.comm.tls.ca-file", None) is not None


def _is_open(address: str) -> bool:
    """Whether others on the network can read what goes to a scheduler, or send it orders."""
    scheme, _, host = address.partition("://")
    return scheme == "tcp" and not host.startswith(LOOPBACK)

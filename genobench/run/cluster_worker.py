"""The far end of a cluster: what a Dask worker does for a benchmark.

It keeps what it was sent in its own scratch folder, starts the same child process as a local run
within the same limits, and says what the child says. Functions here are called by name from
`genobench.run.cluster`; none of them writes outside that folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from genobench import registry
from genobench.errors import GenobenchError
from genobench.run import environment
from genobench.run.child import Ended, Slot
from genobench.run.cluster_parcel import BUNDLES, MADE, unpacked
from genobench.run.executor import Queue, Work, execute, visible_gpus
from genobench.run.fork_server import ForkServers
from genobench.run.job import Limits
from genobench.run.record import without_ids

PART = ".part"
LIVE = ("phase", "learning")  # said at once; results are said when all is done
LOG = "log"
OPEN = ("running", "paused", "closing_gracefully")  # a worker that has not begun to close


class UnwantedError(Exception):
    """Nobody waits for this job any more."""


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that started this one; for workers of a run's own."""
    signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN, not inherited by children


@cache
def servers() -> ForkServers:
    """Of this process, for all that is carried out in it; they begin anew with the next run."""
    return ForkServers()


def greet() -> dict[str, Any]:
    """What a worker is: its software, and what it has to offer."""
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {
        "software": environment.software(),
        "host": socket.gethostname(),
        "cores": affinity or list(range(environment.cores())),
        "gpus": visible_gpus(),
        "memory": environment.memory_bytes(),
    }


def receive(run: str, name: str, at: int, content: bytes, dask_worker: Any = None) -> None:
    """One piece of a file of ``run``; the folders on its way are made."""
    path = _home(dask_worker, run) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab" if at else "wb") as file:
            if file.tell() != at:
                raise GenobenchError(f"{path}: a piece is missing before byte {at}; run again")
            file.write(content)
    except OSError as error:
        raise _unwritable(path, error) from error


def settle(run: str, name: str, dask_worker: Any = None) -> None:
    """All files of the folder ``name.part`` are there."""
    path = _home(dask_worker, run) / name
    if not path.exists():
        path.with_name(path.name + PART).rename(path)


def hand_out(run: str, name: str, at: int, count: int, dask_worker: Any = None) -> bytes:
    """``count`` bytes of a file of ``run``."""
    with (_home(dask_worker, run) / name).open("rb") as file:
        file.seek(at)
        return file.read(count)


def discard(run: str, name: str = "", dask_worker: Any = None) -> None:
    """Remove one folder of ``run``, or all it has left here, servers among it."""
    if not name:
        servers().close()
    shutil.rmtree(_home(dask_worker, run) / name, ignore_errors=True)


def carry_out(
    order: Mapping[str, Any],
    *,
    slot: Mapping[str, Any],
    limits: Mapping[str, Any],
    run: str,
    attempt: str,
) -> dict[str, Any]:
    """Do what ``order`` says in a child process.

    Returns
    -------
    ``ended``, the fields of `Ended`; ``messages``, what the child said, without what was said live;
    ``log``, what it printed; ``made``, the bytes of what it made, None when it made nothing.

    Raises
    ------
    UnwantedError
        When the job was cancelled, or this worker closes; the child was stopped.
    """
    from distributed import get_worker

    worker = get_worker()
    home = _home(worker, run)
    own = home / attempt
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    here = unpacked(order, home / BUNDLES, own)
    _same_plugins(here)
    said: list[dict[str, Any]] = []
    ends: list[Ended] = []

    def hear(message: dict[str, Any]) -> None:
        if message.get("at") in LIVE:
            worker.log_event(run, {"attempt": attempt, "message": message})
        else:
            said.append(message)

    work = Work(here, Limits(**limits), own / LOG, on_end=ends.append, on_message=hear)
    try:
        execute(Queue([work]), [Slot(**slot)], _while_wanted(worker), servers())
    except UnwantedError:
        shutil.rmtree(own if _others(worker, run) else home, ignore_errors=True)
        raise
    made = own / MADE
    return {
        "ended": _nameless(ends[0]),
        "messages": said,
        "log": "\n".join(without_ids((own / LOG).read_text(errors="replace").split("\n"))).encode(),
        "made": made.stat().st_size if made.exists() else None,
    }


def _while_wanted(worker: Any) -> Callable[[], None]:
    """Raises once the scheduler has withdrawn the task that runs now, or the worker closes.

    Dask does not interrupt threads: without this a job would outlive the run that asked for it.
    """
    key = worker.get_current_task()

    def look() -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing" or worker.status.name not in OPEN:
            raise UnwantedError(str(key))

    return look


def _nameless(ended: Ended) -> dict[str, Any]:
    """How the child ended, without the names of this machine and its user."""
    fields = asdict(ended)
    fields["last_lines"] = tuple(without_ids(ended.last_lines))
    if ended.error is not None:
        (message,) = without_ids([str(ended.error["message"])])
        fields["error"] = {**ended.error, "message": message}
    return fields


def _others(worker: Any, run: str) -> bool:
    """Whether other jobs of ``run`` are still wanted here."""
    tasks = dict(worker.state.tasks)
    return any(str(k).startswith(run) and t.state == "executing" for k, t in tasks.items())


def _home(worker: Any, run: str) -> Path:
    return Path(worker.local_directory) / "genobench" / run


def _same_plugins(order: Mapping[str, Any]) -> None:
    """Installed plug-ins must be those of the machine that asks."""
    if order["mode"] == "reference":
        asked = [(registry.find_task, order["spec"], order["sha256"])]
    else:
        asked = [(registry.find_task, task["spec"], task["sha256"]) for task in order["tasks"]]
        found = registry.find_generator(order["spec"])
        _require(found, order["plugin_sha256"])
    for find, spec, sha256 in asked:
        _require(find(spec), sha256)


def _require(plugin: registry.GeneratorPlugin | registry.TaskPlugin, sha256: str) -> None:
    if plugin.module and plugin.checksum != sha256:
        raise GenobenchError(
            f"worker on {socket.gethostname()}: {plugin.name} is of another source than here; "
            "install the same genobench and plug-ins on all workers, restart them, and run again"
        )


def _unwritable(path: Path, error: OSError) -> GenobenchError:
    return GenobenchError(
        f"worker on {socket.gethostname()}: {path}: cannot be written "
        f"({error.strerror or error}); give its --local-directory more room, and run again"
    )

"""Where a run keeps its results: one folder, one writer, every file complete or absent."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from genobench import bounded
from genobench.errors import GenobenchError
from genobench.run import record
from genobench.run.seal import is_ours, seal

PART = ".part"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
SPARE_BYTES = 64 * 2**20  # for records, logs and references, beside the samples


class Store:
    """The folder of one benchmark.

    ``records/<key>.json``, ``logs/<key>.log``, ``samples/<key>.npy``, ``data/<data_key>/``,
    ``references/<task>-<key>.safetensors``, ``lock``.

    Parameters
    ----------
    root
        The folder, ``--out`` on the command line; made when absent.
    """

    folders = ("records", "logs", "samples", "data", "references")

    def __init__(self, root: Path) -> None:
        self.root = root

    def record_path(self, key: str) -> Path:
        """Record of one job."""
        return self.root / "records" / f"{key}.json"

    def log_path(self, key: str) -> Path:
        """What a job printed."""
        return self.root / "logs" / f"{key}.log"

    def sample_path(self, key: str) -> Path:
        """Synthetic genotypes of one job."""
        return self.root / "samples" / f"{key}.npy"

    def data_folder(self, data_key: str) -> Path:
        """A prepared data set."""
        return self.root / "data" / data_key

    def reference_path(self, task: str, key: str) -> Path:
        """A task's statistics of the real people."""
        return self.root / "references" / f"{task}-{key}.safetensors"

    @contextmanager
    def locked(self) -> Iterator[Store]:
        """Make the folder and be its only writer until the block ends or the process dies.

        Raises
        ------
        GenobenchError
            When it cannot be written to, or another process writes to it: its pid is named.
        """
        with _refusals(self.root):
            for name in self.folders:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            handle = (self.root / "lock").open("a+")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                owner = handle.read().strip() or "unknown"
                raise GenobenchError(
                    f"{self.root}: another run (process {owner}) writes to this folder; wait for "
                    "it, stop it, or give another --out"
                ) from error
            with _refusals(self.root):
                handle.truncate(0)
                handle.write(f"{os.getpid()}\n")
                handle.flush()
                self._clean()
            yield self

    def require_space(self, needed: int) -> None:
        """Refuse to begin what the disk cannot hold: ``needed`` bytes and some to spare."""
        free = shutil.disk_usage(self.root).free
        if free < needed + SPARE_BYTES:
            raise GenobenchError(
                f"{self.root}: {free / 2**20:,.0f} MiB are free, the samples of this run need "
                f"{(needed + SPARE_BYTES) / 2**20:,.0f} MiB; free some, or give another --out"
            )

    def write_record(self, content: Mapping[str, Any]) -> None:
        """Write one record, replacing an older one of the same key.

        Raises
        ------
        GenobenchError
            When the record breaks the schema, or cannot be written; then the old one stands.
        """
        path = self.record_path(str(content["key"]))
        text = record.to_json(content, where=path.name)
        with _refusals(path):
            write_bytes(path, text.encode())

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file of the store, complete or not at all."""
        with _refusals(path):
            write_bytes(path, text.encode())

    def read_record(self, key: str) -> dict[str, Any] | None:
        """Record of one job, or None when there is none; see `read_record` for errors."""
        path = self.record_path(key)
        return read_record(path) if path.exists() else None

    def records(self) -> list[dict[str, Any]]:
        """All records, checked; see `read_records`."""
        return read_records(self.root / "records")

    def note_specs(self, specs: Mapping[str, str]) -> None:
        """Remember where plug-ins of the user's own lie (checksum -> ``path/file.py:Class``).

        Likewise files of settings, by the entrant's name. For repeating a job on this machine;
        records name the file without its folders.
        """
        known = self.specs()
        if specs.keys() <= known.keys() and all(known[k] == v for k, v in specs.items()):
            return
        path = self.root / "plugins.json"
        noted = known | dict(specs)
        text = json.dumps({"specs": noted, "seal": seal(_spelt(noted))}, indent=1) + "\n"
        self.write_text(path, text)

    def specs(self) -> dict[str, str]:
        """What `note_specs` has remembered here; nothing of what came with somebody's folder.

        Code is loaded from these places, so that nobody else may name them.
        """
        try:
            noted = bounded.read_json(self.root / "plugins.json")
            specs = {str(k): str(v) for k, v in noted["specs"].items()}
            return specs if is_ours(_spelt(specs), noted["seal"]) else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def redact_log(self, key: str, people: Callable[[], Collection[str]]) -> None:
        """Take ids of people and the machine's name out of what a job printed."""
        path = self.log_path(key)
        if not path.exists() or not path.stat().st_size:
            return
        text = path.read_text(errors="replace")
        clean = "\n".join(record.without_ids(text.split("\n"), people()))
        if clean != text:
            with _refusals(path):
                write_bytes(path, clean.encode())

    @contextmanager
    def building(self, folder: Path) -> Iterator[Path]:
        """Scratch folder that becomes ``folder`` when the block ends well."""
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}{PART}")
        try:
            with _refusals(folder):
                scratch.mkdir()
            with _refusals(folder, only=DISK_ERRORS):  # other errors are the block's own
                yield scratch
            with _refusals(folder):
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _clean(self) -> None:
        """Remove what killed runs left half-written. Only the lock's owner may."""
        for name in self.folders:
            for path in (self.root / name).glob(f".*{PART}"):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let ``write`` fill a file that appears under ``path`` complete, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """The whole of a file, or nothing of it; see `write_whole`."""
    write_whole(path, lambda file: file.write(content))


def read_record(path: Path) -> dict[str, Any]:
    """The record in one file.

    Raises
    ------
    GenobenchError
        When it is not JSON, of another schema version, breaks the schema, or is not of the job
        that its file name says. It is neither used nor touched; the message says what to do.
    """
    advice = "move the file away, then run again: its job is repeated"
    try:
        content = bounded.read_json(path)
    except (OSError, ValueError) as error:
        raise GenobenchError(f"{path}: not a readable record ({error}); {advice}") from error
    version = content.get("schema") if isinstance(content, dict) else None
    if version != record.SCHEMA:
        raise GenobenchError(
            f"{path}: a record of schema {version!r}, this genobench reads schema {record.SCHEMA}; "
            "read it with the version that wrote it, or give another --out"
        )
    try:
        record.check(content, where=str(path))
    except GenobenchError as error:
        raise GenobenchError(f"{error}; {advice}") from error
    if content["key"] != path.stem:
        raise GenobenchError(f"{path}: holds the record of job {content['key']}; {advice}")
    return dict(content)


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder in the order of their keys, each checked as by `read_record`."""
    return [read_record(path) for path in sorted(folder.glob("[!.]*.json"))]


def _spelt(specs: Mapping[str, str]) -> str:
    return json.dumps(specs, sort_keys=True)


@contextmanager
def _refusals(path: Path, only: Collection[int] = ()) -> Iterator[None]:
    """Turn what a disk refuses (all of it, or the error numbers ``only``) into a message."""
    try:
        yield
    except OSError as error:
        cut_short = type(error) is OSError and error.errno is None  # as numpy says it
        if only and error.errno not in only and not cut_short:
            raise
        raise GenobenchError(
            f"{path}: cannot be written ({error.strerror or error}). Records written so far are "
            "safe: make room or give another --out, and run again; only what is missing is run"
        ) from error

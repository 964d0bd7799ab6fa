"""Files of one run on their way to the workers of a cluster, and back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from genobench.errors import GenobenchError
from genobench.run import cluster_worker
from genobench.run.cluster_crew import Crew, Place, WorkerLostError
from genobench.run.cluster_parcel import BUNDLES, MADE, PIECE_BYTES, Parcel, pieces
from genobench.run.store import write_whole


class Carrier:
    """Sends and fetches in pieces; every call raises `WorkerLostError` when nobody answers.

    Parameters
    ----------
    crew
        The workers.
    run
        Name of their folder for this run.
    """

    def __init__(self, crew: Crew, run: str) -> None:
        self.crew, self.run = crew, run

    def send(self, place: Place, parcel: Parcel, folder: str) -> None:
        """What a job needs and its worker has not; what is its alone goes to ``folder``."""
        for bundle in parcel.bundles:
            if bundle.key in place.sent:
                continue
            name = f"{BUNDLES}/{bundle.key}"
            for file, path in bundle.files.items():
                self._send_file(place, path, f"{name}{cluster_worker.PART}/{file}")
            self.crew.ask(place, cluster_worker.settle, self.run, name)
            place.sent.add(bundle.key)
        for file, path in parcel.own.items():
            self._send_file(place, path, f"{folder}/{file}")

    def fetch(self, place: Place, parcel: Parcel, folder: str, size: int | None) -> None:
        """Store the ``size`` bytes that a job made where a job on this machine would have.

        Raises
        ------
        GenobenchError
            When the disk here refuses them.
        """
        if size is None or parcel.result is None:
            return

        def write(file: IO[bytes]) -> None:
            for at in range(0, size, PIECE_BYTES):
                count = min(PIECE_BYTES, size - at)
                file.write(self._piece(place, f"{folder}/{MADE}", at, count))

        try:
            write_whole(parcel.result, write)
        except OSError as error:
            raise GenobenchError(
                f"{parcel.result}: cannot be written ({error.strerror or error}). Records written "
                "so far are safe: make room, and run again; only what is missing is run"
            ) from error

    def discard(self, place: Place, folder: str) -> None:
        """Remove a job's folder from its worker, if that is still there."""
        with suppress(WorkerLostError):
            self.crew.ask(place, cluster_worker.discard, self.run, folder)

    def tidy(self) -> None:
        """Remove all that this run has sent."""
        with suppress(OSError, GenobenchError):
            if workers := self.crew.present():
                self.crew.call(workers, cluster_worker.discard, self.run, on_error="ignore")

    def _send_file(self, place: Place, path: Path, name: str) -> None:
        for at, content in pieces(path):
            self.crew.ask(place, cluster_worker.receive, self.run, name, at, content)

    def _piece(self, place: Place, name: str, at: int, count: int) -> bytes:
        content: bytes = self.crew.ask(place, cluster_worker.hand_out, self.run, name, at, count)
        if len(content) != count:
            raise WorkerLostError(f"it has lost {name}")
        return content

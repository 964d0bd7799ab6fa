"""One task's statistics of the real people: prepared once, stored, read for every score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench import bounded, registry
from genobench.errors import GenobenchError
from genobench.run.lifeline import Messages
from genobench.run.read_ahead import split_in
from genobench.run.store import write_bytes
from genobench.task import unmet


def prepare_reference(order: Mapping[str, Any], messages: Messages) -> None:
    """Compute one task's statistics of the real people and store them."""
    from safetensors.numpy import save

    split = split_in(Path(order["data"]))
    plugin = registry.find_task(order["spec"])
    plugin.require(order["sha256"])
    if lacking := unmet(plugin.card, split):
        raise GenobenchError(lacking)
    statistics = plugin.load()().prepare(split, seed=order["seed"])
    arrays = {name: np.ascontiguousarray(value) for name, value in statistics.items()}
    messages.phase("save")
    content = save(arrays, metadata={"sha256": statistics_checksum(arrays)})
    write_bytes(Path(order["path"]), content)


def stored_reference(path: Path) -> dict[str, NDArray[Any]]:
    """Statistics that `prepare_reference` stored, if they are still what it stored."""
    from safetensors import safe_open

    try:
        arrays = bounded.read_tensors(path)
        with safe_open(path, "numpy") as file:
            noted = (file.metadata() or {}).get("sha256")
        if noted not in (None, statistics_checksum(arrays)):
            raise ValueError("its checksum is another")
    except (OSError, ValueError) as error:
        raise GenobenchError(
            f"{path}: damaged ({error}); delete the file and run again with --overwrite failed: "
            "the statistics are made anew, nothing is fitted again"
        ) from error
    return arrays


def statistics_checksum(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 (hex) of names, kinds, shapes and contents."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

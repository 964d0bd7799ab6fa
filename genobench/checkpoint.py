"""A fitted generator on disk: its settings as JSON, what it learned as safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import genobench
from genobench import bounded
from genobench.errors import GenobenchError

FORMAT = 1
SETTINGS, STATE = "settings.json", "state.safetensors"


def write(
    folder: Path, kind: type, settings: Mapping[str, Any], state: Mapping[str, NDArray[Any]]
) -> None:
    """Write `SETTINGS` and `STATE`, the first with what tells whether both are as they were."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, folder / STATE)
    content = {
        "format": FORMAT,
        "genobench": genobench.__version__,
        "class": kind.__qualname__,
        "settings": dict(settings),
    }
    content["sha256"] = _checksum(content, folder)
    (folder / SETTINGS).write_text(json.dumps(content, indent=2) + "\n")


def read(folder: Path, kind: type) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and state that `write` left for a class of generators.

    Raises
    ------
    GenobenchError
        When a file is missing, damaged or changed since, or when another class or another version
        of genobench wrote it.
    """
    path = folder / SETTINGS
    try:
        content = bounded.read_json(path)
        made = {"format": FORMAT, "genobench": genobench.__version__, "class": kind.__qualname__}
        for key, own in made.items():
            if content[key] != own:
                raise GenobenchError(
                    f"{path}: written with {key} {content[key]}, this is {own}; fit the model again"
                )
        path = folder / STATE
        if content.pop("sha256") != _checksum(content, folder):
            raise GenobenchError(
                f"{folder}: {SETTINGS} or {STATE} was changed after the fit; fit the model again"
            )
        return dict(content["settings"]), bounded.read_tensors(path)
    except FileNotFoundError as error:
        raise GenobenchError(f"{path}: not there; was this model saved?") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise GenobenchError(f"{path}: damaged ({error}); fit the model again") from error


def _checksum(content: Mapping[str, Any], folder: Path) -> str:
    """Of the settings, and of the file beside them (hex)."""
    with (folder / STATE).open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    found.update(json.dumps(content, sort_keys=True).encode())
    return found.hexdigest()

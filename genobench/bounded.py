"""Files that may come from anybody, read up to a size and without running anything in them.

What is wrong with one is an `OSError` or a `ValueError`, whatever the format: who asked knows
what to say about it.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

TEXT_BYTES = 16 * 2**20  # a record has some 30 KiB
TENSOR_BYTES = 16 * 2**30


def read_bytes(path: Path, most: int = TEXT_BYTES) -> bytes:
    """At most ``most`` bytes."""
    _require_size(path, most)
    return path.read_bytes()


def read_text(path: Path, most: int = TEXT_BYTES) -> str:
    """UTF-8 text of at most ``most`` bytes."""
    _require_size(path, most)
    return path.read_text(encoding="utf-8")


def read_json(path: Path, most: int = TEXT_BYTES) -> Any:
    """What a file of JSON holds; not nested too deeply, and text that can be written again."""
    text = read_text(path, most)
    try:
        content = json.loads(text)
        if "\\u" in text:  # halves of a character can be spelt, and not encoded
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return content


def read_toml(path: Path, most: int = TEXT_BYTES) -> dict[str, Any]:
    """The table in a file of TOML."""
    text = read_text(path, most)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_tensors(path: Path, most: int = TENSOR_BYTES) -> dict[str, NDArray[Any]]:
    """Arrays of a safetensors file by name."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    _require_size(path, most)
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _require_size(path: Path, most: int) -> None:
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{size:,} bytes, more than the {most:,} that are read of such a file")

"""Pictures that know what they show, and are drawn anew only when that has changed."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

KEY = "Comment"  # of the text that PNG files may hold


def digest(shown: object, *sources: str) -> str:
    """Of everything that decides how a picture looks.

    Parameters
    ----------
    shown
        Data whose ``repr`` is all of it.
    sources
        Files of the modules that draw them.
    """
    found = hashlib.sha256(f"{version('matplotlib')} {shown!r}".encode())
    for source in sources:
        found.update(Path(source).read_bytes())
    return f"shows {found.hexdigest()}"


def is_drawn(paths: list[Path], of: str) -> bool:
    """Whether all files are there, and each PNG shows what has this digest."""
    return all(path.is_file() for path in paths) and all(
        _text(path) == of for path in paths if path.suffix == ".png"
    )


def _text(png: Path) -> str:
    """What the picture says that it shows; empty where it says nothing or is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(png) as image:
            return str(image.info.get(KEY, ""))
    except (UnidentifiedImageError, OSError):
        return ""

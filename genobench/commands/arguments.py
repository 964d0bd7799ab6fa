"""What people write on the command line, turned into numbers."""

from __future__ import annotations

import argparse
import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def seeds(text: str) -> tuple[int, ...]:
    """``0-4``, ``0,2,5`` or ``0-2,7``: ascending, each once."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of seeds: 0-4 or 0,2,5")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 100_000:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is not a range of seeds: 0-4")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def duration(text: str) -> float:
    """Seconds of ``90``, ``45s``, ``30m``, ``2h``, ``1h30m``, ``1.5h``."""
    plain = text.strip().lower().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", plain)
    total = sum(float(number) * _SECONDS[unit or "s"] for number, unit in parts)
    whole = "".join(number + unit for number, unit in parts) == plain
    bare = sum(not unit for _, unit in parts)
    if not whole or total <= 0 or (bare and len(parts) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: 90s, 30m, 2h or 1h30m")
    return total


def size(text: str) -> int:
    """Bytes of ``16G``, ``512M``, ``1.5GiB``; units are powers of 1,024."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    value = int(float(match[1]) * _BYTES[match[2]]) if match else 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: 512M or 16G")
    return value


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise argparse.ArgumentTypeError("expected a name, or several between commas")
    return tuple(dict.fromkeys(found))


def models(text: str) -> tuple[str, ...]:
    """Models between commas; those inside brackets belong to a model's settings."""
    from genobench.errors import GenobenchError
    from genobench.settings_text import split

    try:
        found = split(text)
    except GenobenchError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not found:
        raise argparse.ArgumentTypeError("expected a model, or several between commas")
    return tuple(dict.fromkeys(found))


def positive(text: str) -> int:
    """Whole number of at least 1."""
    if not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def correlation(text: str) -> float:
    """Number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def simulated_trait(text: str) -> str:
    """Name of the trait that ``h2=0.5,causal=20,seed=1`` asks to simulate."""
    from genobench.data.simulated_trait import SimulatedTrait
    from genobench.errors import GenobenchError

    try:
        return SimulatedTrait.parse(text).name
    except GenobenchError as error:
        raise argparse.ArgumentTypeError(str(error)) from error

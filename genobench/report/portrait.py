"""Portraits: the figures of one sample as shapes that the page can hold, kept beside its record.

A page is made from records, and records hold no people. What figures show of people (densities,
curves, points of synthetic people; nothing of fewer than five real ones) is therefore drawn once,
where the samples are, and kept as a file of a few kilobytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genobench import bounded
from genobench.errors import GenobenchError

SCHEMA = 1
SUFFIX = ".portrait"  # of a file beside its record
SIDE = 1000  # units along either side of a panel; y runs downwards
INK, GUIDE = "ink", "guide"  # colours that follow the page's
KINDS = ("solid", "dashed", "dots", "faint")
MOST = {"panels": 20, "shapes": 40, "texts": 40}
TEXT, CAPTION, PATH, IMAGE = 60, 2000, 20_000, 20_000  # characters at most

_COLOUR = re.compile(rf"{INK}|{GUIDE}|#[0-9a-f]{{6}}")
_STEPS = re.compile(r"(?:[MLh] ?-?\d{1,5}(?: -?\d{1,5})?)*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


@dataclass(frozen=True)
class Shape:
    """Lines or dots of one colour; ``steps`` as in the path of an SVG, in units of `SIDE`."""

    kind: str
    colour: str
    steps: str
    label: str = ""


@dataclass(frozen=True)
class Words:
    """A text at a place in units of `SIDE`; ``anchor`` is start, middle or end."""

    x: int
    y: int
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Panel:
    """One figure of one sample.

    Attributes
    ----------
    name, title
        Of its family of figures.
    caption
        What is shown, of how many, and how to read it.
    x, y
        Labels of the axes.
    x_ticks, y_ticks
        (place in units of `SIDE`, label).
    shapes, notes
        In the order in which they are drawn.
    image
        PNG in base64 that fills the panel below the shapes; empty for none.
    square
        As high as wide.
    """

    name: str
    title: str
    caption: str
    x: str
    y: str
    x_ticks: tuple[tuple[int, str], ...]
    y_ticks: tuple[tuple[int, str], ...]
    shapes: tuple[Shape, ...]
    notes: tuple[Words, ...]
    image: str = ""
    square: bool = False


Portrait = tuple[Panel, ...]


def to_json(portrait: Portrait) -> str:
    """Text of the file."""
    content = {"schema": SCHEMA, "panels": [asdict(panel) for panel in portrait]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def read(path: Path) -> Portrait:
    """What `to_json` wrote.

    Raises
    ------
    GenobenchError
        When it is something else: its shapes go into the page as they are.
    """
    try:
        content = bounded.read_json(path)
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema version {content['schema']}, not {SCHEMA}")
        return tuple(_panel(entry) for entry in _few(content["panels"], "panels"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenobenchError(
            f"{path}: not a portrait ({error}); delete it, and have it made anew by "
            "`genobench leaderboard --from` of the run"
        ) from error


def kept(folder: Path) -> dict[str, Portrait]:
    """Portraits below a folder of records, by the key of the record."""
    return {path.stem: read(path) for path in sorted(folder.rglob(f"*{SUFFIX}"))}


def _panel(entry: Mapping[str, Any]) -> Panel:
    return Panel(
        name=_said(entry["name"]),
        title=_said(entry["title"]),
        caption=_said(entry["caption"], CAPTION),
        x=_said(entry["x"]),
        y=_said(entry["y"]),
        x_ticks=_ticks(entry["x_ticks"]),
        y_ticks=_ticks(entry["y_ticks"]),
        shapes=tuple(_shape(shape) for shape in _few(entry["shapes"], "shapes")),
        notes=tuple(_words(words) for words in _few(entry["notes"], "texts")),
        image=_matched(_BASE64, entry["image"], IMAGE),
        square=bool(entry["square"]),
    )


def _shape(entry: Mapping[str, Any]) -> Shape:
    if entry["kind"] not in KINDS:
        raise ValueError(f"shapes are {', '.join(KINDS)}")
    colour = _matched(_COLOUR, entry["colour"], TEXT)
    return Shape(
        entry["kind"], colour, _matched(_STEPS, entry["steps"], PATH), _said(entry["label"])
    )


def _words(entry: Mapping[str, Any]) -> Words:
    if entry["anchor"] not in ("start", "middle", "end"):
        raise ValueError("texts start, end or have their middle at a place")
    return Words(_at(entry["x"]), _at(entry["y"]), _said(entry["text"]), entry["anchor"])


def _ticks(entries: Any) -> tuple[tuple[int, str], ...]:
    return tuple((_at(at), _said(label)) for at, label in _few(entries, "texts"))


def _at(place: Any) -> int:
    if not isinstance(place, int) or abs(place) > 100 * SIDE:
        raise ValueError(f"a place is a whole number, not {str(place)[:20]}")
    return place


def _few(entries: Any, what: str) -> Sequence[Any]:
    if not isinstance(entries, list) or len(entries) > MOST[what]:
        raise ValueError(f"{what} are a list of at most {MOST[what]}")
    return entries


def _said(text: Any, most: int = TEXT) -> str:
    if not isinstance(text, str) or len(text) > most:
        raise ValueError(f"a text has at most {most} characters")
    return text


def _matched(pattern: re.Pattern[str], text: Any, most: int) -> str:
    if not pattern.fullmatch(_said(text, most)):
        raise ValueError(f"{text[:40]!r} is not of the form {pattern.pattern}")
    return str(text)

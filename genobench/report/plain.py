"""Plain text in columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

# what moves the cursor, rewrites the screen or turns the text round
_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Text from files as a terminal may have it: control characters are spelt out."""
    return _ACTIVE.sub(lambda found: ascii(found[0])[1:-1], text)


def align(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """Lines of equal columns: the first left-aligned, the others too unless ``right``."""
    if not rows:
        return []
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if right and i else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most ``width``; words that are longer stand whole on a line of their own."""
    return textwrap.wrap(
        visible(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def listing(rows: Sequence[Sequence[str]], width: int = 80) -> list[str]:
    """As `align`, with the last column wrapped to ``width``."""
    heads = align([row[:-1] for row in rows])
    indent = max(map(len, heads), default=0) + 2
    lines = []
    for head, row in zip(heads, rows, strict=True):
        text = textwrap.wrap(visible(row[-1]), max(20, width - indent)) or [""]
        lines.append(f"{head.ljust(indent)}{text[0]}".rstrip())
        lines += [" " * indent + more for more in text[1:]]
    return lines

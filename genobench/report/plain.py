"""Plain text in columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """Lines of equal columns: the first left-aligned, the others too unless ``right``."""
    if not rows:
        return []
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
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def listing(rows: Sequence[Sequence[str]], width: int = 80) -> list[str]:
    """As `align`, with the last column wrapped to ``width``."""
    heads = align([row[:-1] for row in rows])
    indent = max(map(len, heads), default=0) + 2
    lines = []
    for head, row in zip(heads, rows, strict=True):
        text = textwrap.wrap(row[-1], max(20, width - indent)) or [""]
        lines.append(f"{head.ljust(indent)}{text[0]}".rstrip())
        lines += [" " * indent + more for more in text[1:]]
    return lines

"""Tables with FID and IID columns, read as text line by line, so that errors can name the line."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import pandas as pd

from genobench.errors import GenobenchError

CUT_OFF = (EOFError, zlib.error, gzip.BadGzipFile)  # what a spoilt .gz raises while it is read
LONGEST_LINE = 2**24  # characters
MISSING_TEXT = frozenset({"", "na", "n/a", "nan", "."})


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Table as text, one row per person.

    Parameters
    ----------
    path
        Text, or text packed as .gz; columns separated by tabs, blanks or commas.
    columns
        Columns kept beside the ids; None keeps all. Names may hold ``*``, ``:`` and dots.

    Returns
    -------
    DataFrame
        FID (where the file has it), IID and the columns, all text; the index ``line`` is the line
        in the file. Text that means missing is the empty string, -9 is left as it is.

    Raises
    ------
    GenobenchError
        No such file, no header with IID, a column that is not there (with near matches), a line
        of another width.
    """
    path = Path(path)
    try:
        with opened_text(path) as file:
            return _parsed(lines_of(file, path), path, columns)
    except CUT_OFF as error:
        raise GenobenchError(cut_off(path)) from error
    except OSError as error:
        raise GenobenchError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise GenobenchError(f"{path}: not a text table ({error})") from error


def opened_text(path: Path) -> TextIO:
    """Text of a plain or gzipped file, whatever its name, without a byte order mark."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def lines_of(file: TextIO, path: Path) -> Iterator[str]:
    """Its lines, none of them endless: a small .gz may hold one of many gigabytes."""
    for line in iter(partial(file.readline, LONGEST_LINE), ""):
        if len(line) == LONGEST_LINE:
            raise GenobenchError(
                f"{path}: not a text table: a line of it has {LONGEST_LINE:,} characters or more"
            )
        yield line


def cut_off(path: Path) -> str:
    """Message for a .gz whose end is lost or whose middle is spoilt."""
    return f"{path}: packed, but cut off or damaged: copy or download it again"


def _parsed(lines: Iterator[str], path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    """Header, then rows; only the columns wanted are kept, equal texts are stored once."""
    separator, names, offset = _header(lines, path)
    ids = [c for c in ("FID", "IID") if c in names]
    for column in columns or ():
        if column not in names:
            raise GenobenchError(_absent(column, names, path))
    wanted = list(dict.fromkeys([*ids, *(names if columns is None else columns)]))
    at = [names.index(c) for c in wanted]
    known: dict[str, str] = {}
    rows, numbers = [], []
    for number, line in enumerate(lines, start=offset + 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r\n").split(separator)
        if len(fields) != len(names):
            raise GenobenchError(
                f"{path}, line {number}: {len(fields)} value(s) for {len(names)} columns; an empty "
                "value needs tabs between columns, or NA, and no value holds a separator"
            )
        rows.append([known.setdefault(f, f) for f in (_unquoted(fields[i]) for i in at)])
        numbers.append(number)
    table = pd.DataFrame(rows, columns=wanted, index=pd.Index(numbers, name="line"), dtype=object)
    return table.assign(**{c: blanked(table[c]) for c in wanted if c not in ids})


def _header(lines: Iterable[str], path: Path) -> tuple[str | None, list[str], int]:
    """Separator, column names (ids under their plain names), and the number of that line."""
    for number, line in enumerate(lines, start=1):
        if line.startswith("##") or not line.strip():
            continue
        separator = "\t" if "\t" in line else None
        names = _names(line, separator)
        if "IID" not in names and "IID" in (by_commas := _names(line, ",")):
            separator, names = ",", by_commas
        if "IID" not in names:
            raise GenobenchError(
                f"{path}, line {number}: no column IID among {', '.join(names[:8])}; the first "
                "line names the columns: FID IID and then the values"
            )
        if repeated := sorted(n for n, count in Counter(names).items() if count > 1):
            raise GenobenchError(f"{path}, line {number}: column {repeated[0]!r} occurs twice")
        return separator, names, number
    raise GenobenchError(f"{path}: empty; it needs a header FID IID ... and a line per person")


def _names(line: str, separator: str | None) -> list[str]:
    """Column names of a header, the ids under their plain names."""
    names = [_unquoted(name) for name in line.rstrip("\r\n").split(separator)]
    plain = [n.lstrip("#").upper() for n in names[:2]]
    return [p if p in ("FID", "IID") else n for p, n in zip(plain, names[:2], strict=True)] + names[
        2:
    ]


def _unquoted(text: str) -> str:
    """Field without blanks around it and without the quotation marks that R writes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _absent(column: str, names: Sequence[str], path: Path) -> str:
    """Message that helps to find the column meant."""
    shown = [n for n in names if n not in ("FID", "IID")]
    near = [n for n in shown if column.lower() in n.lower()][:3]
    near = near or difflib.get_close_matches(column, shown, n=3, cutoff=0.5)
    listed = ", ".join(shown[:40]) + (f" and {len(shown) - 40} more" if len(shown) > 40 else "")
    question = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{path}: no column {column!r}; {question}It has {listed or 'nothing but ids'}"


def blanked(text: pd.Series) -> pd.Series:
    """Empty strings for all texts that mean missing."""
    return text.where(~text.str.lower().isin(MISSING_TEXT), "")

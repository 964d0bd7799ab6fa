"""Settings as they are written behind a model's name: ``vae(beta=0.1,prior=standard)``."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from genobench.errors import GenobenchError

_OPEN, _CLOSE, _QUOTES = "([{", ")]}", "\"'"
_BARE = re.compile(r"[A-Za-z_][\w.+-]*")
_KEY = re.compile(r"[A-Za-z_]\w*")
_LEADING_POINT = re.compile(r"[+-]?[.]\d\S*")
_RESERVED = ("true", "false", "inf", "nan")


def split(text: str, *, quotes: bool = False) -> list[str]:
    """Parts of ``text`` between commas that stand in no bracket; blank parts are left out.

    Without ``quotes`` these count inside brackets only: a path may hold an apostrophe.

    Raises
    ------
    GenobenchError
        When a bracket or a quote is not closed.
    """
    parts, depth, quote, escaped, begin = [], 0, "", False, 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and not escaped
        elif (depth or quotes) and character in _QUOTES:
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[begin:at])
            begin = at + 1
    if quote or depth:
        raise GenobenchError(f"{text}: {'a quote' if quote else 'a bracket'} is not closed")
    return [part.strip() for part in (*parts, text[begin:]) if part.strip()]


def parse(text: str, *, where: str) -> dict[str, Any]:
    """Settings of ``key=value,key=value``; values as in TOML, a bare word is a string.

    Raises
    ------
    GenobenchError
        Beginning with ``where`` and naming the part that is no setting.
    """
    found: dict[str, Any] = {}
    for part in split(text, quotes=True):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not _KEY.fullmatch(key):
            raise GenobenchError(f"{where}: {part!r} is not a setting: key=value, such as beta=0.1")
        if key in found:
            raise GenobenchError(f"{where}: {key} is given twice")
        found[key] = _value(value, where=f"{where}: {key}")
    if not found:
        raise GenobenchError(f"{where}: no setting between the brackets")
    return found


def written(settings: Mapping[str, Any]) -> str:
    """Settings in the one spelling that equal settings share, keys in order; `parse` reads it."""
    return ",".join(f"{key}={_shown(settings[key])}" for key in sorted(settings))


def toml(settings: Mapping[str, Any]) -> str:
    """Settings as lines of a TOML table."""
    return "".join(f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in settings.items())


def plain(value: Any, *, where: str) -> Any:
    """The value, if it is a finite number, a string, a truth value or a list of such.

    Raises
    ------
    GenobenchError
        For anything else that TOML has.
    """
    if isinstance(value, list):
        return [plain(item, where=where) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise GenobenchError(f"{where} = {value}: a finite number is needed")
    if isinstance(value, str) and not value.isprintable():
        raise GenobenchError(f"{where} = {value!r}: holds a character that cannot be printed")
    if not isinstance(value, bool | int | float | str):
        raise GenobenchError(f"{where} = {value}: a number, a string, true, false, or a list")
    return value


def _value(text: str, *, where: str) -> Any:
    if _BARE.fullmatch(text) and text not in _RESERVED:
        return text
    if _LEADING_POINT.fullmatch(text):  # .5, which TOML would have as 0.5
        text = text.replace(".", "0.", 1)
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        table = {}
    if list(table) != ["value"]:
        raise GenobenchError(
            f"{where} = {text}: not a value: write a number, true, false, a word, "
            '"text in quotes", or [a list] of these'
        )
    return plain(table["value"], where=where)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)

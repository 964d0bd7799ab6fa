"""Whether a generator has the settings that a user gives, and takes the values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from genobench.errors import GenobenchError
from genobench.registry import GeneratorPlugin, near

_NUMBERS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def checked(
    plugin: GeneratorPlugin, settings: Mapping[str, Any], *, where: str = ""
) -> dict[str, Any]:
    """The settings as the generator takes them: a whole number becomes a float where one is due.

    Parameters
    ----------
    plugin
        Its module is imported.
    where
        What the message begins with besides the model: a file.

    Raises
    ------
    GenobenchError
        Naming model and setting, and the settings it has or the values it takes.
    """
    begin = f"{where}: {plugin.card.name}" if where else plugin.card.name
    cls = _loaded(plugin, begin)
    known = inspect.signature(cls).parameters
    hints = _hints(cls)
    taken = {}
    for name, value in settings.items():
        if name not in known:
            has = f"Its settings: {', '.join(known)}" if known else "It has none"
            meant = near(name, known) or "."
            raise GenobenchError(f"{begin} has no setting {name!r}{meant} {has}")
        try:
            taken[name] = _fitted(value, hints.get(name, type(known[name].default)))
        except ValueError as error:
            raise GenobenchError(f"{begin}: {name} = {value!r}: {error} is needed") from error
    return taken


def defaults(plugin: GeneratorPlugin) -> dict[str, Any]:
    """Values that the constructor gives to settings which are left out."""
    found = inspect.signature(_loaded(plugin, plugin.card.name)).parameters
    return {k: p.default for k, p in found.items() if p.default is not inspect.Parameter.empty}


def _loaded(plugin: GeneratorPlugin, begin: str) -> Any:
    try:
        return plugin.load()
    except GenobenchError:
        raise
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise GenobenchError(f"{begin}: {plugin.path}: on import: {kind}: {error}") from error


def _hints(cls: Any) -> dict[str, Any]:
    """Types of the settings; nothing is known of them where a name in one is not defined."""
    try:
        return get_type_hints(cls)
    except NameError:
        return {}


def _fitted(value: Any, hint: Any) -> Any:
    """The value as the type wants it; ValueError names what it wants."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if not any(value == one and type(value) is type(one) for one in inner):
            raise ValueError(f"one of {', '.join(map(str, inner))}")
        return value
    if origin in (Union, UnionType):
        return _any_of(value, inner)
    if hint in _NUMBERS:
        if hint is float and type(value) is int:
            return float(value)
        if type(value) is not hint:
            raise ValueError(_NUMBERS[hint])
        return value
    if isinstance(origin, type) and issubclass(origin, Sequence):
        if not isinstance(value, list):
            raise ValueError("a list, [a, b],")
        return [_fitted(item, inner[0] if inner else Any) for item in value]
    return value


def _any_of(value: Any, hints: Sequence[Any]) -> Any:
    reasons = []
    named = tuple(one for hint in hints if get_origin(hint) is Literal for one in get_args(hint))
    others = [hint for hint in hints if get_origin(hint) is not Literal]
    for hint in [Literal[named], *others] if named else others:
        if hint is not type(None):
            try:
                return _fitted(value, hint)
            except ValueError as error:
                reasons.append(str(error))
    raise ValueError(" or ".join(reasons))

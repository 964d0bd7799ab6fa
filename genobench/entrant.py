"""A generator as it is entered: plain, or under settings of the user's own.

``vae`` has the suite's settings, ``vae(beta=0.1)`` changes one of them, ``vae@tuned.toml`` those of
a file. Each stands in jobs, records and tables under a name of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genobench import bounded, settings_text
from genobench.errors import GenobenchError
from genobench.registry import GeneratorPlugin, find_generator
from genobench.settings_check import checked

TRIALS = ".trials.jsonl"  # what `genobench tune` tried, beside the file of what it found
_PLUGIN = r"(?P<plugin>(?:.*?\.py:)?[\w.-]+)"
_INLINE = re.compile(rf"{_PLUGIN}\((?P<settings>.*)\)")
_FILE = re.compile(rf"{_PLUGIN}@(?P<file>.+\.toml)")
_NAME = re.compile(r"[\w+-][\w.+-]*")


@dataclass(frozen=True, eq=False)
class Entrant:
    """A generator and what of its settings differs from the suite's.

    Attributes
    ----------
    plugin
        The generator.
    label
        What its name in tables adds to the generator's: ``(beta=0.1)``, ``@tuned``; empty when
        plain.
    changed
        Settings that take the place of the suite's.
    file
        The TOML file they stand in, if they stand in one.
    tuning
        How `genobench tune` found them, and what it tried; None unless it did.
    """

    plugin: GeneratorPlugin
    label: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    tuning: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name in jobs, records and tables."""
        return f"{self.plugin.card.name}{self.label}"

    @property
    def variant(self) -> str:
        """What the command line adds to the generator, a file without its folders."""
        return f"@{self.file.name}" if self.file else self.label

    @property
    def spec(self) -> str:
        """The whole of it as on the command line."""
        return f"{self.plugin.spec}@{self.file}" if self.file else f"{self.plugin.spec}{self.label}"

    def settings_for(self, suite: str) -> dict[str, Any]:
        """Settings of the card's ``suite``, with what is changed."""
        return {**self.plugin.card.settings_for(suite), **self.changed}


def find_entrant(text: str) -> Entrant:
    """What ``NAME``, ``file.py:Class``, ``NAME(key=value,...)`` or ``NAME@file.toml`` stands for.

    The last two import the generator, to see that it has these settings.

    Raises
    ------
    GenobenchError
        Naming the model, the setting or the key of the file that is wrong.
    """
    if inline := _INLINE.fullmatch(text):
        plugin = find_generator(inline["plugin"])
        given = settings_text.parse(inline["settings"], where=text)
        changed = checked(plugin, given)
        return Entrant(plugin, f"({settings_text.written(changed)})", changed)
    if file := _FILE.fullmatch(text):
        return _from_file(find_generator(file["plugin"]), Path(file["file"]))
    if re.search(r"[\w]\([^/]*$|@[^/]*$", text) and not Path(text.rpartition(":")[0]).is_file():
        raise GenobenchError(
            f"{text}: settings are given as NAME(key=value,key=value) or NAME@file.toml"
        )
    return Entrant(find_generator(text))


def plain_name(model: str) -> str:
    """Name of the generator behind an entrant's name."""
    return re.split(r"[(@]", model, maxsplit=1)[0]


def on_command_line(spec: str, variant: str, file: str) -> str:
    """What to give to ``--models``: generator, variant, and where the variant's file lies."""
    return f"{spec}@{file}" if variant.startswith("@") else f"{spec}{variant}"


def _from_file(plugin: GeneratorPlugin, path: Path) -> Entrant:
    table = _read(path)
    if table.get("model", plugin.card.name) != plugin.card.name:
        raise GenobenchError(f"{path}: settings of {table['model']}, not of {plugin.card.name}")
    name = table.get("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenobenchError(f"{path}: name = {name!r}: letters, digits and . _ + - make a name")
    given = {k: settings_text.plain(v, where=f"{path}: {k}") for k, v in table["settings"].items()}
    changed = checked(plugin, given, where=str(path))
    tuning = _tuning(path, table["tuning"], given) if "tuning" in table else None
    return Entrant(plugin, f"@{name}", changed, path.absolute(), tuning)


def _read(path: Path) -> dict[str, Any]:
    """The file's table, its keys checked."""
    try:
        table = bounded.read_toml(path)
    except OSError as error:
        raise GenobenchError(f"{path}: no settings there ({error.strerror})") from error
    except ValueError as error:
        raise GenobenchError(f"{path}: not valid TOML: {error}") from error
    if unknown := sorted(set(table) - {"name", "model", "settings", "tuning"}):
        raise GenobenchError(
            f"{path}: unknown key(s) {', '.join(unknown)}; it may have name, model, [settings] and "
            "[tuning]"
        )
    if "settings" not in table:
        raise GenobenchError(f"{path}: has no table [settings]")
    for key in ("settings", "tuning"):
        if not isinstance(table.get(key, {}), dict):
            raise GenobenchError(f"{path}: {key} is no table: write [{key}] above its lines")
    return table


def _tuning(path: Path, said: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What records say of tuning: the file's table, and the trials that lie beside it."""
    table = {k: settings_text.plain(v, where=f"{path}: {k}") for k, v in said.items()}
    trials = _trials(path.with_name(f"{path.stem}{TRIALS}"))
    best = next((t for t in trials if t["trial"] == table.get("best_trial")), None)
    if trials and (best is None or best["settings"] != settings):
        raise GenobenchError(
            f"{path}: its settings are not those of trial {table.get('best_trial')} in "
            f"{path.stem}{TRIALS}; take [tuning] out of a file that was edited"
        )
    return {"table": table, "trials": trials}


def _trials(path: Path) -> list[dict[str, Any]]:
    """Trials that are on record; the first line says what they are trials of."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], start=2):
        try:
            entry = json.loads(line)
            found.append({k: entry[k] for k in ("trial", "settings", "status", "objective",
                                                "components", "seconds")})  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise GenobenchError(f"{path}, line {number}: not a trial ({error})") from error
    return found

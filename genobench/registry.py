"""Finds generators and tasks: in the installed folders, through entry points, or in a file.

A plug-in is a module with a card (TOML) of the same name beside it. Looking one up reads the card;
only `Plugin.load` imports the module.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from genobench.errors import GenobenchError
from genobench.generator import Card, Generator
from genobench.task import Task, TaskCard

C = TypeVar("C", Card, TaskCard)
T = TypeVar("T")
GENERATORS, TASKS = "genobench.generators", "genobench.tasks"  # groups of entry points


@dataclass(frozen=True)
class Plugin(Generic[C, T]):
    """A generator or a task that was found but not yet imported.

    Attributes
    ----------
    card
        What the TOML beside the module says.
    path
        The module's file.
    spec
        By this text any other process finds the same plug-in again: a name, or ``file.py:Class``.
    module
        Dotted name of the installed module; empty for a file.
    base
        The class it must inherit from.
    """

    card: C
    path: Path
    spec: str
    module: str
    base: type[T]

    @property
    def name(self) -> str:
        """Name on the command line and in tables."""
        return self.card.name

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of what decides its behaviour: module, shared modules beside it, and card.

        Shared modules are the ``_name.py`` files that the module, or one of those, imports. A
        task's metrics count as well: the modules of `genobench.metrics` that it leads to. Of the
        card only `behaviour` counts: settings have their own place in the keys of
        jobs, and a better sentence refits nothing.
        """
        digest = hashlib.sha256(self.card.behaviour.encode())
        sources = _sources(self.path)
        if issubclass(self.base, Task):
            sources += _metric_sources(sources)
        for path in sources:
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def require(self, checksum: str) -> None:
        """Raise a GenobenchError unless it is still the one that was planned with."""
        if self.checksum != checksum:
            raise GenobenchError(f"{self.path}: was edited while it was in use; run again")

    def load(self) -> type[T]:
        """Import the module and hand out the class.

        Raises
        ------
        GenobenchError
            When the class is not there or is of another kind. What the module itself raises on
            import passes through.
        """
        module = importlib.import_module(self.module) if self.module else _import_file(self.path)
        found = getattr(module, self.card.class_name, None)
        if found is None:
            wanted, classes = (
                self.card.class_name,
                [k for k, v in vars(module).items() if isinstance(v, type)],
            )
            raise GenobenchError(f"{self.path}: no class {wanted}{near(wanted, classes)}")
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise GenobenchError(
                f"{self.path}: {self.card.class_name} does not inherit from "
                f"genobench's {self.base.__name__}"
            )
        return found


GeneratorPlugin = Plugin[Card, Generator]
TaskPlugin = Plugin[TaskCard, Task]


@cache
def generators() -> dict[str, GeneratorPlugin]:
    """Installed generators by name, controls first."""
    found = _installed("genobench.baselines", GENERATORS, Card.read, Generator)  # type: ignore[type-abstract]
    order = ("ceiling", "leak", "floor", "entrant")
    return dict(sorted(found.items(), key=lambda kv: (order.index(kv[1].card.role), kv[0])))


@cache
def tasks() -> dict[str, TaskPlugin]:
    """Installed tasks by name."""
    return _installed("genobench.tasks", TASKS, TaskCard.read, Task)  # type: ignore[type-abstract]


def announced() -> bool:
    """Whether other distributions than this one announce plug-ins."""
    return any(entry_points(group=group) for group in (GENERATORS, TASKS))


def find_generator(spec: str) -> GeneratorPlugin:
    """Generator by name or as ``path/to/file.py:Class``; unknown names get near matches."""
    return _find(spec, generators(), "model", _generator_in_file)


def find_task(spec: str) -> TaskPlugin:
    """Task by name or as ``path/to/file.py:Class``."""
    return _find(spec, tasks(), "task", _task_in_file)


def _find(
    spec: str,
    known: dict[str, Plugin[C, T]],
    what: str,
    from_file: Callable[[Path, str], Plugin[C, T]],
) -> Plugin[C, T]:
    path, _, class_name = spec.rpartition(":")
    if path.endswith(".py"):
        if not Path(path).is_file():
            raise GenobenchError(f"{path}: no such file (looking for {what} {class_name})")
        return from_file(Path(path).resolve(), class_name)
    if spec.endswith(".py"):
        raise GenobenchError(f"{spec}: name the class as well, {spec}:ClassName")
    if spec not in known:
        raise GenobenchError(
            f"unknown {what} {spec!r}{near(spec, known)}; `genobench list {what}s` shows all"
        )
    return known[spec]


def _generator_in_file(path: Path, class_name: str) -> GeneratorPlugin:
    card_path = path.with_suffix(".toml")
    if card_path.exists():
        card = Card.read(card_path)
        if card.class_name != class_name:
            raise GenobenchError(f"{card_path}: is the card of {card.class_name}, not {class_name}")
    else:
        card = Card(name=path.stem, class_name=class_name, title=class_name)
    if path.stem in generators():
        raise GenobenchError(
            f"{path}: the name {path.stem} is taken by a built-in; rename the file"
        )
    return Plugin(card, path, f"{path}:{class_name}", "", Generator)  # type: ignore[type-abstract]


def _task_in_file(path: Path, class_name: str) -> TaskPlugin:
    card = TaskCard.read(path.with_suffix(".toml"))
    if path.stem in tasks():
        raise GenobenchError(
            f"{path}: the name {path.stem} is taken by a built-in; rename the file"
        )
    return Plugin(card, path, f"{path}:{class_name}", "", Task)  # type: ignore[type-abstract]


def _installed(
    package: str, group: str, read: Callable[[Path], C], base: type[T]
) -> dict[str, Plugin[C, T]]:
    """Plug-ins of a package's folder, then those that other distributions announce."""
    found: dict[str, Plugin[C, T]] = {}
    for path, module in (*_in_folder(package), *_announced(group)):
        if path.stem in found:
            raise GenobenchError(
                f"two plug-ins are named {path.stem}: {found[path.stem].path}, {path}"
            )
        found[path.stem] = Plugin(read(path.with_suffix(".toml")), path, path.stem, module, base)
    return found


def _in_folder(package: str) -> Iterator[tuple[Path, str]]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("[!_]*.py")):
            if path.with_suffix(".toml").exists():
                yield path, f"{package}.{path.stem}"


def _announced(group: str) -> Iterator[tuple[Path, str]]:
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        yield _module_file(entry), entry.module


def _module_file(entry: EntryPoint) -> Path:
    """File of an entry point's module, without importing it."""
    spec = importlib.util.find_spec(entry.module)
    if spec is None or spec.origin is None:
        raise GenobenchError(f"entry point {entry.name} = {entry.value}: no such module")
    return Path(spec.origin)


def _import_file(path: Path) -> ModuleType:
    name = f"genobench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise GenobenchError(f"{path}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    whole = False
    try:
        spec.loader.exec_module(module)
        whole = True
    finally:
        if not whole:  # the next import must not find half a module
            del sys.modules[name]
    return module


def _sources(path: Path) -> list[Path]:
    """The module and the ``_shared.py`` files beside it that it leads to."""
    seen, todo = [path], [path]
    while todo:
        text = todo.pop().read_text()
        for name in re.findall(r"^\s*from\s+\.(_\w+)\s+import", text, flags=re.MULTILINE):
            shared = path.parent / f"{name}.py"
            if shared.exists() and shared not in seen:
                seen.append(shared)
                todo.append(shared)
    return [path, *sorted(seen[1:])]


def _metric_sources(paths: Iterable[Path]) -> list[Path]:
    """Modules of `genobench.metrics` that ``paths`` import, directly or through one another."""
    folder = _metrics_folder()
    found: set[Path] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        names = _metric_names(path.read_text(), inside=path.parent == folder)
        for source in {folder / f"{name}.py" for name in names} - found:
            if source.exists():  # other names are of the package itself
                found.add(source)
                todo.append(source)
    return sorted(found)


def _metrics_folder() -> Path:
    """Where `genobench.metrics` lies, without importing its modules."""
    spec = importlib.util.find_spec("genobench.metrics")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@lru_cache(maxsize=256)
def _metric_names(text: str, *, inside: bool) -> frozenset[str]:
    """Names below `genobench.metrics` that a source imports, wherever in it the import stands.

    Relative imports count for a module that lies ``inside`` the package. A source that does not
    parse names nothing: importing it will say why.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return frozenset()
    dotted: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.level == 0 or (inside and node.level == 1)):
            module = node.module or ""
            if node.level:
                module = f"genobench.metrics.{module}".rstrip(".")
            dotted += [f"{module}.{alias.name}" for alias in node.names]
    parts = (name.split(".") for name in dotted)
    return frozenset(p[2] for p in parts if p[:2] == ["genobench", "metrics"] and len(p) > 2)


def near(name: str, known: Iterable[str]) -> str:
    """What was perhaps meant, as the end of a message; empty when nothing is near."""
    matches = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""

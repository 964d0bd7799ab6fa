"""Leaderboards on disk: adopt a run's records, write the pages, check that they still agree."""

from __future__ import annotations

import csv
import difflib
import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from itertools import chain
from operator import call
from pathlib import Path
from typing import Any

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.registry import generators as installed
from genobench.report import ablations, goals, portrait, strength, tuned
from genobench.report.collect import build, slug
from genobench.report.cores import over_cores
from genobench.report.markdown import index, page
from genobench.report.numerals import significant
from genobench.report.reading import paths_of, read_one, read_records
from genobench.report.stats import Standing
from genobench.report.tables import Block, Row, Table, Tables
from genobench.run.job import recorded_job
from genobench.task import MetricCard, TaskCard

COLUMNS = (
    "data", "task", "model", "role", "metric", "better", "version", "n_seeds", "jobs_done",
    "jobs_asked", "value", "people_low", "people_high", "seeds_low", "seeds_high", "rank",
    "rank_low", "rank_high", "ties", "floor", "ceiling", "rescaled", "rescaled_low",
    "rescaled_high", "note", "fit_seconds", "samples_per_second", "peak_memory_bytes",
    "peak_device_bytes", "parameters", "fit_flops", "sample_flops_per_person",
    "device_energy_joules", "device",
)  # fmt: skip


def files(tables: Tables) -> dict[str, str]:
    """Text of every file of the leaderboards, by path below the folder; deterministic."""
    html, texts = over_cores(call, _makers(tables))
    return texts | html


def _makers(tables: Tables) -> list[Callable[[], dict[str, str]]]:
    """What makes the page, which takes the longest, and what the texts."""
    cards = {name: plugin.card for name, plugin in installed().items()}
    return [partial(_html, tables, cards), partial(_texts, tables, cards)]


def _html(tables: Tables, cards: Mapping[str, Card]) -> dict[str, str]:
    """The page."""
    from genobench.report import page as site  # by the process that makes it alone

    return {site.FILE: site.render(tables, cards)}


def _texts(tables: Tables, cards: Mapping[str, Card]) -> dict[str, str]:
    """All but the page."""
    made = {"README.md": index(tables), strength.FILE: strength.render(tables, cards)}
    if text := ablations.render(tables, cards):
        made[ablations.FILE] = text
    for block in tables.blocks:
        for table in block.tables:
            stem = f"{block.name}/{table.task.name}"
            made[f"{stem}.md"] = page(table, block)
            made[f"{stem}.csv"] = _csv(table)
    return made


def lines(table: Table) -> list[dict[str, Any]]:
    """One line per model and measured metric, by the names in `COLUMNS`."""
    measured = [m for m in table.metrics if table.measured(m)]
    return [
        dict(zip(COLUMNS, (*_worth(table, row, metric), *_cost(row)), strict=True))
        for row in table.rows
        for metric in measured
    ]


def _worth(table: Table, row: Row, metric: MetricCard) -> tuple[Any, ...]:
    """The `COLUMNS` of one metric."""
    cell = row.cells[metric.name]
    s, scaled, place = cell.summary, cell.rescaled, cell.standing or Standing(0)
    return (
        table.block, table.task.name, row.model, row.role, metric.name,
        metric.better if metric.better != "target" else f"target {metric.target:g}",
        metric.version, s.n_seeds, row.done, row.asked,
        s.value, *s.people, *s.seeds, place.rank or None, place.low, place.high, place.ties,
        table.floor, table.ceiling, scaled.value, *scaled.interval, scaled.note,
    )  # fmt: skip


def _cost(row: Row) -> tuple[Any, ...]:
    """The `COLUMNS` that all metrics of a model share."""
    cost = row.cost
    return (
        cost.fit_seconds, cost.samples_per_second, cost.peak_memory, cost.peak_device,
        cost.parameters, cost.fit_flops, cost.person_flops, cost.energy, cost.device,
    )  # fmt: skip


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    measured = [m for m in table.metrics if table.measured(m)]
    for row in table.rows:
        cost = [_field(value) for value in _cost(row)]
        for metric in measured:
            writer.writerow([*map(_field, _worth(table, row, metric)), *cost])
    return out.getvalue()


def _field(value: Any) -> Any:
    """Six significant digits, and text that no spreadsheet takes for a formula."""
    if isinstance(value, float):
        return significant(value)
    return _inert(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    active = text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r"))
    return f"'{text}" if active else text


def write(
    tables: Tables, folder: Path, draw: Callable[[Block], list[Path]] | None = None
) -> list[Path]:
    """Write all pages into ``folder``; pages of blocks that are no longer there are removed.

    ``draw`` makes the pictures of a block meanwhile, and says where they are.

    Raises
    ------
    GenobenchError
        When the folder cannot be written to.
    """
    makers: list[Callable[[], Any]] = [*_makers(tables)]
    makers += [partial(draw, block) for block in tables.blocks] if draw else []
    try:
        html, texts, *drawn = over_cores(call, makers)
        made = texts | html
        for path in _strays(folder, made):
            path.unlink()
        for name, text in made.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _replace(folder / name, text)
    except OSError as error:
        raise GenobenchError(f"{folder}: cannot write the leaderboards: {error}") from error
    return [folder / name for name in made] + list(chain(*drawn))


def _replace(path: Path, text: str) -> None:
    """Write by rename, so that a reader never sees half a page."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def _strays(folder: Path, made: Mapping[str, str]) -> list[Path]:
    """Pages below ``folder`` that no record stands behind; other leaderboards there stay."""
    pages = [p for ending in ("md", "csv") for p in folder.glob(f"*/*.{ending}")]
    boards = {folder / "records", *(p.parent for p in folder.glob("*/records"))}
    inside = [p for p in pages if p.parent not in boards]
    if (old := folder / ablations.FILE).is_file():
        inside.append(old)
    return sorted(p for p in inside if p.relative_to(folder).as_posix() not in made)


def rebuild(folder: Path, generators: Mapping[str, Card], tasks: Mapping[str, TaskCard]) -> Tables:
    """Tables of the records kept in ``folder/records``, as left there by `adopt` or a run."""
    records = folder / "records"
    tables = build(
        read_records(records), generators, tasks, data_options(folder), portrait.kept(records)
    )
    return replace(tables, tuned=tuned.kept(folder), goals=goals.kept(folder))


def data_options(folder: Path) -> dict[str, str]:
    """By data key, the words of the command line that name the data: of a run, or as adopted."""
    kept = {p.stem: p for p in folder.glob("records/*/*.options")}
    made = {p.parent.name: p for p in folder.glob("data/*/options.txt")}
    return {key: path.read_text().strip() for key, path in (kept | made).items()}


def check(folder: Path, generators: Mapping[str, Card], tasks: Mapping[str, TaskCard]) -> list[str]:
    """Differences between the pages in ``folder`` and what its records say; empty when none.

    Compares byte for byte, and records with the keys that they go by. The last line says what
    to do.
    """
    made = files(rebuild(folder, generators, tasks))
    found = edited(folder)
    for name, text in sorted(made.items()):
        path = folder / name
        old = path.read_bytes() if path.is_file() else None
        if old is None:
            found.append(f"{name}: missing")
        elif old != text.encode():
            found += [f"{name}: differs from its records", *_difference(old, text)]
    found += [f"{p.relative_to(folder).as_posix()}: no record stands behind it"
              for p in _strays(folder, made)]  # fmt: skip
    if found:
        found.append(f"Run `genobench leaderboard --out {folder}` and commit what changes.")
    return found


def edited(folder: Path) -> list[str]:
    """Records that describe another job than the one whose key they go by."""
    found = []
    for path in paths_of(folder / "records"):
        record = read_one(path)
        try:
            key = recorded_job(record).key
        except (KeyError, TypeError, ValueError):  # of a file that was judged from outside
            continue
        if key != path.stem or key != record["key"]:
            where = path.relative_to(folder).as_posix()
            found.append(f"{where}: describes another job than its key says; take it from its run")
    return found


def _difference(old: bytes, new: str, most: int = 4) -> list[str]:
    lines = difflib.unified_diff(
        old.decode(errors="replace").splitlines(), new.splitlines(), "there", "records", n=0
    )
    changed = [line for line in lines if line[:2] not in ("--", "++", "@@")]
    more = [f"  ... {len(changed) - most} more lines"] if len(changed) > most else []
    return [f"  {line[:160]}" for line in changed[:most]] + more


def adopt(run: Path, folder: Path) -> list[Path]:
    """Copy the records of a run into ``folder/records/<data>-<suite>/``.

    Records there of the same model and seed on the same data are replaced.

    Raises
    ------
    GenobenchError
        When ``run`` holds no records.
    """
    source, kept = run / "records", folder / "records"
    taken = {path: read_one(path) for path in paths_of(source)}
    newer = {_identity(record) for record in taken.values()}
    if not newer:
        raise GenobenchError(f"{source}: no records there; has the run begun?")
    shown = {}  # by key, the portrait of a record that goes, and the sample it is of
    for path in sorted(kept.rglob("*.json")):
        if _identity(record := read_one(path)) in newer:
            path.unlink()
            shown[path.stem] = path.with_suffix(portrait.SUFFIX), _sample(record)
    copied = []
    for path, record in taken.items():
        job = record["job"]
        if path.stem in shown and shown[path.stem][1] == _sample(record):
            del shown[path.stem]
        target = kept / slug(f"{job['data']}-{job['suite']}") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        options = run / "data" / job["data_key"] / "options.txt"
        if options.is_file():
            shutil.copyfile(options, target.with_name(f"{job['data_key']}.options"))
        copied.append(target)
    for drawn, _ in shown.values():
        drawn.unlink(missing_ok=True)
    return copied


def _sample(record: Mapping[str, Any]) -> str:
    """Checksum of the sample; empty where none was drawn."""
    return str((record.get("outputs") or {}).get("synthetic_sha256", ""))


def _identity(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What two records share that answer the same question."""
    keys = ("data", "suite", "data_key", "split_seed", "model", "seed")
    return tuple(str(record["job"].get(key)) for key in keys)

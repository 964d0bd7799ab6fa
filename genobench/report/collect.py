"""From job records to tables: which values stand side by side, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from operator import call

from genobench.generator import Card
from genobench.report.block_notes import failures, impossible, notes_on, version
from genobench.report.cores import over_cores
from genobench.report.portrait import Portrait
from genobench.report.scale import overall
from genobench.report.tables import Block, Record, Table, Tables
from genobench.report.tabulate import cost_of, tabulate
from genobench.task import TaskCard

MANY = 1000  # records; of fewer it does not pay to share out the tables


def build(
    records: Iterable[Record],
    generators: Mapping[str, Card],
    tasks: Mapping[str, TaskCard],
    options: Mapping[str, str] | None = None,
    portraits: Mapping[str, Portrait] | None = None,
) -> Tables:
    """Tables of all records.

    Parameters
    ----------
    records
        Job records. Of several for one model and seed on the same data, the newest counts; of
        several versions of a model (source, settings, device), that of its newest record.
    generators, tasks
        Cards by name. A model without a card is shown under the name in its record; a task
        without one cannot be ranked and is left out with a note on the page of its data set.
    options
        By data key, the words of the command line that name the data.
    portraits
        Of samples, by key of the record.
    """
    grouped: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        job = record["job"]
        key = tuple(str(job.get(k, "")) for k in ("data", "suite", "data_key", "split_seed"))
        grouped.setdefault(key, []).append(record)
    crowded = [key[:2] for key in grouped]
    drafts = []
    for key in sorted(grouped):
        name = f"{key[0]}-{key[1]}"
        if crowded.count(key[:2]) > 1:  # another trait, selection or split of the same data
            name += f"-{key[2][:8]}" + (f"-s{key[3]}" if key[3] not in ("", "0") else "")
        words = (options or {}).get(key[2], "")
        drafts.append(_block(slug(name), grouped[key], generators, tasks, words))
    makers = [maker for _, of_block in drafts for maker in of_block]
    many = sum(map(len, grouped.values())) > MANY
    made = iter(over_cores(call, makers) if many else map(call, makers))
    blocks = [replace(b, tables=tuple(islice(made, len(of_block)))) for b, of_block in drafts]
    seen = sorted({t.task.name for b in blocks for t in b.tables})
    ranks = {t: overall(_ranks(blocks, t)) for t in seen}
    return Tables(tuple(blocks), ranks, portraits or {})


def _ranks(blocks: Sequence[Block], task: str) -> dict[str, dict[str, int]]:
    ranks: dict[str, dict[str, int]] = {}
    for table in (t for b in blocks for t in b.tables if t.task.name == task):
        cells = {r.model: r.cells[table.headline.name] for r in table.rows}
        ranks[table.block] = {m: c.standing.rank for m, c in cells.items() if c.standing}
    return ranks


def slug(text: str) -> str:
    """Name that is safe as a folder."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".") or "_"


def _block(
    name: str,
    records: Sequence[Record],
    generators: Mapping[str, Card],
    tasks: Mapping[str, TaskCard],
    options: str,
) -> tuple[Block, list[Callable[[], Table]]]:
    """A block without its tables, and what makes each of them."""
    ordered = sorted(records, key=lambda r: (str(r.get("finished")), r["key"]))
    versions = [(r["job"]["model"], version(r)) for r in ordered]
    latest = dict(versions)
    current = [r for r, (m, v) in zip(ordered, versions, strict=True) if v == latest[m]]
    older = Counter(m for m, v in versions if v != latest[m])
    newest = {(r["job"]["model"], int(r["job"]["seed"])): r for r in current}
    kept = [newest[key] for key in sorted(newest)]
    seeds = tuple(sorted({seed for _, seed in newest}))
    jobs: dict[str, dict[int, Record]] = {}
    for (model, seed), record in newest.items():
        jobs.setdefault(model, {})[seed] = record
    entries = [(t, e) for r in kept for t, e in r.get("scores", {}).items()]
    scored = sorted({t for t, e in entries if e.get("metrics") is not None})
    notes = notes_on(kept, len(current) - len(kept), older, scored, tasks)
    costs = {model: cost_of(of_model.values()) for model, of_model in jobs.items()}
    makers: list[Callable[[], Table]] = [
        partial(tabulate, name, tasks[t], jobs, seeds, generators, costs, notes)
        for t in scored
        if t in tasks
    ]
    found = [(r, failures(r)) for r in kept]
    block = Block(
        name=name,
        data=str(kept[0]["job"]["data"]),
        suite=str(kept[0]["job"]["suite"]),
        options=options,
        inputs=next((r["inputs"] for r in kept if r.get("inputs")), {}),
        seeds=seeds,
        models=tuple(sorted(jobs)),
        jobs_done=sum(not failed and not impossible(r) for r, failed in found),
        jobs_asked=len(jobs) * len(seeds),
        tables=(),
        failures=tuple(f for _, failed in found for f in failed),
        software=_versions(kept),
        devices=tuple(sorted({_device(r) for r in kept} - {""})),
        records=tuple(kept),
    )
    return block, makers


def _versions(records: Sequence[Record]) -> tuple[str, ...]:
    found = {f"{k} {v}" for r in records for k, v in r.get("software", {}).items()}
    return tuple(sorted(f for f in found if not f.startswith("plugin_sha256")))


def _device(record: Record) -> str:
    environment = record.get("environment") or {}
    kind = environment.get("device") or ""
    name = environment.get("device_name") or (environment.get("cpu") if kind == "cpu" else "")
    return f"{kind} ({name})" if kind and name else str(kind)

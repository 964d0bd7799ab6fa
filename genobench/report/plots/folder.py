"""All figures of a folder of records, with their captions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.report.headline import FIGURE as HEADLINE
from genobench.report.named import ROLES, role_of
from genobench.report.plots import (
    ancestry,
    attacks,
    calibration,
    cost,
    distances,
    effects,
    frequency,
    headline,
    learning,
    linkage,
    manifold,
    ranks,
)
from genobench.report.plots.cohorts import load_people, load_samples, missing
from genobench.report.plots.medium import Medium
from genobench.report.plots.panels import Drawn, Family, draw_family
from genobench.report.tables import Block, Tables
from genobench.run.store import write_bytes

CAPTIONS = "captions.md"
FAMILIES: tuple[Family, ...] = (
    frequency.FAMILY,
    linkage.MAP,
    linkage.DECAY,
    ancestry.FAMILY,
    manifold.FAMILY,
    distances.FAMILY,
    attacks.FAMILY,
    calibration.FAMILY,
    effects.FAMILY,
)

Figures = Callable[[Block, Sequence[str], Path, Medium, Mapping[str, Card]], Iterable[Drawn]]
OF_RECORDS: dict[str, Figures] = {  # by name, those that need no samples
    HEADLINE: lambda block, models, folder, medium, _: headline.figures(
        block, models, folder, medium
    ),
    "learning-curves": lambda block, models, folder, medium, cards: learning.figures(
        block, models, cards, folder, medium
    ),
    "ranks": lambda block, models, folder, medium, _: ranks.figures(block, models, folder, medium),
    "cost-quality": lambda block, models, folder, medium, _: cost.figures(
        block, models, folder, medium
    ),
}


@dataclass(frozen=True)
class Written:
    """What was drawn of one data set, and what could not be, with the reason."""

    block: str
    drawn: tuple[Drawn, ...]
    left_out: tuple[str, ...]


def chosen(
    tables: Tables, models: Sequence[str], cards: Mapping[str, Card]
) -> dict[str, list[str]]:
    """Models by data set in the order in which they are drawn: generators, then controls.

    Raises
    ------
    GenobenchError
        When a model that was asked for has no record anywhere.
    """
    there = {model for block in tables.blocks for model in block.models}
    wanted = there if "all" in models else set(models)
    if unknown := sorted(wanted - there):
        raise GenobenchError(
            f"no record of {', '.join(unknown)} there; models with records: "
            f"{', '.join(sorted(there)) or 'none'}"
        )
    return {b.name: [m for m in _order(b, cards) if m in wanted] for b in tables.blocks}


def _order(block: Block, cards: Mapping[str, Card]) -> list[str]:
    """By role, then by rank in the first task, then by name."""
    first = [row.model for table in block.tables[:1] for row in table.rows]
    at = {model: i for i, model in enumerate(first)}
    return sorted(
        block.models, key=lambda m: (ROLES.index(role_of(cards, m)), at.get(m, len(at)), m)
    )


def make(
    tables: Tables,
    run: Path,
    out: Path,
    medium: Medium,
    cards: Mapping[str, Card],
    models: Sequence[str] = ("all",),
    say: Callable[[str], None] = lambda text: None,
    only: Sequence[str] = (),
) -> list[Written]:
    """Draw everything that the records, and the samples where they are kept, allow.

    Parameters
    ----------
    tables
        Of the records in ``run``.
    run
        Folder of a run; of a leaderboard, which keeps no samples, only some figures are drawn.
    out
        ``out/<data set>/<figure>.png`` and ``.pdf``, ``out/captions.md``. A data set's folder is
        made anew.
    only
        Names of figures; none for all.
    """
    wanted = chosen(tables, models, cards)
    _require_figures(only)
    written = []
    for block in tables.blocks:
        if not wanted[block.name]:
            continue
        folder = out / block.name
        _make_way(folder)
        families = [f for f in FAMILIES if not only or f.name in only]
        drawn, left_out = _samples(
            block, run, wanted[block.name], cards, folder, medium, say, families
        )
        for name, figures in OF_RECORDS.items():
            if not only or name in only:
                drawn += figures(block, wanted[block.name], folder, medium, cards)
        written.append(Written(block.name, tuple(drawn), tuple(left_out)))
    text = captions(written).encode()
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / CAPTIONS, text)
    return written


def _require_figures(only: Sequence[str]) -> None:
    """Raise for a name that no figure has."""
    there = [*(f.name for f in FAMILIES), *OF_RECORDS]
    if unknown := [name for name in only if name not in there]:
        raise GenobenchError(f"no figure is called {unknown[0]}; there are {', '.join(there)}")


def _make_way(folder: Path) -> None:
    """Remove figures of an earlier call; refuse a folder of other things."""
    if not folder.exists():
        return
    strange = [p.name for p in folder.iterdir() if p.suffix not in (".png", ".pdf")]
    if strange:
        raise GenobenchError(
            f"{folder}: holds {sorted(strange)[0]}, which is no figure; name another --out"
        )
    shutil.rmtree(folder)


def _samples(
    block: Block,
    run: Path,
    models: Sequence[str],
    cards: Mapping[str, Card],
    folder: Path,
    medium: Medium,
    say: Callable[[str], None],
    families: Sequence[Family],
) -> tuple[list[Drawn], list[str]]:
    """Figures of people, and why some were left out."""
    if not families:
        return [], []
    if reason := missing(run, block):
        return [], [f"{', '.join(f.name for f in families)}: {reason}"]
    people = load_people(run, block)
    made = load_samples(people, block, models, cards)
    absent = [m for m in models if m not in {one.model for one in made}]
    left_out = [f"{', '.join(absent)}: no sample is kept"] if absent else []
    drawn: list[Drawn] = []
    for family in families:
        if reason := family.obstacle(people):
            left_out.append(f"{family.name}: {reason}")
            continue
        say(f"{block.name}: {family.name}")
        drawn += draw_family(family, made, people, folder, medium)
    return drawn, left_out


def captions(written: Sequence[Written]) -> str:
    """The page beside the figures."""
    lines = ["# Captions", ""]
    for part in written:
        lines += [f"## {part.block}", ""]
        for one in part.drawn:
            lines += [f"**{part.block}/{one.name}.** {one.caption}", ""]
        lines += [f"Left out: {reason}." for reason in part.left_out]
        lines += [""] if part.left_out else []
    return "\n".join(lines).rstrip("\n") + "\n"

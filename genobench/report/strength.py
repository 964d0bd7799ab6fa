"""The page on how strong each generator is: published figures, known failures, learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from genobench.generator import Card
from genobench.published import Published
from genobench.report import goals, tuned
from genobench.report.detectors import BAD, UNSURE, Finding
from genobench.report.failure_modes import FAILURES, judge
from genobench.report.learning import LATE, Learned, learned, silent
from genobench.report.learning_figure import FIGURE
from genobench.report.markdown import MADE, escape, grid, listed
from genobench.report.named import ROLES, card_of, role_of
from genobench.report.numerals import ABSENT, number
from genobench.report.sheet import Sheet, enumerated, percent
from genobench.report.tables import Block, Tables

FILE = "strength.md"
Judged = Mapping[str, Sequence[Sequence[Finding]]]  # by model; findings by failure


def render(tables: Tables, cards: Mapping[str, Card]) -> str:
    """The page, as Markdown."""
    judged = {b.name: {m: judge(b, m) for m in _ordered(b, cards)} for b in tables.blocks}
    parts = [
        MADE,
        "# Strength of the generators",
        "A generator that loses because it was built or trained badly is a defect of the "
        "benchmark. Here is what speaks for and against each: its paper's figures beside ours, the "
        "failures that generators of genotypes are known for, and how far it had learned when it "
        "stopped.",
        "## Published figures",
        *_published(tables, cards),
        *goals.section(tables),
        "## Failure modes",
        _reading(),
        *([_over_all(tables, judged, cards)] if tables.blocks else ["No records yet."]),
    ]
    for block in tables.blocks:
        parts += [f"### {_title(block)}", _failures(judged[block.name], cards)]
    parts += [*tuned.section(tables.tuned), "## Learning curves", _reading_curves()]
    for block in tables.blocks:
        parts += [f"### {_title(block)}: learning", *_learning(block)]
    return "\n\n".join([*parts, "## Cost", _costs(tables)]) + "\n"


def _published(tables: Tables, cards: Mapping[str, Card]) -> list[str]:
    """One table per generator whose paper has figures, and who has none."""
    models = sorted({m for b in tables.blocks for m in b.models} or cards)
    order = sorted(models, key=lambda m: (ROLES.index(role_of(cards, m)), m))
    known = {m: card for m in order if (card := card_of(cards, m)) is not None}
    without = [
        listed(m, role_of(cards, m)) for m in order if m not in known or not known[m].published
    ]
    parts = [
        "From the cards of the generators. **Ours** is the metric in brackets, mean over training "
        "seeds on each data set, with that of fresh real people behind it; a dash where it was not "
        "measured."
    ]
    for model, card in known.items():
        if card.published:
            paper = f" ({escape(card.paper)})" if card.paper else ""
            name = f"**{listed(model, card.role)}**, {escape(card.title)}{paper}"
            parts += [name, _claims(tables, model, card)]
    if without:
        parts.append(
            f"No published figure on genotypes that could be compared: {', '.join(without)}."
        )
    return parts


def _claims(tables: Tables, model: str, card: Card) -> str:
    columns = ["Claim", "Published", "On", "Ours", "Why they differ"]
    rows, last = [], ""
    for entry in card.published:
        data, last = "as above" if entry.data == last else entry.data, entry.data
        texts = [escape(text) for text in (entry.claim, entry.value, data)]
        rows.append([*texts, _ours(tables, model, entry), escape(entry.differs)])
    return grid(columns, rows, left=len(columns))


def _ours(tables: Tables, model: str, entry: Published) -> str:
    """Our values on each data set, those of fresh real people in brackets."""
    task, metric = entry.place
    if not task:
        return ABSENT
    found = []
    for block in tables.blocks:
        sheet = next((Sheet(t, block, model) for t in block.tables if t.task.name == task), None)
        value = sheet.of(metric) if sheet else None
        if sheet is None or value is None:
            continue
        top = sheet.real(metric) if model != sheet.table.ceiling else None
        real = f" (real {number(top.value)})" if top else ""
        found.append(f"{escape(block.data)} {number(value.value)}{real}")
    return f"{'; '.join(found) or ABSENT} [`{metric}`]"


def _reading() -> str:
    """How to read the tables of failures."""
    lines = [
        f"**{BAD}** worse than healthy by more than the tolerance and by more than chance allows "
        "(95 % interval of the difference from real people over people and training seeds, "
        "corrected for the number of values in the row). "
        f"**{UNSURE}** beyond the tolerance, but chance may have made it, or these data cannot "
        "tell. Without a mark: healthy, as far as these data can tell.",
        "Healthy is what lies between the ideal and the value of fresh real people (`real`), plus "
        "the tolerance below: where real people are off the ideal themselves, on few people or "
        "among relatives, nobody is blamed for it. Controls are judged as generators are: those "
        "that fail where they must show that the detectors work.",
        *(f"**{escape(f.heading)}** ({escape(f.name)}): {escape(f.healthy)}." for f in FAILURES),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _over_all(tables: Tables, judged: Mapping[str, Judged], cards: Mapping[str, Card]) -> str:
    """On how many data sets each failure was found, of those on which it was looked for."""
    models = sorted({m for found in judged.values() for m in found})
    models.sort(key=lambda m: ROLES.index(role_of(cards, m)))
    rows = []
    for model in models:
        cells = []
        for i in range(len(FAILURES)):
            seen = [found[model][i] for found in judged.values() if model in found]
            tried = [findings for findings in seen if any(f.judged for f in findings)]
            bad = sum(any(f.mark == BAD for f in findings) for findings in tried)
            mark = f" {BAD}" if bad else ""
            cells.append(f"{bad} / {len(tried)}{mark}" if tried else ABSENT)
        rows.append([listed(model, role_of(cards, model)), *cells])
    table = grid(["Model", *(f.name for f in FAILURES)], rows, left=1)
    return f"Data sets on which a failure was found / looked for:\n\n{table}"


def _failures(judged: Judged, cards: Mapping[str, Card]) -> str:
    """One row per model, one column per failure."""
    rows = [
        [listed(model, role_of(cards, model)), *(_cell(findings) for findings in found)]
        for model, found in judged.items()
    ]
    return grid(["Model", *(f.heading for f in FAILURES)], rows, left=1)


def _cell(findings: Sequence[Finding]) -> str:
    if not any(f.judged for f in findings):
        return ABSENT
    return " / ".join(f"{f.text} {f.mark}".rstrip() for f in findings)


def _reading_curves() -> str:
    return (
        "What each generator validated on people it was not fitted to, against the share of its "
        "fit time: a line per training seed, a dot at the best value. Units are the generator's "
        "own: losses fall; log-likelihoods (held out) and the k-NN F1 of GANs rise. They are not "
        "comparable between panels, and a curve that starts again is a second try with other "
        "settings. The figures are not part of `genobench "
        f"leaderboard --check`; the numbers are. **Late**: share of the gain in the last "
        f"{percent(1 - LATE)} of the curve's time; where it is large, more time would have helped. "
        "A best value early on is overfitting, or a stage that another one follows."
    )


def _learning(block: Block) -> list[str]:
    """The figure and what it shows in numbers."""
    found = learned(block)
    without = silent(block, found)
    parts = [f"![Learning curves]({block.name}/{FIGURE}.png)", _curves(found)] if found else []
    if without:
        names = enumerated(listed(m, "entrant") for m in without)
        parts.append(f"No learning curve in the records of {names}.")
    return parts


def _curves(found: Sequence[Learned]) -> str:
    columns = ["Model", "Validated", "First", "Best", "Best at", "Late"]
    rows = [
        [
            listed(line.model, "entrant"),
            escape(line.quantity.replace("_", " ")),
            number(line.first),
            number(line.best),
            percent(line.best_at),
            ABSENT if math.isnan(line.late) else percent(line.late),
        ]
        for line in found
    ]
    return grid(columns, rows, left=2)


def _costs(tables: Tables) -> str:
    """Where parameters, fit seconds and samples per second stand."""
    links = [
        f"[{_title(b)}]({b.name}/{b.tables[0].task.name}.md#jobs-and-cost)"
        for b in tables.blocks
        if b.tables
    ]
    text = "Parameters, fit time, samples per second, memory and device of every generator"
    return f"{text}: {', '.join(links)}." if links else f"{text}: no records yet."


def _ordered(block: Block, cards: Mapping[str, Card]) -> list[str]:
    """Generators by name, then controls by role."""
    return sorted(block.models, key=lambda m: (ROLES.index(role_of(cards, m)), m))


def _title(block: Block) -> str:
    return f"{escape(block.data)}, {escape(block.suite)}"

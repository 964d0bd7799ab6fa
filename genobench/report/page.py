"""The leaderboards as one self-contained page: no request, no script but its own, all text escaped.

What it shows is decided in `page_views.py` and laid out by `page.html.j2`; `page.css` and `page.js`
are put into it, and its content security policy allows these two by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from genobench.generator import Card
from genobench.report import numerals, svg
from genobench.report.headline import sense
from genobench.report.markdown import rank, rescaled, with_margin
from genobench.report.page_views import BlockView, block_view, model_views
from genobench.report.tables import Tables
from genobench.report.verdicts import verdicts
from genobench.task import MetricCard

FILE = "index.html"
_MINUS = re.compile(r"(?<![\w.])-(?=[\d∞])")


def render(tables: Tables, cards: Mapping[str, Card]) -> str:
    """The page of all leaderboards.

    Parameters
    ----------
    tables
        As built from records by `genobench.report.collect.build`.
    cards
        Of generators by name; a model without one is shown with what its records say.

    Returns
    -------
    HTML that depends on the arguments alone, byte by byte.
    """
    said = {
        (b.name, t.task.name, r.model): verdicts(t, b, r.model)
        for b in tables.blocks
        for t in b.tables
        for r in t.rows
        if r.ranked  # what a control is there for is no verdict on it
    }
    models = model_views(tables, cards, said)
    blocks = [block_view(b, said, tables.portraits) for b in tables.blocks]
    style, script = _part("page.css"), _part("page.js")
    dates = sorted(str(r.get("finished") or "")[:10] for b in tables.blocks for r in b.records)
    asked = {t.table.task.name: t.table.task for b in blocks for t in b.tables}
    text: str = _template().render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        blocks=blocks,
        datasets=sorted({b.data for b in tables.blocks}),
        suites=sorted({b.suite for b in tables.blocks}),
        models=models,
        model_ids={m.name: m.id for m in models},
        entrants=sum(m.role == "entrant" for m in models),
        tasks=[asked[name] for name in sorted(asked)],
        measured={name: _measured(blocks, name) for name in asked},
        overall=tables.overall,
        n_records=sum(len(b.records) for b in tables.blocks),
        newest=next((d for d in reversed(dates) if d), ""),
    )
    return f"{_joined(text)}\n"


def _joined(text: str) -> str:
    """Each row of a table on a line: breaks between its cells would be nodes, by the thousand."""
    for tag in ("<td", "<th", "</tr"):
        text = text.replace(f"\n{tag}", tag)
    return text


def policy(style: str, script: str) -> str:
    """Content security policy: one style and one script by hash, and no request of any kind."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",  # of portraits; an empty icon, else browsers ask a server for one
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types parts",  # of page.js, which makes closed parts of the page's own text
        )
    )


def _hash(text: str) -> str:
    """As browsers compute it of what stands between the tags."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    """A file beside this one."""
    return files("genobench.report").joinpath(name).read_text(encoding="utf-8")


def _part(name: str) -> str:
    """Style or script; its text must not end the element that it is put into."""
    text = _read(name)
    if "</" in text:
        raise ValueError(f"{name}: '</' would end the element that it is put into")
    return text


def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shown = {
        "number": numerals.number,
        "interval": numerals.interval,
        "duration": numerals.duration,
        "memory": numerals.memory,
        "count": numerals.count,
        "energy": numerals.energy,
        "operations": numerals.operations,
        "rank": rank,
        "rescaled": rescaled,
        "with_margin": with_margin,
    }
    environment.filters |= {name: _typeset(f) for name, f in shown.items()}
    environment.filters |= {"heading": heading, "key": sort_key, "code": code_spans}
    environment.globals |= {
        "sense": sense,
        "label": svg.label,
        "isfinite": math.isfinite,
    }
    return environment.from_string(_read("page.html.j2"))


def _typeset(shown: Any) -> Any:
    """The same text with a true minus before digits."""
    return lambda x: _minus(shown(x))


def _minus(text: str) -> str:
    return _MINUS.sub("−", text) if "-" in text else text


def heading(metric: MetricCard) -> str:
    """Title with the direction in which it is better."""
    arrow = {"higher": "↑", "lower": "↓"}.get(
        metric.better, f"→\N{NO-BREAK SPACE}{metric.target:g}"
    )
    return f"{metric.title} {arrow}"


def sort_key(x: float) -> str:
    """What to sort by where the text is no plain number; empty for NaN."""
    return "" if math.isnan(x) else f"{x:.4g}"


def code_spans(text: str) -> Markup:
    """Escaped text in which `these` are code, and a minus before digits is one elsewhere."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape(_minus(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(p) if i % 2 else Markup.escape(_minus(p))
        for i, p in enumerate(parts)
    )


def _measured(blocks: Iterable[BlockView], task: str) -> list[MetricCard]:
    """Metrics of a task that any data set has a value of, in the card's order."""
    found = {m.name: m for b in blocks for t in b.tables if t.table.task.name == task
             for m in t.measured}  # fmt: skip
    cards = next(t.table.task for b in blocks for t in b.tables if t.table.task.name == task)
    return [m for name, m in cards.metrics.items() if name in found]

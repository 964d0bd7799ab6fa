"""Figures of the page below the tables of a data set: ranks with ties, cost against worth."""

from __future__ import annotations

import math

from markupsafe import Markup

from genobench.report import svg
from genobench.report.headline import Box
from genobench.report.page_headline import axis_y, names
from genobench.report.shown import Place, Worth, frame, lines, places, tied, worth
from genobench.report.svg import Scale
from genobench.report.tables import Block, Table

# in CSS pixels, at which 1 unit of the text is 1 px
RANKS_WIDTH, RANK_ROW, TIE = 300, 15, 8
COST = (470, 280)


def ranks(block: Block) -> list[Markup]:
    """Of each task whose ranks have intervals: who stands where, and whom nothing tells apart."""
    found = [(t, places(t, block.models)) for t in block.tables]
    return [_ranks(t, ranked) for t, ranked in found if len(ranked) > 1]


def costs(block: Block) -> list[Markup]:
    """Of each task: seconds of fitting against the headline, generators alone."""
    found = [(t, worth(t, block.models)) for t in block.tables]
    return [_cost(t, timed) for t, timed in found if timed]


def _ranks(table: Table, found: list[Place]) -> Markup:
    groups, bottom = tied(found), 24 + RANK_ROW * len(found)
    left = svg.LETTER * max(len(p.model) for p in found) + 12
    right = RANKS_WIDTH - 8 - TIE * (len(groups) + 1)
    x = Scale(1, max(2, *(p.high for p in found), len(found)), left + 8, right)
    rows = [24 + RANK_ROW * i for i in range(len(found))]
    body = [svg.text(left, 12, table.task.title, "name")]
    body.append(svg.line("axis", x.start, bottom, x.end, bottom))
    ticks = [1, *(t for t in svg.ticks(2, x.high, 5) if t == round(t))]
    body += [svg.text(x(t), bottom + 14, svg.label(t), "", "middle") for t in ticks]
    body.append(svg.column(left, [(y + 4, p.model) for p, y in zip(found, rows, strict=True)]))
    ends = "".join(f"M{svg.px(x(p.low))} {y}H{svg.px(x(p.high))}"
                   for p, y in zip(found, rows, strict=True))  # fmt: skip
    body.append(svg.path("seeds entrant", ends))
    body.append(svg.marks("entrant", [(x(p.rank), y) for p, y in zip(found, rows, strict=True)], 4))
    for i, group in enumerate(groups):
        at = right + TIE * (i + 1.5)
        body.append(svg.line("tie", at, rows[group[0]], at, rows[group[-1]]))
        body += [svg.marker("tie", at, rows[k], 2.5) for k in group]
    title = f"{table.task.title}: ranks of {len(found)} generators with their intervals and ties"
    return svg.svg("ranks", (RANKS_WIDTH, bottom + 20), title, body)


def _cost(table: Table, found: list[Worth]) -> Markup:
    width, height = COST
    card, logs = table.headline, [math.log10(w.seconds) for w in found]
    room = 0.22 * (max(logs) - min(logs)) + 0.1
    x = Scale(min(logs) - room, max(logs) + room, 70, width - 8)
    y = Scale(*frame(table), height - 40, 22)
    body = [svg.text(70, 11, table.task.title, "name"), *axis_y(y, x.start, x.end, card)]
    body += [*_seconds(x, y.start), *_controls(table, x, y)]
    taken: list[Box] = []
    for at, w in zip(map(x, logs), found, strict=True):
        low, high = y.clipped(w.low), y.clipped(w.high)
        body.append(svg.line("seeds entrant", at, low, at, high))
        taken += [(at - 6, y(w.value) - 6, at + 6, y(w.value) + 6), (at - 2, high, at + 2, low)]
    marks = [(w.model, at, y(w.value)) for at, w in zip(map(x, logs), found, strict=True)]
    body.append(svg.marks("entrant", [(a, b) for _, a, b in marks], 4.5))
    body += names(sorted(marks, key=lambda m: (m[2], m[0])), taken,
                  (x.start, y.end, x.end + 8, y.start))  # fmt: skip
    title = f"{table.task.title}: {card.title} against seconds of fitting, {len(found)} generators"
    return svg.svg("costs", COST, title, body)


def _seconds(x: Scale, bottom: float) -> list[Markup]:
    """Axis of logarithms of seconds: 1, 2 and 5 of each decade, over long ranges 1 alone."""
    body = [svg.line("axis", x.start, bottom, x.end, bottom)]
    steps = (1, 2, 5) if x.high - x.low < 3 else (1,)
    decades = range(math.floor(x.low), math.ceil(x.high))
    for t in (s * 10.0**d for d in decades for s in steps):
        if x.holds(math.log10(t)):
            at = x(math.log10(t))
            body += [svg.line("axis", at, bottom, at, bottom + 4),
                     svg.text(at, bottom + 17, f"{t:,g}", "", "middle")]  # fmt: skip
    middle = (x.start + x.end) / 2
    return [*body, svg.text(middle, bottom + 34, "seconds of fitting", "name", "middle")]


def _controls(table: Table, x: Scale, y: Scale) -> list[Markup]:
    """Floor and ceiling as lines, named above them; the lower one below, where there is room."""
    found = lines(table, table.headline, y.low, y.high)
    body = []
    for model, value in found.items():
        at = y(value)
        below = value < max(found.values()) and y.start - at > 16
        body.append(svg.line("at", x.start, at, x.end, at))
        body.append(svg.text(x.start + 4, at + (12 if below else -4), model, "control"))
    return body

"""Figures of one sample, drawn small and taken apart into the shapes of its portrait.

What is taken are the shapes that the families draw for papers: the page shows the same numbers,
and hides the same people.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.report.named import role_of
from genobench.report.plots.cohorts import Made, People, load_people, load_samples, missing
from genobench.report.plots.folder import FAMILIES
from genobench.report.plots.medium import COLUMN, REAL, styled
from genobench.report.plots.panels import Family
from genobench.report.portrait import (
    GUIDE,
    INK,
    SIDE,
    SUFFIX,
    TEXT,
    Panel,
    Portrait,
    Shape,
    Words,
    to_json,
)
from genobench.report.tables import Block, Tables
from genobench.run.store import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.transforms import Transform

SIZE = (2.4, 2.0)  # inches: few ticks
DOTS = 100  # in a panel; more of one kind are thinned
CORNERS = 24  # of a line; more are thinned
ROLES = ("entrant", "ceiling")  # whose samples are shown beside test people
COLOURS = 32  # of an image
Floats = NDArray[np.float64]


def possible(run: Path, taken: Iterable[Path], tables: Tables) -> tuple[list[Block], list[str]]:
    """Data sets of the records taken over whose samples the run keeps, and why not of others."""
    there = {path.stem for path in taken}
    blocks = [b for b in tables.blocks if not there.isdisjoint(r["key"] for r in b.records)]
    reasons = {block.name: missing(run, block) for block in blocks}
    said = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    return [block for block in blocks if not reasons[block.name]], said


def keep(
    run: Path, taken: Iterable[Path], blocks: Iterable[Block], cards: Mapping[str, Card]
) -> tuple[list[Path], list[str]]:
    """Write the portrait of each sample of a run beside its record in leaderboards.

    Parameters
    ----------
    run, taken
        A run, and its records as they were taken over.
    blocks
        Data sets of the leaderboards; see `possible`.
    cards
        Of generators by name.

    Returns
    -------
    What was written, and why there is none of some data sets.
    """
    there = {path.stem: path for path in taken}
    written: list[Path] = []
    reasons = []
    for block in blocks:
        try:
            for key, portrait in portraits(run, block, cards):
                written.append(there[key].with_suffix(SUFFIX))
                write_bytes(written[-1], to_json(portrait).encode())
        except GenobenchError as error:
            reasons.append(f"{block.name}: {error}")
    return written, reasons


def portraits(run: Path, block: Block, cards: Mapping[str, Card]) -> Iterator[tuple[str, Portrait]]:
    """Key of a record and portrait of its sample, of generators and ceilings with a kept sample.

    Raises
    ------
    GenobenchError
        When a sample is not the one that its record describes.
    """
    people = load_people(run, block)
    shown = [m for m in block.models if role_of(cards, m) in ROLES]
    for one in load_samples(people, block, shown, cards):
        yield one.key, portray(one, people)


def portray(made: Made, people: People) -> Portrait:
    """Every figure that these people allow."""
    return tuple(_panel(f, made, people) for f in FAMILIES if not f.obstacle(people))


def _panel(family: Family, made: Made, people: People) -> Panel:
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter

    with styled(COLUMN):
        figure, axes = plt.subplots(figsize=SIZE)
        family.draw(axes, made, people)
        for axis, log in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
            # powers of ten as plain numbers; a family's own ticks stay
            if log == "log" and not axis.get_majorticklabels()[0].get_text().isdigit():
                axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        if family.square:
            axes.set_box_aspect(1)
        figure.draw_without_rendering()
        panel = Panel(
            name=family.name,
            title=family.title,
            caption=family.caption([made], people),
            x=family.x,
            y=family.y,
            x_ticks=_ticks(axes, axes.xaxis, 0),
            y_ticks=_ticks(axes, axes.yaxis, 1),
            shapes=tuple(_joined((*_lines(axes), *_bars(axes), *_dots(axes)))),
            notes=tuple(_notes(axes)),
            image=_image(axes),
            square=family.square or axes.get_aspect() == 1,
        )
        plt.close(figure)
    return panel


def _places(axes: Axes, points: Any, transform: Transform) -> Floats:
    """(p, 2) in units of `SIDE` from the upper left corner."""
    shares = axes.transAxes.inverted().transform(transform.transform(np.asarray(points, float)))
    return np.column_stack([shares[:, 0], 1 - shares[:, 1]]).astype(np.float64) * SIDE


def _ticks(axes: Axes, axis: Axis, which: int) -> tuple[tuple[int, str], ...]:
    at = np.zeros((len(axis.get_majorticklocs()), 2))
    at[:] = [axes.get_xlim()[0], axes.get_ylim()[0]]
    at[:, which] = axis.get_majorticklocs()
    places = _places(axes, at, axes.transData)[:, which]
    labels = [text.get_text() for text in axis.get_majorticklabels()]
    return tuple(
        (round(x), label)
        for x, label in zip(places, labels, strict=False)
        if -1 <= x <= SIDE + 1 and label
    )


def _colour(colour: Any) -> str:
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(colour)
    if to_hex(colour) == REAL:
        return INK
    return GUIDE if red == green == blue else to_hex(colour)


def _said(label: object) -> str:
    """A label of a legend, as long as there is room; matplotlib's own begin with an underscore."""
    text = str(label)
    if text.startswith("_"):
        return ""
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"


def _joined(shapes: Iterable[Shape]) -> Iterator[Shape]:
    """Those without a label that look alike as one, such as the edges of chromosomes."""
    alike: dict[tuple[str, str], list[str]] = {}
    for shape in shapes:
        if shape.label:
            yield shape
        else:
            alike.setdefault((shape.kind, shape.colour), []).append(shape.steps)
    for (kind, colour), steps in alike.items():
        yield Shape(kind, colour, "".join(steps))


def _lines(axes: Axes) -> Iterator[Shape]:
    for line in axes.get_lines():
        at = np.asarray(line.get_xydata())
        if line.get_linestyle() in ("None", "") or not len(at):
            continue
        steps = _path(_thinned(_places(axes, at, line.get_transform()), CORNERS))
        kind = "solid" if line.get_linestyle() == "-" else "dashed"
        yield Shape(kind, _colour(line.get_color()), steps, _said(line.get_label()))
        if line.get_marker() not in ("None", "", None) and len(at) <= DOTS // 5:
            marks = _marks(_places(axes, at, line.get_transform()))
            yield Shape("dots", _colour(line.get_color()), marks)


def _bars(axes: Axes) -> Iterator[Shape]:
    """Intervals, with the label of what they belong to."""
    from matplotlib.collections import LineCollection

    labels = {id(bars): c.get_label() for c in axes.containers for bars in c[-1]}
    for bars in axes.collections:
        if isinstance(bars, LineCollection):
            steps = "".join(_path(_places(axes, s, axes.transData)) for s in bars.get_segments())
            label = _said(labels.get(id(bars), "_"))
            yield Shape("solid", _colour(bars.get_color()[0]), steps, label)


def _thinned(places: Floats, most: int) -> Floats:
    """So many of them, evenly, with both ends; all when there are no more."""
    if len(places) <= most:
        return places
    kept: Floats = places[np.linspace(0, len(places) - 1, most).round().astype(int)]
    return kept


def _path(places: Floats) -> str:
    """Steps of a line; it is broken where a value is not finite."""
    steps, pen = [], "M"
    for x, y in places:
        if not np.isfinite(x + y):
            pen = "M"
            continue
        steps.append(f"{pen}{round(x)} {round(y)}")
        pen = "L"
    return "".join(steps)


def _marks(places: Floats) -> str:
    """A dot at every place that is finite."""
    return "".join(f"M{round(x)} {round(y)}h0" for x, y in places if np.isfinite(x + y))


def _dots(axes: Axes) -> Iterator[Shape]:
    from matplotlib.collections import PathCollection

    found = [c for c in axes.collections if isinstance(c, PathCollection)]
    total = sum(len(np.asarray(c.get_offsets())) for c in found)
    for dots in found:
        at = _places(axes, dots.get_offsets(), dots.get_offset_transform())
        at = at[((at >= 0) & (at <= SIDE)).all(axis=1)]
        if total > DOTS and len(at) > DOTS // 10:
            fewer = max(DOTS // 10, round(len(at) * DOTS / total))
            at = _thinned(at, fewer)
        steps = _marks(at)
        faces, edges = dots.get_facecolor(), dots.get_edgecolor()
        filled = len(faces) > 0 and np.asarray(faces)[0, 3] > 0
        colour = np.asarray(faces if filled else edges)[0]
        yield Shape("dots" if filled else "faint", _colour(colour), steps, _said(dots.get_label()))


def _notes(axes: Axes) -> Iterator[Words]:
    """Texts in the panel, line by line."""
    for text in axes.texts:
        x, y = _places(axes, [text.get_position()], text.get_transform())[0]
        lines = text.get_text().split("\n")
        height = 0.09 * SIDE
        up = {"top": 0.8, "center": 0.5 - len(lines) / 2 + 0.3}.get(
            text.get_verticalalignment(), 0.8 - len(lines)
        )
        anchor = {"left": "start", "right": "end"}.get(text.get_horizontalalignment(), "middle")
        for i, line in enumerate(lines):
            yield Words(round(x), round(y + (up + i) * height), line, anchor)


def _image(axes: Axes) -> str:
    """Maps of colour that fill the panel, one above the other."""
    from matplotlib.collections import QuadMesh
    from PIL import Image

    meshes = [c for c in axes.collections if isinstance(c, QuadMesh)]
    if not meshes:
        return ""
    under: Image.Image | None = None
    for mesh in meshes:
        values: Any = mesh.get_array()
        colours = mesh.to_rgba(values, bytes=True)
        picture = Image.fromarray(colours if axes.yaxis_inverted() else colours[::-1].copy())
        under = picture if under is None else Image.alpha_composite(under, picture)
    assert under is not None
    content = io.BytesIO()
    under.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(content, "png", optimize=True)
    return base64.b64encode(content.getvalue()).decode()

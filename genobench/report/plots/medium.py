"""What a figure is made for: its size, its letters, its colours, and how it is written."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.run.store import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

MILLIMETRE = 1 / 25.4  # inches
MOST = 8  # models in one figure
REAL = "#000000"
# Okabe and Ito's palette, apart for all common kinds of colour blindness: marker, colour, word
ROLE_STYLE = {
    "entrant": ("o", "#0072B2", "generator"),
    "ceiling": ("*", "#009E73", "ceiling"),
    "floor": ("s", "#999999", "floor"),
    "leak": ("X", "#D55E00", "leak"),
}
# The whole of it, in an order in which neighbours differ in lightness too.
SERIES = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9", "#D55E00")
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
STAMPS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Medium:
    """A page or a slide; lengths in inches, letters and lines in points.

    Attributes
    ----------
    width, narrow
        Of a figure of many panels, and of one that fits into half the page.
    panel
        Height of a row of panels; 0: the figure fills ``height``.
    height
        Of the whole figure at most.
    font, line, dot
        Size of letters, width of lines, area of markers.
    dpi
        Of the PNG.
    gap
        Between panels, on either side.
    """

    name: str
    width: float
    narrow: float
    panel: float
    height: float
    font: float
    line: float
    dot: float
    dpi: int
    gap: float

    @property
    def layout(self) -> ConstrainedLayoutEngine:
        """A layout that keeps the gaps."""
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        return ConstrainedLayoutEngine(w_pad=self.gap, h_pad=self.gap)

    def size(self, rows: int, columns: int, *, legend: float = 0.45) -> tuple[float, float]:
        """Width and height of a figure of panels, with room for a legend above."""
        if not self.panel:
            return self.width, self.height
        wide = self.width if columns > 2 else self.narrow
        return wide, min(self.height, rows * self.panel + legend)


COLUMN = Medium(
    "column", 183 * MILLIMETRE, 89 * MILLIMETRE, 1.75, 240 * MILLIMETRE, 6.5, 0.9, 9, 300, 0.04
)
SLIDE = Medium("slide", 40 / 3, 40 / 3, 0, 7.5, 13, 1.8, 36, 150, 0.1)
MEDIA = {m.name: m for m in (COLUMN, SLIDE)}


@contextmanager
def styled(medium: Medium) -> Iterator[None]:
    """Matplotlib without a screen, in the medium's letters and lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns

    # sizes of a theme are set with its style: those given here come last
    own: dict[Any, Any] = {
        "font.size": medium.font,
        "axes.titlesize": medium.font,
        "axes.labelsize": medium.font,
        "xtick.labelsize": medium.font - 0.5,
        "ytick.labelsize": medium.font - 0.5,
        "legend.fontsize": medium.font,
        "axes.linewidth": medium.line * 0.6,
        "xtick.major.width": medium.line * 0.6,
        "ytick.major.width": medium.line * 0.6,
        "xtick.minor.width": medium.line * 0.4,
        "ytick.minor.width": medium.line * 0.4,
        "xtick.major.size": medium.font * 0.4,
        "ytick.major.size": medium.font * 0.4,
        "xtick.minor.size": medium.font * 0.25,
        "ytick.minor.size": medium.font * 0.25,
        "lines.linewidth": medium.line,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,
        "svg.hashsalt": "genobench",
    }
    with mpl.rc_context({**sns.axes_style("ticks"), **own}):
        yield


def save(
    figure: Figure, stem: Path, medium: Medium, texts: Mapping[str, str] | None = None
) -> list[Path]:
    """``stem``.png and ``stem``.pdf, complete or absent, without a date; closes the figure.

    ``texts`` go into the PNG.
    """
    from matplotlib import pyplot as plt

    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for both files
    paths = []
    for ending, stamp in STAMPS.items():
        content = io.BytesIO()
        own = stamp | dict(texts or {}) if ending == "png" else stamp
        figure.savefig(content, format=ending, dpi=medium.dpi, metadata=own)
        path = stem.with_name(f"{stem.name}.{ending}")
        write_bytes(path, content.getvalue())
        paths.append(path)
    plt.close(figure)
    return paths


def role_colour(role: str) -> str:
    """Colour of a role, as in every other figure."""
    return ROLE_STYLE[role][1]


def role_marker(role: str) -> str:
    """Shape of a role, so that colour is not the only difference."""
    return ROLE_STYLE[role][0]


def role_label(role: str) -> str:
    """A role in a word."""
    return ROLE_STYLE[role][2]


def letters_colour(role: str) -> str:
    """As `role_colour`, dark enough to be read."""
    return "#666666" if role == "floor" else role_colour(role)


def cohort_label(role: str) -> str:
    """What a legend calls a sample of a model of this role."""
    return "synthetic people" if role == "entrant" else role_label(role)

"""What generators reported while they learned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from genobench.generator import Card
from genobench.report.learning import Learned, learned
from genobench.report.named import role_of
from genobench.report.plots.medium import DASHES, SERIES, Medium, save, styled
from genobench.report.plots.panels import Drawn, grid, head, legend, pages, stems
from genobench.report.tables import Block


def figures(
    block: Block, models: Collection[str], cards: Mapping[str, Card], folder: Path, medium: Medium
) -> Iterator[Drawn]:
    """One panel per model and quantity, a line per training seed, a dot at its best value."""
    found = [line for line in learned(block) if line.model in models]
    parts = pages(found)
    for stem, part in zip(stems("learning-curves", len(parts)), parts, strict=True):
        with styled(medium):
            figure, panels = grid(len(part), medium, share=False)
            for axes, line in zip(panels, part, strict=True):
                for i, curve in enumerate(line.curves):
                    colour = SERIES[i % len(SERIES)]
                    axes.plot(
                        *zip(*curve.points, strict=True), color=colour,
                        linestyle=DASHES[i % len(DASHES)], label=f"seed {curve.seed}",
                    )  # fmt: skip
                    axes.plot(*curve.best, marker="o", color=colour, markersize=3 * medium.line)
                head(axes, line.model, role_of(cards, line.model))
                axes.set_xlim(0, 1.03)
                axes.set_xlabel("share of fit time")
                axes.set_ylabel(line.quantity.replace("_", " "))
            legend(figure, panels)
            paths = save(figure, folder / stem, medium)
        yield Drawn(stem, tuple(paths), _caption(part))


def _caption(shown: Sequence[Learned]) -> str:
    seeds = sorted({curve.seed for line in shown for curve in line.curves})
    models = len({line.model for line in shown})
    return (
        f"What {models} generator{'s' if models > 1 else ''} measured on validation people while "
        f"learning, at training seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}; "
        "every panel has its own unit, and dots mark the best values. A curve that still moves at "
        "its end was not done learning; one that has turned back was trained for longer than it "
        "needed."
    )

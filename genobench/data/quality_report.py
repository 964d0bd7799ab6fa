"""Who and what is left, and the account that quality control gives of it."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.errors import GenobenchError

Unit = Literal["people", "variants"]
WIDTH = 80


class TooFewSnpsError(GenobenchError):
    """Quality control or clumping leaves fewer SNPs than are needed."""


@dataclass(frozen=True)
class Step:
    """One step: what it judged, how many it dropped and left, by which rule."""

    unit: Unit
    name: str
    dropped: int
    left: int
    why: str


@dataclass(frozen=True)
class QualityReport:
    """Counts before and after, and the steps between; no id of anybody.

    Attributes
    ----------
    people_before, variants_before, people, variants
        Size of the cohort that came in, and of the one that went out.
    steps
        In the order in which they were done.
    """

    people_before: int
    variants_before: int
    people: int
    variants: int
    steps: tuple[Step, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain numbers and texts, for JSON."""
        return asdict(self) | {"steps": [asdict(step) for step in self.steps]}

    def table(self) -> str:
        """Text at most 80 columns wide: every step that dropped something or was left out."""
        rows = [
            (f"{s.unit}: {s.name}", f"{s.dropped:,}", f"{s.left:,}", s.why)
            for s in self.steps
            if s.dropped or s.why.startswith("not done")
        ]
        head = ("step", "dropped", "left", "why")
        widths = [max(len(r[i]) for r in [head, *rows]) for i in range(3)]
        room = WIDTH - sum(widths) - 6
        lines = []
        for name, dropped, left, why in [head, *rows]:
            first, *rest = textwrap.wrap(why, room)
            lines.append(
                f"{name:<{widths[0]}}  {dropped:>{widths[1]}}  {left:>{widths[2]}}  {first}"
            )
            lines += [" " * (WIDTH - room) + line for line in rest]
        lines.append(
            f"{self.people:,} of {self.people_before:,} people and {self.variants:,} of "
            f"{self.variants_before:,} variants stay"
        )
        return "\n".join(lines)


@dataclass(eq=False)
class Sieve:
    """Masks of what is left, and the steps that led there."""

    cohort: Cohort
    people: NDArray[np.bool_]
    variants: NDArray[np.bool_]
    steps: list[Step] = field(default_factory=list)

    def drop(self, unit: Unit, name: str, bad: NDArray[np.bool_], why: str) -> None:
        """Take ``bad`` (a mask over all) out of what is left; raises when nothing is left."""
        mask = self.people if unit == "people" else self.variants
        before = int(mask.sum())
        mask &= ~bad
        left = int(mask.sum())
        self.steps.append(Step(unit, name, before - left, left, why))
        if left == 0:
            kind = TooFewSnpsError if unit == "variants" else GenobenchError
            raise kind(
                f"quality control: the step '{name}' dropped all {before} {unit} that were left "
                f"({why}). The limit is fixed: see with `plink --bfile ... --missing --freq` "
                "whether the files hold what they should, and give others: more people, more "
                "variants, or missing calls imputed"
            )

    def skip(self, unit: Unit, name: str, why: str) -> None:
        """Note that a step was left out."""
        left = int((self.people if unit == "people" else self.variants).sum())
        self.steps.append(Step(unit, name, 0, left, f"not done: {why}"))

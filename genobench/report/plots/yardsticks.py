"""What the tasks fix and figures share, so that a figure shows what its metric measures."""

from __future__ import annotations

# the folder of the tasks is a package of genobench only once installed: unknown to mypy
from genobench.tasks._fidelity_reference import (  # type: ignore[import-not-found]
    MOST,
    REACH,
    RESIDENTS,
    curve_ks,
    genome,
    halves_of,
)
from genobench.tasks.privacy import Scene  # type: ignore[import-not-found]

__all__ = ["MOST", "REACH", "RESIDENTS", "Scene", "curve_ks", "genome", "halves_of"]

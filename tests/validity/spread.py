"""How far the metrics of the reference levels scatter: makes spread.csv beside this file.

    python -m tests.validity.spread        # from the root of the project, about two minutes

Ten worlds are drawn from one population: 512 SNPs in LD blocks of 16, three populations, a
liability label, four samples of 1,500 people. Every level is measured in each; the table has mean
and standard deviation over the worlds. The tests run in an eleventh world.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from .levels import LEVELS
from .measures import MEASURES, trees, world_of

TABLE = Path(__file__).parent / "spread.csv"
SEEDS = 10
PEOPLE = 1_500  # in each of T, H, R and fresh
# FST .015 between the populations; blocks of 16 nearly as diverse as people are many
POPULATION: dict[str, Any] = {"m": 512, "block": 16, "founders": 120, "populations": 3}
TREES = ("real", "hwe", "collapse")  # levels that meet the two-sample test, which is dear


def main() -> None:
    """Measure everything and write the table."""
    from ..conftest import ld_cohort

    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in range(SEEDS):
        world = world_of(ld_cohort(4 * PEOPLE, seed=seed, **POPULATION))
        for number, (name, level) in enumerate(LEVELS.items()):
            made = level(world, np.random.default_rng([seed, number]))
            for measure in (*MEASURES, trees) if name in TREES else MEASURES:
                for metric, interval in measure(made, world).items():
                    values[name, metric].append(interval.value)
        print(f"world {seed + 1} of {SEEDS}", file=sys.stderr)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["level", "metric", "mean", "sd"])
        for (name, metric), each in values.items():
            writer.writerow([name, metric, f"{np.mean(each):.5g}", f"{np.std(each, ddof=1):.3g}"])


if __name__ == "__main__":
    main()

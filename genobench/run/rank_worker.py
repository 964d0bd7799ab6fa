"""One of the further processes of a fit: it fits what rank 0 fits, and leaves the rest to it.

Started by `genobench.run.ranks` as ``python -m genobench.run.rank_worker``.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from genobench import conditioning, registry
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.run import environment, ranks
from genobench.run.lifeline import Messages, take_orders

PATIENCE = timedelta(days=365)  # for rank 0, with which this process ends in any case


class RankMessages(Messages):
    """Messages that say whose they are."""

    def __init__(self, descriptor: int, rank: int) -> None:
        super().__init__(descriptor)
        self.rank = rank

    def send(self, at: str, **content: Any) -> None:
        """One message."""
        super().send(at, rank=self.rank, **content)


def main() -> None:
    """Take the order, fit, wait for the others, leave."""
    order = take_orders()
    messages = RankMessages(order["messages"], order["rank"])
    messages.report_crashes()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    split = Split.load(Path(order["data"]))
    plugin = registry.find_generator(order["spec"])
    plugin.require(order["plugin_sha256"])
    people = split.control if plugin.card.fit_on == "control" else split.train
    generator = conditioning.build(plugin.card, plugin.load(), order["settings"])
    environment.limit_torch_threads(order["threads"])
    environment.limit_device_memory(order["device_memory_bytes"])
    store = ranks.join(order, order["rank"])
    budget = Budget(order["fit_seconds"], order["device"], order["threads"])
    try:
        generator.fit(people, split.validation, seed=order["fit_seed"], budget=budget)
    except SystemExit as left:  # before its connections are closed, of which others would fail
        raise GenobenchError(f"fit left with sys.exit({left.code!r})") from left
    environment.synchronise()
    messages.send("done")
    store.wait([ranks.OVER], PATIENCE)
    ranks.leave(store)
    messages.leave(0)


if __name__ == "__main__":
    main()

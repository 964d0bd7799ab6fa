"""Training as it is written without care for feeding: DataLoader, float32, torch's own optimisers.

The counterpart of `genobench.baselines._training`, for `test_speed_training`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

_training = import_module("genobench.baselines._training")
WORKERS = (0, 2)
Batch = tuple[Tensor, ...]


class Feed:
    """Endless shuffled batches of a DataLoader, the short rest of an epoch dropped."""

    def __init__(self, data: TensorDataset, batch: int, workers: int, collate: Any, device: str):
        self.loader = DataLoader(
            data,
            batch_size=min(batch, len(data)),
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate,
            pin_memory=device != "cpu",
        )
        self.device = device
        self.stream = self._endless()

    def _endless(self) -> Generator[Batch, None, None]:
        while True:
            for parts in self.loader:
                yield tuple(part.to(self.device, non_blocking=True) for part in parts)

    def __next__(self) -> Batch:
        return next(self.stream)

    def alone(self, count: int) -> float:
        """Seconds that a batch takes when nothing is done with it."""
        started = time.perf_counter()
        for _ in range(count):
            next(self)
        return (time.perf_counter() - started) / count


@contextmanager
def feeds(kinds: dict[str, tuple[TensorDataset, Any]], batch: int, device: str) -> Any:
    """A feed of each kind and number of workers, by what it is; workers end with the block."""
    with ExitStack() as stack:
        found = {}
        for kind, (data, collate) in kinds.items():
            for workers in WORKERS:
                feed = Feed(data, batch, workers, collate, device)
                stack.callback(feed.stream.close)
                found[f"{kind}, {workers} workers"] = feed
        yield found


def genotype_kinds(people: Any) -> dict[str, tuple[TensorDataset, Any]]:
    """Batches of one-hots (B, 3, L), dosages (B, L) and labels (B, 1), made in two ways."""
    g, y = people.genotypes.cpu(), people.labels.cpu()
    return {
        "float32 one-hots": (TensorDataset(_training.one_hot(g), g, y), default_collate),
        "one-hots in the collate": (TensorDataset(g, y), _expanded),
    }


def _expanded(rows: list[Batch]) -> Batch:
    g, y = default_collate(rows)
    return _training.one_hot(g), g, y


def plain_descent(
    network: nn.Module, feed: Feed, loss: Callable[..., Tensor], generator: Any, lr: float, ema: Any
) -> Callable[[int], None]:
    """Takes so many steps: AdamW with the schedule, clipping and averaging of `descend`."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=generator.weight_decay)
    average = _training.Ema(network, ema)
    network.train()

    def run(steps: int) -> None:
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = lr * _training.warmup_cosine(
                    step, warmup=generator.warmup, steps=steps
                )
            optimiser.zero_grad()
            loss(*next(feed)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            average.update(network)

    return run

"""What every generator trained by gradient descent does alike, from people to synthetic rows.

A subclass says what its network is, how it learns and how it draws; labels, monomorphic columns,
seeds, chunks and what is stored are here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator

from ._blocks import looked_at
from ._training import (
    LabelScale,
    People,
    descend,
    fixed_calls,
    from_arrays,
    in_chunks,
    seeded,
    to_arrays,
    write_fixed,
)

Network = TypeVar("Network", bound=nn.Module)


@dataclass
class Neural(Generator):
    """A generator with one network, learned by `descend`.

    Everything learned lives in ``network_``'s parameters and buffers, apart from the label's scale
    and the columns that were monomorphic in training.

    Parameters
    ----------
    batch, epochs, steps, lr, weight_decay, warmup, ema
        AdamW with linear warm-up and a cosine; training ends after ``epochs`` passes over the
        training people or ``steps`` steps, whichever comes first.
    every, patience
        Steps between two validations, and validations without a gain before training stops.
    """

    batch: int = 128
    epochs: int = 1000
    steps: int = 2000
    lr: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 100
    ema: float = 0.99
    every: int = 50
    patience: int = 10

    share: ClassVar[float] = 0.85  # of the budget, for training; the rest is for what follows
    chunk: ClassVar[int] = 4096  # people drawn at once

    @abstractmethod
    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        """The trained network; torch's random state is already seeded."""

    @abstractmethod
    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> nn.Module:
        """A network of the shape of the one stored in ``state``, at any weights."""

    @abstractmethod
    def _calls(self, y: Tensor) -> Tensor:
        """(k, L) int8 calls of synthetic people with scaled labels (k, 1)."""

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        deadline = monotonic() + self.share * budget.seconds
        self.scale_, self.fixed_ = LabelScale.of(train), fixed_calls(train)
        people = People.of(train, self.scale_, budget.device)
        held_out = People.of(looked_at(validation), self.scale_, budget.device)
        with seeded(seed, self._name, "fit"):
            self.network_ = self._learn(train, people, held_out, budget, deadline).eval()
        return self

    @torch.no_grad()
    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        self._check_fitted("sample")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        with seeded(seed, self._name, "sample"):
            rows.extend(
                self._calls(self.scale_(some, self._device)).cpu().numpy()
                for some in in_chunks(labels, self.chunk)
            )
        return write_fixed(np.concatenate(rows), self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            **to_arrays(network=self.network_),
            "fixed": self.fixed_,
            "scale": self.scale_.array(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.fixed_ = np.array(state["fixed"])
        self.scale_ = LabelScale.of_array(state["scale"])
        with seeded(0):
            self.network_ = self._network(len(self.fixed_), state).eval()
        from_arrays(self.network_, "network", state)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network_.parameters())

    @property
    def _name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    @property
    def _device(self) -> torch.device:
        return next(self.network_.parameters()).device

    def _check_fitted(self, what: str) -> None:
        if not hasattr(self, "network_"):
            raise GenobenchError(f"{self._name}: {what}() before fit()")

    def _descend(
        self,
        network: Network,
        loss: Callable[[Tensor], Tensor],
        validate: Callable[[Network], float],
        *,
        n: int,
        budget: Budget,
        deadline: float,
        stage: str = "",
        steps: int | None = None,
    ) -> Network:
        """`descend` with this generator's settings; ``steps`` where a stage has its own."""
        return descend(
            network,
            loss,
            n=n,
            validate=validate,
            budget=budget,
            deadline=deadline,
            batch=self.batch,
            epochs=self.epochs,
            steps=self.steps if steps is None else steps,
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            ema=self.ema,
            every=self.every,
            patience=self.patience,
            stage=stage,
        )

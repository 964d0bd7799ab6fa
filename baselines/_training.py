"""What training any of the networks needs: data on the device, seeds, averages, early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench import parallel
from genobench.cohort import MISSING, Cohort, Genotypes, Labels
from genobench.generator import Budget
from genobench.seeds import derive

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def seeded(seed: int, *axes: str | int) -> Iterator[None]:
    """Torch's random state set from ``seed`` inside the block and put back after it.

    Initialisation, dropout and ``torch.randn`` draw from torch's own state; forking it is what
    lets them be seeded without leaving a trace.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, *axes))
        yield


def one_hot(genotypes: Tensor) -> Tensor:
    """(B, L) int8 dosages -> (B, 3, L) float, channels {hom-other, het, hom-counted}."""
    return nn.functional.one_hot(genotypes.long(), 3).movedim(-1, 1).float()


@dataclass(frozen=True)
class LabelScale:
    """Labels as one number near [-1, 1]: a binary 0 / 1 becomes -1 / +1, a quantity its z-score."""

    centre: float
    scale: float

    @classmethod
    def of(cls, train: Cohort) -> LabelScale:
        """Scale of the training labels."""
        y = train.labels
        if train.trait is not None and train.trait.kind == "binary":
            return cls(0.5, 0.5)
        return cls(float(y.mean()), float(y.std()) or 1.0)

    def array(self) -> NDArray[np.float64]:
        """(2,) for a generator's state."""
        return np.array([self.centre, self.scale])

    @classmethod
    def of_array(cls, stored: NDArray[Any]) -> LabelScale:
        """What `array` stored."""
        return cls(*map(float, stored))

    def __call__(self, labels: Labels, device: str | torch.device = "cpu") -> Tensor:
        """(n,) labels -> (n, 1) float on the device."""
        y = (np.asarray(labels, dtype=np.float32) - self.centre) / self.scale
        return torch.from_numpy(np.ascontiguousarray(y)).reshape(-1, 1).to(device)


@dataclass(frozen=True)
class People:
    """A cohort on the device: int8 genotypes (n, L) and scaled labels (n, 1)."""

    genotypes: Tensor
    labels: Tensor

    @classmethod
    def of(cls, cohort: Cohort, scale: LabelScale, device: str) -> People:
        """Genotypes stay int8 there: one-hots are expanded batch by batch."""
        g = torch.from_numpy(np.array(cohort.genotypes)).to(device)
        return cls(g, scale(cohort.labels, device))

    def __len__(self) -> int:
        return int(self.genotypes.shape[0])


def fixed_calls(train: Cohort) -> Genotypes:
    """(m,) int8: the one dosage of a column that is monomorphic in training, -1 elsewhere."""
    g = train.genotypes
    return np.where((g == g[:1]).all(axis=0), g[0], MISSING).astype(np.int8)


def write_fixed(rows: Genotypes, fixed: Genotypes) -> Genotypes:
    """(k, m) rows with the monomorphic columns of training written back, C-contiguous."""
    return np.ascontiguousarray(np.where(fixed == MISSING, rows, fixed), dtype=np.int8)


def batches(
    n: int, size: int, device: str, order: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Endless index batches: every person once per epoch in a new order, the short rest dropped.

    A single person comes twice, since a batch norm needs two rows. ``order`` gives the orders;
    without it torch's own state does.
    """
    size = min(size, n)
    while n == 1:
        yield torch.zeros(2, dtype=torch.long, device=device)
    while True:
        people = torch.randperm(n, device=device, generator=order)
        for start in range(0, n - size + 1, size):
            yield people[start : start + size]


def common_order(device: str) -> torch.Generator | None:
    """Where several processes fit together, the batches' order, the same in all of them.

    Torch's own state, from which noise is drawn, then becomes another one in each.
    """
    if parallel.world() == 1:
        return None
    seed = int(parallel.told(int(torch.randint(2**31, ()))))
    torch.manual_seed(derive(seed, "noise", parallel.rank()))
    return torch.Generator(device).manual_seed(seed)


def in_chunks(labels: Labels, size: int = 4096) -> list[Labels]:
    """Labels in pieces, so that sampling many people needs no more memory than a few."""
    return [labels[start : start + size] for start in range(0, len(labels), size)]


class Ema(Generic[Network]):
    """Exponential moving average of a network's weights, with warm-up.

    The decay grows as (1 + t) / (10 + t) up to ``decay``, so that a short run is not dominated by
    its initial weights (Karras et al. 2022, in spirit). Buffers are copied.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network: Network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self.decay = decay
        self.step = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Move the average towards the network's present weights."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for old, new in zip(self.network.parameters(), network.parameters(), strict=True):
            old.data.lerp_(new, 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)


@dataclass
class EarlyStopping:
    """Best state by validation loss, and when to stop waiting for a better one."""

    network: nn.Module
    patience: int
    best: float = math.inf
    waited: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)

    def update(self, loss: float) -> bool:
        """Take in one validation loss; True when it is time to stop."""
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.state = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        else:
            self.waited += 1
        return self.waited > self.patience

    def restore(self) -> None:
        """Load the best state into the network."""
        if self.state:
            self.network.load_state_dict(self.state)


def warmup_cosine(step: int, *, warmup: int, steps: int, floor: float = 0.0) -> float:
    """Learning-rate factor: linear warm-up, then cosine from 1 to ``floor``."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def bf16_helps(device: str) -> bool:
    """Whether the device multiplies bf16 natively.

    On a CPU without such instructions (AVX2 only) oneDNN emulates them: measured 8 to 25 times
    slower than float32 for the convolutions and matrix products of these networks.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in old releases
    return any(bool(flags.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def autocast(device: str, enabled: bool = True) -> torch.autocast:
    """bf16 autocast where the device has the instructions for it, else no change."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled and bf16_helps(device))


def descend(
    network: Network,
    loss: Callable[[Tensor], Tensor],  # index batch -> scalar, gradients wanted
    *,
    n: int,  # people in the training set
    validate: Callable[[Network], float],  # averaged network -> loss; lower is better
    budget: Budget,
    deadline: float,  # reading of time.monotonic() at which to stop
    batch: int = 256,
    epochs: int = 1000,  # training ends after these or `steps`, whichever comes first
    steps: int = 2000,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    warmup: int = 100,  # steps of linear warm-up
    ema: float = 0.999,
    clip: float = 1.0,  # gradient norm
    every: int = 100,  # steps between two validations
    patience: int = 10,  # validations without a gain before stopping
    stage: str = "",  # name in the learning curve
) -> Network:
    """Train ``network`` with AdamW; the averaged network at its best validation loss comes back.

    Processes that fit together share each batch, and all of them get the same network.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    device = str(next(network.parameters()).device)
    steps = min(steps, epochs * max(1, n // batch))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=lr, weight_decay=weight_decay, fused=True
    )
    average = Ema(network, ema)
    stopping = EarlyStopping(average.network, patience)
    network.train()
    for step, index in enumerate(batches(n, batch, device, common_order(device))):
        for group in optimiser.param_groups:
            group["lr"] = lr * warmup_cosine(step, warmup=warmup, steps=steps)
        optimiser.zero_grad(set_to_none=True)
        value = loss(parallel.share(index))
        value.backward()  # type: ignore[no-untyped-call]
        parallel.mean_gradients(network)
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimiser.step()
        average.update(network)
        over = parallel.over(deadline) or step + 1 >= steps
        if (step + 1) % every == 0 or over:
            if not math.isfinite(value.item()):
                raise FloatingPointError(f"{stage} loss is {value.item()} at step {step + 1}")
            with torch.no_grad():
                held_out = parallel.told(validate(average.network))
            budget.report({f"{stage}step": step + 1, f"{stage}validation": held_out})
            if stopping.update(held_out) or over:
                break
    stopping.restore()
    parallel.take_from_first(average.network)
    return average.network


def to_arrays(**networks: nn.Module) -> dict[str, NDArray[Any]]:
    """State dicts of named networks as one flat dict of float32 (or int64) arrays."""
    return {
        f"{name}.{key}": value.detach().cpu().numpy()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def from_arrays(network: nn.Module, name: str, state: Mapping[str, NDArray[Any]]) -> None:
    """Load what `to_arrays` stored for ``name``."""
    head = f"{name}."
    own = {
        k[len(head) :]: torch.from_numpy(np.array(v))
        for k, v in state.items()
        if k.startswith(head)
    }
    network.load_state_dict(own)

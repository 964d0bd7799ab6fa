"""One fit in several processes, each with a device of its own: what a generator needs to know.

With ``--gpus-per-fit N`` the harness calls the `fit` of a generator whose card says
``parallel = "ddp"`` in N processes, which have joined one group of `torch.distributed`. The
generator trains on its `share` of each batch, and takes the `mean_gradients`, or wraps its network
in `torch.nn.parallel.DistributedDataParallel` where `world` is above 1, and keeps the network
itself. What rank 0 has learned is the result. In a fit that is alone nothing here does anything, so
that the same code serves both.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import nn


class Indexed(Protocol):
    """An array or a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Any, /) -> Any: ...


Index = TypeVar("Index", bound=Indexed)


def rank() -> int:
    """This process among those of the fit, from 0."""
    group = _group()
    return int(group.get_rank()) if group else 0


def world() -> int:
    """Number of processes of the fit."""
    group = _group()
    return int(group.get_world_size()) if group else 1


def share(index: Index) -> Index:
    """The part of a batch that is this process's.

    All parts are equally large, so that the mean of their gradients is that of the batch. Of a
    batch that cannot be divided the first people come twice: choose sizes that can.

    Parameters
    ----------
    index
        (B,) array or tensor, the same in all processes.

    Returns
    -------
    (ceil(B / world),) of its entries, two at least, since a batch norm needs two; ``index`` itself
    in a fit that is alone.
    """
    parts = world()
    if parts == 1 or not len(index):
        return index
    each = max(2, -(-len(index) // parts))
    mine: Index = index[np.arange(rank(), each * parts, parts) % len(index)]
    return mine


def told(number: float) -> float:
    """The number of rank 0, for all; a meeting, to which all processes must come equally often."""
    group = _group()
    if not group:
        return number
    import torch

    device = "cuda" if group.get_backend() == "nccl" else "cpu"
    message = torch.tensor(number, dtype=torch.float64, device=device)
    group.broadcast(message, src=0)
    return message.item()


def agreed(decision: bool) -> bool:
    """The decision of rank 0, for all; a meeting as well.

    For whatever ends a loop or changes its course: processes that part ways wait for each other.
    """
    return bool(told(decision))


def over(deadline: float) -> bool:
    """Whether ``deadline``, a reading of ``time.monotonic()``, has passed by the clock of rank 0.

    A meeting as well; see `agreed`.
    """
    return agreed(time.monotonic() >= deadline)


def mean_gradients(network: nn.Module) -> None:
    """Each parameter's gradient, put to its mean over the processes; a meeting as well."""
    group = _group()
    if not group:
        return
    import torch

    own = [p.grad for p in network.parameters() if p.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in own])
    group.all_reduce(together)
    together /= world()
    start = 0
    for gradient in own:
        gradient.copy_(together[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def take_from_first(network: nn.Module) -> None:
    """Parameters and buffers of rank 0's network, in all; a meeting as well.

    Torch's random state is made the same too, so that all have as much to do with it.
    """
    group = _group()
    if not group:
        return
    import torch

    for value in network.state_dict().values():
        group.broadcast(value, src=0)
    torch.manual_seed(int(told(int(torch.randint(2**31, ())))))


def _group() -> Any:
    """`torch.distributed` where this process has joined a group; None where it is alone."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available():
        return None
    return distributed if distributed.is_initialized() else None

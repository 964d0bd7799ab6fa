"""How much arithmetic a fit costs: its first steps are counted, which stand for the others.

Torch can count the floating-point operations of matrix products, convolutions and attention as they
are dispatched, but slows a small network down while it does. So a few steps of every optimiser are
counted, and the number of steps, which costs nothing to know, does the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

COUNTED_STEPS = 8  # of each optimiser
PEOPLE = 64  # drawn to count what one of them costs


@dataclass
class _Steps:
    """Of one optimiser: steps it took, those that were counted, and their operations."""

    optimiser: Any  # kept alive, or another one could take over its identity
    taken: int = 0
    counted: int = 0
    flops: int = 0


class FitFlops:
    """Floating-point operations of the steps taken so far."""

    def __init__(self) -> None:
        self._steps: dict[int, _Steps] = {}
        self._counter: Any = None

    @property
    def total(self) -> float | None:
        """All steps', from the mean of the counted ones; None where torch trained nothing."""
        if not any(s.flops for s in self._steps.values()):
            return None
        return sum(s.flops / s.counted * s.taken for s in self._steps.values() if s.counted)

    def stepped(self, optimiser: Any, args: Any, kwargs: Any) -> None:
        """An optimiser has taken a step: what was counted since the last step of any is its own."""
        steps = self._steps.setdefault(id(optimiser), _Steps(optimiser))
        steps.taken += 1
        if self._counter is not None:
            steps.flops += self.stop()
            steps.counted += 1
        if any(s.counted < COUNTED_STEPS for s in self._steps.values()) and not self._idle:
            self._start()

    @property
    def _idle(self) -> bool:
        """The optimisers that still lack counted steps have stopped taking any."""
        busy = max(s.taken for s in self._steps.values())
        lacking = [s for s in self._steps.values() if s.counted < COUNTED_STEPS]
        return bool(lacking) and busy > 100 * max(s.taken for s in lacking)

    def _start(self) -> None:
        self._counter = _counter()
        self._counter.__enter__()

    def stop(self) -> int:
        """Operations since counting began, which ends."""
        if self._counter is None:
            return 0
        counter, self._counter = self._counter, None
        counter.__exit__(None, None, None)
        return int(counter.flops)


@contextmanager
def of_fit() -> Iterator[FitFlops]:
    """Counts within the block; nothing where torch is not imported yet."""
    count = FitFlops()
    if "torch" not in sys.modules:
        yield count
        return
    from torch.optim.optimizer import register_optimizer_step_post_hook

    handle = register_optimizer_step_post_hook(count.stepped)
    try:
        yield count
    finally:
        handle.remove()
        count.stop()


def of_sampling(draw: Callable[[int], object]) -> float | None:
    """Operations per synthetic person of ``draw(people)``; None without torch's arithmetic."""
    if "torch" not in sys.modules:
        return None
    with _counter() as counter:
        draw(PEOPLE)
    return counter.flops / PEOPLE or None


def _counter() -> Any:
    """Counts by torch's own formulas what is dispatched while it is entered.

    Torch's ``FlopCounterMode`` follows modules as well, and refuses the gradient of a gradient.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        flops = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            formula = flop_registry.get(func.overloadpacket)
            if formula is not None:
                self.flops += formula(*args, **(kwargs or {}), out_val=out)
            return out

    return Counter()  # type: ignore[no-untyped-call]

"""What a fit uses while it runs: processors, and the time and energy of a GPU."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from statistics import fmean
from types import TracebackType
from typing import Any, Self

LOOK_SECONDS = 0.5  # between two looks at the GPU


class Meter:
    """Measures what happens between its beginning and its end.

    A GPU is asked through its driver, where ``genobench[nvidia]`` is installed, from when this
    process first uses it. What it says is the whole card's, whoever else uses it; the parts of a
    divided one say nothing.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, device: str) -> None:
        self.nvml: Any = _nvml() if device == "cuda" else None
        self.busy: list[float] = []  # shares of time, at each look
        self.energy: list[int] = []  # millijoules since the driver was loaded, likewise
        self.processors = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="genobench meter")

    def __enter__(self) -> Self:
        self._began, self._spent = time.monotonic(), _processor_seconds()
        if self.nvml is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = max(time.monotonic() - self._began, 1e-9)
        self.processors = (_processor_seconds() - self._spent) / seconds
        self._over.set()
        if self.nvml is not None:
            self._thread.join(timeout=5)  # a driver that hangs holds nobody up

    def found(self) -> dict[str, float | None]:
        """Mean number of busy processors, mean share of time that the GPU computed, its joules."""
        measured = len(self.energy) > 1
        return {
            "processors_busy": round(self.processors, 3),
            "device_utilisation": round(fmean(self.busy), 3) if self.busy else None,
            "device_energy_joules": (self.energy[-1] - self.energy[0]) / 1000 if measured else None,
        }

    def _watch(self) -> None:
        """Look until the end, and once more then."""
        card, last = None, False
        while not last:
            last = self._over.wait(LOOK_SECONDS)
            if card is None and (uuid := _uuid()):
                card = self._answer("nvmlDeviceGetHandleByUUID", uuid)
            if card is not None:
                self._look(card)

    def _look(self, card: Any) -> None:
        used = self._answer("nvmlDeviceGetUtilizationRates", card)
        if used is None:
            return  # a divided card does not tell, and its energy is that of all its parts
        self.busy.append(used.gpu / 100)
        if (spent := self._answer("nvmlDeviceGetTotalEnergyConsumption", card)) is not None:
            self.energy.append(spent)

    def _answer(self, question: str, about: Any) -> Any:
        """What the driver says; None where it cannot."""
        try:
            return getattr(self.nvml, question)(about)
        except self.nvml.NVMLError:
            return None


def _nvml() -> Any:
    """The driver's library, ready for questions; None where there is none."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _uuid() -> str:
    """The GPU that this process uses through torch; "" while it uses none, or a part of one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith("MIG-"):
        return ""
    return f"GPU-{getattr(torch.cuda.get_device_properties(0), 'uuid', '')}"


def _processor_seconds() -> float:
    """Processor time of this process, and of those it started and waited for."""
    return sum(os.times()[:4])

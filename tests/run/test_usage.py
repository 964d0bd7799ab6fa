"""What a fit has used: processors, and a GPU as its driver tells it."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from genobench.run import environment, usage
from genobench.run.usage import Meter

GIB = 2**30


class NvmlError(Exception):
    """What the driver's library raises."""


class Nvml:
    """A driver whose card is busy 80 % of the time, and takes 100 J at each look."""

    NVMLError = NvmlError

    def __init__(self, *, without: tuple[str, ...] = ()) -> None:
        self.looks = 0
        self.uuids: list[str] = []
        answers = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByUUID": self._handle,
            "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=80),
            "nvmlDeviceGetTotalEnergyConsumption": self._energy,
        }
        for question, answer in answers.items():
            setattr(self, question, self._refuse if question in without else answer)

    def _refuse(self, *_: Any) -> Any:
        raise NvmlError("Not Supported")

    def _handle(self, uuid: str) -> str:
        self.uuids.append(uuid)
        return "card"

    def _energy(self, _: str) -> int:
        self.looks += 1
        return 5_000_000 + 100_000 * self.looks


class Cuda:
    """A torch that computes on a card of 80 GiB."""

    def __init__(self, held: int = 3 * GIB) -> None:
        self.held, self.share = held, 0.0
        card = SimpleNamespace(uuid="1111-aaaa", total_memory=80 * GIB)
        self.cuda = SimpleNamespace(
            is_initialized=lambda: True,
            is_available=lambda: True,
            max_memory_allocated=lambda: self.held,
            get_device_properties=lambda _: card,
            get_device_name=lambda: "Some Card",
            set_per_process_memory_fraction=self._limit,
        )

    def _limit(self, share: float) -> None:
        self.share = share


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a driver and a torch in place of those that are here, or are not."""

    def put(nvml: Nvml | None, torch: Cuda | None = None, visible: str = "GPU-1111-aaaa") -> None:
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr(usage, "LOOK_SECONDS", 0.01)

    return put


def measured(seconds: float = 0.2) -> dict[str, float | None]:
    """What a fit of some seconds on a GPU has used."""
    with Meter("cuda") as meter:
        time.sleep(seconds)
    return meter.found()


def test_gpu_is_measured(pretend: Any) -> None:
    """Mean utilisation, and the joules between the first look and the last."""
    nvml = Nvml()
    pretend(nvml, Cuda())
    found = measured()
    assert nvml.uuids == ["GPU-1111-aaaa"]
    assert found["device_utilisation"] == 0.8
    assert nvml.looks > 2
    assert found["device_energy_joules"] == pytest.approx(100.0 * (nvml.looks - 1))


def test_old_cards_count_no_energy(pretend: Any) -> None:
    """They tell how busy they are all the same."""
    pretend(Nvml(without=("nvmlDeviceGetTotalEnergyConsumption",)), Cuda())
    found = measured()
    assert (found["device_utilisation"], found["device_energy_joules"]) == (0.8, None)


@pytest.mark.parametrize(
    ("nvml", "torch", "visible"),
    [
        (None, Cuda(), "0"),  # the extra is not installed
        (Nvml(without=("nvmlInit",)), Cuda(), "0"),  # no driver
        (Nvml(without=("nvmlDeviceGetHandleByUUID",)), Cuda(), "0"),
        (Nvml(), None, "0"),  # nothing that uses a GPU
        (Nvml(without=("nvmlDeviceGetUtilizationRates",)), Cuda(), "0"),  # a divided card
        (Nvml(), Cuda(), "MIG-3333-cccc"),  # a part of one
    ],
)
def test_what_nobody_tells_is_null(pretend: Any, nvml: Any, torch: Any, visible: str) -> None:
    """And no figure of a whole card is taken for that of a part."""
    pretend(nvml, torch, visible)
    found = measured(0.05)
    assert (found["device_utilisation"], found["device_energy_joules"]) == (None, None)


def test_gpu_is_not_asked_about_on_processors(pretend: Any) -> None:
    """Its driver need not be there, and nothing is started."""
    nvml = Nvml()
    pretend(nvml, Cuda())
    with Meter("cpu") as meter:
        time.sleep(0.05)
    assert meter.found()["device_utilisation"] is None
    assert nvml.looks == 0


def test_processors_are_measured() -> None:
    """Processor time over wall-clock time."""
    with Meter("cpu") as meter:
        wall, spent = time.monotonic(), time.process_time()
        while time.process_time() - spent < 0.5:
            sum(range(1000))
        share = 0.5 / (time.monotonic() - wall)
    busy = meter.found()["processors_busy"]
    assert busy == pytest.approx(share, rel=0.15)
    with Meter("cpu") as idle:
        time.sleep(0.3)
    assert (idle.found()["processors_busy"] or 0.0) < 0.3


def test_device_is_what_was_observed(pretend: Any) -> None:
    """Name and memory of the card when tensors lay on it; the processor when none did."""
    pretend(None, Cuda())
    seen = environment.observed(2)
    assert (seen["device"], seen["device_name"]) == ("cuda", "Some Card")
    assert seen["device_memory_bytes"] == 80 * GIB
    assert environment.peak_device_bytes() == 3 * GIB
    pretend(None, Cuda(held=0))  # a limit was set, and nothing else
    seen = environment.observed(2)
    assert seen["device"] == "cpu"
    assert "device_memory_bytes" not in seen
    assert environment.peak_device_bytes() is None


def test_tensors_are_held_to_a_limit(pretend: Any) -> None:
    """As a share of the card, never more than the whole; none unless it is asked for."""
    torch = Cuda()
    pretend(None, torch)
    environment.limit_device_memory(0)
    assert torch.share == 0.0
    environment.limit_device_memory(20 * GIB)
    assert torch.share == 0.25
    environment.limit_device_memory(200 * GIB)
    assert torch.share == 1.0

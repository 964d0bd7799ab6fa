"""What a process observes of itself: device, memory, processor, software."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SOFTWARE = ("genobench", "numpy", "pandas", "scipy", "torch", "scikit-learn", "xgboost", "numba")


def software() -> dict[str, str]:
    """Versions of everything that decides a number."""
    found = {"python": platform.python_version()}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def observed(threads: int) -> dict[str, Any]:
    """Where this process has really computed; ``cuda`` only when tensors lay on a GPU."""
    torch = _torch_on_cuda()
    cpu = _cpu_name()
    card = torch.cuda.get_device_properties(0) if torch else None
    return {
        "device": "cuda" if torch else "cpu",
        "device_name": str(torch.cuda.get_device_name()) if torch else cpu,
        **({"device_memory_bytes": int(card.total_memory)} if card else {}),
        "cpu": cpu,
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def synchronise() -> None:
    """Wait until the device has done what it was told, so that clocks tell the truth."""
    if torch := _torch_on_cuda():
        torch.cuda.synchronize()


def limit_torch_threads(threads: int) -> None:
    """Thread count of a torch that a plug-in imported; others read the environment."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def limit_device_memory(most: int) -> None:
    """Let torch's tensors take ``most`` bytes of the GPU, and refuse them more; 0: all it has."""
    if not most:
        return
    import torch

    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, most / total))


def peak_device_bytes() -> int | None:
    """Most device memory that tensors held so far; None without a device."""
    torch = _torch_on_cuda()
    return int(torch.cuda.max_memory_allocated()) if torch else None


def peak_memory_bytes() -> int:
    """Most resident memory of this process so far.

    Linux's ``ru_maxrss`` counts the memory of the process that started this one, so the kernel's
    high-water mark of the address space is asked first. Of what a fork server has imported only
    what this process touches counts, which is less than if it had imported that itself.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_kills() -> int:
    """Processes that Linux has killed since it started because memory ran out; 0 elsewhere."""
    counters = Path("/proc/vmstat")
    lines = counters.read_text().splitlines() if counters.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory of the machine, or of the container when that is less."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        return min(total, int(text))
    return total


def _torch_on_cuda() -> Any:
    """torch when tensors of this process have lain on a GPU, without importing it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return torch if torch.cuda.max_memory_allocated() > 0 else None


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""Numbers as tables print them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genobench.report.stats import Interval

ABSENT = "–"
LEAST = 0.0005  # that has a digit among three decimals


def number(x: float) -> str:
    """Three decimals below ten, fewer above, thousands separated; NaN as a dash."""
    if math.isnan(x):
        return ABSENT
    if math.isinf(x):
        return "∞" if x > 0 else "-∞"
    size = abs(x)
    if size >= 99.95:
        return f"{x:,.0f}"
    if size >= 9.9995:
        return f"{x:.1f}"
    if 0 < size < LEAST:
        return f"{x:.0e}".replace("e-0", "e-")
    text = f"{x:.3f}"
    return text.lstrip("-") if float(text) == 0 else text


def interval(ends: Interval) -> str:
    """Both ends, or a dash; beside a number of three decimals one that has none is 0.000."""
    if math.isnan(ends.low) or math.isnan(ends.high):
        return ABSENT
    plain = max(abs(ends.low), abs(ends.high)) >= LEAST
    low, high = ("0.000" if plain and 0 < abs(x) < LEAST else number(x) for x in ends)
    return f"{low} to {high}"


def memory(size: float) -> str:
    """Bytes in MiB or GiB."""
    if math.isnan(size):
        return ABSENT
    mib = size / 2**20
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def count(x: float) -> str:
    """Whole number with thousands separated, millions shortened."""
    if math.isnan(x):
        return ABSENT
    return f"{x / 1e6:.1f} M" if x >= 1e6 else f"{x:,.0f}"


def shortened(x: float) -> str:
    """Count in three characters of digits at most: 940, 48 k, 1.2 M, 16 M."""
    if math.isnan(x):
        return ABSENT
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if x >= 0.9995 * size:
            return f"{x / size:.0f}{unit}" if x >= 9.95 * size else f"{x / size:.1f}{unit}"
    return f"{x:.0f}"


def operations(x: float) -> str:
    """Floating-point operations in three digits: 640, 14.3 G, 994 G, 1.2 P."""
    if math.isnan(x):
        return ABSENT
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if x >= 0.9995 * size:
            return f"{x / size:.3g} {prefix}"
    return f"{x:.3g}"


def energy(joules: float) -> str:
    """Joules, thousands shortened."""
    if math.isnan(joules):
        return ABSENT
    return f"{joules / 1000:.3g} kJ" if joules >= 999.5 else f"{joules:.3g} J"


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3 min 05 s, 2 h 10 min."""
    if math.isnan(seconds):
        return ABSENT
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def significant(x: float) -> str:
    """Six significant digits for machines; empty for NaN."""
    return "" if math.isnan(x) else f"{x:.6g}"

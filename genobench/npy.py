"""Writing .npy files so that a disk which refuses is heard of.

``numpy.save`` hands the bytes to the C library, which forgets what a full disk says to its last
ones: the file is cut off, and nobody is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def write(file: IO[bytes], array: NDArray[Any]) -> None:
    """Write ``array`` as ``numpy.save`` does; an `OSError` says why it could not be."""
    npy: Any = np.lib.format  # typed in some versions of numpy, untyped in others
    whole = np.ascontiguousarray(array)
    npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(whole))
    file.write(whole.data)


def save(path: Path, array: NDArray[Any]) -> None:
    """Write ``array`` into a file of its own."""
    with path.open("wb") as file:
        write(file, array)

"""Saved generators: what is not as it was written is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench import checkpoint
from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator


@dataclass
class Mean(Generator):
    """Learns the mean dosage."""

    shift: float = 0.5

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        self.mean_ = train.genotypes.mean(0)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        return np.tile(np.rint(self.mean_ + self.shift), (len(labels), 1)).astype(np.int8)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.mean_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.mean_ = np.array(state["mean"])


class Other(Mean):
    """Of the same shape, by another name."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fitted `Mean`, saved."""
    model = Mean(shift=0.25)
    model.mean_ = np.array([0.1, 1.2])
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_comes_back(folder: Path) -> None:
    """With its settings and what it learned."""
    back = Mean.load(folder)
    assert back.shift == 0.25
    assert back.mean_.tolist() == [0.1, 1.2]


def _set(key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / checkpoint.SETTINGS
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


def _flip(folder: Path) -> None:
    path = folder / checkpoint.STATE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("format", 0), "written with format 0, this is 1"),
        (_set("genobench", "0.0.1"), "written with genobench 0.0.1, this is"),
        (_set("settings", {"shift": 9.0}), "was changed after the fit"),
        (_set("sha256", "0" * 64), "was changed after the fit"),
        (_set("settings", [1, 2]), "was changed after the fit"),
        (_flip, "was changed after the fit"),
        (lambda folder: (folder / checkpoint.STATE).unlink(), "safetensors: not there"),
        (lambda folder: (folder / checkpoint.SETTINGS).unlink(), "settings.json: not there"),
        (lambda folder: (folder / checkpoint.SETTINGS).write_text("{"), "settings.json: damaged"),
        (lambda folder: (folder / checkpoint.SETTINGS).write_text("[]"), "settings.json: damaged"),
        (lambda folder: (folder / checkpoint.SETTINGS).write_text("{}"), "settings.json: damaged"),
    ],
)
def test_what_is_not_as_written_is_refused(
    folder: Path, change: Callable[[Path], None], words: str
) -> None:
    """By format, version, content; with the file."""
    change(folder)
    with pytest.raises(GenobenchError, match=words) as refused:
        Mean.load(folder)
    assert str(folder) in str(refused.value)


def test_other_class_is_refused(folder: Path) -> None:
    """Its arrays might even fit."""
    with pytest.raises(GenobenchError, match="written with class Mean, this is Other"):
        Other.load(folder)

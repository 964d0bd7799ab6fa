"""``genobench new``: a generator to begin from, which keeps the contract as it stands."""

from __future__ import annotations

import keyword
import re
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from genobench.errors import GenobenchError

MODULE = '''"""{title}: say in a line what it does, and after which paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.generator import Budget, Generator


@dataclass
class {class_name}(Generator):
    """Independent SNPs at the training genotype counts: replace this by your model.

    Attributes
    ----------
    pseudocount
        Added to every count of a SNP that varies.
    """

    pseudocount: float = 0.0

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Learn from ``train``; use ``validation`` for early stopping only."""
        counts = np.stack([(train.genotypes == g).sum(axis=0) for g in (0, 1, 2)])  # (3, m)
        varies = (counts > 0).sum(axis=0) > 1
        weights = counts + self.pseudocount * varies
        self.cumulative_ = np.cumsum(weights, axis=0) / weights.sum(axis=0)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Synthetic people, one per label."""
        draws = np.random.default_rng(seed).random((len(labels), self.cumulative_.shape[1]))
        rows = (draws >= self.cumulative_[0]).astype(np.int8)
        return rows + (draws >= self.cumulative_[1]).astype(np.int8)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as named arrays."""
        return {{"cumulative": self.cumulative_}}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""
        self.cumulative_ = state["cumulative"]
'''

CARD = """class = "{class_name}"
title = "{title}"
paper = ""
role = "entrant"
# native: sample() obeys labels; strata: the harness fits one model per label stratum
conditioning = "strata"
faithful = "What of the paper is kept."
departures = ["What differs from the paper, and why."]

[settings.smoke]
pseudocount = 0.5

[settings.small]
pseudocount = 0.5

[settings.paper]
pseudocount = 0.5
"""

TEST = '''"""The generator keeps every promise of the contract."""

from pathlib import Path

import pytest

from genobench.check import check
from genobench.promises import PROMISES
from genobench.registry import find_generator

SPEC = f"{{Path(__file__).with_name('{name}.py')}}:{class_name}"


@pytest.mark.parametrize("promise", PROMISES)
def test_promise(promise: str) -> None:
    """Each promise is a test of its own, so that a broken one is named."""
    (result,) = check(find_generator(SPEC), only=[promise])
    assert result.verdict in ("kept", "expected failure", "skipped"), result.detail
'''


def new(options: Namespace) -> int:
    """``genobench new NAME``."""
    name = options.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise GenobenchError(
            f"{name!r} cannot name a module: lower-case letters, digits and _, such as my_model"
        )
    _refuse_taken(name)
    if find_spec(name) is not None:
        raise GenobenchError(f"{name!r} is a module of this Python already: name yours otherwise")
    words = {
        "name": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "title": name.replace("_", " ").capitalize(),
    }
    texts = {f"{name}.py": MODULE, f"{name}.toml": CARD, f"test_{name}.py": TEST}
    paths = {options.folder / file: text.format(**words) for file, text in texts.items()}
    if there := [str(path) for path in paths if path.exists()]:
        raise GenobenchError(f"{', '.join(there)}: already there; nothing was written")
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text)
            print(path)
    except OSError as error:
        raise GenobenchError(f"{options.folder}: cannot be written: {error.strerror}") from error
    spec = f"{Path(options.folder, name)}.py:{words['class_name']}"
    print(f"\nCheck it:  genobench check {spec}")
    print(f"Run it:    genobench run --models real,hwe,cond_hwe,{spec}")
    return 0


def _refuse_taken(name: str) -> None:
    from genobench.registry import generators

    if name in generators():
        raise GenobenchError(f"a generator is called {name} already: choose another name")

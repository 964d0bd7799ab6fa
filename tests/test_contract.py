"""Every registered generator keeps every promise; and the checks catch those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from genobench import check
from genobench.promises import PROMISES, Subject
from genobench.registry import find_generator, generators


@pytest.mark.parametrize("promise", list(PROMISES))
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in generators()]
)
def test_promise(name: str, promise: str) -> None:
    """One promise of one registered generator."""
    subject = _subjects.setdefault(name, Subject(generators()[name]))
    result = check._one(subject, promise)
    assert result.good or result.verdict == "skipped", result.detail


_subjects: dict[str, Subject] = {}


GOOD = """
from dataclasses import dataclass
import numpy as np
from genobench.generator import Generator

@dataclass
class Mine(Generator):
    strength: float = 1.0

    def fit(self, train, validation, *, seed, budget):
        self.g_ = np.array(train.genotypes); self.y_ = np.array(train.labels)
        return self

    def sample(self, labels, *, seed):
        rng = np.random.default_rng(seed)
        rows = np.empty((len(labels), self.g_.shape[1]), dtype=np.int8)
        for i, y in enumerate(labels):
            near = np.argsort(np.abs(self.y_ - y), kind="stable")[:100]
            rows[i] = self.g_[rng.choice(near)]
        return rows

    def state(self):
        return {"g": self.g_, "y": self.y_}

    def restore(self, state):
        self.g_, self.y_ = state["g"], state["y"]
"""
FIT, LABELS = "self.g_ = np.array(train.genotypes)", "self.y_ = np.array(train.labels)"
SETTINGS = """    strength: float = 1.0
    def settings(self): return {"strength": 2.0}"""
CARD = 'class = "Mine"\ntitle = "A third party\'s"\n'


def _write(folder: Path, source: str, card: str = CARD) -> str:
    (folder / "mine.py").write_text(source)
    (folder / "mine.toml").write_text(card)
    return f"{folder / 'mine.py'}:Mine"


def test_third_party_file_passes(tmp_path: Path) -> None:
    """A small generator in a file of its own passes without touching the package."""
    results = check.check(find_generator(_write(tmp_path, GOOD)))
    assert check.passed(results), [r for r in results if not r.good]


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (("return rows", "return rows.astype(float)"), "returns_genotypes"),
        (("return rows", "return rows[:, ::-1][:, ::-1][:-1]"), "returns_genotypes"),
        (("return rows", "return rows + np.int8(1)"), "returns_genotypes"),
        (("return rows", "self.r = vars(self).get('r', rows); return self.r"), "returns_genotypes"),
        (("return rows", "rows.flags.writeable = False; return rows"), "returns_genotypes"),
        (("default_rng(seed)", "default_rng()"), "same_seed_same_rows"),
        (("default_rng(seed)", "default_rng(3)"), "same_seed_same_rows"),
        (("np.abs(self.y_ - y)", "rng.random(len(self.y_))"), "obeys_labels"),
        (("rng = ", "np.random.seed(seed); rng = "), "leaves_no_trace"),
        ((FIT, f"import time; time.sleep(7); {FIT}"), "stops_in_time"),
        ((FIT, "self.g_ = np.roll(train.genotypes, 1, axis=1)"), "learns"),
        (("return rows", "rows[:, -1] = 1; return rows"), "monomorphic_stays"),
        (('return {"g": self.g_,', 'return {"g": self.g_[::-1].copy(),'), "survives_disk"),
        (("return rows", "return rows[:400]"), "any_number_of_people"),
        ((FIT, f"assert train.m % 2 == 0; {FIT}"), "any_width"),
        ((LABELS, f"{LABELS}; train.samples['sex'] = 1"), "keeps_input"),
        (("    strength: float = 1.0", SETTINGS), "builds_from_card"),
        ((FIT, "self.g_ = np.random.permutation(train.genotypes)"), "same_seed_same_fit"),
    ],
)  # fmt: skip
def test_checks_catch(tmp_path: Path, broken: tuple[str, str], promise: str) -> None:
    """Each way of breaking the contract breaks the promise that is about it."""
    assert broken[0] in GOOD
    card = CARD + "[settings.smoke]\nstrength = 1.0\n"
    plugin = find_generator(_write(tmp_path, GOOD.replace(*broken), card))
    (result,) = check.check(plugin, only=[promise])
    assert result.verdict == "broken", result


def test_expected_failures_are_strict(tmp_path: Path) -> None:
    """A listed failure is excused with its reason; one that does not fail is not."""
    card = CARD + '[expected_failures]\nlearns = "because"\n'
    (result,) = check.check(find_generator(_write(tmp_path, GOOD, card)), only=["learns"])
    assert result.verdict == "unexpectedly kept"
    assert not check.passed([result])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(0)", "exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import time; time.sleep(60)", "no end after 6 s"),
    ],
    ids=["exit", "hard exit", "crash", "hang"],
)
def test_fatal_plugin_breaks_its_promise_only(tmp_path: Path, line: str, words: str) -> None:
    """Whatever ends or stops the process is a finding, and the other promises are still tried."""
    source = GOOD.replace(FIT, f"exec({line!r}) if train.m == 16 else None; {FIT}")
    plugin = find_generator(_write(tmp_path, source))
    wanted = ["builds_from_card", "keeps_input", "returns_genotypes"]
    results = check.check(plugin, only=wanted, seconds=6.0)
    assert [r.promise for r in results] == wanted
    assert [r.verdict for r in results] == ["kept", "broken", "kept"]
    assert words in results[1].detail
    if words == "SIGSEGV":
        assert 'mine.py", line' in results[1].detail


def test_all_skipped_is_failed() -> None:
    """A generator that escapes every check has not passed."""
    assert not check.passed([check.Result("learns", "skipped", "why not")])

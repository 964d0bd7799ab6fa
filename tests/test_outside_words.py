"""``genobench score`` says the right words of copies, blurred copies, mosaics and fresh people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.commands.single import synthetic_cohort
from genobench.data.plink import write_plink
from genobench.generator import Budget
from genobench.registry import generators

CohortMaker = Callable[..., Cohort]
N, M = 300, 192


@pytest.fixture(scope="module")
def files(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Real people, and what four generators made of the training ones, as PLINK files."""
    folder = tmp_path_factory.mktemp("outside")

    def cohort(n: int, seed: int) -> Cohort:
        return make_cohort(n, M, seed, founders=24, block=32)

    train = cohort(N, 0)
    made = {"train": train, "test": cohort(N, 1), "reference": cohort(N, 2),
            "fresh": cohort(N, 3)}  # fmt: skip
    for name in ("copy", "noise05", "mosaic16"):
        plugin = generators()[name]
        control = plugin.load()(**plugin.card.settings_for("smoke"))
        control.fit(train, made["test"], seed=1, budget=Budget())
        assert train.trait is not None
        rows = control.sample(train.labels, seed=2)
        made[name] = synthetic_cohort(rows, train.variants, train.trait)
    paths = {name: write_plink(c, folder / f"{name}.bed") for name, c in made.items()}
    return SimpleNamespace(folder=folder, **paths)


def score(files: SimpleNamespace, name: str, *more: str) -> tuple[Path, Path]:
    """Score one file; JSON and page go into files of their own."""
    out, page = files.folder / f"{name}.json", files.folder / f"{name}.md"
    words = ["score", str(files.folder / f"{name}.bed"), "--train", str(files.train)]
    words += ["--test", str(files.test), "--reference", str(files.reference)]
    assert main([*words, "--json", str(out), "--markdown", str(page), *more]) == 0
    return out, page


def by_thing(out: Path) -> dict[str, dict[str, Any]]:
    """Verdicts by what they are about."""
    return {verdict["what"]: verdict for verdict in json.loads(out.read_text())["verdicts"]}


@pytest.mark.parametrize(
    ("name", "attack", "copies"),
    [
        ("copy", "", "fail"),
        ("noise05", "nearest-neighbour", "pass"),
        ("mosaic16", "windowed", "pass"),
    ],
)
def test_leaks_are_called_leaks(
    files: SimpleNamespace,
    name: str,
    attack: str,
    copies: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the attack that is there for them, on the terminal, in the JSON and on the page."""
    out, page = score(files, name, "--tasks", "privacy")
    found = by_thing(out)
    text = " ".join(capsys.readouterr().out.split())
    leak = found["membership attacks"]
    assert leak["level"] == "fail"
    assert leak["sentence"].startswith("Leak detected: the ")
    assert attack in leak["sentence"].split(" attack ")[0]
    assert "FAIL Leak detected: the " in text
    assert "**fail**: Leak detected: the " in page.read_text()
    assert "No leak detected by" not in text
    assert found["verbatim copies"]["level"] in {copies, "concern"}
    if name == "copy":
        assert f"{N} of {N} synthetic people are identical" in found["verbatim copies"]["sentence"]
    if name != "mosaic16":
        closeness = found["distance to the training people"]["sentence"]
        assert closeness.startswith("Above the ceiling: closer to the training people")
        assert "suspected memorising" in closeness


def test_fresh_people_pass(files: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """No leak, with the power behind it; nothing wrong with fidelity; no loss of utility."""
    out, page = score(files, "fresh")
    said = capsys.readouterr()
    found = by_thing(out)
    attacks = found["membership attacks"]
    assert attacks["level"] == "pass"
    assert attacks["sentence"].startswith("No leak detected by these attacks: ")
    assert "The smallest leak that these data could have shown is AUC 0.5" in attacks["sentence"]
    assert {v["level"] for v in found.values()} <= {"pass", "uninformative"}
    for thing in ("allele frequencies", "linkage disequilibrium", "variety", "joint predictor"):
        assert found[thing]["level"] == "pass"
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "192 of the 192 variants of the training file matched" in page.read_text()
    sizes = {e["metric"]: e["people"] for v in found.values() for e in v["evidence"]}
    assert sizes["af_rmse"] == 0.8 * N, "no more than there are for the real level"
    assert sizes["windowed_attack_auc"] == 2 * N
    levels = {row["model"] for row in json.loads(out.read_text())["tables"]}
    assert levels == {"fresh.bed", "real", "copy", "noise05", "mosaic16", "hwe", "cond_hwe"}

"""A generator under settings of the user's own beside the plain one, from job to table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from genobench.cli import build_parser, main
from genobench.errors import GenobenchError
from genobench.report import page
from genobench.report.collect import build
from genobench.report.markdown import command
from genobench.report.markdown import page as markdown
from genobench.report.terminal import show
from genobench.run import benchmark
from genobench.run.request import resolve
from genobench.task import TaskCard

BODY = """
def __init__(self, share=0.5, kind="plain"):
    self.share, self.kind = share, kind

def fit(self, train, validation, *, seed, budget):
    super().fit(train, validation, seed=seed, budget=budget)
    self.p_ = self.p_ * self.share
    return self
"""
CARD = "[settings.smoke]\nshare = 0.25\n"


@pytest.fixture
def models(bench: Any, tmp_path: Path) -> list[str]:
    """Plain, with a setting, and with a file of settings whose name needs care in a shell."""
    spec = bench.generator("mine", BODY, CARD)
    file = tmp_path / "half a loaf.toml"
    file.write_text('name = "half"\n[settings]\nshare = 0.5\nkind = "a|b"\n')
    return [spec, f"{spec}(share=0.75,kind=<i>)".replace("<i>", '"<i>"'), f"{spec}@{file}"]


def test_from_job_to_table(bench: Any, models: list[str], tmp_path: Path) -> None:
    """Three entrants, each with its own key, settings, record and row; run once."""
    task = bench.task("one")
    names = ["mine", 'mine(kind="<i>",share=0.75)', "mine@half"]
    planned = benchmark.plan(bench.options(models, [task]))
    assert [t.job.model for t in planned.todos] == names
    assert bench.run(models, [task]).statuses == {"ok": 3}
    assert bench.run(models, [task]).kept == 3
    jobs = [bench.record(name)["job"] for name in names]
    assert [job["settings"] for job in jobs] == [
        {"share": 0.25},
        {"share": 0.75, "kind": "<i>"},
        {"share": 0.5, "kind": "a|b"},
    ]
    assert [job["spec"] for job in jobs] == ["mine.py:Mine"] * 3
    assert [job.get("variant") for job in jobs] == [None, names[1][4:], "@half a loaf.toml"]
    assert all("half a loaf" not in p.name for p in bench.out.rglob("*"))
    card = TaskCard.read(Path(task.rpartition(":")[0]).with_suffix(".toml"))
    tables = build(bench.store.records(), {}, {"one": card})
    (block,) = tables.blocks
    assert set(block.models) == set(names)
    text = show(tables)
    assert 'mine#1: mine(kind="<i>",share=0.75)' in text
    assert max(map(len, text.splitlines())) <= 80
    words = shlex.split(command(block))
    at = words.index("--models") + 1
    read = build_parser().parse_args(words[1:]).models
    assert read == (
        "path/to/mine.py:Mine",
        f"path/to/mine.py:Mine{names[1][4:]}",
        "path/to/mine.py:Mine@path/to/half a loaf.toml",
    )
    assert words[at] == ",".join(read)
    assert "`mine(kind=\"<i>\",share=0.75)`" in markdown(block.tables[0], block)  # fmt: skip
    html = page.render(tables, {})
    assert "<i>" not in html.replace('<i class="key', "")
    assert 'id="model-mine_kind___i___share_0.75_"' in html


def test_show_says_how_to_repeat_it(
    bench: Any, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file where it lies."""
    bench.run(models[1:], [bench.task("one")])
    for model, spec in zip(['mine(kind="<i>",share=0.75)', "mine@half"], models[1:], strict=True):
        key = bench.record(model)["key"]
        assert main(["show", key, "--out", str(bench.out)]) == 0
        line = next(s for s in capsys.readouterr().out.splitlines() if "genobench run" in s)
        (read,) = build_parser().parse_args(shlex.split(line)[1:]).models
        (entrant,) = resolve(bench.options([read], ["privacy"])).models
        assert entrant.name == model
        assert entrant.plugin.spec == spec[: len(entrant.plugin.spec)]


def test_two_entrants_of_one_name_are_refused(bench: Any, tmp_path: Path) -> None:
    """Unless they are the same."""
    spec, files = bench.generator("mine", BODY, CARD), []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "same.toml")
        files[-1].write_text("[settings]\nshare = 0.5\n")
    with pytest.raises(GenobenchError, match="two models are named mine@same"):
        resolve(bench.options([f"{spec}@{file}" for file in files], ["privacy"]))
    twice = [f"{spec}(share=1)", f"{spec}(share=1.00)"]
    assert len(resolve(bench.options(twice, ["privacy"])).models) == 1

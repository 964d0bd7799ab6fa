"""docs/tutorial.md does what it says, and the commands that documents name exist."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from genobench.cli import build_parser

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
FENCED = re.compile(r"^```(\w*)[ ]*(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Fenced text: its language, the file that it is the content of, and the text."""

    language: str
    file: str
    text: str


def blocks(path: Path) -> list[Block]:
    """Fenced blocks in order."""
    return [Block(*found) for found in FENCED.findall(path.read_text())]


def commands(path: Path) -> list[str]:
    """Lines of a document that begin with ``genobench``, continued ones joined; inline ones too."""
    text = path.read_text()
    fenced = "\n".join(block.text for block in blocks(path)).replace("\\\n", " ")
    lines = [line for line in fenced.splitlines() if line.startswith("genobench ")]
    inline = re.findall(r"`(genobench [^`]+)`", FENCED.sub("", text))
    return lines + [" ".join(found.split()) for found in inline]


def environment() -> dict[str, str]:
    """This interpreter's commands first, one thread each."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}


def outcome(folder: Path, *command: str) -> str:
    """Standard output of a command that must end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout


class Followed(NamedTuple):
    """The folder of somebody who followed the tutorial, and what was printed."""

    folder: Path
    shell: str
    python: str


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """Commands one after the other, then the Python of the page in one session."""
    folder, shell = tmp_path_factory.mktemp("tutorial"), ""
    every = blocks(TUTORIAL)
    for block in every:
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.language == "sh":
            shell += outcome(folder, "bash", "-euc", block.text)
    session = "".join(b.text for b in every if b.language == "python" and not b.file)
    return Followed(folder, shell, outcome(folder, sys.executable, "-c", session))


def test_every_block_is_tried() -> None:
    """Fenced text is a command, Python, or a file that Python has; nothing else is on the page."""
    kinds = {(block.language, bool(block.file)) for block in blocks(TUTORIAL)}
    assert kinds == {("sh", False), ("python", False), ("python", True)}
    assert TUTORIAL.read_text().count("```") == 2 * len(blocks(TUTORIAL))


@pytest.mark.xdist_group("tutorial")
def test_tutorial_leads_to_a_row(followed: Followed) -> None:
    """Its model keeps every promise, is ranked, and stands in the table beside the controls."""
    assert "my_model.py:MyModel: 14 of 15 promises kept, 1 skipped" in followed.shell
    page = (followed.folder / "tables" / "toy.bed-smoke" / "association.md").read_text()
    assert re.search(r"^\| `my_model` \| 1 ", page, re.MULTILINE)
    assert len(list((followed.folder / "runs" / "toy" / "records").glob("*.json"))) == 4


@pytest.mark.xdist_group("tutorial")
def test_tutorial_ends_in_python(followed: Followed) -> None:
    """The frame holds the row that the command made, and the verdict is a sentence."""
    (shown,) = re.findall(r"^my_model +(-?\d\.\d+)", followed.python, re.MULTILINE)
    with (followed.folder / "tables" / "toy.bed-smoke" / "association.csv").open() as file:
        lines = {(line["model"], line["metric"]): line["value"] for line in csv.DictReader(file)}
    assert float(shown) == pytest.approx(float(lines["my_model", "z_correlation"]), abs=1e-5)
    assert "A GWAS" in followed.python
    assert "z_correlation" in followed.python


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=f"{path.name}: {command[:60]}")
        for path in (TUTORIAL, ROOT / "CONTRIBUTING.md")
        for command in commands(path)
    ],
)
def test_commands_exist(command: str) -> None:
    """Every command that is named parses, with its options."""
    words = shlex.split(command)[1:]
    assert build_parser().parse_args(words).function

"""The test target's Chromium: installed where it may be, asked for in one line where not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .browser import NAMES

SCRIPT = Path(__file__).parents[2] / ".ci" / "browser"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is the whole path of programs; apt-get notes what it was told, and fails."""
    folder = tmp_path / "bin"
    folder.mkdir()
    _program(folder / "timeout", 'shift; exec "$@"')
    _program(folder / "apt-get", f'echo "$@" >> {tmp_path / "told"}; exit 100')
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def _set_up(programs: Path, user: int) -> str:
    """What the script prints for a user of this number."""
    _program(programs / "id", f"echo {user}")
    done = subprocess.run(
        [str(shutil.which("bash")), str(SCRIPT)],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_chromium_that_is_there_is_taken(programs: Path, tmp_path: Path, name: str) -> None:
    """Whatever it is called: nothing is said or installed."""
    _program(programs / name, "exit 1")
    assert _set_up(programs, user=0) == ""
    assert not (tmp_path / "told").exists()


def test_root_installs_what_is_needed_and_no_more(programs: Path, tmp_path: Path) -> None:
    """Without network that fails, in one line and with exit code 0."""
    said = _set_up(programs, user=0)
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["update", "install --yes --no-install-recommends chromium"]
    assert said.count("\n") == 1
    assert "skipped" in said


def test_nobody_else_is_asked_for_rights(programs: Path, tmp_path: Path) -> None:
    """The line says what to install."""
    assert "apt-get install chromium" in _set_up(programs, user=1000)
    assert not (tmp_path / "told").exists()

"""The table of faults names tests that are there, and every test of a fault is in the table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "faults.md").read_text()))


def functions_of(path: Path) -> set[str]:
    """Test functions of a module."""
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_named_test_exists() -> None:
    """File and function; there are dozens of them."""
    assert len(NAMED) > 30
    absent = [f"{file}::{name}" for file, name in sorted(NAMED)
              if not (ROOT / file).is_file() or name not in functions_of(ROOT / file)]  # fmt: skip
    assert not absent, absent


def test_every_test_of_a_fault_is_named() -> None:
    """In this folder, this file aside."""
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != Path(__file__).name
        for name in functions_of(path)
    }
    assert found <= NAMED, sorted(found - NAMED)


def test_every_row_names_a_test() -> None:
    """A case without one would be a promise without proof."""
    text = (ROOT / "docs" / "faults.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    cases = [row for row in rows if not row.rstrip().endswith("| test |")]
    assert len(cases) > 30
    assert not [row for row in cases if "::test_" not in row]

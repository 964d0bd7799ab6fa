"""The committed tables are those that the committed records make."""

import json
import shutil
from pathlib import Path

import pytest

from genobench.registry import generators, tasks
from genobench.report import leaderboard
from genobench.report.leaderboard import check

ROOT = Path(__file__).parent.parent
LEADERBOARDS = ROOT / "leaderboards"


def test_tables_follow_from_records() -> None:
    """`genobench leaderboard --check` finds nothing to complain about."""
    cards = {name: plugin.card for name, plugin in generators().items()}
    questions = {name: plugin.card for name, plugin in tasks().items()}
    assert check(LEADERBOARDS, cards, questions) == []


def test_readme_shows_the_current_table() -> None:
    """The README's table is the embedded cohort's in leaderboards/README.md, row by row."""
    readme, index = ((ROOT / name).read_text() for name in ("README.md", "leaderboards/README.md"))
    shown = readme.partition("<!-- the first table of leaderboards/README.md -->")[2]
    shown = shown.partition("<!-- end -->")[0].strip()
    assert len(shown.splitlines()) > 10
    assert shown in index, "copy the first table of leaderboards/README.md into README.md"


def test_ablations_follow_from_records() -> None:
    """They are leaderboards of their own."""
    cards = {name: plugin.card for name, plugin in generators().items()}
    questions = {name: plugin.card for name, plugin in tasks().items()}
    assert (LEADERBOARDS / "ablations" / "ablations.md").is_file()
    assert check(LEADERBOARDS / "ablations", cards, questions) == []


@pytest.mark.parametrize(
    ("suite", "block"), [("smoke", "default-smoke"), ("small", "hla1000g-small")]
)
def test_cards_have_the_parameters_of_the_records(suite: str, block: str) -> None:
    """Mean over training seeds, for every generator that was entered."""
    counts: dict[str, list[int]] = {}
    for path in (LEADERBOARDS / "records" / block).glob("*.json"):
        record = json.loads(path.read_text())
        if record["status"] == "ok":
            counts.setdefault(record["job"]["model"], []).append(record["resources"]["parameters"])
    cards = {n: p.card for n, p in generators().items() if p.card.role == "entrant"}
    assert set(cards) <= set(counts)
    known = {name: card.parameters.get(suite) for name, card in cards.items()}
    assert known == {name: round(sum(counts[name]) / len(counts[name])) for name in cards}


def test_an_edited_record_is_noticed(tmp_path: Path) -> None:
    """Another seed under the old key, as somebody might write it by hand."""
    name = "default-smoke"
    shutil.copytree(LEADERBOARDS / "records" / name, tmp_path / "records" / name)
    assert leaderboard.edited(tmp_path) == []
    path = next(iter(sorted((tmp_path / "records" / name).glob("*.json"))))
    content = json.loads(path.read_text())
    content["job"]["seed"] += 1
    path.write_text(json.dumps(content))
    (line,) = leaderboard.edited(tmp_path)
    assert path.name in line

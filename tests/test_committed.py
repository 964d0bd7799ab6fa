"""The committed tables are those that the committed records make."""

from pathlib import Path

from genobench.registry import generators, tasks
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

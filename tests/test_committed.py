"""The committed tables are those that the committed records make."""

from pathlib import Path

from genobench.registry import generators, tasks
from genobench.report.leaderboard import check

LEADERBOARDS = Path(__file__).parent.parent / "leaderboards"


def test_tables_follow_from_records() -> None:
    """`genobench leaderboard --check` finds nothing to complain about."""
    cards = {name: plugin.card for name, plugin in generators().items()}
    questions = {name: plugin.card for name, plugin in tasks().items()}
    assert check(LEADERBOARDS, cards, questions) == []

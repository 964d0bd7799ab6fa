"""Published figures on cards: read, checked, and beside metrics that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from genobench.errors import GenobenchError
from genobench.generator import Card
from genobench.registry import generators, tasks

CARD = "class = 'A'\ntitle = 'x'\n"
ENTRY = "[[published]]\nclaim = 'c'\nvalue = '.9'\ndata = 'd'\ndiffers = 'w'\n"


def read(folder: Path, text: str) -> Card:
    path = folder / "card.toml"
    path.write_text(text)
    return Card.read(path)


def test_entries_are_read_in_order(tmp_path: Path) -> None:
    """Each table is one figure; the metric of ours may be left out."""
    card = read(
        tmp_path, f"{CARD}{ENTRY}metric = 'fidelity.recall'\n{ENTRY}[settings.smoke]\na = 1"
    )
    assert [e.place for e in card.published] == [("fidelity", "recall"), ("", "")]
    assert card.settings_for("smoke") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("published = 3", r"array of tables: \[\[published\]\]"),
        ("[published]\nclaim = 'c'", r"array of tables"),
        (f"{ENTRY}[[published]]\nclaim = 'c'", r"\[\[published\]\] 2: .*value, data, differs"),
        (f"{ENTRY}colour = 'red'", r"\[\[published\]\] 1: unknown key\(s\) colour; it has claim"),
        (ENTRY.replace("'.9'", "0.9"), "value = 0.9; a sentence in quotes"),
        (ENTRY.replace("'c'", "' '"), "claim = ' '; a sentence"),
        (f"{ENTRY}metric = 'recall'", r"metric = 'recall'; write it as task\.metric"),
    ],
)
def test_bad_entries(tmp_path: Path, text: str, message: str) -> None:
    """The card, the number of the entry and the key are named."""
    with pytest.raises(GenobenchError, match=rf"card\.toml: .*{message}"):
        read(tmp_path, CARD + text)


def test_figures_change_no_fit(tmp_path: Path) -> None:
    """What a paper says decides nothing of how a generator runs, so no fit is repeated for it."""
    assert read(tmp_path, CARD).behaviour == read(tmp_path, CARD + ENTRY).behaviour


def test_installed_cards_name_metrics_that_exist() -> None:
    """Every metric beside a published figure is one of an installed task."""
    known = {f"{t}.{m}" for t, plugin in tasks().items() for m in plugin.card.metrics}
    entries = [e for plugin in generators().values() for e in plugin.card.published]
    assert {e.metric for e in entries if e.metric} <= known
    assert len(entries) > 20

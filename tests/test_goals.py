"""Goals of generators beside what was reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from genobench.errors import GenobenchError
from genobench.report.goals import FILE, kept, section
from tests.test_strength import REAL, tables

STATED = """
[[goals]]
model = "sound"
data = "toy"
suite = "smoke"

[goals.bounds]
"""


def stated(folder: Path, *bounds: str) -> Path:
    """A file of goals."""
    folder.joinpath(FILE).write_text(STATED + "\n".join(bounds) + "\n")
    return folder


def test_goals_stand_beside_what_was_reached(tmp_path: Path) -> None:
    """Met, missed, nearly met, met by the interval of real people, never measured."""
    folder = stated(
        tmp_path,
        '"fidelity.recall" = { low = 0.75 }',
        '"fidelity.ld_r2_slope" = { low = 0.95, high = 1.05 }',
        '"privacy.aa_truth" = { low = 0.501 }',
        '"privacy.strongest_attack_auc" = { high = "real" }',
        '"fidelity.mmd2" = { high = 0.1 }',
    )
    found = tables(sound={"ld_r2_slope": 0.7}, broken={"recall": 0.2, "strongest_attack_auc": 0.6})
    text = "\n".join(section(replace(found, goals=kept(folder))))
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    wanted = {row[0].split(": ")[-1].lower(): row[1:2] + row[3:] for row in rows[2:]}
    assert wanted["recall"] == ["≥ 0.750", "yes", "0.800", "1 of 2"]
    assert wanted["ld r2 slope"] == ["0.950 to 1.050", "no", "1.000", "1 of 2"]
    assert wanted["adversarial accuracy, real people"] == ["≥ 0.501", "nearly", "0.500", "0 of 2"]
    attack = ["≤ the interval of real people", "yes", "0.500", "1 of 2"]
    assert wanted["strongest attack"] == attack
    assert wanted["mmd2"] == ["≤ 0.100", "–", "–", "–"]
    assert "Goals met, of 5: `sound` 2, `broken` 1." in text
    assert "### sound on toy, smoke: goals" in text


def test_a_bound_that_nobody_measured_is_not_reached(tmp_path: Path) -> None:
    """Without fresh real people nothing is said, and the goal is not among those met."""
    folder = stated(tmp_path, '"privacy.strongest_attack_auc" = { high = "real" }')
    real = {name: value for name, value in REAL.items() if name != "strongest_attack_auc"}
    text = "\n".join(section(replace(tables(real=real, sound={}), goals=kept(folder))))
    (row,) = (line for line in text.splitlines() if "interval of real people |" in line)
    assert [cell.strip() for cell in row.split("|")[4:7]] == ["–", "–", "–"]
    assert "Goals met, of 1: `sound` 0." in text


def test_where_nobody_was_measured_nothing_is_counted(tmp_path: Path) -> None:
    """A row of dashes, and no sentence without an end."""
    goals = kept(stated(tmp_path, '"elsewhere.recall" = { low = 0.75 }'))
    text = "\n".join(section(replace(tables(sound={}), goals=goals)))
    assert "| elsewhere: recall | ≥ 0.750 | – | – | – | – |" in text
    assert "Goals met" not in text


def test_goals_of_absent_models_and_data_are_not_told(tmp_path: Path) -> None:
    """As where somebody ran a part of the benchmark; nor is a heading without a table."""
    goals = kept(stated(tmp_path, '"fidelity.recall" = { low = 0.75 }'))
    assert section(replace(tables(broken={}), goals=goals)) == []
    elsewhere = tuple(replace(goal, data="hla1000g") for goal in goals)
    assert section(replace(tables(sound={}), goals=elsewhere)) == []
    assert kept(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goals = 3", "int"),
        ("[[goals]]\nmodel = 'sound'", "bounds"),
        (STATED.replace('data = "toy"', "") + '"fidelity.recall" = { low = 0 }', "data"),
        (STATED + '"fidelity.recall" = {}', "fidelity.recall has no bound"),
        (STATED + '"fidelity.recall" = { low = "much" }', "'much' is no bound"),
        (STATED + '"fidelity.recall" = { low = nan }', "nan is no bound"),
        (STATED + '"fidelity.recall" = { low = true }', "True is no bound"),
        (STATED + '"fidelity.recall" = { low = 1, high = 0.5 }', "low = 1 is above high = 0.5"),
        (STATED + '"fidelity.recall" = { low = 0, hihg = 1 }', "hihg"),
        (STATED + '"recall" = { low = 0 }', "unpack"),
        ("[", "goals.toml"),
    ],
)
def test_what_is_no_goal_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """By file, and what in it."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(GenobenchError, match=said) as refused:
        kept(tmp_path)
    assert str(refused.value).startswith(str(tmp_path / FILE))

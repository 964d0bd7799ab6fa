"""Settings of the user's own: how they are written, checked and named."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genobench import settings_text
from genobench.commands import arguments
from genobench.entrant import find_entrant, plain_name
from genobench.errors import GenobenchError
from genobench.registry import find_generator, generators
from genobench.settings_check import checked, defaults

WORDS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.booleans() | st.integers(-(2**60), 2**60) | FLOATS | WORDS
SETTINGS = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), SCALARS | st.lists(SCALARS, max_size=3),
    min_size=1, max_size=4,
)  # fmt: skip


@given(settings=SETTINGS)
def test_what_is_written_is_read_again(settings: dict[str, Any]) -> None:
    """Names in tables give the settings back, types included, and stay whole between commas."""
    text = settings_text.written(settings)
    again = settings_text.parse(text, where="x")
    assert again == settings
    assert {k: type(v) for k, v in again.items()} == {k: type(v) for k, v in settings.items()}
    assert settings_text.split(f"a,m({text}),b") == ["a", f"m({text})", "b"]


@given(settings=SETTINGS)
def test_written_as_toml(settings: dict[str, Any]) -> None:
    """A file of settings says the same."""
    import tomllib

    assert tomllib.loads(settings_text.toml(settings)) == settings


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("all,vae(beta=.1,widths=[64,32]),hwe", ["all", "vae(beta=.1,widths=[64,32])", "hwe"]),
        ("a(x=\"1),(\"), b", ['a(x="1),(")', "b"]),
        ("/o'brien/m.py:M,hwe", ["/o'brien/m.py:M", "hwe"]),
    ],
)  # fmt: skip
def test_commas_in_brackets_split_nothing(text: str, parts: list[str]) -> None:
    """Nor do those in quotes inside brackets."""
    assert list(arguments.models(text)) == parts


def test_an_open_bracket_is_named() -> None:
    """Rather than read as something else."""
    with pytest.raises(argparse.ArgumentTypeError, match="a bracket is not closed"):
        arguments.models("vae(beta=0.1,hwe")


@pytest.mark.parametrize(
    ("text", "name", "changed"),
    [
        ("vae", "vae", {}),
        ("vae(beta=.5)", "vae(beta=0.5)", {"beta": 0.5}),
        ("vae( lr = 1 , beta=2)", "vae(beta=2.0,lr=1.0)", {"beta": 2.0, "lr": 1.0}),
        ("vae(prior=standard)", "vae(prior=standard)", {"prior": "standard"}),
        ('vae(prior="standard")', "vae(prior=standard)", {"prior": "standard"}),
        ("vae(widths=[64, 32])", "vae(widths=[64,32])", {"widths": [64, 32]}),
        ("vae(calibrate=false)", "vae(calibrate=false)", {"calibrate": False}),
    ],
)
def test_one_name_for_one_set_of_settings(text: str, name: str, changed: dict[str, Any]) -> None:
    """However it is typed; and by its name the same is found again."""
    entrant = find_entrant(text)
    assert entrant.name == entrant.spec == name
    assert entrant.changed == changed
    assert entrant.settings_for("smoke") == {
        **find_generator("vae").card.settings_for("smoke"),
        **changed,
    }
    assert find_entrant(name).name == name
    assert plain_name(name) == "vae"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vae(bta=1)", r"vae has no setting 'bta'; did you mean beta.* Its settings: .*latent"),
        ("hwe(rate=1)", "hwe has no setting 'rate'. It has none"),
        ("vae(beta=much)", "vae: beta = 'much': a number is needed"),
        ("vae(beta=true)", "vae: beta = True: a number is needed"),
        ("vae(latent=1.5)", "vae: latent = 1.5: a whole number is needed"),
        ("vae(calibrate=True)", "vae: calibrate = 'True': true or false is needed"),
        ("vae(prior=gamma)", "vae: prior = 'gamma': one of standard, mixture is needed"),
        (
            "disc_diff(decode=foo)",
            "disc_diff: decode = 'foo': one of argmax, sample, matched, validated is needed",
        ),
        ("vae(widths=64)", r"vae: widths = 64: a list"),
        ("vae(widths=[64,a])", "not a value"),
        ("vae(beta=nan)", "a finite number"),
        ("vae(beta=2020-01-01)", "a number, a string"),
        ("vae(beta)", "'beta' is not a setting"),
        ("vae(beta=1,beta=2)", "beta is given twice"),
        ("vae()", "no setting between the brackets"),
        ("vae(beta=1", "NAME\\(key=value,key=value\\)"),
        ("vae@tuned", "NAME@file.toml"),
        ("vae@nowhere.toml", "nowhere.toml: no settings there"),
        ("vea(beta=1)", "did you mean vae"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """Model, setting, and what would be right."""
    with pytest.raises(GenobenchError, match=message):
        find_entrant(text)


def test_settings_of_cards_pass_their_own_check() -> None:
    """Of every generator, every suite; and the searched ones have values to start from."""
    for plugin in generators().values():
        for suite in plugin.card.settings:
            assert checked(plugin, plugin.card.settings_for(suite))
        assert set(plugin.card.search) <= set(defaults(plugin))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[settings\n", "not valid TOML"),
        ("beta = 1\n[settings]\n", "unknown key"),
        ("name = 'x'\n", r"no table \[settings\]"),
        ("settings = 1\n", "settings is no table"),
        ("name = 'a b'\n[settings]\n", "name = 'a b'"),
        ("model = 'hwe'\n[settings]\n", "settings of hwe, not of vae"),
        ("[settings]\nbta = 1\n", r"mine.toml: vae has no setting 'bta'"),
        ("[settings]\nbeta = 2020-01-01\n", "beta = 2020-01-01"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    """With the key."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(GenobenchError, match=message) as raised:
        find_entrant(f"vae@{path}")
    assert str(path) in str(raised.value)


def test_a_file_names_its_entrant(tmp_path: Path) -> None:
    """By its key `name`, or else by its own name."""
    path = tmp_path / "wide.toml"
    path.write_text("[settings]\nwidths = [64]\nbeta = 1\n")
    entrant = find_entrant(f"vae@{path}")
    assert (entrant.name, entrant.variant) == ("vae@wide", "@wide.toml")
    assert entrant.changed == {"widths": [64], "beta": 1.0}
    assert find_entrant(entrant.spec).name == entrant.name
    path.write_text('name = "other"\n[settings]\n')
    assert find_entrant(f"vae@{path}").name == "vae@other"


def test_trials_beside_a_file_must_be_its_own(tmp_path: Path) -> None:
    """A file that was edited after tuning claims nothing."""
    path, trials = tmp_path / "vae.toml", tmp_path / "vae.trials.jsonl"
    path.write_text('name = "tuned"\n[settings]\nbeta = 0.5\n[tuning]\nbest_trial = 0\n')
    trial = {"trial": 0, "settings": {"beta": 0.5}, "status": "ok", "objective": 0.1,
             "components": {"leak": 0.1}, "seconds": 1.0, "error": None}  # fmt: skip
    trials.write_text('{"study": {}}\n' + json.dumps(trial) + "\n")
    tuning = find_entrant(f"vae@{path}").tuning
    assert tuning is not None
    assert tuning["table"] == {"best_trial": 0}
    assert tuning["trials"] == [{k: v for k, v in trial.items() if k != "error"}]
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(GenobenchError, match="not those of trial 0"):
        find_entrant(f"vae@{path}")
    trials.write_text('{"study": {}}\n{"trial"\n')
    with pytest.raises(GenobenchError, match="line 2"):
        find_entrant(f"vae@{path}")

"""What an equal search for settings found, told beside the boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from genobench.errors import GenobenchError
from genobench.report.tuned import FOLDER, kept, section

FOUND = """name = "tuned"
model = "{model}"

[settings]
{settings}

[tuning]
trials = 8
failed = 2
seconds = 875.3
objective_default = 0.4315
objective_best = {best}
data = "default"
suite = "smoke"
trial_seconds = 150.0
"""


def write(folder: Path, model: str, settings: str, best: float) -> Path:
    """A file as `genobench tune` leaves it."""
    path = folder / FOLDER / f"{model}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(FOUND.format(model=model, settings=settings, best=best))
    return path


def test_outcomes_are_told_by_data_set(tmp_path: Path) -> None:
    """Trials, failures, time and both objectives; "plain" where the search found none better."""
    write(tmp_path, "vae", "", 0.4315)
    write(tmp_path, "hclt", "states = [32]\ngain = 0.03", 0.055)
    text = "\n".join(section(kept(tmp_path)))
    assert "### default, smoke: tuning" in text
    assert (
        "| `hclt` | 8 | 2 | 150 | 0.431 | 0.055 | 14 min 35 s | `gain=0.03,states=[32]` |" in text
    )
    assert "| `vae` | 8 | 2 | 150 | 0.431 | 0.431 | 14 min 35 s | plain |" in text


def test_nothing_tuned_is_nothing_told(tmp_path: Path) -> None:
    """No heading without a table."""
    assert kept(tmp_path) == ()
    assert section(()) == []


@pytest.mark.parametrize(
    "text", ["model = 'vae'", "[", "", "model = 'v'\nsettings = 3\ntuning = 4"]
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """By name."""
    write(tmp_path, "vae", "", 0.1).write_text(text)
    with pytest.raises(GenobenchError, match=r"vae\.toml: not what `genobench tune` writes"):
        kept(tmp_path)

"""``genobench show``: records by the beginning of their keys."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from genobench.cli import build_parser, main

BOARDS = Path(__file__).parent.parent / "leaderboards"
RECORDS = sorted((BOARDS / "records" / "default-smoke").glob("*.json"))


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def repeat(text: str) -> str:
    """The command that a shown record says repeats it."""
    lines = text.splitlines()
    return lines[lines.index("Repeat it with") + 1].strip()


def store(folder: Path, *keys: str) -> Path:
    """A run that holds one committed record under several keys."""
    (folder / "records").mkdir(parents=True)
    for seed, key in enumerate(keys):
        record = json.loads(RECORDS[0].read_text())
        record["key"] = key.ljust(64, "0")
        record["job"]["seed"] = seed
        (folder / "records" / f"{record['key']}.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("path", RECORDS[:3], ids=lambda path: path.stem[:8])
def test_a_record_is_readable_at_80_columns(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands alone stand on one line each, so that they can be pasted."""
    code, text, _ = outcome(capsys, "show", path.stem[:12], "--out", str(BOARDS))
    assert code == 0
    long = [line for line in text.splitlines() if len(line) > 80]
    assert all(line.startswith("  genobench ") for line in long)
    record = json.loads(path.read_text())
    for task, entry in record["scores"].items():
        assert task in text
        assert all(f"  {name} " in text for name in entry["metrics"])


@pytest.mark.parametrize("path", RECORDS[:3], ids=lambda path: path.stem[:8])
def test_the_command_asks_for_the_same_row(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, suite, seed, data, device; understood by the parser."""
    job = json.loads(path.read_text())["job"]
    text = outcome(capsys, "show", path.stem, "--out", str(BOARDS))[1]
    words = shlex.split(repeat(text))
    assert words[:2] == ["genobench", "run"]
    options = build_parser().parse_args(words[1:])
    assert options.models == (job["model"],)
    assert (options.suite, options.seeds) == (job["suite"], (job["seed"],))
    assert (options.data, options.trait, options.snps) == ("default", "disease", 256)
    assert options.device == job["budget"]["device"]
    found = json.loads(outcome(capsys, "show", path.stem, "--out", str(BOARDS), "--json")[1])
    assert found["repeat"] == repeat(text)
    assert found["record"]["key"] == path.stem


def test_what_is_not_the_usual_is_in_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A time limit and tasks of one's own; a variant under its settings."""
    run = store(tmp_path, "abcd1234")
    (path,) = (run / "records").glob("*.json")
    record = json.loads(path.read_text())
    record["job"]["budget"]["seconds"] = 77.5
    record["scores"].pop("privacy")
    path.write_text(json.dumps(record))
    command = repeat(outcome(capsys, "show", "abcd", "--out", str(run))[1])
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert options.timeout == 77.5
    assert set(options.tasks) == set(record["scores"])
    assert options.out == Path("runs/repeated"), "a result is not replaced by its repetition"
    record |= {"status": "failed", "error": {"type": "E", "message": "", "exit_code": 1,
                                             "signal": None, "last_lines": []}}  # fmt: skip
    path.write_text(json.dumps(record))
    command = repeat(outcome(capsys, "show", "abcd", "--out", str(run))[1])
    assert build_parser().parse_args(shlex.split(command)[1:]).out == run


def test_other_settings_than_the_card_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`genobench run` would run another job; the one command is then `reproduce`."""
    run = store(tmp_path, "abcd1234")
    (path,) = (run / "records").glob("*.json")
    record = json.loads(path.read_text())
    record["job"]["settings"] = {"unheard_of": 1}
    path.write_text(json.dumps(record))
    command = repeat(outcome(capsys, "show", "abcd", "--out", str(run))[1])
    assert command == f"genobench reproduce {path}"


def test_a_card_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes as people write them, nothing as Python does."""
    code, said, _ = outcome(capsys, "show", "vae")
    assert code == 0
    assert re.search(r"^parameters +smoke [\d,]+, small [\d,]+, paper [\d,]+$", said, re.MULTILINE)
    assert "{" not in said


def test_keys_that_are_not_one_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ambiguous ones are listed with what they are of; misspelt ones get what was meant."""
    run = store(tmp_path, "abcd1111", "abcd2222", "ef012345")
    code, _, err = outcome(capsys, "show", "abcd", "--out", str(run))
    assert code == 2
    assert "2 records begin with abcd" in err
    model = json.loads(RECORDS[0].read_text())["job"]["model"]
    assert f"abcd1111  {model} seed 0" in err
    assert f"abcd2222  {model} seed 1" in err
    code, _, err = outcome(capsys, "show", "ef012344", "--out", str(run))
    assert code == 2
    assert "did you mean\n  ef012345" in err
    assert outcome(capsys, "show", "EF01", "--out", str(run))[0] == 0
    code, _, err = outcome(capsys, "show", "ef0", "--out", str(run))
    assert code == 2
    assert "at least 4 characters" in err


def test_records_are_found_where_they_usually_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In runs, in the folders below it, among leaderboards, or by their file."""
    store(tmp_path / "runs" / "smoke", "abcd1111")
    folder = tmp_path / "leaderboards" / "records" / "x"
    folder.mkdir(parents=True)
    run = store(tmp_path / "other", "ef012345")
    (file,) = (run / "records").glob("*.json")
    file.rename(folder / file.name)
    monkeypatch.chdir(tmp_path)
    for what in ("abcd", "ef01", str(folder / file.name)):
        code, text, err = outcome(capsys, "show", what)
        assert code == 0, err
        assert "Repeat it with" in text
    assert outcome(capsys, "show", "none.json")[0] == 2


def test_a_failed_job_shows_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the log, or what the record kept when there is no log."""
    run = store(tmp_path, "abcd1111")
    (path,) = (run / "records").glob("*.json")
    record = json.loads(path.read_text())
    error = {"type": "ValueError", "message": "broken", "exit_code": 1, "signal": None,
             "last_lines": ["the last words"]}  # fmt: skip
    record |= {"status": "failed", "phase": "fit", "error": error, "scores": {}}
    path.write_text(json.dumps(record))
    text = outcome(capsys, "show", "abcd", "--out", str(run))[1]
    assert "ValueError: broken" in text
    assert (
        "No log lies with this record: logs stay with the run; it kept:\n  the last words" in text
    )
    assert "genobench reproduce" not in text
    log = run / "logs" / f"{path.stem}.log"
    log.parent.mkdir()
    log.write_text("".join(f"line {i} {'x' * 90}\n" for i in range(40)))
    text = outcome(capsys, "show", "abcd", "--out", str(run))[1]
    assert "line 39" in text
    assert "line 19" not in text

"""Runs of several people as one: what is joined, what is left out, what is refused and why."""

from __future__ import annotations

import copy
import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.data.plink import write_plink
from genobench.run.record import to_json

Record = dict[str, Any]


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, make_cohort: Callable[..., Cohort]
) -> dict[int, Record]:
    """Records of two seeds of ``hwe`` on PLINK files, by one task."""
    home = tmp_path_factory.mktemp("finished")
    bed = write_plink(make_cohort(240, 16), home / "mine.bed")
    words = ("run", "--data", str(bed), "--group", "none", "--tasks", "association", "--plain")
    more = ("--models", "hwe", "--seeds", "0-1", "--device", "cpu", "--out", str(home / "out"))
    assert main([*words, *more]) == 0
    records = [json.loads(p.read_text()) for p in (home / "out" / "records").glob("*.json")]
    return {record["job"]["seed"]: record for record in records}


def write_run(folder: Path, *records: Record, options: str = "--data path/to/mine.bed") -> Path:
    """A run that holds these records."""
    (folder / "records").mkdir(parents=True)
    for record in records:
        text = to_json(record, where="a record of this test")
        (folder / "records" / f"{record['key']}.json").write_text(text)
        data = folder / "data" / record["job"]["data_key"]
        data.mkdir(parents=True, exist_ok=True)
        (data / "options.txt").write_text(f"{options}\n")
    return folder


def changed(record: Record, change: Callable[[Record], None], key: str = "") -> Record:
    """A copy that differs, of another job if a ``key`` is given."""
    other = copy.deepcopy(record)
    change(other)
    if key:
        other["key"] = key * 64
    return other


def test_two_runs_become_one(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeds of both stand in one row of the tables; to merge again changes no file."""
    one, two = write_run(tmp_path / "a", finished[0]), write_run(tmp_path / "b", finished[1])
    words = ("merge", str(one), str(two), "--out", str(tmp_path / "both"))
    code, text, err = outcome(capsys, *words)
    assert code == 0, err
    assert "2 written, 0 were there already" in text
    assert " 0, 1 " in text
    files = sorted(p for p in (tmp_path / "both").rglob("*") if p.is_file() and p.name != "lock")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    code, text, _ = outcome(capsys, *words)
    assert code == 0
    assert "0 written, 2 were there already" in text
    records = {p: kept for p, kept in before.items() if p.suffix == ".json"}
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in records} == records
    assert {p: p.read_bytes() for p in files} == {p: kept for p, (kept, _) in before.items()}

    home = tmp_path / "boards"
    assert main(["leaderboard", "--from", str(tmp_path / "both"), "--out", str(home)]) == 0
    with (home / "mine.bed-smoke" / "association.csv").open(newline="") as file:
        assert {(row["jobs_done"], row["jobs_asked"]) for row in csv.DictReader(file)} == {
            ("2", "2")
        }
    assert "path/to/mine.bed" in (home / "README.md").read_text()
    code, text, _ = outcome(capsys, "merge", str(home), "--out", str(tmp_path / "from-boards"))
    assert code == 0
    assert (tmp_path / "from-boards" / "data" / finished[0]["job"]["data_key"]).is_dir()


def test_a_merged_run_can_be_gone_on_with(
    finished: dict[int, Record],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make_cohort: Callable[..., Cohort],
) -> None:
    """`genobench run` prepares the data there and keeps what was merged."""
    bed = write_plink(make_cohort(240, 16), tmp_path / "mine.bed")
    run = write_run(tmp_path / "a", finished[0])
    assert main(["merge", str(run), "--out", str(tmp_path / "merged")]) == 0
    capsys.readouterr()
    words = ("run", "--data", str(bed), "--group", "none", "--tasks", "association", "--plain")
    more = ("--models", "hwe", "--seeds", "0", "--device", "cpu", "--json")
    code, text, err = outcome(capsys, *words, *more, "--out", str(tmp_path / "merged"))
    assert code == 0, err
    assert json.loads(text)["kept"] == 1


def metric(record: Record) -> Record:
    """One metric of a record."""
    found: Record = record["scores"]["association"]["metrics"]["lambda_ratio"]
    return found


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (lambda r: metric(r).update(value=7.0), "", "different results (association/lambda_ratio)"),
        (lambda r: r["outputs"].update(synthetic_sha256="0" * 64), "", "(synthetic sample)"),
        (lambda r: r["scores"]["association"].update(key="0" * 64), "", "other versions of task"),
        (lambda r: r["job"].update(data_key="0" * 64), "1", "has other data than"),
        (lambda r: r["inputs"].update(split_sha256="0" * 64), "1", "split otherwise"),
        (lambda r: metric(r).update(version=9), "1", "association/lambda_ratio: version"),
        (lambda r: r["software"].update(plugin_sha256="0" * 64), "1", "another source in"),
        (lambda r: r["job"].update(settings={"a": 1}), "1", "other settings in"),
        (lambda r: r["job"]["budget"].update(device="cuda"), "1", "another device (cpu, cuda)"),
    ],
)
def test_what_does_not_fit_is_refused(
    finished: dict[int, Record],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Record], None],
    key: str,
    message: str,
) -> None:
    """With the reason and both places; nothing is written."""
    other = changed(finished[0], change, key)
    one, two = write_run(tmp_path / "a", finished[0]), write_run(tmp_path / "b", other)
    out = tmp_path / "both"
    code, text, err = outcome(capsys, "merge", str(one), str(two), "--out", str(out))
    assert (code, text) == (2, "")
    assert message in err
    assert str(one) in err
    assert str(two) in err
    assert "nothing was written" in err
    assert not out.exists()


def test_a_task_that_has_changed_does_not_mix(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of a score tells whether it is of the task as it is installed."""
    old = changed(finished[1], lambda r: r["scores"]["association"].update(key="0" * 64))
    one, two = write_run(tmp_path / "a", finished[0]), write_run(tmp_path / "b", old)
    code, _, err = outcome(capsys, "merge", str(one), str(two), "--out", str(tmp_path / "c"))
    assert code == 2
    assert f"task association: {one} is scored by the task as it is installed here, {two} by" in err
    older = changed(finished[0], lambda r: r["scores"]["association"].update(key="1" * 64))
    three = write_run(tmp_path / "d", older)
    code, _, err = outcome(capsys, "merge", str(two), str(three), "--out", str(tmp_path / "c"))
    assert code == 0
    assert "task association has changed since these records were scored" in " ".join(err.split())


def test_broken_files_are_refused(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every one is named, at once; so is a folder without records, and one that is not there."""
    run, empty = write_run(tmp_path / "a", finished[0]), tmp_path / "empty"
    (run / "records" / f"{'2' * 64}.json").write_text("{")
    invalid = changed(finished[0], lambda r: r.update(status="fine"), "3")
    (run / "records" / f"{'3' * 64}.json").write_text(json.dumps(invalid))
    shutil.copyfile(
        run / "records" / f"{finished[0]['key']}.json", run / "records" / f"{'4' * 64}.json"
    )
    empty.mkdir()
    out = tmp_path / "out"
    code, _, err = outcome(capsys, "merge", str(run), "--out", str(out))
    assert code == 2
    assert f"{'2' * 64}.json: not a readable record" in err
    assert f"{'3' * 64}.json: not a valid record: status" in err
    assert f"{'4' * 64}.json: holds the record of job" in err
    for place, message in ((empty, "no records there"), (tmp_path / "none", "no such folder")):
        code, _, err = outcome(capsys, "merge", str(place), "--out", str(out))
        assert code == 2
        assert message in err
    assert not out.exists()


def test_what_did_not_end_well_is_left_out(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failed jobs and those without scores are named; alone they make no run."""
    error = {"type": "E", "message": "m", "exit_code": 1, "signal": None, "last_lines": []}
    gone = {"status": "timeout", "phase": "fit", "error": error, "outputs": None}
    failed = changed(finished[1], lambda r: r.update(gone))
    bare = changed(finished[1], lambda r: r.update(scores={}), "1")
    run = write_run(tmp_path / "a", finished[0], failed, bare)
    code, text, err = outcome(capsys, "merge", str(run), "--out", str(tmp_path / "b"), "--json")
    found = json.loads(text)
    assert (code, found["records"]) == (0, [finished[0]["key"]])
    assert len(found["left_out"]) == 2
    code, text, err = outcome(capsys, "merge", str(run), "--out", str(tmp_path / "b"))
    said = " ".join(err.split())
    assert "hwe seed 1: timeout in fit" in said
    assert "hwe seed 1: not scored yet" in said
    alone = write_run(tmp_path / "c", failed)
    code, _, err = outcome(capsys, "merge", str(alone), "--out", str(tmp_path / "d"))
    assert code == 2
    assert "no job of these runs ended well" in err


def test_scores_of_one_job_are_joined_and_versions_told(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One person scored one task, another one another; an older genobench is worth a note."""

    def rename(record: Record) -> None:
        record["scores"] = {"elsewhere": record["scores"]["association"]}
        record["software"]["genobench"] = "0.0.1"
        record["resources"]["fit_seconds"] = 99.0

    one = write_run(tmp_path / "a", finished[0])
    two = write_run(tmp_path / "b", changed(finished[0], rename))
    out = tmp_path / "c"
    code, _, err = outcome(capsys, "merge", str(one), str(two), "--out", str(out))
    assert code == 0, err
    record = json.loads((out / "records" / f"{finished[0]['key']}.json").read_text())
    assert set(record["scores"]) == {"association", "elsewhere"}
    assert record["resources"] == finished[0]["resources"]
    assert "0.0.1" in err


def test_what_is_there_already_counts(
    finished: dict[int, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder to write to is checked like the others, and stays as it was when refused."""
    out = write_run(tmp_path / "out", finished[0])
    other = changed(finished[0], lambda r: metric(r).update(value=7.0))
    run = write_run(tmp_path / "a", other, finished[1])
    before = sorted(p.name for p in (out / "records").iterdir())
    code, _, err = outcome(capsys, "merge", str(run), "--out", str(out))
    assert code == 2
    assert "one job with different results" in err
    assert sorted(p.name for p in (out / "records").iterdir()) == before

"""The command line: what it prints, what it returns, and what it does not import."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cli import COMMANDS, build_parser, main
from genobench.cohort import Cohort
from genobench.commands import arguments
from genobench.commands.catalogue import show_list
from genobench.data.plink import read_plink, write_plink
from genobench.errors import GenobenchError

HEAVY = ("torch", "xgboost", "matplotlib", "numba", "sklearn", "scipy", "pandas_plink", "msprime")
CohortMaker = Callable[..., Cohort]


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_closed_standard_output_is_no_fault() -> None:
    """As of a program that a service starts without one: nothing is said, and all is done."""
    command = f"{shlex.quote(sys.executable)} -m genobench list tasks >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--help"], ["list", "models"], ["run", "--help"]])
def test_quick_commands_import_nothing_heavy(words: list[str]) -> None:
    """Nor do they write control characters when nobody looks."""
    code = (
        "import sys\nfrom genobench.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the example is understood by the parser."""
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    example = COMMANDS[command][2]
    assert f"genobench {example}" in " ".join(said.split())
    build_parser().parse_args(example.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum"], "invalid choice: 'rum'"),
        ([], "required: COMMAND"),
        (["run", "--timeout", "soon"], "'soon' is not a time"),
        (["run", "--memory", "much"], "'much' is not a size"),
        (["run", "--seeds", "4-2"], "'4-2' is not a range of seeds"),
        (["run", "--snps", "0"], "'0' is not a whole number of at least 1"),
        (["run", "--models", "real,hwee", "--dry-run"], "did you mean hwe"),
        (["run", "--tasks", "privcy", "--dry-run"], "did you mean privacy"),
        (["run", "--suite", "smal", "--dry-run"], "did you mean small"),
        (["run", "--data", "hla1000", "--dry-run"], "did you mean hla1000g"),
        (["run", "--models", "hwe", "--data", "nothing.bed"], "nothing.bed: cannot be read"),
        (["run", "--suite", "full", "--dry-run"], "name some with --data"),
        (["check", "nothing.py:Thing"], "nothing.py: no such file"),
        (["show", "hwee"], "did you mean hwe"),
        (["show", "abcdef12"], "no record begins with abcdef12"),
        (["data", "info", "mouse"], "no such data set"),
        (["leaderboard", "--check", "--out", "nowhere"], "no such folder"),
        (["leaderboard", "--from", "nowhere"], "no such folder"),
        (["sample", "nowhere", "--out", "x.bed"], "no fitted model there"),
        (["score", "no.bed", "--train", "a.bed", "--test", "b.bed"], "a.bed: not there"),
        (["new", "My-Model"], "cannot name a module"),
        (["new", "hwe"], "called hwe already"),
        (["new", "numpy"], "a module of this Python already"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status 2, a message that begins as all do, and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    code, out, err = outcome(capsys, *words)
    assert code == 2
    assert err.startswith("genobench: error: ")
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_has_its_own_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """130, and the user is told that finished work is kept."""

    def interrupt(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("genobench.commands.catalogue.show_list", interrupt)
    code, _, err = outcome(capsys, "list", "models")
    assert code == 130
    assert "interrupted" in err


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (3,)), ("0-4", (0, 1, 2, 3, 4)), ("5,0,2", (0, 2, 5)),
                        ("0-2, 2,7", (0, 1, 2, 7))]
)  # fmt: skip
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    """Ranges and lists, ascending, each once."""
    assert arguments.seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400),
     ("1d", 86400)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    """A bare number is seconds."""
    assert arguments.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 2**29), ("16G", 2**34), ("1.5GiB", 3 * 2**29), ("1000", 1000)]
)
def test_sizes(text: str, size: int) -> None:
    """Units are powers of 1,024."""
    assert arguments.size(text) == size


@pytest.mark.parametrize(
    ("parse", "text"),
    [(arguments.seeds, t) for t in ("", "-1", "a", "1..3", "1-2-3")]
    + [(arguments.duration, t) for t in ("", "0", "2x", "h", "1h30", "-5m")]
    + [(arguments.size, t) for t in ("", "G", "0", "-1G", "3X")]
    + [(arguments.names, ","), (arguments.positive, "1.5"), (arguments.correlation, "2")],
)
def test_nonsense_is_refused(parse: Callable[[str], Any], text: str) -> None:
    """As argparse wants it, so that the option is named."""
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


@pytest.mark.parametrize("what", ["models", "tasks", "data", "metrics"])
def test_lists_for_people_and_machines(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same names in both."""
    code, text, _ = outcome(capsys, "list", what)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 120
    rows = json.loads(outcome(capsys, "list", what, "--json")[1])
    assert rows
    assert all(str(next(iter(row.values()))) in text for row in rows)


def test_card_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """For people and as JSON."""
    assert "Independent sites" in outcome(capsys, "show", "hwe")[1]
    assert json.loads(outcome(capsys, "show", "hwe", "--json")[1])["role"] == "floor"


def test_dry_run_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lists what would be run."""
    monkeypatch.chdir(tmp_path)
    words = ("run", "--models", "real,hwe", "--seeds", "0-1", "--dry-run", "--device", "cpu")
    code, text, _ = outcome(capsys, *words)
    assert code == 0
    assert "4 of 4 jobs would be run; nothing was." in text
    rows = [line.split() for line in text.splitlines()]
    assert ["real", "0,1", "missing", "fit", "not", "known"] in rows
    assert text.count("Tasks: association,") == 1
    jobs = json.loads(outcome(capsys, *words, "--json")[1])["jobs"]
    assert {(j["model"], j["seed"]) for j in jobs} == {
        (m, s) for m in ("real", "hwe") for s in (0, 1)
    }
    assert list(tmp_path.iterdir()) == []


def test_new_generator_keeps_the_contract(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Straight from the template, and `check` says so promise by promise."""
    code, text, _ = outcome(capsys, "new", "my_model", "--folder", str(tmp_path))
    assert code == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        "my_model.py", "my_model.toml", "test_my_model.py",
    }  # fmt: skip
    spec = f"{tmp_path / 'my_model.py'}:MyModel"
    assert spec in text
    code, text, _ = outcome(capsys, "check", spec)
    assert code == 0, text
    assert "learns" in text
    compile((tmp_path / "test_my_model.py").read_text(), "test", "exec")
    code, _, err = outcome(capsys, "new", "my_model", "--folder", str(tmp_path))
    assert code == 2
    assert "already there" in err


def test_broken_generator_fails_the_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 1, the promise is named, the JSON agrees."""
    outcome(capsys, "new", "bad", "--folder", str(tmp_path))
    module = tmp_path / "bad.py"
    module.write_text(module.read_text().replace("default_rng(seed)", "default_rng()"))
    words = ("check", f"{module}:Bad", "--only", "same_seed_same_rows")
    code, text, _ = outcome(capsys, *words)
    assert code == 1
    assert "the same seed gave other rows" in text
    found = json.loads(outcome(capsys, *words, "--json")[1])
    assert found["passed"] is False
    assert found["promises"][0]["verdict"] == "broken"


def test_fit_then_sample_writes_plink(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_cohort: CohortMaker
) -> None:
    """A generator fitted to PLINK files samples PLINK files that can be read back."""
    bed = write_plink(make_cohort(400, 40), tmp_path / "real.bed")
    model, out = tmp_path / "model", tmp_path / "synthetic.bed"
    words = ("fit", "cond_hwe", "--data", str(bed), "--snps", "20", "--out", str(model))
    code, text, err = outcome(capsys, *words, "--group", "none")
    assert code == 0, err
    code, text, err = outcome(capsys, "sample", str(model), "--people", "77", "--out", str(out))
    assert code == 0, err
    assert "77 synthetic people, 20 SNPs" in text
    cohort = read_plink(out)
    assert cohort.genotypes.shape == (77, 20)
    assert set(cohort.samples["phenotype"]) == {"1", "2"}
    assert cohort.samples["iid"][0] == "syn0"
    assert outcome(capsys, *words)[0] == 2, "a fitted model is not overwritten"
    balanced = tmp_path / "balanced.bed"
    asked = ("--labels", "balanced", "--people", "31", "--out", str(balanced))
    assert outcome(capsys, "sample", str(model), *asked)[0] == 0
    counts = read_plink(balanced).samples["phenotype"].value_counts()
    assert counts.to_dict() == {"1": 16, "2": 15}


def test_a_quantity_is_not_balanced(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_cohort: CohortMaker
) -> None:
    """It has no classes, and that is said."""
    bed = write_plink(make_cohort(400, 40), tmp_path / "real.bed")
    rng = np.random.default_rng(0)
    ids = read_plink(bed).samples[["fid", "iid"]]
    ids.columns = ["FID", "IID"]
    table = ids.assign(height=rng.normal(size=len(ids)))
    table.to_csv(tmp_path / "pheno.tsv", sep="\t", index=False)
    words = ("fit", "cond_hwe", "--data", str(bed), "--pheno", str(tmp_path / "pheno.tsv"),
             "--trait", "height", "--out", str(tmp_path / "model"))  # fmt: skip
    code, _, err = outcome(capsys, *words)
    assert code == 0, err
    asked = ("--labels", "balanced", "--out", str(tmp_path / "made.bed"))
    code, _, err = outcome(capsys, "sample", str(tmp_path / "model"), *asked)
    assert code == 2
    assert "height is a quantity" in err
    assert not list(tmp_path.glob("made.*"))


LUCKLESS = """
from genobench.generator import Generator

class Mine(Generator):
    def fit(self, train, validation, *, seed, budget):
        raise ValueError(f"no luck\\nwith {train.samples['iid'][0]}")
    def sample(self, labels, *, seed): return None
    def state(self): return {}
    def restore(self, state): pass
"""


def test_fit_tries_its_folder_before_anything_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that cannot be stored is not fitted."""
    monkeypatch.setattr("genobench.data.prepare.prepare", lambda *_, **__: pytest.fail("prepared"))
    (tmp_path / "file").touch()
    code, _, err = outcome(capsys, "fit", "hwe", "--out", str(tmp_path / "file" / "model"))
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (LUCKLESS, 6, "ValueError: no luck with"),
        (f"import nothing_there\n{LUCKLESS}", 1, "ModuleNotFoundError"),
        (f"{LUCKLESS}\n    def", 11, "SyntaxError"),
        (f"import sys\nsys.exit(0)\n{LUCKLESS}", 2, "SystemExit: 0"),
    ],
    ids=["fit", "import", "syntax", "exit"],
)
def test_plugin_that_cannot_be_fitted_is_blamed_in_a_line(
    source: str,
    line: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    make_cohort: CohortMaker,
) -> None:
    """With its file and line; no folder is left behind."""
    bed = write_plink(make_cohort(240, 16), tmp_path / "real.bed")
    module, out = tmp_path / "mine.py", tmp_path / "model"
    module.write_text(source)
    code, _, err = outcome(
        capsys, "fit", f"{module}:Mine", "--data", str(bed), "--group", "none", "--out", str(out)
    )
    assert code == 2
    said = err[err.index("genobench: error: ") :]
    assert said.startswith(f"genobench: error: {module}:{line}: {words}")
    assert said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pheno", "table.tsv", "--trait", "T1D"), "T1D"),
        (("--data", "cut.bed"), "cut.bed"),
    ],
)
def test_dry_run_looks_at_the_files(
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    make_cohort: CohortMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A truncated .bed and an unknown trait are found before a real run is begun."""
    monkeypatch.chdir(tmp_path)
    cohort = make_cohort(240, 16)
    for name in ("real.bed", "cut.bed"):
        write_plink(cohort, tmp_path / name)
    (tmp_path / "cut.bed").write_bytes((tmp_path / "cut.bed").read_bytes()[:-7])
    rows = [f"{f}\t{i}\t{k % 2}" for k, (f, i) in
            enumerate(zip(cohort.samples["fid"], cohort.samples["iid"], strict=True))]  # fmt: skip
    (tmp_path / "table.tsv").write_text("FID\tIID\tT2D\n" + "\n".join(rows) + "\n")
    usual = ("run", "--models", "hwe", "--device", "cpu", "--dry-run", "--data", "real.bed")
    assert outcome(capsys, *usual, "--pheno", "table.tsv", "--trait", "T2D")[0] == 0
    code, out, err = outcome(capsys, *usual, *words)
    assert (code, out) == (2, "")
    assert message in err


def test_failures_own_files_and_ids(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_cohort: CohortMaker
) -> None:
    """How to repeat what failed is said; `show` names files in full and people not at all."""
    cohort = make_cohort(240, 16)
    bed, module = write_plink(cohort, tmp_path / "co hort.bed"), tmp_path / "mine.py"
    module.write_text(LUCKLESS)
    out = tmp_path / "runs"
    words = (
        *("run", "--data", str(bed), "--group", "none", "--models", f"{module}:Mine"),
        *("--tasks", "privacy", "--seeds", "0", "--device", "cpu", "--out", str(out)),
    )
    for _ in range(2):
        code, text, err = outcome(capsys, *words)
        assert code == 1, err
        assert "--overwrite failed" in text
    code, text, _ = outcome(capsys, *words, "--dry-run")
    assert code == 0
    assert "--overwrite failed" in text
    (record,) = (out / "records").glob("*.json")
    person = str(cohort.samples["iid"][0])
    with (out / "logs" / f"{record.stem}.log").open("a") as log:
        log.write(f"left by an older version: {person}\n")
    code, text, _ = outcome(capsys, "show", record.stem[:10], "--out", str(out))
    assert code == 0
    assert "left by an older version: <id>" in text
    assert person not in text
    assert f"--models {module}:Mine" in text
    assert f"--data '{bed}'" in text


def test_list_of_everything_and_of_nothing_known(capsys: pytest.CaptureFixture[str]) -> None:
    """All four headings without a name; a near match for one that is misspelt."""
    assert show_list(argparse.Namespace(what=None, json=False)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in ("MODELS", "TASKS", "DATA", "METRICS")] == [
        "MODELS", "TASKS", "DATA", "METRICS",
    ]  # fmt: skip
    assert show_list(argparse.Namespace(what=None, json=True)) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"models", "tasks", "data", "metrics"}
    with pytest.raises(GenobenchError, match="'modles'; did you mean models"):
        show_list(argparse.Namespace(what="modles", json=False))


def test_run_show_and_leaderboard(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_cohort: CohortMaker
) -> None:
    """From PLINK files to tables that agree with their records, and the command that repeats it."""
    bed = write_plink(make_cohort(240, 32), tmp_path / "mine.bed")
    out, home = tmp_path / "runs", tmp_path / "boards"
    words = [
        *("run", "--data", str(bed), "--snps", "16", "--group", "none", "--models", "hwe"),
        *("--tasks", "fidelity", "--seeds", "4", "--device", "cpu", "--out", str(out)),
    ]
    code, text, err = outcome(capsys, *words)
    assert code == 0, err
    assert "Fidelity (mine.bed, smoke, 1 seed)" in text
    assert "1 job: 1 ok; 0 were there already" in text
    assert "16 SNPs chosen" in err
    found = json.loads(outcome(capsys, *words, "--json")[1])
    assert found["kept"] == 1
    assert {row["model"] for row in found["tables"]} == {"hwe"}

    key = found["keys"][0]
    code, text, _ = outcome(capsys, "show", key[:10], "--out", str(out))
    assert code == 0
    assert "two_sample_auc" in text
    assert f"--models hwe --suite smoke --data {bed} --snps 16 --group none --seeds 4" in text

    code, text, err = outcome(capsys, "leaderboard", "--from", str(out), "--out", str(home))
    assert code == 0, err
    index = (home / "README.md").read_text()
    assert "genobench run --models hwe --suite smoke --data path/to/mine.bed --snps 16" in index
    assert str(tmp_path) not in index
    assert outcome(capsys, "leaderboard", "--check", "--out", str(home))[0] == 0
    page = home / "mine.bed-smoke" / "fidelity.md"
    page.write_text(page.read_text() + "x")
    code, text, _ = outcome(capsys, "leaderboard", "--check", "--out", str(home))
    assert code == 1
    assert "fidelity.md: differs from its records" in text

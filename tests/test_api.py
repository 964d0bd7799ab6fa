"""genobench from Python: the examples of its docstrings, frames, HTML, and what is refused."""

from __future__ import annotations

import csv
import doctest
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import genobench
from genobench import api, builders
from genobench.asked import DataOptions
from genobench.cli import build_parser, main
from genobench.cohort import Cohort
from genobench.commands.making import cards
from genobench.data.plink import write_plink
from genobench.errors import GenobenchError
from genobench.report.collect import build
from genobench.results import RunResult, ScoreResult
from genobench.run.benchmark import Summary

CohortMaker = Callable[..., Cohort]
NAMES = ("cohort", "train", "test", "synthetic")
HEAVY = ("torch", "pandas", "numpy", "scipy", "xgboost", "argparse", "rich")
BOARDS = Path(__file__).parent.parent / "leaderboards"
BLOCK = "default-smoke"


@pytest.fixture(scope="module")
def people(make_cohort: CohortMaker) -> dict[str, Cohort]:
    """Four cohorts of one population."""
    return {name: make_cohort(240, 32, seed=seed) for seed, name in enumerate(NAMES)}


@pytest.fixture
def folder(tmp_path: Path, people: dict[str, Cohort], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the examples name, in the working directory."""
    for name, cohort in people.items():
        write_plink(cohort, tmp_path / f"{name}.bed")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Records of the committed leaderboard."""
    return [json.loads(path.read_text()) for path in (BOARDS / "records" / BLOCK).glob("*.json")]


def result_of(records: list[dict[str, Any]], out: str = "runs") -> RunResult:
    """What a run that left these records would have returned."""
    keys = tuple(record["key"] for record in records)
    summary = Summary(keys, len(keys), 0, 0, {"ok": len(keys)}, (f"{out}: a problem",), 1.0, 0.0)
    return RunResult(Path(out), summary, build(records, *cards()))


def examples() -> list[doctest.DocTest]:
    """Docstrings with examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    globs = {"genobench": genobench}
    found = [test for module in (api, builders) for test in finder.find(module, globs=globs)]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_examples(example: doctest.DocTest, folder: Path) -> None:
    """Each does what its docstring shows."""
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_every_function_has_an_example() -> None:
    """Of those that a notebook begins with; `generators` has it in its class."""
    shown = {test.name.rpartition(".")[2] for test in examples()}
    assert shown == {"load_cohort", "load_split", "run", "score", "Generators"}
    assert {"generators", "load_cohort", "load_split", "run", "score"} < set(genobench.__all__)


def test_import_stays_light() -> None:
    """Nor do the names of the functions and of the generators import anything heavy."""
    code = (
        "import sys, genobench\n"
        "genobench.run, genobench.score, genobench.generators, genobench.load_cohort\n"
        f"print([m for m in {HEAVY} if m in sys.modules])\n"
        "genobench.generators['vae'].card.title\n"
        "print([m for m in ('torch', 'scipy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


@pytest.mark.parametrize(
    ("function", "words", "absent"),
    [
        (genobench.run, ["run"], {"dry_run", "json", "plain"}),
        (genobench.score, ["score", "a", "--train", "b", "--test", "c"], {"json", "markdown"}),
    ],
)
def test_parameters_are_the_options(
    function: Callable[..., Any], words: list[str], absent: set[str]
) -> None:
    """Whatever the command line asks can be asked from Python, by the same name."""
    options = set(vars(build_parser().parse_args(words))) - {"function"}
    given = set(inspect.signature(function).parameters) - {"progress", "options"}
    if function is genobench.run:
        given |= set(DataOptions.__annotations__)
    assert options - given == absent
    assert given <= options


def test_run_is_a_function_and_a_package() -> None:
    """The name is both: what it takes can be asked for, and jobs are still found in it."""
    from genobench.run.request import RunOptions

    assert callable(genobench.run)
    assert (genobench.run.__doc__ or "").startswith("Run a benchmark")
    assert next(iter(inspect.signature(genobench.run).parameters)) == "models"
    assert getattr(genobench.run, "request").RunOptions is RunOptions  # noqa: B009 - for types, a function


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": "hwee"}, "did you mean .*hwe"),
        ({"models": []}, "models: expected a model"),
        ({"tasks": ["fidelty"]}, "did you mean fidelity"),
        ({"seeds": "4-0"}, "seeds: '4-0' is not a range"),
        ({"seeds": [0, -1]}, "seeds: '0,-1' is not a list of seeds"),
        ({"jobs": 0}, "jobs: '0' is not a whole number of at least 1"),
        ({"timeout": "soon"}, "timeout: 'soon' is not a time"),
        ({"memory": "much"}, "memory: 'much' is not a size"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"overwrite": "yes"}, "one of only-missing"),
        ({"cluster": "nowhere"}, "--cluster nowhere"),
        ({"suite": "smok"}, "did you mean smoke"),
        ({"snp": 3}, "no option is called 'snp'; did you mean snps"),
        ({"snps": 2.5}, "snps: '2.5' is not a whole number"),
        ({"clump_r2": 2}, "clump_r2: '2' is not between 0 and 1"),
        ({"trait_kind": "ordinal"}, "trait_kind: 'ordinal' is none of auto, binary"),
        ({"split_seed": "x"}, "split_seed: 'x' is not a whole number"),
        ({"data": "nowhere"}, "nowhere"),
    ],
    ids=str,
)
def test_mistakes_are_named_before_anything_runs(
    options: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line, with nothing written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenobenchError, match=words):
        genobench.run(**{"progress": False, **options})
    assert list(tmp_path.iterdir()) == []


def test_generators_by_name_file_and_setting(tmp_path: Path) -> None:
    """An unknown name is a KeyError as well; settings are checked; builders name themselves."""
    assert "nothing" not in genobench.generators
    assert genobench.generators.get("nothing") is None
    assert len(genobench.generators) == len(list(genobench.generators))
    with pytest.raises(KeyError, match=r"^unknown model 'cond_hw'; did you mean cond_hwe"):
        genobench.generators["cond_hw"]
    with pytest.raises(GenobenchError, match=r"mine\.py: no such file"):
        genobench.generators[f"{tmp_path}/mine.py:Mine"]
    main(["new", "mine", "--folder", str(tmp_path)])
    mine = genobench.generators[f"{tmp_path}/mine.py:Mine"]
    assert mine(pseudocount=2).settings()["pseudocount"] == 2.0
    assert mine().settings()["pseudocount"] == 0.5  # the card's for smoke
    with pytest.raises(GenobenchError, match="did you mean pseudocount"):
        mine(pseudocounts=2)
    assert str(mine) == f"{tmp_path}/mine.py:Mine"
    assert "hwe" in repr(genobench.generators)


def test_cohort_without_labels(folder: Path, people: dict[str, Cohort]) -> None:
    """Is read with a warning; labels that were asked for must be there."""
    write_plink(people["cohort"].with_trait(None), folder / "bare.bed")
    with pytest.warns(UserWarning, match=r"bare\.bed: read without a trait: the \.fam has no"):
        cohort = genobench.load_cohort("bare.bed")
    assert cohort.trait is None
    assert (cohort.genotypes == people["cohort"].genotypes).all()
    with pytest.raises(GenobenchError, match="name one with --pheno"):
        genobench.load_cohort("bare.bed", trait="T2D")
    table = people["cohort"].samples.assign(T2D=np.arange(240) % 2)[["fid", "iid", "T2D"]]
    table[1:].to_csv(folder / "table.tsv", sep="\t", index=False, header=["FID", "IID", "T2D"])
    cohort = genobench.load_cohort("bare.bed", pheno="table.tsv", trait="T2D")
    assert (cohort.n, cohort.labels[:3].tolist()) == (239, [1, 0, 1])


def test_frames_agree_with_the_leaderboard(records: list[dict[str, Any]]) -> None:
    """Value and intervals of every model and metric are those of the committed tables."""
    result = result_of(records)
    for task in ("association", "privacy"):
        frame = result.table(task)
        assert list(frame.columns[:3]) == ["value", "low", "high"]
        with (BOARDS / BLOCK / f"{task}.csv").open() as file:
            lines = list(csv.DictReader(file))
        assert len(frame) == len(lines) > 50
        for line in lines:
            row: Any = frame.loc[(line["metric"], line["model"])]
            for column in ("value", "people_low", "people_high", "seeds_low", "seeds_high"):
                wanted = float(line[column] or "nan")
                assert row[column] == pytest.approx(wanted, rel=1e-5, nan_ok=True)
        measured = frame.dropna(subset=["low"])
        assert (measured["low"] <= measured["value"]).all()
        assert (measured["value"] <= measured["high"]).all()


def test_leaderboard_frame(records: list[dict[str, Any]]) -> None:
    """Entrants by rank, then controls without one; one row per record in `records`."""
    result = result_of(records)
    assert {"association", "fidelity", "privacy", "prs_utility"} == set(result.tasks)
    board = result.leaderboard("fidelity")
    ranks = board["rank"].dropna().tolist()
    assert ranks == sorted(ranks)
    assert board["role"][: len(ranks)].eq("entrant").all()
    assert board["rank"].isna().sum() == len(board) - len(ranks) > 3
    headline = result.table("fidelity").loc[board.attrs["metric"]]
    assert headline["value"].to_dict() == board["value"].to_dict()
    assert set(result.records.index) == {record["key"] for record in records}
    assert result.records["fit_seconds"].notna().all()
    assert "Fidelity (default, smoke, 3 seeds)" in repr(result)
    with pytest.raises(GenobenchError, match="did you mean fidelity"):
        result.table("fidelty")


def test_nothing_measured_is_an_empty_frame() -> None:
    """A folder without records has no table, and says so."""
    empty = result_of([])
    assert empty.records.empty
    assert empty.tasks == ()
    assert "0 jobs" in repr(empty)
    assert "0 jobs" in empty._repr_html_()
    with pytest.raises(GenobenchError, match="there are: none"):
        empty.leaderboard("fidelity")


class Reader(HTMLParser):
    """Elements, what they refer to, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Remember."""
        self.said += data


HARMLESS = {"div", "h4", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
EVIL = "<script src='http://x'>&amp;"


def test_html_is_inert(records: list[dict[str, Any]]) -> None:
    """Names of models, folders, problems and files are text; nothing is loaded from anywhere."""
    few = [r for r in records if r["job"]["model"] in ("real", "cond_hwe")]
    evil = [{**r, "job": {**r["job"], "model": f"{EVIL}{r['job']['model']}"}} for r in few]
    page = Reader(result_of(few + evil, out=EVIL)._repr_html_())
    assert page.tags <= HARMLESS
    assert page.attributes <= {"class", "style", "rowspan", "valign"}
    assert f"{EVIL}cond_hwe" in page.said
    assert f"{EVIL}: a problem" in page.said
    assert "Fidelity" in page.said


def test_html_of_a_score_is_inert() -> None:
    """Verdicts and the file's name are text as well."""
    line = {"task": EVIL, "metric": EVIL, "model": EVIL, "role": "entrant", "better": "lower",
            "value": 0.25, "people_low": None, "people_high": None}  # fmt: skip
    content = {"file": EVIL, "people": {"synthetic": 3}, "variants": 2, "tables": [line],
               "verdicts": [{"level": "fail", "sentence": f"{EVIL} leaks"}],
               "not_measured": {"fidelity": f"{EVIL} is absent"}}  # fmt: skip
    found = ScoreResult(content, "# page")
    page = Reader(found._repr_html_())
    assert page.tags <= HARMLESS
    assert page.attributes <= {"class", "style", "rowspan", "valign"}
    assert f"FAIL: {EVIL} leaks" in page.said
    assert "0.250" in page.said
    assert found.verdicts == [f"{EVIL} leaks", f"fidelity not measured: {EVIL} is absent"]
    assert found.metrics["low"].isna().all()
    assert "FAIL: " in repr(found)


def test_score_of_cohorts_in_memory(
    folder: Path, people: dict[str, Cohort], capsys: pytest.CaptureFixture[str]
) -> None:
    """Is that of the files on the command line; standard error is quiet unless asked."""
    synthetic, train, test = (people[name] for name in ("synthetic", "train", "test"))
    found = genobench.score(synthetic, train=train, test=test, tasks=["association"])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    words = ("--train", "train.bed", "--test", "test.bed", "--tasks", "association")
    assert main(["score", "synthetic.bed", *words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == found.content
    assert found.verdicts == [v["sentence"] for v in printed["verdicts"]]
    frame = found.metrics.loc["association"]
    assert isinstance(frame, pd.DataFrame)
    assert set(frame.index.get_level_values("model")) == {"synthetic.bed", "real", "hwe"}
    assert all(sentence in found.to_markdown() for sentence in found.verdicts)
    with pytest.raises(GenobenchError, match="--trait"):
        genobench.score("synthetic.bed", train="train.bed", test="test.bed", pheno="t.tsv")

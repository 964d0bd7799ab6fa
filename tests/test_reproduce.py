"""A record's job run again: what is identical, what other seeds allow, and what is refused."""

from __future__ import annotations

import copy
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.data.plink import write_plink
from genobench.errors import GenobenchError
from genobench.report.repetition import compare, same_but_seed, spread
from genobench.run import data_words

GENERATOR = """
from dataclasses import dataclass
import numpy as np
from genobench.generator import Generator

@dataclass
class Mine(Generator):
    shift: float = 0.0

    def fit(self, train, validation, *, seed, budget):
        self.p_ = np.clip(train.genotypes.mean(axis=0, dtype=float) / 2 + self.shift, 0, 1)
        return self

    def sample(self, labels, *, seed):
        rng = np.random.default_rng(seed)
        return rng.binomial(2, self.p_, (len(labels), len(self.p_))).astype(np.int8)

    def state(self):
        return {"p": self.p_}

    def restore(self, state):
        self.p_ = state["p"]
"""
CARD = 'class = "Mine"\ntitle = "Mine"\n[settings.smoke]\nshift = {shift}\n'


class World(NamedTuple):
    """A finished run of a generator in a file, on PLINK files."""

    home: Path
    out: Path
    bed: Path
    module: Path


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_cohort: Callable[..., Cohort]) -> World:
    """Seeds 0 to 2 of ``mine`` and seed 0 of its variant, by one task; not to be changed."""
    home = tmp_path_factory.mktemp("finished")
    bed, module, out = home / "mine.bed", home / "mine.py", home / "out"
    write_plink(make_cohort(240, 16), bed)
    module.write_text(GENERATOR)
    module.with_suffix(".toml").write_text(CARD.format(shift=0.01))
    run = ("run", "--data", str(bed), "--group", "none", "--tasks", "association")
    more = ("--device", "cpu", "--out", str(out), "--plain")
    assert main([*run, "--models", f"{module}:Mine", "--seeds", "0-2", *more]) == 0
    assert main([*run, "--models", f"{module}:Mine(shift=0.02)", "--seeds", "0", *more]) == 0
    return World(home, out, bed, module)


@pytest.fixture
def world(finished: World, tmp_path: Path) -> World:
    """The same with a store of its own; data and module lie where they lay."""
    out = tmp_path / "out"
    shutil.copytree(finished.out, out)
    return World(tmp_path, out, finished.bed, finished.module)


def record_of(world: World, model: str = "mine", seed: int = 0) -> Path:
    """File of one record."""
    for path in (world.out / "records").glob("*.json"):
        job = json.loads(path.read_text())["job"]
        if (job["model"], job["seed"]) == (model, seed):
            return path
    raise AssertionError(f"no record of {model} seed {seed}")


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record on disk."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_a_repetition_is_identical(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Sample and every metric, from the record alone; the table keeps to 80 columns."""
    again = str(world.home / "again")
    code, text, err = outcome(capsys, "reproduce", str(record_of(world)), "--out", again)
    assert code == 0, err
    assert "Verdict: identical: the same sample" in text
    assert "Versions and machine: as recorded" in text
    assert max(map(len, text.splitlines())) <= 80
    code, text, _ = outcome(capsys, "reproduce", str(record_of(world)), "--out", again, "--json")
    found = json.loads(text)
    assert (code, found["verdict"], found["other_source"]) == (0, "identical", [])
    assert found["sample"]["identical"]
    assert found["seeds"] == 3
    assert {m["verdict"] for m in found["metrics"]} == {"identical"}


def test_settings_are_those_of_the_record(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a variant, and of a card that has been changed since; `show` then says `reproduce`."""
    card = world.module.with_suffix(".toml")
    before = card.read_text()
    try:
        card.write_text(CARD.format(shift=0.3))
        for model in ("mine", "mine(shift=0.02)"):
            record = record_of(world, model)
            code, text, err = outcome(
                capsys, "reproduce", str(record), "--out", str(world.home / "a"), "--json"
            )
            assert code == 0, err
            assert json.loads(text)["verdict"] == "identical"
        assert outcome(capsys, "show", str(record_of(world)), "--json")[0] == 0
        text = outcome(capsys, "show", str(record_of(world)))[1]
        assert "genobench run" not in text
        assert f"genobench reproduce {record_of(world)}" in text
        text = outcome(capsys, "show", str(record_of(world, "mine(shift=0.02)")))[1]
        assert f"genobench run --models '{world.module}:Mine(shift=0.02)' --suite smoke" in text
    finally:
        card.write_text(before)


def test_a_changed_source_marks_the_verdict(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said before anything is run, and in the verdict; so are versions that differ."""
    edit(record_of(world), lambda r: r["software"].update(numpy="0.0.1"))
    module = world.home / "mine.py"
    module.write_text(GENERATOR + "\n# edited\n")
    words = ("--model", f"{module}:Mine", "--out", str(world.home / "again"))
    code, text, err = outcome(capsys, "reproduce", str(record_of(world)), *words)
    assert code == 0
    assert "model mine: its source is not the one of the record" in err
    assert "Verdict: identical (other source: model mine)" in text
    assert re.search(r"^numpy +0\.0\.1 ", text, re.MULTILINE)


def test_other_results_are_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the metric by name; of an equal sample nothing is left to chance."""
    record = record_of(world)

    def change(content: dict[str, Any]) -> None:
        metrics = content["scores"]["association"]["metrics"]
        metrics["lambda_ratio"]["value"] += 50.0

    edit(record, change)
    again = str(world.home / "again")
    code, text, _ = outcome(capsys, "reproduce", str(record), "--out", again)
    assert code == 1
    assert "Verdict: different: the same sample" in text
    (line,) = [line for line in text.splitlines() if "lambda_ratio" in line]
    assert "different" in line


def test_scores_that_all_fail_are_no_verdict(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was compared: exit code 2, with what the tasks said."""
    path = next((world.out / "records").glob("*.json"))
    failed = json.loads(path.read_text())
    error = {"type": "GenobenchError", "message": "edited while in use"}
    for entry in failed["scores"].values():
        del entry["metrics"]
        entry["error"] = error
    monkeypatch.setattr("genobench.run.repeat.run_again", lambda *_: failed)
    code, _, err = outcome(capsys, "reproduce", str(path), "--out", str(world.home / "again"))
    assert code == 2
    assert "nothing to compare: association: edited while in use" in err


def test_other_data_are_refused(
    world: World, capsys: pytest.CaptureFixture[str], make_cohort: Callable[..., Cohort]
) -> None:
    """By checksum, before anything is computed."""
    other = write_plink(make_cohort(240, 16, seed=5), world.home / "mine.bed")
    again = world.home / "again"
    words = ("reproduce", str(record_of(world)), "--data", str(other), "--out", str(again))
    code, out, err = outcome(capsys, *words)
    assert (code, out) == (2, "")
    assert "the data are other than the record's" in err
    assert not again.exists()

    edit(record_of(world), lambda r: r["inputs"].update(split_sha256="0" * 64))
    code, _, err = outcome(capsys, "reproduce", str(record_of(world)), "--out", str(again))
    assert code == 2
    assert "split_sha256" in err
    assert "recorded: 00000000" in err


def test_published_records_need_their_files_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Among leaderboards nothing says where data and model lie; one is told what to add."""
    boards = world.home / "boards"
    assert main(["leaderboard", "--from", str(world.out), "--out", str(boards)]) == 0
    (folder,) = (boards / "records").iterdir()
    record = str(folder / record_of(world).name)
    words = ("reproduce", record, "--out", str(world.home / "again"))
    code, _, err = outcome(capsys, *words)
    assert code == 2
    assert "--model path/to/mine.py:Mine" in err
    model = ("--model", f"{world.module}:Mine")
    code, _, err = outcome(capsys, *words, *model)
    assert code == 2
    assert "say where they lie with --data" in err
    code, text, _ = outcome(capsys, *words, *model, "--data", str(world.bed))
    assert code == 0
    assert "Verdict: identical" in text


def test_what_cannot_be_repeated_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, the record's own folder, a job that failed."""
    record = record_of(world)
    error = {"type": "E", "message": "m", "exit_code": 1, "signal": None, "last_lines": []}
    for words, message in (
        (("none.json",), "no such file"),
        ((str(record), "--out", str(world.out)), "the folder of the record itself"),
    ):
        code, _, err = outcome(capsys, "reproduce", *words)
        assert code == 2
        assert message in err
    edit(record, lambda r: r.update(status="timeout", error=error, phase="fit"))
    code, _, err = outcome(capsys, "reproduce", str(record), "--out", str(world.home / "again"))
    assert code == 2
    assert "its job ended as timeout" in err


def test_words_for_data_lead_back_to_the_data() -> None:
    """As they are kept with records, every kind of option."""
    text = "--data mice --trait Biochem.HDL --snps 512 --clump-r2 0.5 --covariates a,b"
    words = shlex.split(text)
    spec = data_words.spec_of(words, {"snps": 16})
    assert (spec.name, spec.snps, spec.clump_r2) == ("mice", 16, 0.5)
    assert spec.covariates == ("a", "b")
    for bad in (["--data", "mice", "--wrong", "1"], ["--data", "mice", "--snps", "many"]):
        with pytest.raises(GenobenchError, match="not the words for data"):
            data_words.spec_of(bad)


def entry(value: float | None, half: float | None = 0.1, version: int = 1) -> dict[str, Any]:
    """One metric of a record."""
    ends = {"low": None, "high": None}
    if value is not None and half is not None:
        ends = {"low": value - half, "high": value + half}  # type: ignore[dict-item]
    return {"value": value, **ends, "n": 9, "seconds": 0.0, "version": version}


def toy(values: dict[str, Any], seed: int = 0, sample: str = "a") -> dict[str, Any]:
    """A record of one task."""
    job = {"model": "m", "settings": {}, "suite": "s", "data_key": "d", "seed": seed,
           "budget": {"device": "cpu"}}  # fmt: skip
    return {
        "status": "ok",
        "job": job,
        "inputs": {"split_sha256": "x"},
        "software": {"plugin_sha256": "y"},
        "outputs": {"synthetic_sha256": sample},
        "scores": {"t": {"metrics": values}},
    }


@pytest.mark.parametrize(
    ("old", "new", "others", "verdict", "source"),
    [
        (entry(1.0), entry(1.0), (), "identical", "people"),
        (entry(1.0), entry(1.05), (), "within", "people"),
        (entry(1.0), entry(1.2), (), "different", "people"),
        (entry(1.0), entry(1.2), (1.1,), "different", "people"),  # two seeds have no spread
        (entry(1.0), entry(1.2), (1.1, 0.9), "within", "seeds"),
        (entry(1.0), entry(2.0), (1.1, 0.9), "different", "seeds"),
        (entry(1.0, None), entry(1.1, None), (), "different", "none"),
        (entry(1.0, None), entry(1.0 + 1e-9, None), (), "within", "none"),  # rounding
        (entry(None), entry(None), (), "identical", "none"),
        (entry(None), entry(1.0), (), "different", "none"),
        (entry(1.0), entry(1.0, version=2), (), "different", "people"),
    ],
)
def test_verdict_of_one_metric(
    old: Any, new: Any, others: tuple[float, ...], verdict: str, source: str
) -> None:
    """Bit for bit, inside the interval, or outside; the interval is of seeds where there are 2."""
    seeds = [toy({"x": entry(v)}, seed=i + 1) for i, v in enumerate(others)]
    found = compare(toy({"x": old}), toy({"x": new}, sample="b"), seeds)
    (line,) = found.lines
    assert (line.verdict, line.source) == (verdict, source)
    assert found.verdict == ("different" if verdict == "different" else "within")


def test_chance_is_allowed_for_another_sample_alone() -> None:
    """One in ten may lie outside; none when the sample is the same."""
    old = {f"x{i}": entry(1.0) for i in range(20)}
    new = {**copy.deepcopy(old), "x0": entry(2.0), "x1": entry(2.0)}
    assert compare(toy(old), toy(new, sample="b"), ()).verdict == "within"
    assert compare(toy(old), toy(new, sample="a"), ()).verdict == "different"
    new["x2"] = entry(2.0)
    assert compare(toy(old), toy(new, sample="b"), ()).verdict == "different"
    assert compare(toy(old), toy(old, sample="a"), ()).verdict == "identical"


def test_an_equal_sample_scored_alike_must_score_equally() -> None:
    """Whatever other seeds say; rounding aside."""
    old = {"x": entry(1.0)}
    near, rounded = {"x": entry(1.0001)}, {"x": entry(1.0 + 1e-9)}
    assert compare(toy(old), toy(near), ()).verdict == "within"
    assert compare(toy(old), toy(near), (), exact={"t"}).verdict == "different"
    assert compare(toy(old), toy(rounded), (), exact={"t"}).verdict == "within"
    assert compare(toy(old), toy(near, sample="b"), (), exact={"t"}).verdict == "within"


def test_a_task_or_a_job_that_fails_now_is_a_difference() -> None:
    """With the reason."""
    failed = toy({})
    failed["scores"]["t"] = {"error": {"type": "ValueError", "message": "no"}}
    found = compare(toy({"x": entry(1.0)}), failed, ())
    assert found.verdict == "different"
    assert "failed (ValueError): no" in found.notes[0]
    left_out = compare(toy({"x": entry(1.0)}), toy({}), (), absent={"t"})
    assert (left_out.verdict, left_out.lines) == ("identical", ())
    gone = {**toy({}), "status": "memory", "error": {"message": "too much"}, "outputs": None}
    assert "memory: too much" in compare(toy({"x": entry(1.0)}), gone, ()).notes[0]


def test_a_metric_that_no_record_had_is_named() -> None:
    """As one that differs: it was added to the task since; other seeds lack it too."""
    seeds = [toy({"x": entry(1.0)}, seed=seed) for seed in (1, 2)]
    found = compare(toy({"x": entry(1.0)}), toy({"x": entry(1.0), "new": entry(3.0)}), seeds)
    verdicts = {line.metric: (line.verdict, line.source) for line in found.lines}
    assert verdicts["new"] == ("different", "none")
    assert verdicts["x"][0] == "identical"


def test_spread_covers_one_more_draw() -> None:
    """95 % of new draws lie inside, whatever the number of seeds."""
    rng = np.random.default_rng(1)
    for n in (3, 5):
        inside = 0
        for draws in rng.normal(size=(4000, n + 1)):
            low, high = spread(list(draws[:n]))
            inside += low <= draws[n] <= high
        assert inside / 4000 == pytest.approx(0.95, abs=0.012)


def test_seeds_are_those_of_one_version() -> None:
    """Other settings, source or device are no other seed."""
    one, two = toy({}, seed=0), toy({}, seed=1)
    assert same_but_seed(one, two)
    assert not same_but_seed(one, toy({}, seed=0))
    two["software"]["plugin_sha256"] = "z"
    assert not same_but_seed(one, two)

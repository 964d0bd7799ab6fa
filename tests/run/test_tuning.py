"""Tuning: what is searched, what is measured, what is kept, and what a run makes of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cli import main
from genobench.cohort import Cohort, Trait
from genobench.commands import arguments
from genobench.data.split import Split
from genobench.entrant import find_entrant
from genobench.errors import GenobenchError
from genobench.registry import find_generator, generators
from genobench.report.collect import build
from genobench.run import prepared
from genobench.run.request import resolve
from genobench.run.store import Store
from genobench.task import TaskCard
from genobench.tuning import space as spaces
from genobench.tuning.journal import Journal, Trial
from genobench.tuning.objective import concordance, shortcomings
from genobench.tuning.space import Dimension, propose
from genobench.tuning.study import Study, TuneOptions, open_study, tune
from genobench.tuning.trial import inner

BODY = """
def __init__(self, share=0.2, luck="good", parts=1):
    self.share, self.luck = share, luck

def fit(self, train, validation, *, seed, budget):
    with (FOLDER / "fits").open("a") as file:
        file.write(f"{self.share} {self.luck} {train.n} {validation.n} {seed}\\n")
    if self.luck == "bad":
        raise ValueError("no luck")
    if self.luck == "endless":
        time.sleep(600)
    super().fit(train, validation, seed=seed, budget=budget)
    self.p_ = self.p_ * self.share
    return self
"""
CARD = """
[search.share]
low = 0.1
high = 1.0
[search.luck]
choices = ["good", "bad"]
"""


@pytest.fixture
def options(bench: Any, tmp_path: Path, tiny_split: Split) -> TuneOptions:
    """Two trials on prepared data."""
    out = tmp_path / "tuned"
    store = Store(out / "work")
    out.mkdir()
    with store.locked(), store.building(store.data_folder(bench.data.key)) as folder:
        tiny_split.save(folder)
        inputs = prepared.describe(bench.data, tiny_split)
        (folder / "inputs.json").write_text(json.dumps(inputs))
    return TuneOptions(out=out, trials=2, data=bench.data, seconds=240, device="cpu")


def study_of(bench: Any, options: TuneOptions, card: str = CARD) -> Study:
    """A study of the generator above."""
    return open_study(bench.generator("mine", BODY, card), options)


def test_trials_go_on_where_they_stopped_and_a_run_takes_them_up(
    bench: Any, options: TuneOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default first; failures are trials; what is found has its history in the record."""
    said: list[str] = []
    options = replace(options, trials=1, seconds=120)
    assert tune(study_of(bench, options), said.append).table["best_trial"] == 0
    options = replace(options, trials=4, seconds=480)  # the same for each
    found = tune(study_of(bench, options), said.append)
    assert "1 trials are there already" in " ".join(said)
    assert len([line for line in said if " trial " in line]) == 4
    trials = found.trials
    assert [t.trial for t in trials] == [0, 1, 2, 3]
    assert trials[0].settings == {}
    for trial in trials[1:]:
        bad = trial.settings["luck"] == "bad"
        assert trial.status == ("failed" if bad else "ok")
        assert (trial.objective is None) == bad
        assert 0.1 <= trial.settings["share"] <= 1.0
    fits = [line.split() for line in (bench.plugins / "fits").read_text().splitlines()]
    assert len(fits) == 4
    assert {line[-1] for line in fits} == {fits[0][-1]}  # one seed
    assert {tuple(line[2:4]) for line in fits} == {("80", "20")}  # of 100 training people
    file = options.out / "mine.toml"
    entrant = find_entrant(f"{study_of(bench, options).plugin.spec}@{file}")
    assert entrant.name == "mine@tuned"
    assert found.best is not None
    assert entrant.changed == found.best.settings
    task = bench.task("one")
    assert bench.run([entrant.spec], [task]).statuses == {"ok": 1}
    record = bench.record("mine@tuned")
    assert _notes(record, task) == ""
    other = {**record, "inputs": {**record["inputs"], "split_sha256": "0" * 64}}
    assert "mine@tuned: tuned on toy, on another split" in _notes(other, task)
    tuning = record["tuning"]
    assert tuning["table"] == found.table
    assert tuning["table"]["objective_best"] == found.best.objective
    assert [t["objective"] for t in tuning["trials"]] == [t.objective for t in trials]
    assert str(options.out) not in (options.out / "mine.trials.jsonl").read_text()


def _notes(record: dict[str, Any], task: str) -> str:
    """Notes on tuning in the table of one record."""
    card = TaskCard.read(Path(task.rpartition(":")[0]).with_suffix(".toml"))
    (block,) = build([record], {}, {"one": card}).blocks
    return "".join(note for note in block.tables[0].notes if "tuned on" in note)


def test_interruption_changes_no_proposal() -> None:
    """What is proposed depends on the trials before alone, and is inside the space."""
    space = {"a": Dimension(1, 64, log=True), "b": Dimension(0.0, 1.0),
             "c": Dimension(choices=([16], [32, 16], True))}  # fmt: skip
    defaults = {"a": 4, "b": 2.0, "c": [16]}

    def tried(until: int) -> list[Trial]:
        done = [Trial(0, {}, "ok", 1.0, {}, 1.0)]
        for number in range(1, until):
            found = propose(space, done, defaults, seed=5, number=number)
            assert found is not None
            value = None if number == 2 else abs(found["b"] - 0.3)
            done.append(Trial(number, found, "ok" if value else "failed", value, {}, 1.0))
        return done

    once, again = tried(24), tried(24)
    assert once == again
    assert all(type(t.settings["a"]) is int and 1 <= t.settings["a"] <= 64 for t in once[1:])
    assert all(0 <= t.settings["b"] <= 1 for t in once[1:])
    assert {json.dumps(t.settings["c"]) for t in once[1:]} == {"[16]", "[32, 16]", "true"}


def test_proposals_come_nearer_to_what_is_better() -> None:
    """Distances from the best are .29 on average when drawn at random."""
    done = [Trial(0, {}, "ok", 1.0, {}, 1.0)]
    for number in range(1, 40):
        found = propose({"b": Dimension(0.0, 1.0)}, done, {"b": 2.0}, seed=5, number=number)
        assert found is not None
        done.append(Trial(number, found, "ok", abs(found["b"] - 0.3), {}, 1.0))
    late = [abs(trial.settings["b"] - 0.3) for trial in done[-15:]]
    assert np.mean(late) < 0.2


def test_a_space_can_be_exhausted() -> None:
    """Then nothing is tried twice."""
    space = {"c": Dimension(choices=(1, 2))}
    done = [Trial(0, {}, "ok", 1.0, {}, 1.0), Trial(1, {"c": 2}, "ok", 1.0, {}, 1.0)]
    assert propose(space, done, {"c": 1}, seed=0, number=2) is None
    assert propose(space, done[:1], {"c": 1}, seed=0, number=1) == {"c": 2}


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("", r"nothing to tune: .*mine.toml has no \[search\]"),
        ("role = 'floor'", "is a control"),
        ("[search.shar]\nlow = 0.0\nhigh = 1.0", "no setting 'shar'; did you mean share"),
        ("[search.share]\nlow = 1.0\nhigh = 0.5", "search.share: low and high are numbers"),
        ("[search.share]\nlow = 0.0\nhigh = 1.0\nlog = true", "log scale begins above 0"),
        ("[search.share]\nlow = 0.0", "low and high and perhaps log"),
        ("[search.luck]\nchoices = []", "at least one value"),
        ("[search.luck]\nchoices = [1]", "luck = 1: text is needed"),
        ("[search.parts]\nlow = 0.5\nhigh = 1.0", "parts = 0.5: a whole number is needed"),
    ],
)
def test_a_search_table_that_is_wrong_is_named(
    bench: Any, options: TuneOptions, card: str, message: str
) -> None:
    """Before anything is tried."""
    with pytest.raises(GenobenchError, match=message):
        study_of(bench, options, card)


def test_search_tables_of_all_cards_are_right() -> None:
    """Every setting is there, every end and every choice is of its type."""
    found = {n: spaces.read(p) for n, p in generators().items() if p.card.search}
    assert {"vae", "hclt", "snpgen"} <= set(found)
    assert all(d.distribution() for space in found.values() for d in space.values())


def test_trials_of_another_study_are_refused(bench: Any, options: TuneOptions) -> None:
    """Naming what differs; and a line that is no trial is named."""
    path = options.out / "mine.trials.jsonl"
    study = study_of(bench, options)
    Journal(path, study.identity).add(Trial(0, {}, "ok", 0.5, {"leak": 0.5}, 1.0))
    with pytest.raises(GenobenchError, match="another study: seed was 0, is 1"):
        tune(study_of(bench, replace(options, seed=1)), print)
    with pytest.raises(GenobenchError, match=r"trial_seconds was 120\.0, is 60\.0"):
        tune(study_of(bench, replace(options, seconds=120)), print)
    with path.open("a") as file:
        file.write('{"trial": 1}\n')
    with pytest.raises(GenobenchError, match="line 3: not trial 1"):
        Journal(path, study.identity)


def test_a_line_that_was_cut_short_is_run_again(tmp_path: Path) -> None:
    """The rest stands."""
    path = tmp_path / "x.trials.jsonl"
    whole = Journal(path, {"seed": 0})
    for number in range(2):
        whole.add(Trial(number, {}, "ok", 0.5, {}, 1.0))
    text = path.read_text()
    for cut in (1, 20):
        path.write_text(text[:-cut])
        assert len(Journal(path, {"seed": 0}).trials) == 1
        again = Journal(path, {"seed": 0})
        again.add(whole.trials[1])
        assert path.read_text() == text
    path.write_text(text.splitlines()[0] + "\n" + text.splitlines()[1][:9])
    again = Journal(path, {"seed": 0})
    for trial in whole.trials:
        again.add(trial)
    assert path.read_text() == text


def test_a_hanging_trial_is_stopped(bench: Any, options: TuneOptions) -> None:
    """It is a failed trial; when all fail, the message says where the reasons are."""
    options = replace(options, trials=1, seconds=12)
    body = BODY.replace('luck="good"', 'luck="endless"')
    study = open_study(bench.generator("mine", body, CARD), options)
    with pytest.raises(GenobenchError, match=r"no trial succeeded; .*mine.trials.jsonl"):
        tune(study, print)
    (trial,) = Journal(options.out / "mine.trials.jsonl", study.identity).trials
    assert (trial.status, trial.objective) == ("timeout", None)
    assert trial.error is not None
    assert trial.error["limit"] == 12
    assert "--timeout" not in trial.error["message"]
    assert not (options.out / "mine.toml").exists()


def test_objective_punishes_what_it_is_there_for(
    make_cohort: Callable[..., Cohort],
) -> None:
    """Copies leak, independent sites are told apart, shuffled labels teach nothing."""
    people, aside, validation, others = (
        make_cohort(n, 64, seed=s) for n, s in ((400, 1), (200, 2), (300, 3), (400, 4))
    )

    def score(made: Any, labels: Any) -> dict[str, float]:
        return shortcomings(made, labels, people, aside, validation, seed=0)

    rng = np.random.default_rng(0)
    fresh = score(others.genotypes, others.labels)
    copies = score(people.genotypes, people.labels)
    frequency = people.genotypes.mean(0) / 2
    sites = score(rng.binomial(2, frequency, (400, 64)).astype(np.int8), people.labels)
    shuffled = score(others.genotypes, rng.permutation(others.labels))
    assert set(fresh) == {"two_sample", "utility", "leak"}
    assert all(0 <= value < 0.1 for value in fresh.values())
    assert copies["leak"] > 0.3
    assert sites["two_sample"] > 0.25
    assert shuffled["utility"] > 0.1
    assert sum(fresh.values()) < min(sum(x.values()) for x in (copies, sites, shuffled))


def test_concordance_counts_pairs() -> None:
    """Of a quantitative trait as of a binary one."""
    scores, labels = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2, 4, 3], dtype=np.float32)
    assert concordance(scores, labels, "quantitative") == pytest.approx(5 / 6)
    assert concordance(scores, np.array([0, 0, 1, 1], np.float32), "binary") == 1.0
    assert concordance(np.ones(4), labels, "quantitative") == 0.5


def test_people_set_aside_are_training_people(make_cohort: Callable[..., Cohort]) -> None:
    """A fifth of them, balanced by label, families whole."""
    train = make_cohort(200, 8)
    family = np.repeat(np.arange(100), 2).astype(str)
    train = replace(train, samples=train.samples.assign(family=family))
    kept, aside = inner(train, seed=3)
    ids = [set(c.samples["iid"]) for c in (kept, aside, train)]
    assert ids[0] | ids[1] == ids[2]
    assert not ids[0] & ids[1]
    assert not set(kept.samples["family"]) & set(aside.samples["family"])
    assert aside.n == pytest.approx(40, abs=2)
    assert aside.labels.mean() == pytest.approx(train.labels.mean(), abs=0.05)
    one = Trait("t", "binary", np.zeros(200, np.float32))
    with pytest.raises(GenobenchError, match="too few to set 20% of them aside"):
        inner(replace(train, trait=one), seed=3)


def test_what_the_command_prints(
    bench: Any,
    options: TuneOptions,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Results on standard output, trials on the other; and a command that takes them up."""
    monkeypatch.setattr("genobench.commands.tune.data_spec", lambda _: bench.data)
    spec = bench.generator("mine", BODY, CARD)
    words = ["tune", spec, "--trials", "1", "--seconds", "2m", "--device", "cpu",
             "--out", str(options.out)]  # fmt: skip
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    (found,) = json.loads(said.out)
    assert found["settings"] == {}
    assert found["tuning"]["objective_best"] == found["tuning"]["objective_default"]
    assert found["file"] == str(options.out / "mine.toml")
    assert "mine trial 1/1: " in said.err
    assert "\x1b" not in said.err
    assert main(words) == 0  # all is there
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine: default 0.")
    (models,) = [w for w in shlex.split(lines[-1]) if "@" in w]
    plain, tuned = resolve(bench.options(list(arguments.models(models)), ["privacy"])).models
    assert (plain.name, tuned.name) == ("mine", "mine@tuned")


def test_without_optuna(monkeypatch: pytest.MonkeyPatch, options: TuneOptions) -> None:
    """It says how to get it."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(GenobenchError, match=r"pip install 'genobench\[tune\]'"):
        open_study("vae", options)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mistakes are named before data are prepared."""
    out = tmp_path / "tuned"
    for words, message in (
        (["hwe"], "hwe is a control"),
        (["vea"], "did you mean vae"),
        (["vae(beta=1)"], "leave (beta=1.0) out"),
        (["vae", "--trials", "0"], "at least 1"),
    ):
        assert main(["tune", *words, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert not out.exists()
    assert find_generator("vae").card.search

"""A job's process is killed at every moment of its life: that costs what was not stored yet."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from genobench.run.worker import checksum

from .conftest import COUNTED, MOMENTS, striking

PHASES = {"half-saved": "save", "unsaid": "save"}


@pytest.fixture(scope="module")
def struck(shared_bench: Any) -> Any:
    """The store after one model was killed at each moment, and after everything ran again."""
    bench = shared_bench
    models = [bench.generator("untouched", COUNTED)]
    for number, moment in enumerate(MOMENTS):
        models.append(bench.generator(f"m{number}", striking(moment, "child", f"struck{number}")))
    tasks = [bench.task("one"), bench.task("two")]
    bench.first = bench.run(models, tasks, jobs=2)
    bench.before = {r["job"]["model"]: r for r in bench.store.records()}
    bench.samples = {m: bench.store.sample_path(r["key"]) for m, r in bench.before.items()}
    bench.there = {m for m, path in bench.samples.items() if path.exists()}
    bench.litter = [path.name for path in (bench.out / "samples").glob(".*.part")]
    bench.kept = bench.run(models, tasks, jobs=2)
    bench.again = bench.run(models, tasks, jobs=2, overwrite="failed")
    bench.after = {r["job"]["model"]: r for r in bench.store.records()}
    return bench


@pytest.mark.parametrize("number", range(len(MOMENTS) - 1), ids=MOMENTS[:-1])
def test_killed_before_it_was_stored(struck: Any, number: int) -> None:
    """The record says in which phase and what to do; the job is repeated when asked, and whole."""
    model = f"m{number}"
    before, after = struck.before[model], struck.after[model]
    phase = PHASES.get(MOMENTS[number], MOMENTS[number])
    assert (before["status"], before["phase"]) == ("crashed", phase)
    assert before["error"]["signal"] == "SIGKILL"
    assert "let fewer run at a time (--jobs)" in before["error"]["message"]
    assert before["outputs"] is None
    assert before["scores"] == {}
    assert (model in struck.there) == (MOMENTS[number] == "unsaid")
    assert after["status"] == "ok"
    assert set(after["scores"]) == {"one", "two"}
    assert checksum(np.load(struck.samples[model])) == after["outputs"]["synthetic_sha256"]


def test_killed_in_a_score(struck: Any) -> None:
    """The fit and the other score stand; that score alone is repeated when asked."""
    model = f"m{MOMENTS.index('score:one')}"
    before, after = struck.before[model], struck.after[model]
    assert before["status"] == "ok"
    assert "died of SIGKILL in score:one" in before["scores"]["one"]["error"]["message"]
    assert "metrics" in before["scores"]["two"]
    assert "metrics" in after["scores"]["one"]
    assert after["scores"]["two"] == before["scores"]["two"]
    assert after["outputs"] == before["outputs"]
    assert after["started"] == before["started"]


def test_nothing_else_is_lost_or_repeated(struck: Any) -> None:
    """The sound job ran once; each struck one as often as it had to; no half file is left."""
    assert struck.after["untouched"] == struck.before["untouched"]
    assert struck.kept.kept_failures == len(MOMENTS), "without being asked nothing is repeated"
    assert struck.again.statuses == {"ok": len(MOMENTS) + 1}
    fits = Counter((struck.plugins / "fits").read_text().split())
    late = {"sample", "resample", "save", "half-saved", "unsaid"}
    wanted = {f"m{i}": 2 if moment in late else 1 for i, moment in enumerate(MOMENTS)}
    assert fits == Counter(wanted | {"untouched": 1})
    assert len(struck.litter) == 1, "one sample was half written"
    assert not list(struck.out.glob("*/.*.part"))


def test_killed_while_a_reference_is_made(bench: Any) -> None:
    """No model is fitted for nothing: scores say why they are missing, and are made when asked."""
    dies = """
        def prepare(self, split, *, seed):
            from pathlib import Path
            marker = Path(__file__).with_suffix(".struck")
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().prepare(split, seed=seed)
    """
    models, tasks = [bench.generator("counted", COUNTED)], [bench.task("dies", dies)]
    summary = bench.run(models, tasks)
    assert summary.statuses == {"scores failed": 1}
    assert any("died of SIGKILL" in problem for problem in summary.problems)
    before = bench.record("counted")
    assert not list((bench.out / "references").iterdir())
    assert bench.run(models, tasks, overwrite="failed").statuses == {"ok": 1}
    after = bench.record("counted")
    assert (after["outputs"], after["started"]) == (before["outputs"], before["started"])
    assert (bench.plugins / "fits").read_text().split() == ["counted"]

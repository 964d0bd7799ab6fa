"""``genobench tune``: settings of generators, found on training and validation people."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING

from genobench.commands.catalogue import print_json
from genobench.commands.making import data_spec, say

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.tuning.found import Found


def tune(options: Namespace) -> int:
    """``genobench tune MODEL``: one line per trial, then where the best settings are."""
    from genobench.tuning.study import TuneOptions, open_study
    from genobench.tuning.study import tune as run_trials

    asked = TuneOptions(
        out=options.out,
        trials=options.trials,
        data=data_spec(options),
        suite=options.suite,
        seconds=options.seconds,
        seed=options.seed,
        device=options.device,
        memory_bytes=options.memory,
    )
    studies = [open_study(model, asked) for model in options.model]  # mistakes cost nothing
    found = []
    for study in studies:
        found.append((study.file, run_trials(study, say)))
        if not options.json:
            print(_outcome(*found[-1]))
    if options.json:
        print_json([{**each.as_json(), "file": str(file)} for file, each in found])
    else:
        print(_next(options, [file for file, _ in found]))
    return 0


def _outcome(file: Path, found: Found) -> str:
    from genobench.report.numerals import duration, number

    table = found.table
    default = number(table["objective_default"]) if "objective_default" in table else "failed"
    return (
        f"{found.model}: default {default}, best {number(table['objective_best'])} (trial "
        f"{table['best_trial'] + 1} of {table['trials']}, {table['failed']} failed), "
        f"{duration(table['seconds'])}: {file}"
    )


def _next(options: Namespace, files: list[Path]) -> str:
    """The command that puts the tuned settings beside the plain ones."""
    models = ",".join(f"{m},{m}@{file}" for m, file in zip(options.model, files, strict=True))
    return f"Next: genobench run --models {shlex.quote(models)} --suite {options.suite}"

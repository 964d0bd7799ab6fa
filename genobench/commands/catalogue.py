"""Commands that look things up: ``list``, ``check``."""

from __future__ import annotations

import difflib
import json
import math
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.generator import SIZES
from genobench.report.numerals import shortened
from genobench.report.plain import listing, wrap

if TYPE_CHECKING:
    from genobench.check import Result


def show_list(options: Namespace) -> int:
    """``genobench list [WHAT]``; everything, under headings, when nothing is named."""
    listed = {"models": _models, "tasks": _tasks, "data": _data, "metrics": _metrics}
    if options.what is None:
        if options.json:
            print_json({what: rows() for what, rows in listed.items()})
            return 0
        for what, rows in listed.items():
            print(what.upper())
            _print_list(what, rows())
            print()
        return 0
    if options.what not in listed:
        near = difflib.get_close_matches(options.what, listed, n=1, cutoff=0.5)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise GenobenchError(f"nothing to list is called {options.what!r}{meant}; "
                             f"known are {', '.join(listed)}")  # fmt: skip
    if options.json:
        print_json(listed[options.what]())
    else:
        _print_list(options.what, listed[options.what]())
    return 0


def _print_list(what: str, rows: Sequence[dict[str, Any]]) -> None:
    if what == "metrics":
        for task in dict.fromkeys(row["task"] for row in rows):
            print(f"{task} (* ranks it)")
            print_table(
                [{k: v for k, v in r.items() if k != "task"} for r in rows if r["task"] == task]
            )
            print()
    elif what == "models":
        _print_models(rows)
    elif what == "tasks":
        for heading, study in (("in every run", False), ("studies, run when named", True)):
            print(heading)
            print_table(
                [{k: v for k, v in r.items() if k != "study"} for r in rows if r["study"] == study]
            )
            print()
    else:
        print_table(rows)


def print_json(content: object) -> None:
    """JSON for machines; not-a-number becomes null."""
    print(json.dumps(jsonable(content), indent=1, allow_nan=False))


def jsonable(value: Any) -> Any:
    """The value in the types that JSON has; not-a-number becomes None."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Rows with their keys as heading, at the width of the terminal."""
    if rows:
        cells = [[_text(v) for v in row.values()] for row in rows]
        print("\n".join(listing([[k.upper() for k in rows[0]], *cells], terminal_width())))


def terminal_width() -> int:
    """Columns of the terminal; 80 when there is none."""
    import shutil

    return max(60, min(120, shutil.get_terminal_size((80, 24)).columns))


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _print_models(rows: Sequence[dict[str, Any]]) -> None:
    """Generators with year and size, then the controls; title and paper in one column."""
    for heading, controls in (("generators", False), ("controls", True)):
        print(heading)
        some = [row for row in rows if (row["role"] != "entrant") == controls]
        print_table([_control(row) if controls else _entrant(row) for row in some])
        print()
    sizes = ", ".join(f"{m:,} ({suite})" for suite, m in SIZES.items())
    print("\n".join(wrap(f"Parameters at so many SNPs: {sizes}.", terminal_width())))


def _entrant(model: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {s: shortened(model["parameters"].get(s, math.nan)) for s in SIZES}
    paper = f" ({model['paper']})" if model["paper"] else ""
    year = str(model["year"] or "")  # no thousands to part
    return {
        "model": model["model"],
        "year": year,
        "labels": model["labels"],
        **sizes,
        "title (paper)": model["title"] + paper,
    }


def _control(model: Mapping[str, Any]) -> dict[str, Any]:
    return {k: model[k] for k in ("model", "role", "labels", "title")}


def _models() -> list[dict[str, Any]]:
    from genobench.registry import generators

    cards = [plugin.card for plugin in generators().values()]
    return [
        {
            "model": c.name,
            "role": c.role,
            "year": c.year,
            "labels": c.conditioning,
            "parallel": c.parallel,
            "paper": c.paper or None,
            "title": c.title,
            "parameters": dict(c.parameters),
        }
        for c in cards
    ]


def _tasks() -> list[dict[str, Any]]:
    from genobench.registry import tasks

    cards = [plugin.card for plugin in tasks().values()]
    return [
        {"task": c.name, "study": c.study, "metrics": len(c.metrics), "question": c.question}
        for c in cards
    ]


def _metrics() -> list[dict[str, Any]]:
    from genobench.registry import tasks

    return [
        {
            "task": plugin.card.name,
            "metric": m.name + (" *" if m.headline else ""),
            "better": m.better if m.better != "target" else f"{m.target:g}",
            "reading": m.reading,
        }
        for plugin in tasks().values()
        for m in plugin.card.metrics.values()
    ]


def _data() -> list[dict[str, Any]]:
    from genobench.data.public import available

    return [
        {
            "name": c.name,
            "people": c.people,
            "variants": c.variants,
            "trait": c.trait,
            "title": c.title,
        }
        for c in available().values()
    ]


def check(options: Namespace) -> int:
    """``genobench check MODEL``: every promise of the contract, and what became of it."""
    from genobench.check import check as check_promises
    from genobench.check import passed
    from genobench.registry import find_generator

    results = check_promises(find_generator(options.model), options.only)
    good = passed(results)
    if options.json:
        print_json(
            {
                "model": options.model,
                "passed": good,
                "promises": [
                    {"promise": r.promise, "verdict": r.verdict, "detail": r.detail,
                     "seconds": round(r.seconds, 3)}
                    for r in results
                ],
            }
        )  # fmt: skip
        return 0 if good else 1
    print_table(
        [
            {"promise": r.promise, "verdict": r.verdict, "time": f"{r.seconds:.1f} s",
             "detail": r.detail}
            for r in results
        ]
    )  # fmt: skip
    print("\n" + "\n".join(wrap(_counted(options.model, results), terminal_width())))
    if not any(r.verdict != "skipped" for r in results):
        print("all were skipped, which counts as failed")
    return 0 if good else 1


def _counted(model: str, results: Sequence[Result]) -> str:
    """How many promises are kept, and what became of the others."""
    counts = Counter(result.verdict for result in results)
    kept = counts.pop("kept", 0)
    others = "".join(f", {n} {verdict}" for verdict, n in counts.items())
    return f"{model}: {kept} of {len(results)} promises kept{others}"

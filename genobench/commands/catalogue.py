"""Commands that look things up: ``list``, ``show``, ``check``."""

from __future__ import annotations

import difflib
import json
import math
import shlex
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.report.plain import align, listing

if TYPE_CHECKING:
    from genobench.run.store import Store

LOG_LINES = 20


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
    print(json.dumps(_plain(content), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    """The value in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
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


def _models() -> list[dict[str, Any]]:
    from genobench.registry import generators

    cards = [plugin.card for plugin in generators().values()]
    return [
        {"model": c.name, "role": c.role, "paper": c.paper or None, "title": c.title} for c in cards
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
    kept = sum(r.good for r in results)
    print(f"\n{options.model}: {kept} of {len(results)} promises are as they should be")
    if not any(r.verdict != "skipped" for r in results):
        print("all were skipped, which counts as failed")
    return 0 if good else 1


def show(options: Namespace) -> int:
    """``genobench show KEY|MODEL``."""
    folder = options.out / "records"
    found = sorted(folder.glob(f"{options.what}*.json")) if _is_key(options.what) else []
    if len(found) > 1:
        raise GenobenchError(
            f"{len(found)} records begin with {options.what}: give more of the key, such as "
            f"{found[0].stem[: len(options.what) + 4]}"
        )
    return _show_record(found[0], options) if found else _show_card(options)


def _is_key(text: str) -> bool:
    return len(text) >= 4 and not set(text) - set("0123456789abcdef")


def _show_record(path: Path, options: Namespace) -> int:
    from genobench.run.store import Store, read_record

    store = Store(options.out)
    record = read_record(path)
    log = options.out / "logs" / f"{path.stem}.log"
    if options.json:
        print_json(record)
        return 0
    job, error = record["job"], record["error"]
    words = _data_words(options.out, job)
    spec = store.specs().get(record["software"]["plugin_sha256"], job["spec"])
    facts: list[tuple[str, object]] = [
        ("model", job["model"]),
        ("seed", job["seed"]),
        ("suite", job["suite"]),
        ("data", job["data"]),
        ("status", f"{record['status']} ({record['phase']})"),
        ("finished", record["finished"]),
        ("determinism", record["determinism"]),
        *((k, v) for k, v in record["environment"].items() if k in ("device", "cpu", "threads")),
        *((k, _brief(v)) for k, v in record["resources"].items() if v is not None),
    ]
    print("\n".join(align([[name, str(value)] for name, value in facts])))
    print("\n".join(_scores(record["scores"])))
    if error:
        print(f"\n{error['type']}: {error['message']}")
    if log.is_file() and (lines := _tail(log, _people(store, job["data_key"]))):
        print(f"\n{log}:")
        print("\n".join(lines))
    print("\nRepeat it with")
    print(
        f"  genobench run --models {shlex.quote(spec)} --suite {job['suite']} {words} "
        f"--seeds {job['seed']} --device {job['budget']['device']} --overwrite always "
        f"--out {shlex.quote(str(options.out))}"
    )
    return 0


def _scores(scores: dict[str, Any]) -> Iterable[str]:
    for task, entry in sorted(scores.items()):
        yield f"\n{task}"
        if "error" in entry:
            yield f"  {entry['error']['type']}: {entry['error']['message']}"
            continue
        if "skipped" in entry:
            yield f"  skipped: {entry['skipped']}"
            continue
        rows = [
            [f"  {name}", _brief(e["value"]), f"[{_brief(e['low'])}, {_brief(e['high'])}]"]
            for name, e in entry["metrics"].items()
        ]
        yield from align(rows)


def _brief(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _data_words(out: Path, job: Mapping[str, Any]) -> str:
    """The words of the command line that name a job's data, in full where they are known."""
    from genobench.report.leaderboard import data_options

    key = str(job["data_key"])
    local = out / "data" / key / "options.local.txt"
    if local.is_file():
        return local.read_text().strip()
    return data_options(out).get(key, f"--data {shlex.quote(job['data'])}")


def _people(store: Store, data_key: str) -> Iterable[str]:
    """Ids of the people of a job's data, as far as they lie beside its record."""
    from genobench.run.prepared import people

    return people(store.data_folder(data_key))


def _tail(log: Path, people: Iterable[str]) -> list[str]:
    """The end of a log; of logs that an older version or a killed run left, without ids too."""
    from genobench.run.record import without_ids

    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return [f"  {line}" for line in without_ids(lines, people)]


def _show_card(options: Namespace) -> int:
    from dataclasses import asdict

    from genobench.registry import find_generator

    try:
        plugin = find_generator(options.what)
    except GenobenchError as error:
        if _is_key(options.what):
            raise GenobenchError(
                f"{options.out / 'records'}: no record begins with {options.what}, and no model is "
                "called so; is --out the folder of the run?"
            ) from error
        raise
    card = asdict(plugin.card)
    if options.json:
        print_json(card)
        return 0
    rows = [*_card_rows(card), ["module", str(plugin.path)], ["checksum", plugin.checksum]]
    print("\n".join(listing(rows, terminal_width())))
    return 0


def _card_rows(card: dict[str, Any]) -> Iterable[list[str]]:
    """A generator's card, a fact or a departure to the row."""
    settings, search = card.pop("settings"), card.pop("search")
    departures = card.pop("departures")
    for name, value in card.items():
        if value not in (None, "", (), {}):
            yield [name.replace("_", " "), str(value).strip()]
    for i, departure in enumerate(departures):
        yield ["" if i else "departures", f"- {departure}"]
    for suite, values in settings.items():
        if values:
            yield [f"settings, {suite}", ", ".join(f"{k} = {v}" for k, v in values.items())]
    for i, (name, space) in enumerate(search.items()):
        yield ["" if i else "search", f"{name}: {_space(space)}"]


def _space(space: Mapping[str, Any]) -> str:
    """Where tuning looks for one setting."""
    if "choices" in space:
        return " | ".join(map(str, space["choices"]))
    return f"{space['low']} to {space['high']}" + (", log scale" if space.get("log") else "")

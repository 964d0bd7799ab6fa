"""``genobench show``: a record by the beginning of its key, or a model's card."""

from __future__ import annotations

import difflib
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genobench.commands.catalogue import print_json, terminal_width
from genobench.errors import GenobenchError
from genobench.report.plain import listing

FEWEST = 4  # characters of a key
REPETITIONS = ("reproduced", "repeated")  # folders of a second choice
NAMED = 5  # records named in an error


def show(options: Namespace) -> int:
    """``genobench show KEY|MODEL``."""
    places = _places(options.out)
    if options.what.endswith(".json"):
        return _show_record(_file(Path(options.what)), options)
    key = options.what.lower()
    if not _is_key(key):
        return _show_card(options, places)
    records = [path for place in places for path in _records(place)]
    found = {path.stem: path for path in reversed(records) if path.stem.startswith(key)}
    if len(found) > 1:
        raise GenobenchError(
            f"{len(found)} records begin with {key}; give more of the key:\n"
            + "\n".join(_named([found[stem] for stem in sorted(found)]))
        )
    if found:
        return _show_record(next(iter(found.values())), options)
    return _show_card(options, places, records)


def _places(out: Path | None) -> list[Path]:
    """Folders that may hold records: the one that is named, else those of the usual names."""
    if out is not None:
        return [out]
    runs = Path("runs")
    below = sorted(p.parent for p in runs.glob("*/records"))
    first = [p for p in below if p.name not in REPETITIONS]
    return [runs, *first, Path("leaderboards"), *(p for p in below if p.name in REPETITIONS)]


def _records(place: Path) -> list[Path]:
    """Records of a run, or of a folder of leaderboards, which has one folder per data set."""
    return sorted(place.glob("records/*.json")) + sorted(place.glob("records/*/*.json"))


def _file(path: Path) -> Path:
    if not path.is_file():
        raise GenobenchError(f"{path}: no such file; a record is called records/KEY.json")
    return path


def _is_key(text: str) -> bool:
    return len(text) >= FEWEST and _is_hexadecimal(text)


def _is_hexadecimal(text: str) -> bool:
    return not set(text) - set("0123456789abcdef")


def _named(paths: Sequence[Path]) -> Iterable[str]:
    """Records by as much of their keys as tells them apart, and what they are of."""
    from genobench.run.store import read_record

    stems = [path.stem for path in paths]
    length = 8
    while len({stem[:length] for stem in stems}) < len(stems):
        length += 2
    for path in paths[:NAMED]:
        job = read_record(path)["job"]
        yield f"  {path.stem[:length]}  {job['model']} seed {job['seed']}, {job['data']}"
    if len(paths) > NAMED:
        yield f"  and {len(paths) - NAMED} more"


def _show_record(path: Path, options: Namespace) -> int:
    from genobench.commands import record_sheet
    from genobench.run.store import read_record

    record = read_record(path)
    if options.json:
        print_json(
            {
                "file": str(path),
                "record": record,
                "log": record_sheet.log_tail(path, record),
                "repeat": record_sheet.repeat_command(path, record),
            }
        )
        return 0
    print("\n".join(record_sheet.sheet(path, record, terminal_width())))
    return 0


def _show_card(options: Namespace, places: Sequence[Path], records: Sequence[Path] = ()) -> int:
    from dataclasses import asdict

    from genobench.registry import find_generator

    try:
        plugin = find_generator(options.what)
    except GenobenchError as error:
        if _is_key(options.what.lower()):
            raise GenobenchError(_unknown(options.what.lower(), places, records)) from error
        if _is_hexadecimal(options.what.lower()):
            raise GenobenchError(
                f"{options.what}: no model is called so, and of a record's key "
                f"at least {FEWEST} characters are needed"
            ) from error
        raise
    card = asdict(plugin.card)
    if options.json:
        print_json(card)
        return 0
    rows = [*_card_rows(card), ["module", str(plugin.path)], ["checksum", plugin.checksum]]
    print("\n".join(listing(rows, terminal_width())))
    return 0


def _unknown(key: str, places: Sequence[Path], records: Sequence[Path]) -> str:
    """No such record: where was looked, and what there is instead."""
    where = ", ".join(str(place / "records") for place in places)
    text = f"{where}: no record begins with {key}, and no model is called so"
    if not records:
        return f"{text}; is --out the folder of the run?"
    stems = {path.stem[: len(key)]: path for path in records}
    near = difflib.get_close_matches(key, stems, n=3, cutoff=0.7)
    if not near:
        return f"{text}; `ls` shows {len(records)} others there"
    return "\n".join([f"{text}; did you mean", *_named([stems[stem] for stem in near])])


def _card_rows(card: dict[str, Any]) -> Iterable[list[str]]:
    """A generator's card, a fact or a departure to the row."""
    settings, search = card.pop("settings"), card.pop("search")
    departures, published = card.pop("departures"), card.pop("published")
    card["parameters"] = ", ".join(f"{k} {v:,}" for k, v in (card["parameters"] or {}).items())
    for name, value in card.items():
        if value not in (None, "", (), {}):
            yield [name.replace("_", " "), str(value).strip()]
    for i, departure in enumerate(departures):
        yield ["" if i else "departures", f"- {departure}"]
    for i, entry in enumerate(published):
        yield ["" if i else "published", f"- {entry['claim']}: {entry['value']}"]
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

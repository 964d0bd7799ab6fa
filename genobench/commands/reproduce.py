"""``genobench reproduce``: a record's job again, and whether the same comes of it."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.commands.catalogue import print_json, terminal_width
from genobench.commands.making import DATA_OPTIONS, say
from genobench.errors import GenobenchError
from genobench.report.numerals import duration
from genobench.report.plain import align, listing, wrap

if TYPE_CHECKING:
    from genobench.report.repetition import Comparison, Line
    from genobench.run.repeat import Again


def reproduce(options: Namespace) -> int:
    """``genobench reproduce RECORD``.

    Returns
    -------
    0 when the repetition is identical or within the interval, 1 when it is different.
    """
    from genobench.commands.progress import watch
    from genobench.report.repetition import compare
    from genobench.run.repeat import run_again
    from genobench.run.store import read_record

    path = _record_file(options.record, options.out)
    record = read_record(path)
    again = _look_up(path, record, options)
    others = other_seeds(path, record)
    _announce(again, len(others))
    with watch(plain=options.plain or options.json) as listener:
        repeated = run_again(again, options.out, listener)
    _require_scores(path, repeated)
    exact = _exact(again, repeated)
    found = compare(record, repeated, others, again.absent, exact)
    if options.json:
        print_json(_as_json(again, repeated, found))
    else:
        print("\n".join(_page(again, repeated, found, terminal_width())))
    return 1 if found.verdict == "different" else 0


def _record_file(path: Path, out: Path) -> Path:
    """The record's file, which the repetition may not write over."""
    if not path.is_file():
        raise GenobenchError(f"{path}: no such file; name a record, records/KEY.json")
    if path.resolve().parent == (out / "records").resolve():
        raise GenobenchError(
            f"{out}: the folder of the record itself, which would be written over; name another "
            "one with --out"
        )
    return path


def _look_up(path: Path, record: Mapping[str, Any], options: Namespace) -> Again:
    from genobench.run import data_words
    from genobench.run.repeat import look_up
    from genobench.run.store import Store

    given = {k: v for k in DATA_OPTIONS if (v := getattr(options, k)) is not None}
    if options.data is not None:
        given["name"] = options.data
    known = Store(path.parent.parent).specs()
    typed = options.model or known.get(record["software"]["plugin_sha256"])
    model = typed or record["job"]["spec"]  # which may name what is installed, and no file
    there = typed and Path(model.rpartition(":")[0]).is_file()
    if options.model is None and ".py:" in model and not there:
        raise GenobenchError(
            f"{path}: its model lies in a file of somebody's own, {model}: say where with "
            f"--model path/to/{Path(model).name}"
        )
    data = data_words.recorded(path, record, given)
    return look_up(record, data, model=model, device=options.device)


def other_seeds(path: Path, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records beside ``path`` of the same model and data from other seeds, one per seed."""
    from genobench.report.repetition import same_but_seed
    from genobench.run.store import read_record

    beside = (p for p in sorted(path.parent.glob("*.json")) if len(p.stem) == 64 and p != path)
    found = (read_record(p) for p in beside)
    return list({r["job"]["seed"]: r for r in found if same_but_seed(record, r)}.values())


def _announce(again: Again, others: int) -> None:
    """What is other than it was, before time is spent."""
    for what in again.other_sources:
        say(f"{what}: its source is not the one of the record; the verdict is marked so")
    for task in again.absent:
        say(f"task {task}: not known here, left out")
    took = again.record["resources"].get("total_seconds")
    say(f"repeating {again.job.title}; it took {duration(took or 0.0)}; "
        f"{others} other seed{'' if others == 1 else 's'} beside it")  # fmt: skip


def _require_scores(path: Path, repeated: Mapping[str, Any]) -> None:
    """Raise why there is nothing to compare where every task failed on the new sample."""
    scores = repeated["scores"].items()
    failed = [f"{task}: {entry['error']['message']}" for task, entry in scores if "error" in entry]
    if failed and len(failed) == len(scores):
        raise GenobenchError(
            f"{path}: fitted and sampled again, but no task could score the sample, so that there "
            f"is nothing to compare: {'; '.join(failed)}"
        )


def _exact(again: Again, repeated: Mapping[str, Any]) -> set[str]:
    """Tasks whose scores of an equal sample can only be equal."""
    from genobench.run.repeat import differences

    if differences(again.record, repeated):
        return set()
    return {t.card.name for t in again.tasks if f"task {t.card.name}" not in again.other_sources}


def _page(
    again: Again, repeated: Mapping[str, Any], found: Comparison, width: int
) -> Iterator[str]:
    from genobench.run.record import cut_short

    record, job = again.record, again.job
    yield f"{job.model} seed {job.seed} on {job.data}, suite {job.suite}: {record['key'][:8]}"
    yield ""
    yield from align(list(_checksums(again, repeated)))
    for task in dict.fromkeys(line.task for line in found.lines):
        yield ""
        yield from _table(task, [line for line in found.lines if line.task == task])
    yield ""
    yield from _legend(found, width)
    if any(cut_short(r) for r in (record, repeated) if r["status"] == "ok"):
        yield from wrap("A fit used up its time: what it learned depends on the machine.", width)
    yield from _differences(record, repeated, width)
    for note in (
        *found.notes,
        *(f"task {task}: not known here, left out" for task in again.absent),
    ):
        yield from wrap(note, width)
    yield ""
    yield from wrap(_sentence(again, found), width)


def _checksums(again: Again, repeated: Mapping[str, Any]) -> Iterator[list[str]]:
    """What went in and what came out, by checksum; only the last can come out other."""
    then, now = again.record["outputs"], repeated["outputs"]
    yield ["", "recorded", "repeated", ""]
    source = again.record["software"]["plugin_sha256"], again.model.checksum
    split = (again.record["inputs"]["split_sha256"],) * 2
    sample = then["synthetic_sha256"], now["synthetic_sha256"] if now else "-"
    for name, (old, new) in (("split", split), ("source", source), ("sample", sample)):
        yield [name, old[:16], new[:16], "identical" if old == new else "other"]
    was, is_now = again.record["determinism"], repeated["determinism"]
    yield ["sampled twice", was, is_now, ""]


def _table(task: str, lines: Sequence[Line]) -> list[str]:
    """Metrics of one task; an interval where the two values are not identical."""
    rows = [[task, "recorded", "repeated", "", "interval"]]
    for line in lines:
        star = "*" if line.source == "people" and line.verdict != "identical" else ""
        values = [_number(line.recorded), _number(line.repeated)]
        ends = "" if line.verdict == "identical" else _ends(line)
        rows.append([f"  {line.metric}", *values, f"{line.verdict}{star}", ends])
    if all(line.verdict == "identical" for line in lines):
        rows = [row[:-1] for row in rows]
    return align(rows)


def _ends(line: Line) -> str:
    return "none" if line.source == "none" else " to ".join(f"{x:.3g}" for x in line.interval)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _legend(found: Comparison, width: int) -> Iterator[str]:
    """What the intervals are made of."""
    used = {line.source for line in found.lines if line.verdict != "identical"}
    if "seeds" in used:
        text = f"interval: 95 % prediction interval from the {found.seeds} training seeds there"
        yield from wrap(text, width)
    if "none" in used:
        yield from wrap("interval none: nothing but rounding may be between the two", width)
    if "people" in used:
        text = "* the record's own 95 % interval over people, for want of two other seeds"
        yield from wrap(text, width)


def _differences(
    record: Mapping[str, Any], repeated: Mapping[str, Any], width: int
) -> Iterator[str]:
    from genobench.run.repeat import differences

    rows = [[name, then, now] for name, then, now in differences(record, repeated)]
    if not rows:
        yield "Versions and machine: as recorded"
        return
    yield "Versions and machine that are not as recorded:"
    yield from listing([["", "recorded", "here"], *rows], width)


def _sentence(again: Again, found: Comparison) -> str:
    """The verdict in a line."""
    from genobench.report.repetition import WORDS

    counts = [f"{n} {verdict}" for verdict in WORDS if (n := found.count(verdict))]
    sample = "the same sample" if found.same_sample else "another sample"
    text = f"Verdict: {WORDS[found.verdict]}{_marked(again)}: {sample}; "
    text += f"of {len(found.lines)} metrics {', '.join(counts) or 'none compared'}"
    if found.allowed and found.count("different"):
        text += f" (chance allows {found.allowed})"
    return text


def _marked(again: Again) -> str:
    return f" (other source: {', '.join(again.other_sources)})" if again.other_sources else ""


def _as_json(again: Again, repeated: Mapping[str, Any], found: Comparison) -> dict[str, Any]:
    from genobench.report.repetition import WORDS
    from genobench.run.repeat import differences

    outputs = repeated["outputs"] or {}
    return {
        "verdict": WORDS[found.verdict],
        "other_source": list(again.other_sources),
        "key": again.record["key"],
        "repeated_key": repeated["key"],
        "model": again.job.model,
        "seed": again.job.seed,
        "data": again.job.data,
        "sample": {
            "recorded": again.record["outputs"]["synthetic_sha256"],
            "repeated": outputs.get("synthetic_sha256"),
            "identical": found.same_sample,
        },
        "determinism": {"recorded": again.record["determinism"],
                        "repeated": repeated["determinism"]},
        "differences": [
            {"what": name, "recorded": then, "repeated": now}
            for name, then, now in differences(again.record, repeated)
        ],
        "seeds": found.seeds,
        "metrics": [
            {"task": line.task, "metric": line.metric,
             "recorded": line.recorded, "repeated": line.repeated, "low": line.interval.low,
             "high": line.interval.high, "interval": line.source,
             "verdict": WORDS[line.verdict]}
            for line in found.lines
        ],
        "left_out": list(again.absent),
        "notes": list(found.notes),
    }  # fmt: skip

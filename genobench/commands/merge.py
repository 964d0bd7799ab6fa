"""``genobench merge``: finished runs of several people in one folder."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genobench.commands.catalogue import print_json, print_table, terminal_width
from genobench.commands.making import say
from genobench.errors import GenobenchError
from genobench.report.plain import wrap

if TYPE_CHECKING:
    from genobench.run.merging import Merged


def merge(options: Namespace) -> int:
    """``genobench merge RUNS... --out FOLDER``."""
    from genobench.run import merging

    merged = merging.merge(options.runs, options.out)
    if not merged.records:
        left = [line for source in merged.sources for line in source.left_out]
        raise GenobenchError("\n  ".join(["no job of these runs ended well:", *left]))
    written = merging.write(merged, options.out)
    if options.json:
        print_json(
            {
                "records": sorted(merged.records),
                "written": written,
                "left_out": [line for source in merged.sources for line in source.left_out],
                "warnings": merged.warnings,
            }
        )
        return 0
    _report(merged, written, options)
    return 0


def _report(merged: Merged, written: int, options: Namespace) -> None:
    print_table(
        [
            {"run": source.run, "records": len(source.entries), "left out": len(source.left_out)}
            for source in merged.sources
        ]
    )
    print()
    jobs = [record["job"] for record in merged.records.values()]
    names = sorted({(job["data"], job["suite"], job["data_key"]) for job in jobs})
    print_table([_data_row(*name, jobs) for name in names])
    for line in (line for source in merged.sources for line in source.left_out):
        say("\n".join(wrap(f"left out: {line}", terminal_width(), "", "  ")))
    for line in merged.warnings:
        say("\n".join(wrap(f"note: {line}", terminal_width(), "", "  ")))
    there = len(merged.records) - written
    print(f"\n{len(merged.records)} records in {options.out / 'records'}: {written} written, "
          f"{there} were there already")  # fmt: skip
    print(f"Tables of them: genobench leaderboard --from {options.out} --out tables")


def _data_row(data: str, suite: str, key: str, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    here = [job for job in jobs if (job["suite"], job["data_key"]) == (suite, key)]
    return {
        "data": data,
        "suite": suite,
        "key": key[:8],
        "models": len({job["model"] for job in here}),
        "seeds": sorted({job["seed"] for job in here}),
        "records": len(here),
    }

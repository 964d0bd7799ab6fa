"""``genobench figures``: figures for papers and slides, of a run or of leaderboards."""

from __future__ import annotations

from argparse import Namespace

from genobench.commands.making import cards, say
from genobench.errors import GenobenchError


def figures(options: Namespace) -> int:
    """``genobench figures RUN [--models A,B] [--only A,B] [--out FOLDER] [--for column|slide]``."""
    from genobench.report import leaderboard as boards
    from genobench.report.plots import folder
    from genobench.report.plots.medium import MEDIA

    generators, tasks = cards()
    tables = boards.rebuild(options.run, generators, tasks)
    if not tables.blocks:
        raise GenobenchError(f"{options.run / 'records'}: no records there; has the run begun?")
    written = folder.make(
        tables,
        options.run,
        options.out,
        MEDIA[options.medium],
        generators,
        options.models,
        say,
        options.only,
    )
    for part in written:
        for reason in part.left_out:
            say(f"left out of {part.block}: {reason}")
    files = [path for part in written for one in part.drawn for path in one.paths]
    print("\n".join(map(str, [*files, options.out / folder.CAPTIONS])))
    return 0

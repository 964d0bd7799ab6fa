"""What a table says of one model in words; privacy, fidelity and utility, never one number."""

from __future__ import annotations

from genobench.report import association, attacks, closeness, fidelity, utility
from genobench.report.sheet import Sheet, Verdict
from genobench.report.tables import Block, Table
from genobench.task import TaskCard

# which metrics a task has to have -> who makes its verdicts; in the order in which they are shown
JUDGES = (
    (tuple(attacks.ATTACKS), attacks.judge),
    ((closeness.COPIES, *closeness.LEANING), closeness.judge),
    (fidelity.METRICS, fidelity.judge),
    (utility.GAPS, utility.judge),
    (association.METRICS, association.judge),
)


def verdicts(table: Table, block: Block, model: str) -> list[Verdict]:
    """Verdicts on one model of a table.

    Parameters
    ----------
    table, block
        As built from records by `genobench.report.collect.build`; of one file and its controls as
        of a whole run.
    model
        A row of the table.

    Returns
    -------
    Empty for a task whose metrics no table of `JUDGES` names.
    """
    sheet = Sheet(table, block, model)
    return [verdict for _, judge in JUDGES for verdict in judge(sheet)]


def place(card: TaskCard) -> int | None:
    """Where a task stands among those that verdicts are made from; None for others."""
    return next(
        (i for i, (named, _) in enumerate(JUDGES) if not card.metrics.keys().isdisjoint(named)),
        None,
    )

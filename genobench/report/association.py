"""Verdicts on association: whether a GWAS finds in the file what it finds in real people."""

from __future__ import annotations

from genobench.report.comparison import Topic, comparable, of_topic
from genobench.report.numerals import number
from genobench.report.sheet import Sheet, Verdict, half_width

AGREEMENT = "z_correlation"
TOPICS = (
    Topic(
        "association",
        "A GWAS finds in the file what it finds in fresh real people",
        "A GWAS does not find in the file what it finds in real people",
        (AGREEMENT, "effect_slope", "hit_recall", "false_discoveries", "lambda_ratio"),
    ),
    Topic(
        "causal variants",
        "True effects show in the file as in fresh real people",
        "True effects do not show in the file as in real people",
        ("causal_correlation", "causal_ranking"),
    ),
)
METRICS = tuple(metric for topic in TOPICS for metric in topic.metrics)


def judge(sheet: Sheet) -> list[Verdict]:
    """One verdict per topic; empty for other tasks."""
    top = sheet.real(AGREEMENT)
    if sheet.of(AGREEMENT) is not None and top is not None and top.value - half_width(top) <= 0:
        text = (
            "No signal in the real data: z-scores of two samples of real people agree with a "
            f"correlation of {number(top.value)}; what the file would lose cannot be told."
        )
        evidence = sheet.evidence(AGREEMENT)
        return [Verdict(sheet.task, TOPICS[0].what, "uninformative", text, evidence)]
    tests = comparable(sheet, METRICS)
    found = [of_topic(sheet, topic, tests) for topic in TOPICS]
    return [verdict for verdict in found if verdict is not None]

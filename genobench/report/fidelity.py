"""Verdicts on fidelity: frequencies, LD, structure, variety. A metric joins with its name here."""

from __future__ import annotations

from genobench.report.comparison import HALFWAY, Topic, above, comparable, of_topic
from genobench.report.numerals import number
from genobench.report.sheet import Level, Sheet, Verdict, half_width, percent

TOPICS = (
    Topic(
        "allele frequencies",
        "Alleles are as frequent as in fresh real people",
        "Alleles are not as frequent as in real people",
        (
            "af_rmse",
            "genotype_tv",
            "af_slope_rare",
            "af_slope_low",
            "af_slope_common",
            "new_monomorphic",
        ),
    ),
    Topic(
        "heterozygosity",
        "People are as heterozygous as real ones, and differ as much in it",
        "People are not as heterozygous as real ones, or differ more or less in it",
        ("het_ratio", "het_sd_ratio", "site_f_rmse", "hwe_excess"),
    ),
    Topic(
        "linkage disequilibrium",
        "Neighbouring SNPs go together as in fresh real people",
        "Neighbouring SNPs do not go together as in real people",
        ("ld_r2_corr", "ld_r2_slope", "ld_decay", "ld_r2_rmse", "ld_score_corr", "ld_score_slope"),
    ),
    Topic(
        "haplotypes",
        "Runs of several SNPs are those of fresh real people",
        "Runs of several SNPs are not those of real people",
        ("window8_tv", "window4_tv", "three_point_corr", "three_point_slope"),
    ),
    Topic(
        "population structure",
        "Ancestry and relatedness are spread as among fresh real people",
        "Ancestry or relatedness is spread otherwise than among real people",
        (
            "pc_wasserstein",
            "pc_variance_ratio",
            "pc_frechet",
            "ld_far",
            "ancestry_fst",
            "ancestry_shares",
        ),
    ),
    Topic(
        "variety",
        "Every kind of real person has its like among the synthetic ones",
        "Kinds of real people have no like among the synthetic ones",
        ("recall", "coverage", "recall_area"),
    ),
    Topic(
        "single people",
        "Synthetic people are found where real people are",
        "Synthetic people are found where real people are not, or crowd in the middle",
        ("precision", "density", "precision_area"),
    ),
    Topic(
        "two-sample tests",
        "As a whole the cohort is told from real people no better than these from each other",
        "As a whole the cohort is told from real people",
        ("two_sample_auc", "mmd2", "fred"),
    ),
)
METRICS = tuple(metric for topic in TOPICS for metric in topic.metrics)
LD = "ld_r2_corr"  # has no value where two real samples would not agree
RELIABILITY = "ld_reliability"  # how well they would
REPEATS = "duplicates_within"


def judge(sheet: Sheet) -> list[Verdict]:
    """One verdict per topic, what lies above the ceiling, and repeats; empty for other tasks."""
    tests = comparable(sheet, METRICS)
    found = [_no_ld(sheet, t) or of_topic(sheet, t, tests) for t in TOPICS]
    found += [above(sheet, METRICS, tests), _repeats(sheet)]
    return [verdict for verdict in found if verdict is not None]


def _no_ld(sheet: Sheet, topic: Topic) -> Verdict | None:
    """LD that is not even reproduced by real people says nothing of synthetic ones."""
    rest = sheet.measured(topic.metrics)
    if LD not in topic.metrics or not rest or sheet.of(LD) or sheet.real(LD):
        return None
    found = sheet.of(RELIABILITY)
    agreement = "" if found is None else f" of {number(found.value)}"
    text = (
        "LD cannot be judged on these SNPs: real against real agrees no better than with a "
        f"correlation of r2{agreement} below 0.5, as on LD-clumped panels. Score a panel that was "
        "not clumped as well."
    )
    return Verdict(sheet.task, topic.what, "uninformative", text, sheet.evidence(*rest))


def _repeats(sheet: Sheet) -> Verdict | None:
    """The same synthetic person again and again: a cohort smaller than it looks."""
    share, top = sheet.of(REPEATS), sheet.real(REPEATS)
    if share is None or top is None or share.value - top.value <= half_width(share, top):
        return None
    text = f"{percent(share.value)} of the synthetic people repeat an earlier one"
    text += f" (fresh real people: {percent(top.value)}): the cohort is smaller than it looks."
    level: Level = "fail" if share.value > HALFWAY else "concern"
    return Verdict(sheet.task, "repeats", level, text, sheet.evidence(REPEATS))

"""Known failures of generators and the metrics that show them.

A failure joins with an entry in `FAILURES`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from genobench.report.detectors import (
    Attacked,
    Case,
    Detector,
    Finding,
    Lifted,
    Near,
    Steady,
)
from genobench.report.tables import Block


@dataclass(frozen=True)
class Failure:
    """A column: the failure, what is printed of it, and when that is healthy."""

    name: str
    heading: str
    detectors: tuple[Detector, ...]
    healthy: str

    def findings(self, case: Case, tests: int) -> list[Finding]:
        """One per detector."""
        return [detector(case, tests) for detector in self.detectors]


def judge(block: Block, model: str) -> list[list[Finding]]:
    """Findings by failure, in the order of `FAILURES`, corrected for how many there are."""
    case = Case.of(block, model)
    found = [f.findings(case, 1) for f in FAILURES]
    tests = sum(finding.judged for findings in found for finding in findings)
    return [f.findings(case, tests) for f in FAILURES]


FAILURES = (
    Failure(
        "mode collapse",
        "Recall, of real's / repeats",
        (
            Near("fidelity", "recall", math.nan, 0.1, "low", share=True),
            Near("privacy", "duplicates_within", 0.0, 0.01, "high", "percent"),
        ),
        "recall (k = 5) at least .9 of that of fresh real people; at most 1 % of the synthetic "
        "people beyond that share of real ones repeat another",
    ),
    Failure(
        "memorising",
        "Copies beyond chance / closer to train",
        (
            Near("privacy", "duplicates_excess", 0.0, 0.001, "high", "percent"),
            Near("privacy", "closer_to_train", 0.5, 0.02, "high"),
        ),
        "no more rows equal to training people than to test people (.1 %); as many nearest to a "
        "training person as to a test person (.5, within .02)",
    ),
    Failure(
        "adversarial accuracy",
        "AA truth / AA syn",
        (
            Near("privacy", "aa_truth", 0.5, 0.1),
            Near("privacy", "aa_syn", 0.5, 0.1),
        ),
        "both parts, never their mean, between .5 and that of real people, within .1: both far "
        "below are copies, AA syn near 1 with AA truth near 0 is a collapse, the reverse is "
        "nobody real",
    ),
    Failure(
        "membership, underpowered attack",
        "Attack (detectable)",
        (Attacked(),),
        "the interval of the strongest attack's AUC, corrected for their number, holds .5. In "
        "brackets the smallest AUC that so many people would have shown: above .6 the attack was "
        "underpowered, and silence is marked `?`",
    ),
    Failure(
        "Matthew effect",
        "AF slope rare / low / common",
        tuple(
            Near("fidelity", f"af_slope_{part}", 1.0, 0.05) for part in ("rare", "low", "common")
        ),
        "synthetic over real frequency of the minor allele, in the fifths of SNPs where it is "
        "rarest, next rarest and most common: 1, within .05",
    ),
    Failure(
        "monomorphic sites",
        "Sites lost",
        (Near("fidelity", "new_monomorphic", 0.0, 0.0, "high", "percent"),),
        "none of the SNPs that vary among real people",
    ),
    Failure(
        "argmax shrinkage",
        "Het ratio",
        (Near("fidelity", "het_ratio", 1.0, 0.02),),
        "observed over expected heterozygosity, synthetic over real: 1, within .02",
    ),
    Failure(
        "LD damage",
        "LD slope / decay / far",
        (
            Near("fidelity", "ld_r2_slope", 1.0, 0.1),
            Near("fidelity", "ld_decay", 0.0, 0.1, "high"),
            Near("fidelity", "ld_far", 0.0, 0.002, style="fine"),
        ),
        "slope of synthetic on real r2 from .9 to 1.1; area between the curves of decay at most "
        ".1 of that under the real one; r2 between chromosomes within .002 of that of real people",
    ),
    Failure(
        "over-guidance, lost effects",
        "Effect slope / AUC inside",
        (
            Near("association", "effect_slope", 1.0, 0.1, trained=True),
            Near("prs_utility", "inside_gap", 0.0, 0.05, "high", trained=True),
        ),
        "slope of synthetic on real effects 1, within .1; AUC (or r) inside the synthetic cohort "
        "minus that of real people at most .05. What the training people themselves show is "
        "healthy in both: they chose the SNPs",
    ),
    Failure(
        "label ignored",
        "Label lift",
        (Lifted(),),
        "a joint predictor of synthetic labels does better than one of shuffled labels: interval "
        "above 0. `?` where that cannot be said of real labels either, or where it is more than "
        "half of their lift",
    ),
    Failure(
        "seed luck",
        "Sd over seeds: two-sample / joint / attack",
        (
            Steady("fidelity", "two_sample_auc"),
            Steady("prs_utility", "joint_gap"),
            Steady("privacy", "strongest_attack_auc"),
        ),
        "standard deviation of each task's headline over training seeds no larger than its "
        "standard error over people; means stand in the tables of the tasks",
    ),
)

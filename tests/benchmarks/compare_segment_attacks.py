"""The windowed attack against a plain density ratio of window counts, on a cohort of your own.

    python tests/benchmarks/compare_segment_attacks.py cohort.bed --snps 512 --seeds 3

A quarter of the people each are members, non-members, the attacker's own and fresh; synthetic are
mosaics of the members (segments of 16 and of 64 SNPs) and the fresh people. No label is used.
Printed are AUC and TPR at 1 % FPR of both attacks, and the paired difference of the AUCs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.data.plink import read_plink
from genobench.data.quality import called_frequencies, impute
from genobench.metrics.auc import auc_contrast, auc_interval, tpr_at_fpr
from genobench.metrics.configurations import configurations
from genobench.metrics.membership import windowed_scores

Floats = NDArray[np.float64]
LENGTHS = (12, 16, 24)


def density_ratio(c: Genotypes, s: Genotypes, r: Genotypes, chromosomes: NDArray[Any]) -> Floats:
    """Sum over windows at every SNP of log(1 - w + w LR), LR = c_S / (c_S + c_R + .1) (r + s) / s.

    Poisson counts, every configuration expected as often as any other; w falls with the eighth
    power of how much less S looks like R than R does.
    """
    columns = np.ascontiguousarray(np.concatenate([s, r, c]).T)
    total = np.zeros(len(c))
    for length in LENGTHS:
        for start in range(len(chromosomes) - length + 1):
            if chromosomes[start] != chromosomes[start + length - 1]:
                continue
            who = configurations(columns[start : start + length])
            of_s, of_r, own = np.split(who, [len(s), len(s) + len(r)])
            c_s, c_r = (np.bincount(part, minlength=who.max() + 1) for part in (of_s, of_r))
            known_s, known_r = (c_r[of_s] > 0).mean(), (c_r[of_r] > 1).mean()
            weight = 0.99 * min(1.0, known_s / max(known_r, 1e-9)) ** 8
            ratio = c_s[own] / (c_s[own] + c_r[own] + 0.1) * (len(r) + len(s)) / len(s)
            total += np.log(1 - weight + weight * ratio)
    return total


def mosaic(people: Genotypes, segment: int, rng: np.random.Generator) -> Genotypes:
    """As many people, every segment of each verbatim from a random one."""
    n, m = people.shape
    donors = rng.integers(n, size=(n, -(-m // segment)))
    glued: Genotypes = people[donors[:, np.arange(m) // segment], np.arange(m)]
    return glued


def main() -> None:
    """Read the cohort, run both attacks, print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("bed", type=Path)
    parser.add_argument("--snps", type=int, default=512, help="so many, evenly spaced")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cohort = read_plink(options.bed)
    chosen = np.unique(np.linspace(0, cohort.m - 1, min(options.snps, cohort.m)).astype(int))
    chromosomes = cohort.variants["chrom"].to_numpy()[chosen]
    genotypes = np.ascontiguousarray(cohort.genotypes[:, chosen])
    genotypes = impute(genotypes, called_frequencies(genotypes), seed=0)
    print(f"{options.bed.name}: {cohort.n} people x {len(chosen)} SNPs; density ratio -> windowed")
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        quarter = cohort.n // 4
        people = genotypes[rng.permutation(cohort.n)[: 4 * quarter]]
        train, holdout, reference, fresh = np.split(people, 4)
        made = {"mosaic16": mosaic(train, 16, rng), "mosaic64": mosaic(train, 64, rng)}
        for name, synthetic in {**made, "fresh": fresh}.items():
            compare(f"seed {seed} {name:8}", train, holdout, reference, synthetic, chromosomes)


def compare(
    title: str,
    train: Genotypes,
    holdout: Genotypes,
    reference: Genotypes,
    synthetic: Genotypes,
    chromosomes: NDArray[Any],
) -> None:
    """Print AUC, TPR at 1 % FPR and seconds of both attacks, and by how much they differ."""
    candidates = np.concatenate([train, holdout])
    member = np.arange(len(candidates)) < len(train)
    scores, texts = [], []
    for attack in (density_ratio, windowed_scores):
        started = time.perf_counter()
        scores.append(attack(candidates, synthetic, reference, chromosomes))
        seconds = time.perf_counter() - started
        value, tpr = auc_interval(scores[-1], member).value, tpr_at_fpr(scores[-1], member).value
        texts.append(f"{value:.3f} / {tpr:.3f} in {seconds:.1f} s")
    gain = auc_contrast(np.stack(scores), member, (-1, 1))
    gained = f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    print(f"{title}  {texts[0]} -> {texts[1]}; AUC {gained}", flush=True)


if __name__ == "__main__":
    main()

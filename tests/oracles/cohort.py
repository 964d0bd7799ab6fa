"""Writes the small cohort that all oracles are asked about, as a PLINK 1 file set.

Run by make.sh with the project's own Python: ``cohort.py PREFIX``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from genobench.data.plink import write_plink
from genobench.data.simulate import SimulationSpec, simulate

# Two populations, a fifth of the people with a relative, LD blocks; no missing call. More of the
# liability is genetic than in the embedded cohort, so that 160 people show some association.
SPEC = SimulationSpec(
    people=160,
    snps=240,
    seed=11,
    regions=6,
    shares=(0.6, 0.4, 0.0),
    minor_frequency=0.05,
    relatives=0.2,
    causal=12,
    heritability=0.6,
)


def main(prefix: Path) -> None:
    """PREFIX.bed, .bim, .fam, .within (FID IID population) and .pheno (FID IID height)."""
    cohort = simulate(SPEC)
    write_plink(cohort, prefix)
    people = cohort.samples[["fid", "iid"]]
    people.assign(population=cohort.samples["population"]).to_csv(
        f"{prefix}.within", sep="\t", index=False, header=False
    )
    draw = np.random.default_rng(SPEC.seed)
    effects = cohort.variants["beta"].to_numpy(float)
    height = cohort.genotypes @ effects + draw.normal(size=cohort.n)
    people.rename(columns=str.upper).assign(height=height.round(4)).to_csv(
        f"{prefix}.pheno", sep="\t", index=False
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

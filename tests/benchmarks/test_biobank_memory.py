"""A cohort of UK Biobank's size is loaded, controlled, split and selected in less than 6 GiB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .ledger import Recorder

PEOPLE, SNPS = 458_724, 2_048
LIMIT_GIB = 6
CODE = np.array([0b11, 0b10, 0b00], dtype=np.uint8)  # 0, 1, 2 copies of A1
CHILD = """
import json, resource, sys
from genobench.data.prepare import DataSpec, prepare

prepared = prepare(DataSpec(sys.argv[1], pheno=sys.argv[2], trait="disease", snps=int(sys.argv[3])))
print(json.dumps({
    "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "people": {name: part["people"] for name, part in prepared.report["split"].items()},
    "snps": prepared.split.train.m,
}))
"""


def write_biobank(folder: Path) -> None:
    """PLINK files and phenotypes, a SNP at a time: independent sites, every tenth one causal."""
    draw = np.random.default_rng(0)
    liability = draw.normal(size=PEOPLE).astype(np.float32)
    with (folder / "biobank.bed").open("wb") as bed:
        bed.write(b"\x6c\x1b\x01")
        for snp in range(SNPS):
            limit = draw.integers(13, 128, dtype=np.uint8)  # allele frequency .05 to .5
            alleles = draw.integers(0, 256, size=(2, PEOPLE), dtype=np.uint8) < limit
            dosage = alleles.sum(axis=0, dtype=np.uint8)
            if snp % 10 == 0:
                liability += np.float32(0.05) * dosage
            codes = np.zeros(-(-PEOPLE // 4) * 4, dtype=np.uint8)
            codes[:PEOPLE] = CODE[dosage]
            packed = codes[0::4] | codes[1::4] << 2 | codes[2::4] << 4 | codes[3::4] << 6
            bed.write(packed.tobytes())
    (folder / "biobank.bim").write_text(
        "".join(f"{j % 22 + 1}\trs{j}\t0\t{1000 * j + 1}\tA\tG\n" for j in range(SNPS))
    )
    ids = [f"P{i:06d}" for i in range(PEOPLE)]
    people = (f"{name} {name} 0 0 {1 + row % 2} -9\n" for row, name in enumerate(ids))
    (folder / "biobank.fam").write_text("".join(people))
    cases = (liability > np.quantile(liability, 0.9)).astype(int)
    rows = "".join(f"{i}\t{i}\t{case}\n" for i, case in zip(ids, cases, strict=True))
    (folder / "pheno.tsv").write_text("FID\tIID\tdisease\n" + rows)


@pytest.mark.benchmark_suite
@pytest.mark.timeout(1800)
def test_biobank_size_stays_below_six_gibibytes(
    tmp_path: Path, benchmark: Any, record: Recorder
) -> None:
    """Peak resident memory of the whole preparation, in a process of its own, all SNPs kept."""
    write_biobank(tmp_path)
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(tmp_path / "biobank.bed"),
        str(tmp_path / "pheno.tsv"),
        str(SNPS),
    ]
    done = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"check": True, "capture_output": True, "text": True},
        rounds=1,
    )
    result = json.loads(done.stdout)
    assert sum(result["people"].values()) == PEOPLE
    assert result["people"]["train"] == pytest.approx(0.72 * PEOPLE, abs=2)
    assert result["snps"] == SNPS
    record(
        f"preparation of {PEOPLE:,} x {SNPS:,}, peak memory",
        result["peak_kib"] / 2**20,
        "GiB",
        target=LIMIT_GIB,
        better="lower",
    )

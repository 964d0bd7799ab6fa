"""PLINK 1 files in and out, against PLINK's own output and against each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.plink import genotype_blocks, read_plink, scan_plink, write_plink
from genobench.errors import GenobenchError

ORACLE = Path(__file__).parent / "fixtures" / "plink" / "dummy"
SHARED = Path(
    os.environ.get("GENOBENCH_SHARED", Path(__file__).resolve().parents[1].parent / "shared")
)


def cohort_of(genotypes: Genotypes, trait: Trait | None = None) -> Cohort:
    """Cohort with made-up people and variants."""
    n, m = genotypes.shape
    variants = pd.DataFrame(
        {
            "chrom": ["1"] * m,
            "pos": np.arange(1, m + 1) * 100,
            "id": [f"rs{j}" for j in range(m)],
            "counted": ["A"] * m,
            "other": ["G"] * m,
        }
    )
    samples = pd.DataFrame(
        {
            "fid": [f"F{i}" for i in range(n)],
            "iid": [f"I{i}" for i in range(n)],
            "sex": np.arange(n) % 3,
        }
    )
    return Cohort(genotypes, variants, samples, trait)


def random_calls(n: int, m: int, seed: int = 0) -> Genotypes:
    """Calls with all four values."""
    return np.random.default_rng(seed).integers(-1, 3, (n, m)).astype(np.int8)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small file set of 10 people and 7 variants, by its prefix."""
    write_plink(cohort_of(random_calls(10, 7)), tmp_path / "small")
    return tmp_path / "small"


def test_counts_the_allele_that_plink_counts() -> None:
    """Genotypes equal `plink --recode A`, whose header says that it counts A1."""
    raw = pd.read_csv(f"{ORACLE}.raw", sep=r"\s+")
    cohort = read_plink(ORACLE)
    counted = [f"{v.id}_{v.counted}" for v in cohort.variants.itertuples()]
    assert counted == list(raw.columns[6:])
    expected = raw.iloc[:, 6:].fillna(-1).to_numpy(np.int8)
    assert (expected == -1).any()
    np.testing.assert_array_equal(cohort.genotypes, expected)
    np.testing.assert_array_equal(cohort.samples["sex"], raw["SEX"])
    assert list(cohort.samples["phenotype"]) == [str(p) for p in raw["PHENOTYPE"]]


def test_writes_what_plink_writes(tmp_path: Path) -> None:
    """Read and written again, PLINK's own .bed comes out byte by byte, and the .bim with it."""
    bed = write_plink(read_plink(ORACLE), tmp_path / "again")
    assert bed.read_bytes() == ORACLE.with_suffix(".bed").read_bytes()
    assert bed.with_suffix(".bim").read_text() == ORACLE.with_suffix(".bim").read_text()


@pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")
def test_plink_reads_what_is_written(tmp_path: Path) -> None:
    """PLINK accepts the three files and finds the same counts, cases and controls in them."""
    trait = Trait("t", "binary", (np.arange(9) % 2).astype(np.float32))
    cohort = cohort_of(random_calls(9, 5), trait)
    prefix = str(write_plink(cohort, tmp_path / "out").with_suffix(""))
    plink = ["plink1.9", "--bfile", prefix, "--keep-allele-order", "--freqx", "--out", prefix]
    plink += ["--allow-no-sex", "--assoc"]
    done = subprocess.run(plink, check=True, capture_output=True, text=True)
    assert "4 are cases and 5 are controls" in done.stdout
    found = pd.read_csv(f"{prefix}.frqx", sep="\t")
    for column, copies in (("C(HOM A1)", 2), ("C(HET)", 1), ("C(HOM A2)", 0), ("C(MISSING)", -1)):
        np.testing.assert_array_equal(found[column], (cohort.genotypes == copies).sum(axis=0))


@settings(deadline=None, max_examples=25)
@given(
    data=st.data(),
    n=st.integers(1, 13),
    m=st.integers(1, 9),
    chunk=st.integers(1, 10),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, n: int, m: int, chunk: int
) -> None:
    """Any calls, missing ones too, come back as written, at any block size and selection."""
    calls = data.draw(arrays(np.int8, (n, m), elements=st.integers(-1, 2)))
    columns = data.draw(st.lists(st.integers(0, m - 1)))
    rows = data.draw(arrays(bool, n))
    cohort = cohort_of(calls)
    bed = write_plink(cohort, tmp_path_factory.mktemp("round") / "trip")
    back = read_plink(bed, chunk=chunk)
    assert back.checksum == cohort.checksum
    some = read_plink(bed, variants=columns, people=rows, chunk=chunk)
    np.testing.assert_array_equal(some.genotypes, calls[rows][:, np.array(columns, dtype=int)])
    assert list(some.variants["id"]) == [f"rs{j}" for j in columns]
    assert list(some.samples["iid"]) == [f"I{i}" for i in np.flatnonzero(rows)]


def test_few_variants_of_many(tmp_path: Path) -> None:
    """Scattered variants in any order, and most of them in file order, are the right ones."""
    calls = random_calls(30, 500)
    bed = write_plink(cohort_of(calls), tmp_path / "x")
    for columns in (np.array([400, 3, 77]), np.flatnonzero(np.arange(500) % 7)):
        np.testing.assert_array_equal(
            read_plink(bed, variants=columns, chunk=16).genotypes, calls[:, columns]
        )


def test_blocks_cover_the_file(files: Path) -> None:
    """Blocks come in order, of the size asked for, and together are the whole."""
    scanned = scan_plink(files)
    starts, blocks = zip(*genotype_blocks(scanned, chunk=3), strict=True)
    assert starts == (0, 3, 6)
    np.testing.assert_array_equal(np.hstack(blocks), read_plink(scanned).genotypes)


def test_memory_stays_near_the_result(tmp_path: Path) -> None:
    """Reading in blocks takes less than twice the int8 result; a float32 copy would take five."""
    n, m, chunk = 4000, 2000, 50
    bed = write_plink(cohort_of(random_calls(n, m)), tmp_path / "x")
    files = scan_plink(bed)
    read_plink(files, variants=[0])  # imports are not what is measured
    tracemalloc.start()
    cohort = read_plink(files, chunk=chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * cohort.genotypes.nbytes


def test_names(tmp_path: Path) -> None:
    """A prefix with dots, any of the three files, and brackets all lead to the set."""
    prefix = tmp_path / "ukb.chr[1].v3"
    bed = write_plink(cohort_of(random_calls(5, 4)), prefix)
    assert bed == tmp_path / "ukb.chr[1].v3.bed"
    for path in (prefix, str(prefix), bed, Path(f"{prefix}.bim")):
        assert read_plink(path).m == 4


def test_unnamed_variants_get_names(files: Path) -> None:
    """The id '.' becomes chrom:pos:counted:other."""
    bim = files.with_suffix(".bim")
    bim.write_text(bim.read_text().replace("rs2\t", ".\t"))
    assert scan_plink(files).variants["id"][2] == "1:300:A:G"


def test_ids_stay_text(files: Path) -> None:
    """Leading zeros, NA and quotation marks in ids survive."""
    ids = ["007", "NA", '"q', "1e5", "nan", "-9", "#x", "x'", "0", "TRUE"]
    fam = files.with_suffix(".fam")
    fam.write_text("".join(f"{i} {i} 0 0 F 3.5\n" for i in ids))
    cohort = read_plink(files)
    assert list(cohort.samples["iid"]) == ids
    assert set(cohort.samples["sex"]) == {0}
    assert set(cohort.samples["phenotype"]) == {"3.5"}


@pytest.mark.parametrize(
    ("trait", "column"),
    [
        (None, ["-9", "-9", "-9"]),
        (Trait("t", "binary", np.array([0, 1, 1], np.float32)), ["1", "2", "2"]),
        (
            Trait("t", "quantitative", np.array([0.1, -3, 2e-8], np.float32)),
            ["0.1", "-3.0", "2e-08"],
        ),
    ],
)
def test_trait_in_the_fam(tmp_path: Path, trait: Trait | None, column: list[str]) -> None:
    """The sixth column holds 1 / 2, the value, or -9."""
    bed = write_plink(cohort_of(random_calls(3, 2), trait), tmp_path / "x")
    assert list(scan_plink(bed).samples["phenotype"]) == column


def cut(path: Path) -> None:
    """Lose the last bytes of a .bed."""
    bed = path.with_suffix(".bed")
    bed.write_bytes(bed.read_bytes()[:-2])


def edit(ending: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace text in the .bim or .fam."""

    def edited(path: Path) -> None:
        table = path.with_suffix(ending)
        assert old in table.read_text()
        table.write_text(table.read_text().replace(old, new))

    return edited


def head(start: bytes) -> Callable[[Path], None]:
    """Overwrite the first bytes of the .bed."""

    def edited(path: Path) -> None:
        bed = path.with_suffix(".bed")
        bed.write_bytes(start + bed.read_bytes()[len(start) :])

    return edited


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, r"22 bytes, but 10 people .* 7 variants .* take 24; it is truncated"),
        (head(b"\x89PNG"), r"not a PLINK 1 \.bed \(it begins with 89 50 4e"),
        (head(b"\x6c\x1b\x00"), r"sample-major.*--make-bed"),
        (lambda p: p.with_suffix(".bed").write_bytes(b""), "begins with nothing"),
        (lambda p: p.with_suffix(".bim").unlink(), r"small\.bim: not there; this folder has small"),
        (lambda p: p.with_suffix(".fam").write_text(""), r"small\.fam: empty"),
        (edit(".bim", "1\trs6\t0\t700\tA\tG\n", ""), r"holds 7 variants of 10 people: the \.bim"),
        (
            edit(".fam", "F9\tI9\t0\t0\t0\t-9\n", "a b 0 0 0 1\n" * 9),
            "occur more than once.*FID a IID b",
        ),
        (edit(".fam", "F9\tI9\t0\t0\t0\t-9\n", "F9 I9 0 0 1\n"), r"small\.fam, line 10: 5 column"),
        (edit(".bim", "rs3", "rs 3"), r"small\.bim, line 4: 7 column\(s\) where a \.bim has 6"),
        (edit(".bim", "400", "4oo"), r"small\.bim, line 4: pos '4oo' is not a number"),
        (edit(".bim", "400", "4.5"), r"small\.bim, line 4: pos '4\.5' is not a number"),
        (edit(".bim", "400", "\n"), r"small\.bim, line 4: 3 column"),
    ],
)
def test_bad_files_are_named(files: Path, spoil: Callable[[Path], object], message: str) -> None:
    """Each damaged or foreign file gives an error that names file, line and what to do."""
    spoil(files)
    with pytest.raises(GenobenchError, match=message):
        scan_plink(files)


def test_fam_of_another_length(files: Path) -> None:
    """A .fam with more people than the .bed has bytes for is refused, with both sizes."""
    fam = files.with_suffix(".fam")
    fam.write_text(fam.read_text() + "".join(f"x{i} x{i} 0 0 0 1\n" for i in range(5)))
    with pytest.raises(GenobenchError, match=r"24 bytes, but 15 people"):
        scan_plink(files)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_fam_that_lost_lines(tmp_path: Path, lost: int) -> None:
    """One to three people less take as many bytes; their calls behind the last person show it."""
    bed = write_plink(cohort_of(random_calls(12, 40)), tmp_path / "x")
    scan_plink(bed)
    fam = bed.with_suffix(".fam")
    lines = fam.read_text().splitlines(keepends=True)
    fam.write_text("".join(lines[:4] + lines[4 + lost :]))
    with pytest.raises(GenobenchError, match=rf"lists {12 - lost} people: behind the last of them"):
        scan_plink(bed)


@pytest.mark.parametrize("surplus", [1, 2, 3])
def test_fam_with_lines_too_many(tmp_path: Path, surplus: int) -> None:
    """One to three people more take as many bytes; the last would have A1 twice everywhere."""
    bed = write_plink(cohort_of(random_calls(16 - surplus, 120)), tmp_path / "x")
    scan_plink(bed)
    fam = bed.with_suffix(".fam")
    lines = fam.read_text().splitlines(keepends=True)
    more = [f"x{i} x{i} 0 0 0 1\n" for i in range(surplus)]
    fam.write_text("".join(lines[:4] + more + lines[4:]))
    words = rf"lists 16 people: the last {surplus} would have two copies of A1 at each of 120"
    with pytest.raises(GenobenchError, match=words):
        scan_plink(bed)


def test_people_who_have_a1_twice_may_be_real(tmp_path: Path) -> None:
    """Few variants, or A1 the common allele: then others come near, and nothing can be told."""
    calls = random_calls(16, 99)
    calls[-1] = 2
    scan_plink(write_plink(cohort_of(calls), tmp_path / "few"))
    common = np.full((16, 300), 2, np.int8)
    common[np.arange(15), np.arange(15)] = 1
    scan_plink(write_plink(cohort_of(common), tmp_path / "common"))
    scan_plink(write_plink(cohort_of(np.full((3, 300), 2, np.int8)), tmp_path / "constant"))
    scan_plink(write_plink(cohort_of(np.full((1, 300), 2, np.int8)), tmp_path / "alone"))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"variants": [7]}, "numbered 0 to 6"),
        ({"people": [-1]}, "numbered 0 to 9"),
        ({"people": np.ones(3, bool)}, "mask over people has 10 entries, not 3"),
    ],
)
def test_wrong_selection(files: Path, selection: dict[str, object], message: str) -> None:
    """Positions outside the file and masks of another length are refused."""
    with pytest.raises(GenobenchError, match=message):
        read_plink(files, **selection)  # type: ignore[arg-type]


def test_nothing_is_half_written(tmp_path: Path) -> None:
    """A cohort that cannot be written leaves the old files and no other."""
    good = cohort_of(random_calls(4, 3))
    bed = write_plink(good, tmp_path / "x")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    values = np.array([1, 2, -9, 4], np.float32)
    with pytest.raises(GenobenchError, match="person 3 has the value -9"):
        write_plink(cohort_of(random_calls(4, 3), Trait("t", "quantitative", values)), bed)
    spaced = Cohort(good.genotypes, good.variants, good.samples.assign(iid=["a", "b c", "d", "e"]))
    with pytest.raises(GenobenchError, match="person 'b c': iid 'b c' cannot be written"):
        write_plink(spaced, bed)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where a file stands in the way of the folder, the error names the .bed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(GenobenchError, match=r"x\.bed: cannot be written"):
        write_plink(cohort_of(random_calls(2, 2)), tmp_path / "file" / "x")


@pytest.mark.skipif(not (SHARED / "data" / "plink").is_dir(), reason="shared data are not here")
@pytest.mark.parametrize(
    ("name", "n", "m", "missing"),
    [
        ("hla1000g", 2504, 5669, 0.0),
        ("kg805", 2504, 805, 0.0),
        ("mice", 1814, 10346, 0.0),
        ("penncath", 1401, 4367, 0.0235),
    ],
)
def test_real_files(name: str, n: int, m: int, missing: float) -> None:
    """Real data sets have the size and missing rate that their documentation states."""
    cohort = read_plink(SHARED / "data" / "plink" / f"{name}.bed")
    assert (cohort.n, cohort.m) == (n, m)
    assert (cohort.genotypes == -1).mean() == pytest.approx(missing, abs=5e-5)

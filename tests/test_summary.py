"""External summary statistics: formats, alleles, strands, bad lines."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genobench.data import summary_table
from genobench.data.summary import match
from genobench.data.summary_table import read_summary
from genobench.errors import GenobenchError

VARIANTS = pd.DataFrame(
    {
        "chrom": ["1", "1", "2", "X"],
        "pos": [100, 200, 300, 400],
        "id": ["rs1", "rs2", "rs3", "rs4"],
        "counted": ["A", "C", "A", "G"],
        "other": ["G", "T", "T", "A"],
    }
)
Z = stats.norm.isf(np.array([0.01, 0.02, 0.04, 0.5]) / 2) * np.array([1, -1, 1, 1])

FORMATS = {
    "gwas-ssf": (
        "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\t"
        "p_value\trsid\n1\t100\tA\tG\t.1\t.05\t0.01\trs1\n1\t200\tC\tT\t-.1\t.05\t0.02\trs2\n"
        "2\t300\tA\tT\t.1\t.05\t0.04\trs3\nX\t400\tG\tA\t.1\t.05\t0.5\trs4\n"
    ),
    "gwas-ssf odds ratio": (
        "chromosome\tbase_pair_location\teffect_allele\tother_allele\todds_ratio\tp_value\n"
        "1\t100\tA\tG\t1.1\t0.01\n1\t200\tC\tT\t.9\t0.02\n2\t300\tA\tT\t1.2\t0.04\n"
        "23\t400\tG\tA\t1.1\t0.5\n"
    ),
    "plink1": (
        " CHR SNP BP A1 TEST NMISS OR STAT P\n 1 rs1 100 A ADD 10 1.1 2.5 0.01\n"
        " 1 rs1 100 A COV1 10 9 9 1e-9\n 1 rs2 200 C ADD 10 0.9 -2 0.02\n"
        " 2 rs3 300 A ADD 10 1.3 2 0.04\n 23 rs4 400 G ADD 10 1.1 1 0.5\n"
    ),
    "plink2": (
        "#CHROM\tPOS\tID\tREF\tALT\tA1\tTEST\tOBS_CT\tBETA\tSE\tT_STAT\tP\n"
        "1\t100\trs1\tG\tA\tA\tADD\t9\t.1\t.1\t1\t0.01\n1\t200\trs2\tC\tT\tT\tADD\t9\t.1\t.1\t1\t0.02\n"
        "2\t300\trs3\tA\tT\tA\tADD\t9\t.1\t.1\t1\t0.04\nX\t400\trs4\tA\tG\tG\tADD\t9\t.1\t.1\t1\t0.5\n"
    ),
    "regenie": (
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P EXTRA\n"
        "1 100 rs1 G A .3 9 ADD .1 .1 1 2.0 NA\n"
        "1 200 rs2 C T .3 9 ADD .1 .1 1 1.6989700043360187 NA\n"
        "2 300 rs3 T A .3 9 ADD .1 .1 1 1.3979400086720375 NA\n"
        "23 400 rs4 A G .3 9 ADD .1 .1 1 0.3010299956639812 NA\n"
    ),
}


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_same_statistics(name: str, packed: bool, tmp_path: Path) -> None:
    """Effects turned to the counted allele whatever the file calls what; .gz or not."""
    path = tmp_path / "summary.tsv.gz"
    path.write_bytes(gzip.compress(FORMATS[name].encode()) if packed else FORMATS[name].encode())
    matched = match(read_summary(path), VARIANTS)
    assert matched.matched.all()
    np.testing.assert_allclose(matched.association.z, Z, rtol=1e-9)
    np.testing.assert_allclose(matched.association.p, [0.01, 0.02, 0.04, 0.5])
    assert matched.counts["ambiguous"] == 1
    assert matched.counts["unmatched"] == 0


def _ssf(*rows: tuple[object, ...]) -> str:
    lines = ["chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tp_value\trsid"]
    return "\n".join(lines + ["\t".join(map(str, row)) for row in rows]) + "\n"


def test_swapped_and_strand_flipped_alleles_are_turned_and_counted(tmp_path: Path) -> None:
    """Swapped: sign changes. Other strand: it does not. Other alleles: no match."""
    text = _ssf(
        (1, 100, "G", "A", 1, 0.01, "rs1"),  # swapped
        (1, 200, "G", "A", 1, 0.02, "rs2"),  # C/T on the other strand
        ("X", 400, "C", "A", 1, 0.5, "rs4"),  # other alleles
        (7, 700, "C", "A", 1, 0.5, "rs700"),
    )
    matched = match(read_summary(_written(tmp_path / "s.tsv", text)), VARIANTS)
    np.testing.assert_allclose(matched.association.z, [-Z[0], -Z[1], 0, 0])
    assert matched.matched.tolist() == [True, True, False, False]
    assert matched.counts == {
        "lines": 4,
        "matched": 2,
        "by_position": 2,
        "by_id": 0,
        "swapped": 1,
        "other_strand": 1,
        "ambiguous": 0,
        "other_alleles": 1,
        "unmatched": 2,
    }


def test_ambiguous_snps_stay_unless_asked(tmp_path: Path) -> None:
    """An A/T SNP is taken as it stands and counted, or left out."""
    text = _ssf((2, 300, "A", "T", 1, 0.04, "rs3"), (1, 100, "A", "G", 1, 0.01, "rs1"))
    table = read_summary(_written(tmp_path / "s.tsv", text))
    kept, dropped = match(table, VARIANTS), match(table, VARIANTS, drop_ambiguous=True)
    assert kept.matched.tolist() == [True, False, True, False]
    assert dropped.matched.tolist() == [True, False, False, False]
    assert kept.counts["ambiguous"] == dropped.counts["ambiguous"] == 1


def test_ids_serve_where_positions_do_not(tmp_path: Path) -> None:
    """Another genome build, same names."""
    text = "SNP\tA1\tBETA\tP\nrs1\tA\t1\t0.01\nrs2\tT\t1\t0.02\n"
    matched = match(read_summary(_written(tmp_path / "s.tsv", text)), VARIANTS)
    np.testing.assert_allclose(matched.association.z, [Z[0], Z[1], 0, 0])
    assert matched.counts["by_id"] == 2


def test_lines_without_an_estimate_are_left_out(tmp_path: Path) -> None:
    """NA is not an error; p = 0 is the smallest number, not infinity."""
    text = _ssf((1, 100, "A", "G", "NA", "NA", "rs1"), (1, 200, "C", "T", 1, 0, "rs2"))
    table = read_summary(_written(tmp_path / "s.tsv", text)).table
    assert table.index.tolist() == [3]
    assert 30 < table["z"].iloc[0] < 40


def test_order_survives_where_p_is_too_small_for_a_number(tmp_path: Path) -> None:
    """LOG10P of 400 and 500 stay apart; z by the tail's expansion."""
    text = "ID ALLELE1 BETA LOG10P\nrs1 A 1 400\nrs2 C 1 500\n"
    z = read_summary(_written(tmp_path / "s.tsv", text)).table["z"].to_numpy()
    log_tail = stats.norm.logsf(z) + np.log(2)
    np.testing.assert_allclose(log_tail, -np.log(10) * np.array([400, 500]), rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_ssf((1, 100, "A", "G", "x", 0.1, "r")), r"s.tsv, line 2: column beta: 'x' is not a num"),
        (_ssf((1, "1e", "A", "G", 1, 0.1, "r")), r"line 2: column base_pair_location"),
        (_ssf((1, 1, "A", "G", 1, 1.5, "r")), r"line 2: column p_value: a p value lies in 0 to 1"),
        (_ssf((1, 1, "A", "G", 1, 0.5)), r"line 2: not the 7 columns of the header"),
        (_ssf((1, 1, "A", "G", "NA", 0.5, "r")), "no line has an allele, an effect and a p"),
        ("SNP\tA1\tOR\tP\nr\tA\t-1\t.1\n", "line 2: column OR: an odds ratio is not negative"),
        ("SNP\tA1\tP\nr\tA\t.1\n", "no column for beta, odds ratio or z among SNP, A1, P"),
        ("SNP A1 OR P\n", "no header and lines"),
    ],
)
def test_bad_files_are_named_with_line_and_column(text: str, message: str, tmp_path: Path) -> None:
    """What is wrong, and where."""
    with pytest.raises(GenobenchError, match=message):
        read_summary(_written(tmp_path / "s.tsv", text))


def test_many_bad_lines_are_shown_in_part(tmp_path: Path) -> None:
    """The first five numbers, then how many more."""
    text = _ssf(*[(1, i, "A", "G", "bad", 0.1, "r") for i in range(8)])
    with pytest.raises(GenobenchError, match=r"line 2, 3, 4, 5, 6 and 3 more"):
        read_summary(_written(tmp_path / "s.tsv", text))


def test_a_file_that_matches_nothing_shows_both_sides(tmp_path: Path) -> None:
    """An example of ours and of theirs."""
    text = _ssf((9, 5, "A", "G", 1, 0.1, "other"))
    with pytest.raises(GenobenchError, match=r"here 1:100 rs1 A/G, there 9:5 other A/G"):
        match(read_summary(_written(tmp_path / "s.tsv", text)), VARIANTS)
    with pytest.raises(GenobenchError, match="cannot be read"):
        read_summary(tmp_path / "absent.tsv")


def test_indels_are_not_complemented(tmp_path: Path) -> None:
    """AT/A is another variant than TA/T."""
    text = _ssf((1, 100, "TA", "T", 1, 0.01, "rs1"), (1, 200, "C", "T", 1, 0.02, "rs2"))
    table = VARIANTS.assign(counted=["AT", *VARIANTS["counted"][1:]])
    table["other"] = ["A", *VARIANTS["other"][1:]]
    matched = match(read_summary(_written(tmp_path / "s.tsv", text)), table)
    assert matched.matched.tolist() == [False, True, False, False]
    assert matched.counts["other_alleles"] == 1


def test_an_odds_ratio_of_nothing_or_infinity_has_a_direction(tmp_path: Path) -> None:
    """No carrier among cases, or among controls: the sign counts, and so do the lines."""
    text = "SNP\tA1\tOR\tP\nrs1\tA\t0\t0.01\nrs2\tC\tinf\t0.02\nrs4\tG\t1.1\t0.5\n"
    matched = match(read_summary(_written(tmp_path / "s.tsv", text)), VARIANTS)
    np.testing.assert_allclose(matched.association.z, [-Z[0], -Z[1], 0, Z[3]])
    assert matched.counts["boundless_odds"] == 2
    with pytest.raises(GenobenchError, match="line 2: column BETA: 'inf' is not a number"):
        read_summary(_written(tmp_path / "s.tsv", "SNP A1 BETA P\nrs1 A inf 0.1\n"))


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    """Half of a .gz, and one whose checksum is of another text."""
    text = _ssf(*[(1, i, "A", "G", 1, (i % 97 + 1) / 99, f"rs{i}") for i in range(20_000)])
    whole = gzip.compress(text.encode())
    for name, content in (("half", whole[: len(whole) // 2]), ("spoilt", whole[:-8] + bytes(8))):
        path = tmp_path / f"{name}.tsv.gz"
        path.write_bytes(content)
        with pytest.raises(GenobenchError, match=f"{name}.tsv.gz: packed, but cut off or damaged"):
            read_summary(path)


def test_memory_goes_with_the_cohort_and_not_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of the cohort's SNPs are kept, with their numbers; the rest is counted."""
    monkeypatch.setattr(summary_table, "LINES_AT_A_TIME", 1_000)
    rows: list[tuple[object, ...]] = [
        (5, 10_000 + i, "A", "G", 1, 0.5, f"x{i}") for i in range(80_000)
    ]
    rows[2_000] = (1, 100, "A", "G", 1, 0.01, "other name")
    rows[3_000] = (7, 7, "C", "T", -1, 0.02, "rs2")
    path = _written(tmp_path / "s.tsv", _ssf(*rows))
    read_summary(_written(tmp_path / "warm.tsv", _ssf(*rows[:9])))  # imports are not measured
    tracemalloc.start()
    summary = read_summary(path, VARIANTS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * path.stat().st_size  # all lines as text take more than 20 times the file
    assert summary.lines == 80_000
    assert summary.table.index.tolist() == [2_002, 3_002]
    matched = match(summary, VARIANTS)
    np.testing.assert_allclose(matched.association.z, [Z[0], Z[1], 0, 0])
    assert matched.counts["lines"] == 80_000
    nothing = read_summary(path, VARIANTS.assign(pos=3, id="none"))
    with pytest.raises(GenobenchError, match=r"none of 80000 lines .* there 5:10000 x0 A/G"):
        match(nothing, VARIANTS)

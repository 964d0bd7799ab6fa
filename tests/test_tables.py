"""Phenotype and covariate tables: what is read, what is missing, what is refused and how."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genobench.data.plink import scan_plink
from genobench.data.tables import (
    IdMatch,
    Kind,
    match_ids,
    read_covariates,
    read_groups,
    read_table,
    read_trait,
    trait_from_fam,
)
from genobench.errors import GenobenchError

SHARED = Path(
    os.environ.get("GENOBENCH_SHARED", Path(__file__).resolve().parents[1].parent / "shared")
)


def people(n: int) -> pd.DataFrame:
    """Genotyped people F0 I0, F1 I1 and so on."""
    return pd.DataFrame(
        {"fid": [f"F{i}" for i in range(n)], "iid": [f"I{i}" for i in range(n)], "sex": 0}
    )


def column(tmp_path: Path, values: list[object], name: str = "T") -> Path:
    """Tab-separated table of people 0, 1, ... with one column."""
    path = tmp_path / "pheno.tsv"
    rows = "".join(f"F{i}\tI{i}\t{v}\n" for i, v in enumerate(values))
    path.write_text(f"FID\tIID\t{name}\n{rows}")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "FID\tIID\tHLA_A*02:01\tx\nF0\tI0\t1.5\t\nF2\tI2\t2.5\tq\n",
        "#FID IID  HLA_A*02:01 x\n F0 I0 1.5 NA\n F2  I2 2.5 q\n",
        "##comment\n#IID\tHLA_A*02:01\tx\nI0\t1.5\tnan\nI2\t2.5\tq\n",
        "IID HLA_A*02:01 x\nI0 1.5 .\n\nI2 2.5 q\n",
        'IID "HLA_A*02:01" x\r\n"I0" 1.5 N/A\r\n"I2" 2.5 "q"\r\n',
        "\ufefffid\tiid\tHLA_A*02:01\tx\n0\tI0\t1.5\tNaN\n0\tI2\t2.5\tq\n",
        'FID,IID,"HLA_A*02:01",x\nF0,I0,1.5,\nF2, I2,2.5,q\n',
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_forms_of_tables(tmp_path: Path, text: str, packed: bool) -> None:
    """Tabs, blanks, commas, # before the ids, IID alone, quotes, CRLF, BOM, .gz all read alike."""
    path = tmp_path / ("t.tsv.gz" if packed else "t.tsv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    keep, trait = read_trait(path, "HLA_A*02:01", people(3), kind="quantitative", least=2)
    assert list(keep) == [True, False, True]
    assert list(trait.values) == [1.5, 2.5]
    assert trait.name == "HLA_A*02:01"
    assert list(read_groups(path, "x", people(3))) == ["", "", "q"]


def test_only_the_columns_wanted() -> None:
    """Other columns are not kept, and a column may have the name of an operator."""
    path = Path(__file__).parent / "fixtures" / "plink" / "dummy.raw"
    table = read_table(path, ["snp3_G", "SEX"])
    assert list(table.columns) == ["FID", "IID", "snp3_G", "SEX"]
    assert table.index[0] == 2
    assert set(table["snp3_G"]) == {"0", "1", "2", ""}


def test_order_of_the_genotypes_counts(tmp_path: Path) -> None:
    """Values follow the genotyped people, whatever the order of the table's lines."""
    path = tmp_path / "t"
    path.write_text("FID IID T\n" + "".join(f"F{i} I{i} {i * 1.5}\n" for i in (4, 0, 9, 2, 1, 3)))
    keep, trait = read_trait(path, "T", people(5), least=5)
    assert keep.all()
    assert list(trait.values) == [0, 1.5, 3, 4.5, 6]


@pytest.mark.parametrize(
    ("codes", "classes"),
    [
        ({"case": 1, "control": 0, "missing": "NA"}, "0 / 1"),
        ({"case": 2, "control": 1, "missing": 0}, "1 / 2"),
        ({"case": 2, "control": 1, "missing": -9}, "1 / 2"),
        ({"case": "2.0", "control": "1.0", "missing": "-9.0"}, "1 / 2"),
        ({"case": "1.0", "control": "0.0", "missing": ""}, "0 / 1"),
    ],
)
def test_codes_of_classes(tmp_path: Path, codes: dict[str, object], classes: str) -> None:
    """0 / 1 and 1 / 2 are told apart; 0 is missing beside 1 and 2, as in PLINK."""
    who = ["control", "case", "case", "missing", "control"] * 10
    keep, trait = read_trait(column(tmp_path, [codes[w] for w in who]), "T", people(50))
    assert trait.kind == "binary"
    assert list(keep) == [w != "missing" for w in who]
    assert list(trait.values) == [float(w == "case") for w in who if w != "missing"], classes


def test_minus_nine_is_missing_in_measurements(tmp_path: Path) -> None:
    """Exactly -9 is missing; -9.01 and 0 are values."""
    values = [-9, -9.01, 0, *np.linspace(-20, 20, 30)]
    keep, trait = read_trait(column(tmp_path, values), "T", people(33))
    assert trait.kind == "quantitative"
    assert list(keep) == [False] + [True] * 32
    np.testing.assert_allclose(trait.values[:2], [-9.01, 0], rtol=1e-6)


def test_kind_can_be_said(tmp_path: Path) -> None:
    """A count of 0, 1 and 2 is read as PLINK does unless it is said to be quantitative."""
    path = column(tmp_path, [0, 1, 2] * 10)
    assert read_trait(path, "T", people(30))[1].kind == "binary"
    keep, trait = read_trait(path, "T", people(30), kind="quantitative")
    assert keep.all()
    assert list(trait.values) == [0, 1, 2] * 10


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([0, 2] * 20, "auto", r"values 0, 2 are neither 0 / 1 nor 1 / 2 \(2 on line 3\)"),
        (
            [1, 2, 1, 2, 3] * 9,
            "auto",
            r"1, 2, 3 only, 3 first on line 6; code two classes.*--trait-kind quant",
        ),
        ([1, 2, 1, 2, 3] * 9, "binary", r"1, 2, 3 are neither .* \(3 on line 6\)"),
        ([1] * 40, "auto", r"one class only \(0 controls, 40 cases"),
        ([0, 2] + [2] * 20, "binary", "neither"),
        ([1] * 40 + [2] * 3, "auto", "40 controls and 3 cases; each class needs at least 10"),
        ([1, 2] * 10 + ["yes"], "auto", r"line 22, column T: 'yes' is not a number"),
        ([1.5, 2.5] * 5 + ["inf"], "auto", r"line 12, column T: 'inf' is not a number"),
        (["NA", -9, "."] * 9, "auto", "every value is missing among the genotyped people"),
        ([1.5, 2.25, 7.125, 8, 9.5], "auto", "5 people with 5 distinct"),
        ([3.5] * 15, "quantitative", "15 people with 1 distinct"),
    ],
)
def test_values_that_are_refused(
    tmp_path: Path, values: list[object], kind: Kind, message: str
) -> None:
    """Codes that cannot be told, one class, text, and too few people: named, with the line."""
    with pytest.raises(GenobenchError, match=message):
        read_trait(column(tmp_path, values), "T", people(50), kind=kind)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("HDL", "did you mean Biochem.HDL?"), ("Biochem.HLD", "did you mean Biochem.HDL?")],
)
def test_absent_column(tmp_path: Path, asked: str, hint: str) -> None:
    """The columns there are get listed, near matches first."""
    path = column(tmp_path, [1, 2], name="Biochem.HDL\tage")
    path.write_text("FID\tIID\tBiochem.HDL\tage\nF0\tI0\t1\t2\n")
    with pytest.raises(GenobenchError, match=rf"no column '{asked}'; {hint}") as error:
        read_trait(path, asked, people(2))
    assert str(error.value).endswith("It has Biochem.HDL, age")


def test_ids_that_match_nobody(tmp_path: Path) -> None:
    """An example of each side is shown, and a wrong FID column is recognised."""
    path = column(tmp_path, [1, 2])
    with pytest.raises(GenobenchError, match=r"here e\.g\. 'F0 I0', in the genotypes 'X Y'"):
        read_trait(path, "T", pd.DataFrame({"fid": ["X"], "iid": ["Y"]}))
    with pytest.raises(GenobenchError, match="the IIDs agree and the FIDs do not"):
        read_trait(path, "T", pd.DataFrame({"fid": ["I0"], "iid": ["I0"]}))


def test_repeated_ids(tmp_path: Path) -> None:
    """The same line twice is no harm; two values for one person are refused with both lines."""
    path = tmp_path / "t"
    path.write_text("FID IID T U\nF0 I0 1.5 1\nF1 I1 2.5 1\nF0 I0 1.5 2\n")
    keep, _ = read_trait(path, "T", people(2), least=2)
    assert keep.all()
    with pytest.raises(GenobenchError, match="lines 2 and 4: F0 I0 occurs with different values"):
        read_trait(path, "U", people(2), least=2)


def test_person_known_by_iid_alone(tmp_path: Path) -> None:
    """Without families an IID that two genotyped people share is refused."""
    path = tmp_path / "t"
    path.write_text("IID T\nI0 1.5\n")
    shared = pd.DataFrame({"fid": ["A", "B"], "iid": ["I0", "I0"]})
    with pytest.raises(GenobenchError, match="IID I0 is not unique"):
        read_trait(path, "T", shared)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; it needs a header"),
        ("F0 I0 2\nF1 I1 1\n", "line 1: no column IID among F0, I0, 2"),
        ("FID IID T T\n", "line 1: column 'T' occurs twice"),
        ("FID IID T\nF0 I0 1\nF1 I1\n", r"line 3: 2 value\(s\) for 3 columns"),
        ("FID IID T\n", "a header, but nobody below it"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """A missing header, ragged lines and empty files are named by line."""
    path = tmp_path / "t"
    path.write_text(text)
    with pytest.raises(GenobenchError, match=message):
        read_trait(path, "T", people(2))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, a folder, a binary file and text called .gz each give an error that names it."""
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00\x80" * 9)
    (tmp_path / "z.gz").write_bytes(b"not gzip")
    for name in ("absent", "", "b", "z.gz"):
        with pytest.raises(
            GenobenchError, match=r"cannot be read|not a text table|z.gz, line 1: no column"
        ):
            read_table(tmp_path / name)


def test_a_packed_table_that_is_cut_off(tmp_path: Path) -> None:
    """Half of a .gz is named, with what to do."""
    whole = gzip.compress(b"IID T\n" + b"".join(b"I%d %d\n" % (i, i * i) for i in range(20_000)))
    (tmp_path / "t.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GenobenchError, match=r"t\.gz: .*cut off or damaged: copy or download it"):
        read_table(tmp_path / "t.gz")


def test_codes_are_told(tmp_path: Path) -> None:
    """Which code was taken for what, with the numbers of people; of measurements nothing."""
    said: list[str] = []
    path = column(tmp_path, [0, 1, 2, 2] * 10)
    read_trait(path, "T", people(40), say=said.append)
    assert said == [
        f"{path}, column T: 0 taken as missing (10 people), 1 taken as control (10 people), "
        "2 taken as case (20 people)"
    ]
    trait_from_fam(people(40).assign(phenotype=["0", "1"] * 20), say=said.append)
    assert said[1].endswith("0 taken as control (20 people), 1 taken as case (20 people)")
    read_trait(path, "T", people(40), kind="quantitative", say=said.append)
    assert len(said) == 2


def test_covariates(tmp_path: Path) -> None:
    """Numbers become float64, text a categorical; absent people and missing values are missing."""
    path = tmp_path / "c"
    path.write_text("FID IID age sex site\nF0 I0 50 M a1\nF2 I2 -9 F -9\nF3 I3 61.5 NA 2b\n")
    got = read_covariates(path, ["sex", "age", "site"], people(4))
    assert list(got.columns) == ["sex", "age", "site"]
    np.testing.assert_array_equal(got["age"], [50, np.nan, np.nan, 61.5])
    assert list(got["sex"].isna()) == [False, True, False, True]
    assert list(got["sex"].cat.categories) == ["F", "M"]
    assert list(got["site"].cat.categories) == ["2b", "a1"]
    path.write_text("IID mixed\nI0 1\nI1 x\n")
    with pytest.raises(GenobenchError, match="line 3, column mixed: 'x' is not a number"):
        read_covariates(path, ["mixed"], people(2))


def test_counts_of_matching_ids(tmp_path: Path) -> None:
    """People are counted on both sides, one line or more."""
    path = tmp_path / "t"
    path.write_text("FID IID\nF0 I0\nF0 I0\nF1 I1\nF7 I7\n")
    assert match_ids(path, people(5)) == IdMatch(both=2, only_genotypes=3, only_table=1)


def test_trait_of_the_fam() -> None:
    """The sixth column reads as any other; 0 and -9 alone are no phenotype."""
    fam = people(40).assign(phenotype=["1", "2", "-9", "0"] * 10)
    keep, trait = trait_from_fam(fam)
    assert list(keep) == [True, True, False, False] * 10
    assert list(trait.values) == [0, 1] * 10
    with pytest.raises(GenobenchError, match=r"no phenotype \(all 0 or -9\): name a table"):
        trait_from_fam(fam.assign(phenotype=["0", "-9", "NA", "0"] * 10))
    with pytest.raises(GenobenchError, match=r"\.fam, line 2, column phenotype: 'x'"):
        trait_from_fam(fam.assign(phenotype=["1", "x", "2", "0"] * 10))


@pytest.mark.skipif(not (SHARED / "data" / "plink").is_dir(), reason="shared data are not here")
@pytest.mark.parametrize(
    ("name", "label", "kind", "size", "cases"),
    [
        ("hla1000g", "HLA_A*02:01", "binary", None, None),
        ("mice", "Biochem.HDL", "quantitative", None, None),
        ("penncath", "CAD", "binary", 1401, 933),
    ],
)
def test_real_tables(name: str, label: str, kind: str, size: int | None, cases: int | None) -> None:
    """Real labels are found and have the kind and the numbers that are documented."""
    files = scan_plink(SHARED / "data" / "plink" / name)
    path = SHARED / "data" / "plink" / f"{name}.pheno.tsv"
    keep, trait = read_trait(path, label, files.samples)
    oracle = pd.read_csv(path, sep="\t", dtype={"IID": str}).set_index("IID")[label]
    expected = oracle.reindex(files.samples["iid"]).to_numpy()
    np.testing.assert_array_equal(keep, ~np.isnan(expected))
    np.testing.assert_array_equal(trait.values, expected[keep].astype(np.float32))
    assert trait.kind == kind
    if size is not None:
        assert (len(trait.values), int(trait.values.sum())) == (size, cases)

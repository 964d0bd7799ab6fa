"""From a name or a path to a split: what is kept, what is chosen, who has looked at whom."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from genobench.cohort import MISSING, Cohort
from genobench.data import choice
from genobench.data.clump import neighbour_r2
from genobench.data.plink import write_plink
from genobench.data.prepare import (
    PREPARE_VERSION,
    DataSpec,
    Prepared,
    file_checksum,
    prepare,
    source_checksums,
)
from genobench.data.simulate import SimulationSpec, simulate
from genobench.data.split import PARTS, Split
from genobench.errors import GenobenchError

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("GENOBENCH_SHARED", ROOT.parent / "shared")) / "data"


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the module: the default cohort is simulated once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def default(cache_folder: Path) -> Prepared:
    """The embedded cohort, prepared."""
    return prepare(DataSpec("default"))


@pytest.fixture(scope="module")
def small() -> Cohort:
    """400 simulated people, none related, 1 % of calls missing."""
    spec = SimulationSpec(people=400, snps=250, regions=6, causal=20, relatives=0, seed=3)
    made = simulate(spec)
    genotypes = made.genotypes.copy()
    genotypes[np.random.default_rng(0).random(genotypes.shape) < 0.01] = MISSING
    return replace(made, genotypes=genotypes)


@pytest.fixture
def files(small: Cohort, tmp_path: Path) -> DataSpec:
    """The same as PLINK files with a table, as a user would have them."""
    bed = write_plink(small.with_trait(None), tmp_path / "mine")
    table = pd.DataFrame({"FID": small.samples["fid"], "IID": small.samples["iid"]})
    table["disease"] = small.labels.astype(int)
    table["age"] = np.random.default_rng(1).integers(40, 70, size=small.n)
    table["town"] = [f"t{i % 40}" for i in range(small.n)]
    table["diet"] = ["fish" if i % 3 else "meat" for i in range(small.n)]
    table.to_csv(tmp_path / "pheno.tsv", sep="\t", index=False)
    pheno = tmp_path / "pheno.tsv"
    return DataSpec(str(bed), pheno=pheno, trait="disease", snps=60, group="none")


def _ids(split: Split) -> list[list[str]]:
    return [getattr(split, name).samples["iid"].tolist() for name in PARTS]


def test_default_has_the_declared_shape(default: Prepared) -> None:
    """256 SNPs, 3,000 / 600 / 1,200 / 1,200 people, three in ten ill, everybody in one part."""
    split = default.split
    assert [getattr(split, name).n for name in PARTS] == [3000, 600, 1200, 1200]
    for name in PARTS:
        part = getattr(split, name)
        assert part.m == 256
        assert part.genotypes.min() >= 0
        assert part.labels.mean() == pytest.approx(0.3, abs=0.002)
        assert part.variants.equals(split.train.variants)
    everybody = [i for ids in _ids(split) for i in ids]
    assert len(set(everybody)) == 6000


def test_default_keeps_families_together(default: Prepared) -> None:
    """No family has people in two parts."""
    families = [set(getattr(default.split, name).samples["family"]) for name in PARTS]
    assert sum(map(len, families)) == len(set.union(*families))
    assert default.report["relatives"]["people_in_groups"] == 180


@pytest.mark.parametrize("split_seed", [0, 1, 2])
def test_default_is_rich_in_linkage_disequilibrium(cache_folder: Path, split_seed: int) -> None:
    """Common SNPs that stand side by side have a mean r2 of .4 or more, in whatever split."""
    train = prepare(DataSpec("default", split_seed=split_seed)).split.train
    frequency = train.genotypes.mean(axis=0) / 2
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= 0.05)
    assert len(common) > 200
    assert neighbour_r2(train.genotypes[:, common], train.variants.iloc[common]) >= 0.4


def test_default_is_neither_too_easy_nor_blind_to_linkage(default: Prepared) -> None:
    """Ridge on real people: AUC .68 to .80; on independent sites per class clearly less."""
    train, test = default.split.train, default.split.test
    draw = np.random.default_rng(0)
    independent = np.empty(train.genotypes.shape, dtype=np.int8)
    for label in (0, 1):
        rows = np.flatnonzero(train.labels == label)
        frequency = train.genotypes[rows].mean(axis=0) / 2
        independent[rows] = draw.binomial(2, frequency, size=(len(rows), train.m))
    real = _auc(_ridge(train.genotypes, train.labels, test.genotypes), test.labels)
    floor = _auc(_ridge(independent, train.labels, test.genotypes), test.labels)
    assert 0.68 < real < 0.80
    assert floor < real - 0.03


def _ridge(
    G: NDArray[np.int8], y: NDArray[np.float32], new: NDArray[np.int8]
) -> NDArray[np.float64]:
    mean, sd = G.mean(axis=0), G.std(axis=0) + 1e-9
    X = (G - mean) / sd
    effects = np.linalg.solve(X.T @ X + 500 * np.eye(X.shape[1]), X.T @ (y - y.mean()))
    return np.asarray((new - mean) / sd @ effects)


def _auc(score: NDArray[np.float64], label: NDArray[np.float32]) -> float:
    statistic = stats.mannwhitneyu(score[label == 1], score[label == 0]).statistic
    return float(statistic / ((label == 1).sum() * (label == 0).sum()))


def test_report_is_json_and_names_nobody(default: Prepared, files: DataSpec) -> None:
    """Counts only: no id of a person, no path."""
    for prepared, spec in ((default, DataSpec("default")), (prepare(files), files)):
        text = json.dumps(prepared.report, allow_nan=False)
        assert prepared.report["data_key"] == spec.key
        for part in _ids(prepared.split):
            assert not any(f'"{name}"' in text for name in part)
        assert str(files.name) not in text


def test_same_specification_same_split(files: DataSpec) -> None:
    """Byte for byte; another split seed gives other people."""
    first = prepare(files).split.checksum
    assert prepare(files).split.checksum == first
    assert prepare(replace(files, split_seed=1)).split.checksum != first


def test_plink_files_come_through_with_their_alleles(files: DataSpec, small: Cohort) -> None:
    """Called genotypes of the test people are those of the simulated cohort."""
    split = prepare(files).split
    rows = small.samples.reset_index().set_index("iid").loc[split.test.samples["iid"], "index"]
    columns = small.variants.reset_index().set_index("id").loc[split.test.variants["id"], "index"]
    truth = small.genotypes[np.ix_(rows, columns)]
    called = truth != MISSING
    np.testing.assert_array_equal(split.test.genotypes[called], truth[called])
    np.testing.assert_array_equal(split.test.labels, small.labels[rows])
    assert split.test.variants["pos"].is_monotonic_increasing or len(set(columns)) == 60
    assert (np.diff(columns) > 0).all()


def test_missing_calls_are_filled_in_from_the_training_people(files: DataSpec) -> None:
    """Nothing is missing afterwards; the report says how much was."""
    prepared = prepare(files)
    assert all(getattr(prepared.split, name).genotypes.min() >= 0 for name in PARTS)
    assert prepared.report["missing_filled_in"]["train"] == pytest.approx(0.01, abs=0.004)


def test_selection_does_not_see_people_outside_the_training_part(
    files: DataSpec, small: Cohort, tmp_path: Path
) -> None:
    """Genotypes of everybody else replaced by the label itself: the same SNPs are chosen."""
    before = prepare(files).split
    train = small.samples["iid"].isin(before.train.samples["iid"]).to_numpy()
    genotypes = small.genotypes.copy()
    planted = np.setdiff1d(small.variants["id"], before.train.variants["id"])[:20]
    columns = np.flatnonzero(small.variants["id"].isin(planted))
    leak = np.where(small.labels == 1, 1, 0).astype(np.int8)
    genotypes[np.ix_(~train, columns)] = leak[~train, None]
    write_plink(replace(small, genotypes=genotypes).with_trait(None), tmp_path / "mine")
    after = prepare(files).split
    assert after.train.variants["id"].tolist() == before.train.variants["id"].tolist()
    assert _ids(after) == _ids(before)


def test_a_file_larger_than_memory_gives_the_same_split(
    files: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamed association and candidates, against everything loaded."""
    whole = prepare(files)
    monkeypatch.setattr(choice, "IN_MEMORY", 0)
    said: list[str] = []
    streamed = prepare(files, say=said.append)
    assert "larger than memory: association is streamed" in said
    assert _ids(streamed.split) == _ids(whole.split)
    chosen = [p.split.train.variants["id"].tolist() for p in (whole, streamed)]
    assert len(set(chosen[0]) & set(chosen[1])) >= 58  # components of SNPs before and after control


def test_people_without_label_or_covariate_are_counted_and_left_out(files: DataSpec) -> None:
    """NA labels, NA covariates, people absent from the table."""
    assert files.pheno is not None
    table = pd.read_csv(files.pheno, sep="\t", dtype=str)
    table.loc[:9, "disease"] = "NA"
    table.loc[10:14, "age"] = "NA"
    table.iloc[:-3].to_csv(files.pheno, sep="\t", index=False, na_rep="NA")
    prepared = prepare(replace(files, covariates=("age", "diet")))
    assert prepared.report["people"] == {
        "genotyped": 400,
        "without_label": 13,
        "without_covariates": 5,
        "labelled": 382,
    }
    assert sum(getattr(prepared.split, name).n for name in PARTS) == 382


def test_groups_of_the_table_are_kept_together(files: DataSpec) -> None:
    """Forty towns of ten people."""
    assert files.pheno is not None
    prepared = prepare(replace(files, group="town"))
    town = pd.read_csv(files.pheno, sep="\t", dtype=str).set_index("IID")["town"]
    seen = [set(town[ids]) for ids in _ids(prepared.split)]
    assert sum(map(len, seen)) == 40
    assert prepared.report["relatives"] == {
        "method": "column town",
        "groups": 40,
        "people_in_groups": 400,
        "largest": 10,
    }


def test_kinship_is_the_default_for_files(files: DataSpec) -> None:
    """Too few independent SNPs here: the report says that it was not done, and why."""
    relatives = prepare(replace(files, group=None)).report["relatives"]
    assert relatives["method"] == "none"
    assert "independent SNPs" in relatives["reason"]


def test_external_statistics_choose_the_snps(
    files: DataSpec, small: Cohort, tmp_path: Path
) -> None:
    """The strongest of another study, whatever our own people say; the file is only read there."""
    p = np.linspace(1e-8, 0.9, small.m)[np.random.default_rng(2).permutation(small.m)]
    table = small.variants.rename(columns={"chrom": "CHR", "pos": "BP", "id": "SNP"})
    table = table.assign(A1=table["counted"], A2=table["other"], BETA=0.1, P=p)
    table[["CHR", "BP", "SNP", "A1", "A2", "BETA", "P"]].to_csv(
        tmp_path / "gwas.tsv", sep="\t", index=False
    )
    prepared = prepare(replace(files, gwas=tmp_path / "gwas.tsv"))
    expected = small.variants["id"][np.sort(np.argsort(p)[:60])].tolist()
    assert prepared.split.train.variants["id"].tolist() == expected
    selection = prepared.report["selection"]
    assert selection["source"] == "external"
    assert selection["summary_statistics"]["matched"] == small.m
    assert prepared.report["after_quality_control"]["snps"] == 120  # twice as many as needed
    wider = replace(files, name=_wider(small, tmp_path), gwas=tmp_path / "gwas.tsv", snps=251)
    with pytest.raises(GenobenchError, match=r"250 lines match a SNP of .*fewer than --snps 251"):
        prepare(wider)


def _wider(small: Cohort, folder: Path) -> str:
    """The cohort with one SNP more."""
    extra = small.variants.iloc[:1].assign(chrom="9", pos=5, id="extra")
    genotypes = np.hstack([small.genotypes, small.genotypes[:, :1]])
    variants = pd.concat([small.variants, extra])
    wide = Cohort(genotypes, variants, small.samples)
    return str(write_plink(wide, folder / "wide"))


def test_clumping_thins_the_choice(files: DataSpec) -> None:
    """Neighbours in LD are driven out."""
    loose = prepare(replace(files, snps=20)).report["selection"]["neighbour_r2"]
    strict = prepare(replace(files, snps=20, clump_r2=0.1)).report["selection"]["neighbour_r2"]
    assert strict < 0.12 < loose


def test_text_columns_make_binary_traits(files: DataSpec) -> None:
    """COLUMN=VALUE."""
    split = prepare(replace(files, trait="diet=meat")).split
    assert split.train.trait is not None
    assert split.train.trait.name == "diet=meat"
    assert split.train.labels.mean() == pytest.approx(1 / 3, abs=0.01)


def test_key_depends_on_content_and_not_on_place(files: DataSpec, tmp_path: Path) -> None:
    """Moved files keep the key; other content, options or seeds change it."""
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for ending in ("bed", "bim", "fam"):
        (moved / f"other.{ending}").write_bytes((tmp_path / f"mine.{ending}").read_bytes())
    assert replace(files, name=str(moved / "other.bed")).key == files.key
    keys = {files.key, *(replace(files, **c).key for c in _changes())}
    assert len(keys) == 5
    assert files.pheno is not None
    before = files.key
    files.pheno.write_text(files.pheno.read_text().replace("\t0\t", "\t1\t", 1))
    assert replace(files).key != before
    assert DataSpec("default").key == DataSpec.for_name("default").key
    assert DataSpec("default").key != DataSpec("default", snps=100).key


def _changes() -> list[dict[str, Any]]:
    return [{"snps": 61}, {"split_seed": 1}, {"trait": "age"}, {"clump_r2": 0.5}]


def test_named_sets_bring_their_defaults() -> None:
    """What is not given is filled in, what is given stays; None gives nothing."""
    spec = DataSpec.for_name("mice", snps=100, trait=None)
    assert (spec.trait, spec.snps, spec.group) == ("Biochem.HDL", 100, "cage")
    hla = DataSpec.for_name("hla1000g")
    assert (hla.trait, hla.snps) == ("HLA_A*02:01", 512)
    with pytest.raises(TypeError, match="no field snp"):
        DataSpec.for_name("mice", snp=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trait": "diseases"}, "disease"),
        ({"trait": None}, "name the column of the label with --trait"),
        ({"trait": "diet=fruit"}, "0 people have the value 'fruit'.*Values are fish, meat"),
        ({"snps": 251}, "--snps 251.*has 250 SNPs"),
        ({"snps": 250, "clump_r2": 0.2}, "left after clumping at r2 0.2"),
        ({"group": "city"}, "city"),
        ({"covariates": ("income",)}, "income"),
        ({"pheno": None}, "trait disease.*name one with --pheno"),
    ],
)
def test_mistakes_are_named(files: DataSpec, changes: dict[str, Any], message: str) -> None:
    """Each tells what was wrong and what there is."""
    with pytest.raises(GenobenchError, match=message):
        prepare(replace(files, **changes))


def test_unknown_names_get_near_matches(tmp_path: Path) -> None:
    """Neither a data set nor a file."""
    with pytest.raises(GenobenchError, match="did you mean penncath"):
        prepare(DataSpec("pencath"))
    with pytest.raises(GenobenchError, match=r"no\.bed"):
        prepare(DataSpec(str(tmp_path / "no.bed")))
    with pytest.raises(GenobenchError, match="no phenotype table; it has disease"):
        prepare(DataSpec("default", trait="height"))


def test_penncath_is_cleaned(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """124 monomorphic SNPs and those with many missing calls go; relatives are looked for."""
    if not (SHARED / "raw").is_dir():
        pytest.skip(f"no upstream files below {SHARED}: set GENOBENCH_SHARED")
    monkeypatch.setenv("GENOBENCH_RAW", str(SHARED / "raw"))
    prepared = prepare(DataSpec("penncath"))
    report = prepared.report
    assert report["people"]["labelled"] == 1401
    assert 3000 < report["after_quality_control"]["snps"] < 4367 - 124
    assert report["relatives"]["method"] == "KING-robust"
    assert 0.8 < report["selection"]["genomic_control"] < 1.2
    assert prepared.split.train.m == 512
    assert prepared.split.train.genotypes.std(axis=0).min() > 0


def test_the_kind_of_a_trait_can_be_said(files: DataSpec) -> None:
    """0 / 1 / 2 are classes unless they are said to be measurements; ``auto`` is in no key."""
    assert files.pheno is not None
    table = pd.read_csv(files.pheno, sep="\t", dtype=str)
    table["count"] = [str(i % 3) for i in range(len(table))]
    table.to_csv(files.pheno, sep="\t", index=False)
    spec = replace(files, trait="count")
    said: list[str] = []
    assert prepare(spec, say=said.append).report["trait"]["kind"] == "binary"
    assert any("0 taken as missing (134 people), 1 taken as control" in line for line in said)
    counted = prepare(replace(spec, trait_kind="quantitative"))
    assert counted.report["trait"]["kind"] == "quantitative"
    assert counted.report["people"]["labelled"] == 400
    assert replace(spec, trait_kind="quantitative").key != spec.key
    with pytest.raises(GenobenchError, match="--trait-kind quantitative: diet=meat is binary"):
        prepare(replace(files, trait="diet=meat", trait_kind="quantitative"))


def test_keys_of_before_stay_what_they_were(files: DataSpec) -> None:
    """Later options are in a key only where they are used: fitted models stay valid."""
    content: dict[str, Any] = {
        "name": "plink", "trait": "disease", "covariates": (), "gwas": None, "snps": 60,
        "clump_r2": None, "group": "none", "split_seed": 0, "version": PREPARE_VERSION,
        "source": source_checksums(files), "pheno": file_checksum(Path(str(files.pheno))),
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True)
    assert files.key == hashlib.sha256(text.encode()).hexdigest()


def test_text_as_trait_says_how_to_name_a_value(files: DataSpec) -> None:
    """The message has the option to copy."""
    with pytest.raises(GenobenchError, match=r"is not a number.*--trait diet=(fish|meat)$"):
        prepare(replace(files, trait="diet"))


def test_people_and_relatives_are_told(files: DataSpec) -> None:
    """Who is not used and why; that nobody has looked for relatives; what was dropped."""
    assert files.pheno is not None
    table = pd.read_csv(files.pheno, sep="\t", dtype=str)
    table.loc[:9, "disease"] = "NA"
    table.loc[10:14, "age"] = "NA"
    table.to_csv(files.pheno, sep="\t", index=False, na_rep="NA")
    said: list[str] = []
    prepared = prepare(replace(files, covariates=("age",), group=None), say=said.append)
    assert (
        "people: 385 of 400 genotyped are used for disease; 10 left out: no value of the trait; "
        "5 left out: a value of a covariate is missing"
    ) in said
    assert any(line.startswith("warning: relatives were not looked for") for line in said)
    assert any(line.startswith("split: train ") for line in said)
    assert "385 of 400 people" in prepared.report["quality_table"]
    prepare(replace(files, group="town"), say=said.append)
    assert "relatives: 390 people in 40 groups, by column town, are kept in one part each" in said


def test_more_candidates_are_loaded_where_quality_control_drops_the_first(
    small: Cohort, tmp_path: Path
) -> None:
    """The strongest of an external study are monomorphic here: the next ones are taken."""
    p = np.linspace(1e-8, 0.9, small.m)
    genotypes = small.genotypes.copy()
    genotypes[:, :100] = 0
    bed = write_plink(replace(small, genotypes=genotypes), tmp_path / "flat")
    table = small.variants.rename(columns={"chrom": "CHR", "pos": "BP", "id": "SNP"})
    table.assign(A1=table["counted"], A2=table["other"], BETA=0.1, P=p)[
        ["CHR", "BP", "SNP", "A1", "A2", "BETA", "P"]
    ].to_csv(tmp_path / "gwas.tsv", sep="\t", index=False)
    spec = DataSpec(str(bed), gwas=tmp_path / "gwas.tsv", snps=40, group="none")
    said: list[str] = []
    split = prepare(spec, say=said.append).split
    assert split.train.variants["id"].isin(small.variants["id"][100:]).all()
    assert split.train.m == 40
    assert "too few SNPs are left: loading 160 candidates" in said
    with pytest.raises(GenobenchError, match=r"after quality control: 200 SNPs were asked for"):
        prepare(replace(spec, snps=200))

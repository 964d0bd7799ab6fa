"""``genobench score``: what it does to the files it is given, and which it refuses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench.cli import main
from genobench.cohort import Cohort, Trait
from genobench.commands.intake import Intake, read
from genobench.data.plink import write_plink
from genobench.errors import GenobenchError

CohortMaker = Callable[..., Cohort]
N, M = 300, 32


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def people(make_cohort: CohortMaker) -> dict[str, Cohort]:
    """Train, test and a synthetic cohort of the same population."""
    return {name: make_cohort(N, M, seed=i) for i, name in enumerate(("train", "test", "syn"))}


@pytest.fixture
def files(tmp_path: Path, people: dict[str, Cohort]) -> SimpleNamespace:
    """The same as PLINK files."""
    paths = {name: write_plink(cohort, tmp_path / f"{name}.bed") for name, cohort in people.items()}
    return SimpleNamespace(folder=tmp_path, people=people, **paths)


def taken_in(files: SimpleNamespace, other: Cohort | None = None, **changes: Any) -> Intake:
    """What `read` makes of the files, with another synthetic cohort if one is given."""
    if other is not None:
        write_plink(other, files.folder / "other.bed")
    given = {
        "synthetic": files.syn if other is None else files.folder / "other.bed",
        "train": files.train, "test": files.test, "reference": None,
        "pheno": None, "trait": None, "seed": 0,
    }  # fmt: skip
    return read(argparse.Namespace(**{**given, **changes}), quiet)


def changed(cohort: Cohort, **parts: Any) -> Cohort:
    """The cohort with other genotypes, variants, samples or trait."""
    own = {k: getattr(cohort, k) for k in ("genotypes", "variants", "samples", "trait")}
    return Cohort(**{**own, **parts})


def test_another_order_and_other_alleles_change_nothing(files: SimpleNamespace) -> None:
    """Swapped alleles are turned back and reported; so is the other strand."""
    syn = files.people["syn"]
    genotypes, table = np.array(syn.genotypes), syn.variants.copy()
    genotypes[:, ::2] = 2 - genotypes[:, ::2]
    table.loc[::2, ["counted", "other"]] = table.loc[::2, ["other", "counted"]].to_numpy()
    complement = {"A": "T", "C": "G", "G": "C", "T": "A"}
    for column in ("counted", "other"):
        table.loc[8:15, column] = table.loc[8:15, column].map(complement)
    turned = changed(syn, genotypes=genotypes, variants=table).take(variants=np.arange(M)[::-1])
    found = taken_in(files, turned)
    assert np.array_equal(found.synthetic.genotypes, syn.genotypes)
    account = found.matched[-1]
    assert (account.matched, account.swapped, account.other_strand) == (M, M // 2, 8)
    assert "16 count the other allele and were turned" in account.sentence
    assert "8 are written on the other strand and were turned" in account.sentence


def test_test_people_are_cut_in_three(files: SimpleNamespace) -> None:
    """Without a reference: attacker's own, real level, and those measured on; labels shared out."""
    found = taken_in(files)
    parts = (found.split.validation, found.split.control, found.split.test)
    assert [p.n for p in parts] == [60, 120, 120]
    shares = [p.labels.mean() for p in parts]
    assert max(shares) - min(shares) < 0.05
    everybody = [iid for p in parts for iid in p.samples["iid"]]
    assert len(set(everybody)) == N
    assert any(note.startswith("No --reference: the people of test.bed") for note in found.notes)


def test_a_reference_leaves_the_test_people_whole(
    files: SimpleNamespace, make_cohort: CohortMaker
) -> None:
    """It is the attacker's and the real level; numbers of test and train need not agree."""
    reference = write_plink(make_cohort(80, M, seed=7), files.folder / "reference.bed")
    found = taken_in(files, reference=reference)
    assert (found.split.test.n, found.split.validation.n, found.split.control.n) == (N, 16, 64)
    assert not any("No --reference" in note for note in found.notes)


def test_variants_that_are_not_shared_are_reported(
    files: SimpleNamespace, make_cohort: CohortMaker
) -> None:
    """Left out everywhere, with counts and the first names; more variants than wanted as well."""
    syn = files.people["syn"]
    extra = make_cohort(N, 64, seed=2)
    table = extra.variants.copy()
    table.loc[M:, "pos"] += 10**8
    table.loc[M:, "id"] = [f"new{i}" for i in range(64 - M)]
    table.loc[: M - 1] = syn.variants.to_numpy()
    genotypes = np.concatenate([syn.genotypes, extra.genotypes[:, M:]], axis=1)
    found = taken_in(files, Cohort(genotypes, table, syn.samples, syn.trait))
    account = found.matched[-1]
    assert (account.matched, account.absent, account.extra) == (M, 0, 64 - M)
    assert account.extra_names == ("new0", "new1", "new2", "new3", "new4")
    assert "32 are there but not in the training file" in account.sentence
    found = taken_in(files, syn.take(variants=np.arange(4, M)))
    assert found.split.train.m == found.synthetic.m == M - 4
    assert "4 of the training file are not there (rs1, rs2, rs3, rs4)" in found.matched[-1].sentence


def test_ids_of_synthetic_people_do_not_matter(files: SimpleNamespace) -> None:
    """A file that holds the ids of training people is judged by its genotypes; it is said."""
    syn = changed(files.people["syn"], samples=files.people["train"].samples)
    found = taken_in(files, syn)
    assert np.array_equal(found.synthetic.genotypes, files.people["syn"].genotypes)
    assert any(f"{N} synthetic people go by the ids of training people" in n for n in found.notes)


def test_missing_calls_are_filled_in_and_reported(files: SimpleNamespace) -> None:
    """Few are drawn from the file's own frequencies; a variant that lacks many is left out."""
    genotypes = np.array(files.people["syn"].genotypes)
    genotypes[:3, 4] = -1
    genotypes[:100, 5] = -1
    found = taken_in(files, changed(files.people["syn"], genotypes=genotypes))
    assert found.synthetic.m == M - 1
    assert (found.synthetic.genotypes >= 0).all()
    kept = np.delete(genotypes, 5, axis=1)
    assert np.array_equal(found.synthetic.genotypes[kept >= 0], kept[kept >= 0])
    told = " ".join(found.notes)
    assert "other.bed: 1 variants lack more than 5% of their calls" in told
    assert "other.bed: 3 missing calls (0.03%) were drawn from its own" in told
    genotypes[:] = -1
    with pytest.raises(GenobenchError, match="fill missing calls in first"):
        taken_in(files, changed(files.people["syn"], genotypes=genotypes))


def test_labels_are_needed_by_all_or_by_none(
    files: SimpleNamespace, people: dict[str, Cohort]
) -> None:
    """Without labels, or with one class, everybody is kept, unlabelled, with the reason."""
    for trait, reason in (
        (None, "no phenotype"),
        (Trait("toy", "binary", np.ones(N, dtype=np.float32)), "one class only"),
    ):
        found = taken_in(files, changed(people["syn"], trait=trait))
        assert found.synthetic.trait is None
        assert found.split.train.trait is None
        assert reason in found.unlabelled
        assert "other.fam" in found.unlabelled
    lines = files.train.with_suffix(".fam").read_text().splitlines()
    lines[:5] = [line.rsplit("\t", 1)[0] + "\t-9" for line in lines[:5]]
    files.train.with_suffix(".fam").write_text("\n".join(lines) + "\n")
    found = taken_in(files)
    assert found.split.train.n == N - 5
    assert "train.bed: 5 of 300 people have no label and are left out of everything." in found.notes


def test_labels_from_a_table(files: SimpleNamespace, people: dict[str, Cohort]) -> None:
    """Of the real people; the synthetic ones have theirs in the .fam."""
    both = pd.concat([people[name].samples[["fid", "iid"]] for name in ("train", "test")])
    labels = np.concatenate([people["train"].labels, people["test"].labels])
    table = both.set_axis(["FID", "IID"], axis=1).assign(T2D=1 - labels)
    table.to_csv(files.folder / "pheno.tsv", sep="\t", index=False)
    found = taken_in(files, pheno=files.folder / "pheno.tsv", trait="T2D")
    assert np.array_equal(found.split.train.labels, 1 - people["train"].labels)
    assert np.array_equal(found.synthetic.labels, people["syn"].labels)
    with pytest.raises(GenobenchError, match="name one of its columns with --trait"):
        taken_in(files, pheno=files.folder / "pheno.tsv")
    with pytest.raises(GenobenchError, match="give the table with --pheno"):
        taken_in(files, trait="T2D")


def test_members_among_non_members_are_refused(files: SimpleNamespace) -> None:
    """By id, and by genotypes under other ids; a few twins are allowed and said."""
    with pytest.raises(GenobenchError, match=r"300 of 300 people are in .*train.bed as well"):
        taken_in(files, test=files.train)
    train, test = files.people["train"], files.people["test"]
    renamed = write_plink(changed(train, samples=test.samples), files.folder / "renamed.bed")
    with pytest.raises(GenobenchError, match="the same people under other ids"):
        taken_in(files, test=renamed)


def test_twins_across_files_are_told(files: SimpleNamespace, make_cohort: CohortMaker) -> None:
    """A handful of equal people is reported: it makes leaks look smaller."""
    train, test = make_cohort(N, 256, seed=0), make_cohort(N, 256, seed=1)
    genotypes = np.array(test.genotypes)
    genotypes[:3] = train.genotypes[:3]
    paths = {
        "train": write_plink(train, files.folder / "long.bed"),
        "test": write_plink(changed(test, genotypes=genotypes), files.folder / "twins.bed"),
    }
    found = taken_in(files, make_cohort(N, 256, seed=2), **paths)
    assert any(note.startswith("twins.bed: 3 of 300 people have exactly") for note in found.notes)


def test_shared_fids_are_families(files: SimpleNamespace, people: dict[str, Cohort]) -> None:
    """Attacks count them once; families that are torn between the files are told."""

    def named(name: str, fids: list[str]) -> Path:
        samples = people[name].samples.copy()
        samples.loc[: len(fids) - 1, "fid"] = fids
        return write_plink(changed(people[name], samples=samples), files.folder / f"{name}2.bed")

    train, test = named("train", ["a", "a", "b"]), named("test", ["b", "c", "c"])
    found = taken_in(files, train=train, test=test)
    assert list(found.split.train.samples["family"][:4]) == ["a", "a", "b", ""]
    told = " ".join(found.notes)
    assert "6 real people share their FID with others and are taken as 3 families" in told
    assert "test2.bed: 1 people have family among the training people" in told
    constant = named("train", ["0"] * N), named("test", ["0"] * N)
    found = taken_in(files, train=constant[0], test=constant[1])
    assert "family" not in found.split.train.samples


def test_counts_of_the_other_allele_are_noticed(files: SimpleNamespace) -> None:
    """Throughout: an error with what to do. At some variants: judged as written, and named."""
    syn = files.people["syn"]
    with pytest.raises(GenobenchError, match="exchange columns 5 and 6"):
        taken_in(files, changed(syn, genotypes=2 - syn.genotypes))
    frequency = syn.genotypes.mean(axis=0) / 2
    (rare,) = np.flatnonzero(np.abs(frequency - 0.5) > 0.3)[:1]
    genotypes = np.array(syn.genotypes)
    genotypes[:, rare] = 2 - genotypes[:, rare]
    found = taken_in(files, changed(syn, genotypes=genotypes))
    assert np.array_equal(found.synthetic.genotypes, genotypes)
    assert any(f"at 1 variants (rs{rare + 1})" in note for note in found.notes)


def test_constant_columns_are_kept(files: SimpleNamespace) -> None:
    """A variant that does not vary, in the file or among real people, stays in."""
    genotypes = np.array(files.people["syn"].genotypes)
    genotypes[:, 3] = 0
    found = taken_in(files, changed(files.people["syn"], genotypes=genotypes))
    assert found.synthetic.m == M


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("syn.vcf.gz", "plink2 --vcf"),
        ("syn.pgen", "plink2 --pfile"),
        ("dosages.npy", "probabilities and dosages are not judged"),
        ("absent.bed", "absent.bed: not there"),
    ],
)
def test_other_formats_are_refused_with_what_to_do(
    files: SimpleNamespace, name: str, message: str
) -> None:
    """Nothing but PLINK 1 is read."""
    with pytest.raises(GenobenchError, match=message):
        taken_in(files, synthetic=files.folder / name)


def test_files_that_make_no_sense_are_refused(
    files: SimpleNamespace, make_cohort: CohortMaker
) -> None:
    """Other variants, other codes, labels of another kind, nobody, too few people."""
    syn = files.people["syn"]
    away = syn.variants.assign(pos=range(M), id=[f"far{i}" for i in range(M)])
    with pytest.raises(GenobenchError, match=r"same genome build"):
        taken_in(files, changed(syn, variants=away))
    numbers = syn.variants.assign(counted="1", other="2")
    with pytest.raises(GenobenchError, match="alleles are written as numbers"):
        taken_in(files, changed(syn, variants=numbers))
    with pytest.raises(GenobenchError, match="not of the same kind everywhere"):
        taken_in(files, make_cohort(N, M, seed=5, kind="quantitative"))
    (files.folder / "other.fam").write_text("")
    with pytest.raises(GenobenchError, match=r"other.fam: empty"):
        taken_in(files, synthetic=files.folder / "other.bed")
    with pytest.raises(GenobenchError, match="5 people; 10 are the least"):
        taken_in(files, syn.take(slice(0, 5)))
    few = write_plink(files.people["test"].take(slice(0, 20)), files.folder / "few.bed")
    with pytest.raises(GenobenchError, match="too few to be cut"):
        taken_in(files, test=few)


def test_outputs_are_checked_before_any_work(
    files: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """No folder, a folder, the data themselves, both on standard output: refused, nothing read."""
    words = ("score", str(files.syn), "--train", str(files.train), "--test", str(files.test))
    before = {path: path.read_bytes() for path in files.folder.iterdir()}
    for more, message in (
        (("--json", str(files.folder / "no" / "a.json")), "there is no folder"),
        (("--markdown", str(files.folder)), "a folder; name a file"),
        (("--json", str(files.test)), "that is data"),
        (("--json", "-", "--markdown", "-"), "cannot both go to standard output"),
    ):
        assert main([*words, *more]) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert "people" not in said.err
        assert said.out == ""
    assert {path: path.read_bytes() for path in files.folder.iterdir()} == before


def test_a_task_that_refuses_the_file_costs_no_other(
    files: SimpleNamespace, people: dict[str, Cohort], capsys: pytest.CaptureFixture[str]
) -> None:
    """No labels for utility: said, with status 1; privacy is there, at few people as well."""
    small = changed(people["syn"], trait=None).take(slice(0, 30))
    path = write_plink(small, files.folder / "small.bed")
    page = files.folder / "report.md"
    words = ("score", str(path), "--train", str(files.train), "--test", str(files.test))
    asked = ("--tasks", "privacy,prs_utility", "--json", "--markdown", str(page))
    assert main([*words, *asked]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found["not_measured"]) == {"prs_utility"}
    reason = found["not_measured"]["prs_utility"]
    assert reason.startswith("it needs labels, and there are none. ")
    assert "no phenotype" in reason
    assert any(v["what"] == "membership attacks" for v in found["verdicts"])
    assert "Not measured" in page.read_text()

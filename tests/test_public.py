"""Named data sets: pinned files, conversion against independently converted PLINK files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench.data import public
from genobench.data.catalogue import CARDS
from genobench.data.plink import read_plink
from genobench.errors import GenobenchError

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("GENOBENCH_SHARED", ROOT.parent / "shared")) / "data"
NAMES = [card.name for card in CARDS if card.files]


@pytest.fixture
def raw() -> Path:
    """Upstream files as published."""
    if not (SHARED / "raw").is_dir():
        pytest.skip(f"no upstream files below {SHARED}: set GENOBENCH_SHARED")
    return SHARED / "raw"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache and no network."""
    import pooch

    def unreachable(*_: Any, **__: Any) -> str:
        raise OSError("network is unreachable")

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("GENOBENCH_RAW", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_conversion_equals_the_shared_plink_files(
    name: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Genotypes, variants, ids, sexes and every phenotype; sizes and traits as on the card."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    local = public.get(name, raw=raw)
    ours, theirs = read_plink(local.bed), read_plink(SHARED / "plink" / f"{name}.bed")
    np.testing.assert_array_equal(ours.genotypes, theirs.genotypes)
    columns = ["chrom", "pos", "id", "counted", "other"]
    pd.testing.assert_frame_equal(ours.variants[columns], theirs.variants[columns])
    people = ["fid", "iid", "sex"]
    pd.testing.assert_frame_equal(ours.samples[people], theirs.samples[people])
    ours_table = pd.read_csv(local.pheno, sep="\t")
    theirs_table = pd.read_csv(SHARED / "plink" / f"{name}.pheno.tsv", sep="\t")
    pd.testing.assert_frame_equal(ours_table, theirs_table, check_dtype=False)
    card = public.find(name)
    assert (card.people, card.variants) == (ours.n, ours.m)
    assert set(card.traits) | ({card.group} - {"none", None}) == set(ours_table.columns[2:])


def test_a_converted_set_is_not_converted_again_unless_incomplete(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call needs no upstream file; a lost table brings the conversion back."""
    monkeypatch.setenv("GENOBENCH_CACHE", str(tmp_path))
    said: list[str] = []
    first = public.get("penncath", raw=raw, say=said.append)
    assert said == ["converting penncath"]
    before = first.bed.stat().st_mtime_ns
    again = public.get("penncath", raw=tmp_path / "nothing", say=said.append)
    assert (again, again.bed.stat().st_mtime_ns) == (first, before)
    first.pheno.unlink()
    public.get("penncath", raw=raw, say=said.append)
    assert said == ["converting penncath"] * 2
    assert first.pheno.is_file()


@pytest.mark.parametrize("name", NAMES)
def test_offline_each_file_is_named_with_checksum_and_place(name: str, offline: Path) -> None:
    """What to fetch by other means, and where to put it."""
    with pytest.raises(GenobenchError) as error:
        public.get(name)
    message = str(error.value)
    for file in public.find(name).files:
        assert file.address in message
        assert file.sha256 in message
        assert str(offline / "raw" / name / file.name) in message
    assert "network is unreachable" in message


def test_a_file_of_another_checksum_is_refused(offline: Path) -> None:
    """Wrong content in the right place: both checksums are shown, nothing is converted."""
    folder = offline / "raw" / "mice"
    folder.mkdir(parents=True)
    (folder / "mice.RData").write_bytes(b"not mice")
    with pytest.raises(GenobenchError, match=r"mice.RData: SHA-256 is b2bef.*5aec95f7.*is pinned"):
        public.get("mice")
    assert not (offline / "plink").exists()


def test_a_file_that_two_sets_share_is_fetched_once(offline: Path, raw: Path) -> None:
    """hla1000g finds the sample table in the folder of kg805."""
    for name, file in (
        ("hla1000g", "HLA_geno.csv.zip"),
        ("hla1000g", "polypheme_plus_pag_calls.tsv"),
        ("kg805", "extra_data_1000G.tsv"),
    ):
        (offline / "raw" / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(raw / name / file, offline / "raw" / name / file)
    found = public.fetch(public.find("hla1000g"))
    assert found["extra_data_1000G.tsv"] == offline / "raw" / "kg805" / "extra_data_1000G.tsv"


def test_downloads_are_pinned_to_commit_and_checksum() -> None:
    """Addresses name a commit, never a branch; checksums are whole SHA-256."""
    for card in CARDS:
        for file in card.files:
            assert file.address == (
                f"https://raw.githubusercontent.com/{file.repository}/{file.commit}/{file.path}"
            )
            assert len(bytes.fromhex(file.commit)) == 20
            assert len(bytes.fromhex(file.sha256)) == 32


def test_cards_default_to_a_trait_they_have() -> None:
    """Default trait and group are columns of the set."""
    for card in CARDS:
        assert card.trait.split("=")[0] in card.traits
        assert card.snps <= card.variants


def test_an_unknown_name_is_answered_with_near_matches() -> None:
    """A typing error, and nothing alike."""
    with pytest.raises(GenobenchError, match="did you mean hla1000g"):
        public.find("hla1000")
    with pytest.raises(GenobenchError, match="Known are default, hla1000g"):
        public.find("zzzz")
    with pytest.raises(GenobenchError, match="nothing to fetch"):
        public.get("default")

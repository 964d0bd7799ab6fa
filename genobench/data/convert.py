"""Upstream files of the named data sets, as they are published, into PLINK files and a table.

Every archive member is read in memory; nothing is unpacked to a path that the archive names.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from genobench.cohort import Cohort, Genotypes
from genobench.data.catalogue import HLA_CALLS, MOUSE_TRAITS
from genobench.data.plink import read_plink, write_plink
from genobench.errors import GenobenchError

LEAST_MAF = 0.01
SEX_CODES = {"male": 1, "M": 1, "female": 2, "F": 2}

Sources = Mapping[str, Path]  # upstream file name: where it is
Converted = tuple[Cohort, pd.DataFrame]  # and a table that begins with FID, IID


def to_plink(name: str, sources: Sources, bed: Path, pheno: Path) -> None:
    """Convert data set ``name`` and write .bed, .bim, .fam and the phenotype table.

    Raises
    ------
    GenobenchError
        When the files do not read as they did when their checksums were pinned, or nothing can
        be written.
    """
    cohort, table = CONVERTERS[name](sources)
    write_plink(cohort, bed)
    part = pheno.with_suffix(f".{os.getpid()}.part")
    try:
        table.to_csv(part, sep="\t", index=False, na_rep="NA")
        part.replace(pheno)
    except OSError as error:
        raise GenobenchError(f"{pheno}: cannot be written: {error.strerror}") from error


def hla1000g(sources: Sources) -> Converted:
    """Dosages of the MHC's HLA-A side, codes 1 / 2 / 3, one line per variant."""
    content = _member(sources["HLA_geno.csv.zip"], "HLA_geno.csv")
    header, *lines = content.split(b"\n")
    ids = header.decode().split()
    width = 2 * len(ids) - 1  # one digit each and tabs between; the file has cut-off lines as well
    full = [line for line in (line.rstrip(b"\r") for line in lines) if len(line) == width]
    codes = np.frombuffer(b"".join(full), dtype=np.uint8).reshape(len(full), width)[:, ::2]
    dosage = codes.astype(np.int8) - np.int8(ord("1"))
    frequency = dosage.mean(axis=1) / 2
    kept = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= LEAST_MAF)
    variants = pd.DataFrame(
        {
            "chrom": "6",
            "pos": kept + 1,  # the file has no positions, only an order
            "id": [f"HLA_{row:05d}" for row in kept],
            "counted": "A",
            "other": "B",
        }
    )
    samples, table = _thousand_genomes(ids, sources["extra_data_1000G.tsv"])
    calls = _hla_calls(ids, sources["polypheme_plus_pag_calls.tsv"])
    cohort = Cohort(np.ascontiguousarray(dosage[kept].T), variants, samples)
    return cohort, pd.concat([table, calls], axis=1)


def kg805(sources: Sources) -> Converted:
    """Phased haplotypes, two lines per person: their sum counts the legend's a1."""
    content = _member(sources["805_SNP_1000G_real.hapt.zip"], "805_SNP_1000G_real.hapt")
    rows = [line.split() for line in content.decode().splitlines()]
    names = [row[1].rsplit("_", 1) for row in rows]
    first, second = names[0::2], names[1::2]
    if [a for a, _ in first] != [b for b, _ in second] or {x for _, x in first} != {"A"}:
        raise GenobenchError("805_SNP_1000G_real.hapt: lines do not come in pairs ID_A, ID_B")
    haplotypes = np.array([row[2:] for row in rows], dtype=np.int8)
    legend = pd.read_csv(sources["805_SNP.legend"], sep=r"\s+", dtype=str)
    variants = pd.DataFrame(
        {
            "chrom": legend["id"].str.split(":").str[0],
            "pos": legend["position"].astype(np.int64),
            "id": legend["id"],
            "counted": legend["a1"],
            "other": legend["a0"],
        }
    )
    samples, table = _thousand_genomes([a for a, _ in first], sources["extra_data_1000G.tsv"])
    return Cohort(haplotypes[0::2] + haplotypes[1::2], variants, samples), table


def mice(sources: Sources) -> Converted:
    """R data file with mice.X (0 / 1 / 2), mice.map and mice.pheno."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the reader, about R classes that it leaves alone
        import rdata

        content = rdata.read_rda(sources["mice.RData"])
    X, sites, pheno = (content[f"mice.{part}"] for part in ("X", "map", "pheno"))
    ids = [str(name) for name in X.coords["dim_0"].values]
    names = pd.Series(X.coords["dim_1"].values.astype(str))
    counted = names.str.rsplit("_", n=1).str[1].to_numpy(dtype=object)
    alleles = sites["alleles"].astype(str).str.split(";")
    variants = pd.DataFrame(
        {
            "chrom": sites["chr"].astype(str).to_numpy(dtype=object),
            "pos": np.round(sites["mbp"].to_numpy(dtype=float) * 1e6).astype(np.int64),
            "id": names.str.rsplit("_", n=1).str[0],
            "counted": counted,
            "other": [a if c == b else b for (a, b), c in zip(alleles, counted, strict=True)],
        }
    )
    pheno = pheno.set_index("SUBJECT.NAME").loc[ids]
    columns = {"sex": pheno["GENDER"], "cage": pheno["cage"], "coat": pheno["CoatColour"]}
    columns |= {trait: pheno[trait].astype("Float64").astype(float) for trait in MOUSE_TRAITS}
    table = pd.DataFrame({name: column.to_numpy() for name, column in columns.items()})
    samples = _samples(ids, table["sex"].astype(str))
    genotypes: Genotypes = np.ascontiguousarray(X.values, dtype=np.int8)
    return Cohort(genotypes, variants, samples), _with_ids(table, ids)


def penncath(sources: Sources) -> Converted:
    """PLINK files, each gzipped, ids in quotation marks; the clinical table goes by FamID."""
    with tempfile.TemporaryDirectory(prefix="genobench-") as folder:
        for ending in ("bed", "bim", "fam"):
            content = gzip.decompress(sources[f"penncath_lite.{ending}.gz"].read_bytes())
            if ending == "fam":
                content = content.replace(b'"', b"")
            (Path(folder) / f"penncath.{ending}").write_bytes(content)
        cohort = read_plink(Path(folder) / "penncath.bed")
    ids = cohort.samples["fid"].tolist()  # the within-family id is 1 throughout
    clinical = pd.read_csv(sources["penncath_clinical.csv"], dtype={"FamID": str})
    table = clinical.set_index("FamID").loc[ids, ["sex", "CAD", "age", "tg", "hdl", "ldl"]]
    samples = cohort.samples[["sex"]].assign(fid=ids, iid=ids)[["fid", "iid", "sex"]]
    return Cohort(cohort.genotypes, cohort.variants, samples), _with_ids(table, ids)


CONVERTERS: dict[str, Callable[[Sources], Converted]] = {
    "hla1000g": hla1000g,
    "kg805": kg805,
    "mice": mice,
    "penncath": penncath,
}


def _member(archive: Path, name: str) -> bytes:
    """Content of one member of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as content:
        try:
            return content.read(name)
        except KeyError as error:
            raise GenobenchError(f"{archive}: has no member {name}") from error


def _thousand_genomes(ids: list[str], path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sample table, and FID, IID, sex, population, superpopulation."""
    known = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    known = known.drop_duplicates("Sample name").set_index("Sample name").loc[ids]
    table = pd.DataFrame(
        {
            "sex": known["Sex"].to_numpy(),
            "population": known["Population code"].to_numpy(),
            # one person is listed under two populations; the first one's counts
            "superpopulation": known["Superpopulation code"].str.split(",").str[0].to_numpy(),
        }
    )
    return _samples(ids, table["sex"]), _with_ids(table, ids)


def _samples(ids: list[str], sex: pd.Series) -> pd.DataFrame:
    codes = sex.map(SEX_CODES).fillna(0).astype(np.int64)
    return pd.DataFrame({"fid": ids, "iid": ids, "sex": codes.to_numpy()})


def _with_ids(table: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """The table with FID and IID in front."""
    return pd.concat([pd.DataFrame({"FID": ids, "IID": ids}), table.reset_index(drop=True)], axis=1)


def _hla_calls(ids: list[str], path: Path) -> pd.DataFrame:
    """Carriage (0 / 1) of each listed allele at two fields; NA where the locus was not typed.

    Of an ambiguous call (A*02:01/A*02:09) the first allele counts.
    """
    calls = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    calls = calls[calls["allele"] != ""]
    allele = calls["allele"].str.split("/").str[0].str.split(":").str[:2].str.join(":")
    columns = {}
    for name in HLA_CALLS:
        locus = calls["locus"] == name[0]
        carried = (allele[locus] == name).groupby(calls["subject"][locus]).any()
        columns[f"HLA_{name}"] = carried.astype(float).reindex(ids).to_numpy()
    return pd.DataFrame(columns)

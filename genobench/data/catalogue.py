"""The named data sets, one row each: where their files come from, pinned to the byte, and defaults.

Nothing heavy is imported here: the command line lists data sets at once.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass

from genobench.errors import GenobenchError

CONVERSION_VERSION = 1  # raise when a converter changes what it writes
HLA_CALLS = (
    "A*01:01",
    "A*02:01",
    "A*03:01",
    "A*11:01",
    "A*23:01",
    "A*24:02",
    "A*33:03",
    "A*68:01",
    "B*07:02",
    "B*08:01",
    "B*35:01",
    "B*40:01",
    "B*44:03",
    "B*51:01",
    "B*52:01",
    "B*53:01",
    "B*57:01",
    "B*58:01",
    "C*01:02",
    "C*03:03",
    "C*03:04",
    "C*04:01",
    "C*05:01",
    "C*06:02",
    "C*07:01",
    "C*07:02",
    "C*12:02",
    "C*15:02",
    "C*16:01",
)
MOUSE_TRAITS = (
    "Obesity.BMI",
    "Obesity.BodyLength",
    "Obesity.EndNormalBW",
    "Biochem.Albumin",
    "Biochem.ALP",
    "Biochem.ALT",
    "Biochem.AST",
    "Biochem.Calcium",
    "Biochem.Chloride",
    "Biochem.Creatinine",
    "Biochem.Glucose",
    "Biochem.HDL",
    "Biochem.LDL",
    "Biochem.Phosphorous",
    "Biochem.Potassium",
    "Biochem.Sodium",
    "Biochem.Tot.Cholesterol",
    "Biochem.Tot.Protein",
    "Biochem.Triglycerides",
    "Biochem.Urea",
    "Biochem.EndNormalBW",
)


@dataclass(frozen=True)
class RemoteFile:
    """One upstream file: GitHub repository, commit, path, and what its bytes must hash to."""

    repository: str
    commit: str
    path: str
    sha256: str

    @property
    def address(self) -> str:
        """Raw address of exactly this version."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.path}"

    @property
    def name(self) -> str:
        """File name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class DataSetCard:
    """What a reader must know of a data set before using it, and its defaults.

    Attributes
    ----------
    people, variants
        Size before quality control.
    traits
        Columns that can be named with ``--trait``; ``COLUMN=VALUE`` makes a binary trait of text.
    trait, snps, group
        Defaults of ``--trait``, ``--snps``, ``--group``.
    components
        Principal components in the association test; 0 where they would be the signal itself.
    caution
        What not to conclude from it.
    """

    name: str
    title: str
    people: int
    variants: int
    traits: tuple[str, ...]
    trait: str
    snps: int
    licence: str
    caution: str
    group: str | None = None
    components: int = 4
    files: tuple[RemoteFile, ...] = ()


_KG805 = ("dianamJLAB/DS6050", "a44530ca526966315f03a9a8bf2083f9e72126a4")
_KG805_FOLDER = "artificial_genomes/1000G_real_genomes"
_PENNCATH = ("pbreheny/plmmr", "dd7f95f23175898d561227b02b9fae19de9b90e8")

CARDS = (
    DataSetCard(
        name="default",
        title="Simulated: two populations, admixture, families, a liability-threshold disease",
        people=6000,
        variants=2400,
        traits=("disease",),
        trait="disease",
        snps=256,
        group="family",
        licence="none needed: simulated on your machine",
        caution="Simulated; nothing about real people follows from it.",
    ),
    DataSetCard(
        name="hla1000g",
        title="1000 Genomes phase 3, HLA-A side of the MHC, with HLA types",
        people=2504,
        variants=5669,
        traits=("sex", "population", "superpopulation", *(f"HLA_{call}" for call in HLA_CALLS)),
        trait="HLA_A*02:01",
        snps=512,
        group="none",
        components=0,
        licence="Apache-2.0 and MIT; 1000 Genomes data are open",
        caution="One region in strong LD, so kinship cannot be computed from it and principal "
        "components would be the signal; positions are order only; the people of kg805.",
        files=(
            RemoteFile(
                "shilab/SCDA",
                "1a6442dd7aed79c990ad385dc440913f8033295b",
                "HLA_geno.csv.zip",
                "33cee88e357c3e457d6addb03f9193f84c95f6048b2495080cfd4745ce2ee6f6",
            ),
            RemoteFile(
                "genevol-usp/hlaseqlib",
                "0bc35620131e2188a240720802c6399ab1e8ab40",
                "data-raw/polypheme_plus_pag_calls.tsv",
                "b64110d895c920bc638f82fbff1810feedb627fd82477302afbd6d0fbad39824",
            ),
            RemoteFile(
                "Shaked35/Genome-AC-GAN",
                "b50d13f14435a1edbcab8154221c4babd65c2200",
                "resource/extra_data_1000G.tsv",
                "b057552831ef08b592f30bdafc963668903b882c25fd5f67008a368f9b6b6127",
            ),
        ),
    ),
    DataSetCard(
        name="kg805",
        title="1000 Genomes phase 3, 805 ancestry-informative SNPs",
        people=2504,
        variants=805,
        traits=("sex", "population", "superpopulation"),
        trait="superpopulation=AMR",
        snps=512,
        group="none",
        components=0,
        licence="none stated by the repositories; 1000 Genomes data are open",
        caution="The label is ancestry (the admixed superpopulation against the rest); little LD, "
        "too few independent SNPs for kinship; the people of hla1000g.",
        files=(
            RemoteFile(
                *_KG805,
                f"{_KG805_FOLDER}/805_SNP_1000G_real.hapt.zip",
                "f580db0d9a3694ffb5cb0ae1db4c835ee3f3dd5eb49c71a6901b0984e01a6759",
            ),
            RemoteFile(
                *_KG805,
                f"{_KG805_FOLDER}/805_SNP.legend",
                "7742730ff31480e4a2232ca5e219bbf1ec874b18e7562408768e10ec96e5e956",
            ),
            RemoteFile(
                "Shaked35/Genome-AC-GAN",
                "b50d13f14435a1edbcab8154221c4babd65c2200",
                "resource/extra_data_1000G.tsv",
                "b057552831ef08b592f30bdafc963668903b882c25fd5f67008a368f9b6b6127",
            ),
        ),
    ),
    DataSetCard(
        name="mice",
        title="Heterogeneous-stock mice (Valdar et al. 2006), quantitative traits",
        people=1814,
        variants=10346,
        traits=("sex", "coat", *MOUSE_TRAITS),
        trait="Biochem.HDL",
        snps=512,
        group="cage",
        licence="GPL-3 (R package BGLR)",
        caution="Nearly all animals are related: cages, which hold litters, are kept together, "
        "more distant relatives are not.",
        files=(
            RemoteFile(
                "gdlc/BGLR-R",
                "f66f9bc07a735803ddfb9625f6eea0fe46c3df57",
                "data/mice.RData",
                "5aec95f7736460cbc98f90fbf02dc12693786d24353bea054768c0da8ae9e3a5",
            ),
        ),
    ),
    DataSetCard(
        name="penncath",
        title="PennCATH coronary cohort (Reed et al. 2015), chip thinned to 0.5 %",
        people=1401,
        variants=4367,
        traits=("sex", "CAD", "age", "tg", "hdl", "ldl"),
        trait="CAD",
        snps=512,
        licence="GPL-3 (R package plmmr)",
        caution="A negative control: these SNPs do not predict the label.",
        files=tuple(
            RemoteFile(*_PENNCATH, f"inst/extdata/{name}", sha256)
            for name, sha256 in (
                (
                    "penncath_lite.bed.gz",
                    "934ba0bc4590104d93ae252f935d62b387d82f98c6ed07dd5afc05fbea0cb8da",
                ),
                (
                    "penncath_lite.bim.gz",
                    "23c41eecba1ba6406adf9fdd56077a6a0a0619dd669ee989a0f9f5cbd0609a2c",
                ),
                (
                    "penncath_lite.fam.gz",
                    "1d42719c4e16c128aef9134e4abafd0698641b08237f3580547bc13eb6bd4ba1",
                ),
                (
                    "penncath_clinical.csv",
                    "473b66b7a96eab7e8fa1d6cc0f1c37847fb26bd734b22d87159865cc1f8b0565",
                ),
            )
        ),
    ),
)


def available() -> dict[str, DataSetCard]:
    """Cards of the named data sets; nothing is fetched, nothing heavy imported."""
    return {card.name: card for card in CARDS}


def find(name: str) -> DataSetCard:
    """Card of ``name``; an unknown name is answered with near matches."""
    cards = available()
    if name in cards:
        return cards[name]
    near = difflib.get_close_matches(name, cards, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise GenobenchError(
        f"{name}: no such data set; {hint}Known are {', '.join(cards)}, or give the path of a .bed"
    )


def identity(card: DataSetCard) -> str:
    """SHA-256 over the pinned checksums and the converter's version."""
    parts = [str(CONVERSION_VERSION), card.name, *(f.sha256 for f in card.files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

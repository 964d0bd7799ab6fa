"""One PLINK file of ``genobench score``: its people, and the labels of those who have one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.cohort import Cohort, Trait
    from genobench.data.plink import PlinkFiles

OTHER_FORMATS = {
    ".vcf": "--vcf", ".gz": "--vcf", ".bcf": "--bcf", ".pgen": "--pfile", ".bgen": "--bgen",
    ".ped": "--pedmap", ".raw": "", ".npy": "", ".csv": "", ".tsv": "",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class GenotypeFile:
    """One file as read.

    Attributes
    ----------
    path
        As given on the command line.
    cohort
        Everybody in it, without a trait until labels are known to be there in every file.
    labelled, trait
        (n,) who has a label, and the labels of those; None without any.
    unlabelled
        Why there are none.
    """

    path: Path
    cohort: Cohort
    labelled: NDArray[np.bool_]
    trait: Trait | None
    unlabelled: str = ""

    @property
    def name(self) -> str:
        """Without folders, for the report."""
        return self.path.name


def scan(path: Path) -> PlinkFiles:
    """The three files behind ``path``.

    Raises
    ------
    GenobenchError
        As `scan_plink`; for a file of another format, with what to do about it.
    """
    from genobench.data.plink import scan_plink

    if path.suffix.lower() in OTHER_FORMATS and not path.with_name(path.name + ".bed").is_file():
        option = OTHER_FORMATS[path.suffix.lower()]
        advice = (
            f"convert it first: plink2 {option} {path} --make-bed --out {path.stem.split('.')[0]}"
            if option
            else "write hard calls 0 / 1 / 2 as PLINK 1 (probabilities and dosages are not judged)"
        )
        raise GenobenchError(f"{path}: score reads PLINK 1 (.bed, .bim, .fam); {advice}")
    return scan_plink(path)


def read_file(
    path: Path, files: PlinkFiles, options: Namespace | None, say: Callable[[str], None]
) -> GenotypeFile:
    """Everybody in one file, with their labels.

    Parameters
    ----------
    path, files
        The file, and what `scan` found there.
    options
        Of real people, for ``pheno`` and ``trait``; None: labels are those of the .fam.
    say
        Hears in a line how labels were read.

    Raises
    ------
    GenobenchError
        As `read_trait`; a .fam without usable labels is no error but ``unlabelled``.
    """
    from genobench.data.plink import read_plink
    from genobench.data.tables import read_trait, trait_from_fam

    cohort = read_plink(files)
    if options is not None and options.pheno is not None:
        return GenotypeFile(
            path, cohort, *read_trait(options.pheno, options.trait, files.samples, say=say)
        )
    try:
        return GenotypeFile(path, cohort, *trait_from_fam(files.samples, say=say))
    except GenobenchError as error:
        return GenotypeFile(
            path, cohort, np.zeros(files.n, dtype=bool), None, f"{files.fam}: {error}"
        )

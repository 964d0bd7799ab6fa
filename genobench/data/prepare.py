"""From a data set's name to the four groups of people that a benchmark runs on.

cohort -> labels -> quality control -> split by person -> SNPs chosen on the training people ->
missing calls filled in from training frequencies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from genobench.data import catalogue, filesets
from genobench.data.simulated_trait import SimulatedTrait
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.data.split import Split

Membership = Literal["shares", "coin"]

PREPARE_VERSION = 2  # raise when the same specification would give another split
SNPS = 1024  # default of --snps for files of the user's own


@dataclass(frozen=True)
class DataSpec:
    """Which data, which label, which SNPs, which split.

    Attributes
    ----------
    name
        A named data set, the path of a .bed, or a pattern or list of several (see
        `genobench.data.filesets.prefixes`).
    pheno
        Table with FID, IID and the columns named below; None: the named set's own, or the .fam.
    trait
        Column, or ``COLUMN=VALUE`` for a binary trait of a text column; None: the named set's
        default, or the .fam's sixth column. ``simulated(h2=0.5,causal=20,seed=1)`` is simulated
        on these genotypes: see `genobench.data.simulated_trait`.
    trait_kind
        ``auto``: values 0 / 1 / 2 are codes of classes, as in PLINK, others measurements; or
        ``binary`` or ``quantitative``.
    covariates
        Columns of ``pheno``; sex and principal components are always used.
    gwas
        External summary statistics for choosing SNPs; None: association in the training people.
    snps
        How many SNPs; None: the named set's default, or 1,024 or all there are.
    clump_r2
        LD clumping of the choice; None: neighbours in LD stay.
    group
        Column of people to be kept together; None: relatives by kinship; ``none``: nobody.
    split_seed
        Seed of the split and of filling in missing calls.
    train_population, test_population
        Training and validation people are of the one, test and control people of the other, by
        the column ``population`` or ``superpopulation``; None: everybody is in every part.
    membership
        ``coin``: of those who train or are tested on, a fair coin per family says who trains, so
        that membership can be audited; ``shares``: fixed shares, balanced by label.
    """

    name: str
    pheno: Path | None = None
    trait: str | None = None
    trait_kind: Literal["auto", "binary", "quantitative"] = "auto"
    covariates: tuple[str, ...] = ()
    gwas: Path | None = None
    snps: int | None = None
    clump_r2: float | None = None
    group: str | None = None
    split_seed: int = 0
    train_population: str | None = None
    test_population: str | None = None
    membership: Membership = "shares"

    @classmethod
    def for_name(cls, name: str, **changes: Any) -> DataSpec:
        """Specification of a data set with its defaults filled in; None changes nothing.

        Raises
        ------
        GenobenchError
            A name that is neither a known data set nor a .bed on disk.
        """
        known = {f.name for f in fields(cls)}
        if unknown := set(changes) - known:
            raise TypeError(f"DataSpec has no field {', '.join(sorted(unknown))}")
        given = {k: v for k, v in changes.items() if v is not None}
        return cls(name, **given).completed()

    @property
    def is_path(self) -> bool:
        """True for PLINK files, False for a named data set."""
        return self.name not in catalogue.available() and (
            self.name.endswith((".bed", ".bim", ".fam"))
            or filesets.is_several(self.name)
            or Path(f"{self.name}.bed").is_file()
        )

    def completed(self) -> DataSpec:
        """Defaults of the named data set in the place of None.

        Raises
        ------
        GenobenchError
            When one population is named and not the other, or both beside membership by coin.
        """
        if self.membership not in get_args(Membership):
            raise GenobenchError(
                f"--membership {self.membership}: choose {' or '.join(get_args(Membership))}"
            )
        if (self.train_population is None) != (self.test_population is None):
            raise GenobenchError("--train-population and --test-population go together: name both")
        if self.membership == "coin" and self.train_population is not None:
            raise GenobenchError(
                "--membership coin: a coin for everybody cannot keep --train-population and "
                "--test-population apart; leave one or the other out"
            )
        simulated = SimulatedTrait.named(self.trait)
        trait = simulated.name if simulated else self.trait  # one way of writing, one key
        if self.is_path:
            return replace(self, trait=trait)
        card = catalogue.find(self.name)
        own = self.pheno is None
        return replace(
            self,
            trait=trait or (card.trait if own else None),
            snps=self.snps or card.snps,
            group=self.group or card.group,
        )

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the completed specification and the content of every file."""
        spec = self.completed()
        content: dict[str, Any] = {**asdict(spec), "version": PREPARE_VERSION}
        content["name"] = "plink" if spec.is_path else spec.name
        content["source"] = source_checksums(spec)
        for what in ("pheno", "gwas"):
            path = getattr(spec, what)
            content[what] = file_checksum(path) if path else None
        for what in ("train_population", "test_population"):
            if content[what] is None:  # as in the keys of before there was such an option
                del content[what]
        for what, default in (("trait_kind", "auto"), ("membership", "shares")):
            if content[what] == default:
                del content[what]
        if spec.is_path and spec.group is None:
            content |= _relatives(spec)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A split, and what was done to get it (JSON-able, counts only, never an id)."""

    split: Split
    report: dict[str, Any]


def prepare(spec: DataSpec, *, say: Callable[[str], None] = lambda _: None) -> Prepared:
    """Make the split of ``spec``.

    Parameters
    ----------
    spec
        See `DataSpec`; defaults of named data sets are filled in.
    say
        Told each step in one line.

    Raises
    ------
    GenobenchError
        Whatever is wrong with names, files, columns, labels or sizes.
    """
    from genobench.data import pipeline

    split, report = pipeline.run(spec.completed(), say)
    return Prepared(split, {"data_key": spec.key, **report})


def _relatives(spec: DataSpec) -> dict[str, int]:
    """How relatives are looked for, where there are very many people."""
    from genobench.data import kinship

    path = Path(f"{filesets.prefixes(spec.name)[0]}.fam")
    try:
        with path.open("rb") as file:
            many = sum(1 for _ in file) > kinship.MOST_PEOPLE
    except OSError as error:
        raise GenobenchError(f"{path}: cannot be read: {error.strerror}") from error
    return {"relatives": kinship.MANY_VERSION} if many else {}


def source_checksums(spec: DataSpec) -> dict[str, str]:
    """What the genotypes hash to: files, pinned checksums, or the simulation's specification."""
    if spec.is_path:
        sets = filesets.prefixes(spec.name)
        return {
            ending if len(sets) == 1 else f"{ending} {number}": file_checksum(
                Path(f"{prefix}.{ending}")
            )
            for number, prefix in enumerate(sets, start=1)
            for ending in ("bed", "bim", "fam")
        }
    card = catalogue.find(spec.name)
    if card.files:
        return {"conversion": catalogue.identity(card)}
    from genobench.data.simulate import SimulationSpec

    return {"simulation": SimulationSpec().key, "msprime": version("msprime")}


def file_checksum(path: Path) -> str:
    """SHA-256 of a file, in blocks."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GenobenchError(f"{path}: cannot be read: {error.strerror}") from error

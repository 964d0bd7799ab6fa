"""Who is trained on, who is tested on: splits by person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench import bounded, npy
from genobench.cohort import SAMPLE_COLUMNS, VARIANT_COLUMNS, Cohort, Trait
from genobench.data.audit import audit_split
from genobench.errors import GenobenchError
from genobench.seeds import rng

PARTS = ("train", "validation", "test", "control")
BIOBANK = 20_000  # people from whom a tenth is enough to measure privacy and the ceiling on
BIOBANK_SHARES = (0.72, 0.18, 0.05, 0.05)
SHARES = (0.50, 0.10, 0.20, 0.20)
QUANTILE_BINS = 10


@dataclass(frozen=True, eq=False)
class Split:
    """Four disjoint groups of people over the same variants, one trait, no missing call.

    Attributes
    ----------
    train
        Generators learn from these; members, for the privacy attacks.
    validation
        Early stopping, model selection, tuning.
    test
        Everything is measured on these; non-members.
    control
        The `real` control's people: the ceiling. With ``validation`` also the attacker's reference.
    """

    train: Cohort
    validation: Cohort
    test: Cohort
    control: Cohort

    @property
    def checksum(self) -> str:
        """SHA-256 over the four groups: the identity of what a benchmark is run on."""
        parts = [getattr(self, f.name).checksum for f in fields(self)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write genotypes as .npy and tables as .tsv into ``folder`` (made when absent)."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in fields(self):
            cohort: Cohort = getattr(self, part.name)
            npy.save(folder / f"{part.name}.npy", cohort.genotypes)
            npy.save(folder / f"{part.name}.labels.npy", cohort.labels)
            cohort.samples.to_csv(folder / f"{part.name}.samples.tsv", sep="\t", index=False)
        self.train.variants.to_csv(folder / "variants.tsv", sep="\t", index=False)
        trait = self.train.trait
        assert trait is not None
        (folder / "trait.json").write_text(json.dumps({"name": trait.name, "kind": trait.kind}))

    @classmethod
    def load(cls, folder: Path) -> Split:
        """Split that `save` wrote; genotypes are memory-mapped read-only."""
        try:
            trait = bounded.read_json(folder / "trait.json")
            variants = _table(folder / "variants.tsv", VARIANT_COLUMNS)
            parts = {}
            for part in fields(cls):
                labels = np.load(folder / f"{part.name}.labels.npy", allow_pickle=False)
                parts[part.name] = Cohort(
                    np.load(folder / f"{part.name}.npy", mmap_mode="r", allow_pickle=False),
                    variants,
                    _table(folder / f"{part.name}.samples.tsv", SAMPLE_COLUMNS),
                    Trait(trait["name"], trait["kind"], labels),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise GenobenchError(f"{folder}: not a prepared data set: {error}") from error
        return cls(**parts)


@dataclass(frozen=True, eq=False)
class SplitIndices:
    """Row numbers of the four groups of people: disjoint, ascending, together everybody."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    control: NDArray[np.int64]


def split_people(
    trait: Trait,
    *,
    seed: int,
    group: NDArray[Any] | None = None,
    shares: tuple[float, float, float, float] | None = None,
) -> SplitIndices:
    """Share people out, stratified by label, groups kept whole.

    Groups of two and more go first, largest first, each to the part whose numbers of people per
    stratum come closest to the wanted ones; people on their own then fill every part up.

    Parameters
    ----------
    trait
        Strata are its classes, or ten quantile bins of a quantitative trait.
    seed
        Equal seeds give equal splits.
    group
        (n,) family, cage or whatever else must not be torn apart.
    shares
        Of train, validation, test, control; default 72/18/5/5 % from `BIOBANK` people on and
        50/10/20/20 % below, where a tenth could not carry the hold-out's measurements.

    Raises
    ------
    GenobenchError
        When a part would be empty or lack a class.
    """
    n = len(trait.values)
    shares = shares or (BIOBANK_SHARES if n >= BIOBANK else SHARES)
    part = _parts(trait, rng(seed, "split"), group, shares)
    _check_parts(part, trait, _largest(group))
    return SplitIndices(*(np.flatnonzero(part == p) for p in range(len(PARTS))))


def split_by_coin(trait: Trait, *, seed: int, group: NDArray[Any] | None = None) -> SplitIndices:
    """Validation and control people as by `split_people`; a fair coin per family shares the rest.

    Heads are trained on, tails are tested on, about as many: membership of one family says nothing
    of the next, nor do labels.

    Parameters, and errors, as in `split_people` and `audit_split`.
    """
    split = split_people(trait, seed=seed, group=group)
    rest = np.sort(np.concatenate([split.train, split.test]))
    included = audit_split(rest if group is None else np.asarray(group)[rest], seed=seed)
    part = np.empty(len(trait.values), np.int64)
    part[split.validation], part[split.control] = PARTS.index("validation"), PARTS.index("control")
    part[rest] = np.where(included, PARTS.index("train"), PARTS.index("test"))
    _check_parts(part, trait, _largest(group))
    return SplitIndices(*(np.flatnonzero(part == p) for p in range(len(PARTS))))


def split_populations(
    trait: Trait,
    population: NDArray[Any],
    *,
    train: str,
    test: str,
    seed: int,
    group: NDArray[Any] | None = None,
) -> SplitIndices:
    """Training and validation people of one population, test and control people of another.

    Within either population people are shared out as by `split_people`, in the ratio that these
    two parts have there. Nobody else is in any part, nor are relatives across the two populations:
    of a group that lies in both, those of the test population are left out.

    Parameters
    ----------
    population
        (n,) text, empty where it is not known.
    train, test
        Two of its values.

    Raises
    ------
    GenobenchError
        When one of them is not there, listing those that are; when both are the same; when a part
        would be empty or lack a class.
    """
    present = sorted({str(p) for p in population} - {""})
    for name in (train, test):
        if name not in present:
            raise GenobenchError(
                f"population {name}: nobody is of it; these people are of "
                f"{', '.join(present) or 'no known population'}"
            )
    if train == test:
        raise GenobenchError(
            f"population {train} for training and for test: name two of {', '.join(present)}"
        )
    draw, part = rng(seed, "split", train, test), np.full(len(population), -1)
    codes = np.arange(len(part)) if group is None else np.asarray(group)
    here, there = (np.asarray(population) == name for name in (train, test))
    there &= ~np.isin(codes, codes[here])
    for where, first, (one, other) in ((here, 0, SHARES[:2]), (there, 2, SHARES[2:])):
        rows = np.flatnonzero(where)
        values = Trait(trait.name, trait.kind, trait.values[rows])
        shares = (one / (one + other), other / (one + other))
        part[rows] = first + _parts(values, draw, codes[rows], shares)
    _check_parts(part, trait, _largest(codes[here | there]))
    return SplitIndices(*(np.flatnonzero(part == p) for p in range(len(PARTS))))


def carve(
    trait: Trait, *, seed: int, share: float, group: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of those kept and of a ``share`` set aside, shared out as by `split_people`.

    Raises
    ------
    GenobenchError
        When either would be empty or lack a class.
    """
    part = _parts(trait, rng(seed, "carve"), group, (1 - share, share))
    for number in (0, 1):
        if len(np.unique(trait.values[part == number])) < 2:
            raise GenobenchError(
                f"trait {trait.name}: {len(part)} people are too few to set {share:.0%} of them "
                "aside with labels of both kinds"
            )
    return np.flatnonzero(part == 0), np.flatnonzero(part == 1)


def _parts(
    trait: Trait,
    draw: np.random.Generator,
    group: NDArray[Any] | None,
    shares: Sequence[float],
) -> NDArray[np.int64]:
    """(n,) part of each person, 0, 1, ...: strata balanced, groups whole."""
    n = len(trait.values)
    strata = _strata(trait)
    wanted = np.outer(shares, np.bincount(strata))
    codes = np.arange(n) if group is None else pd.factorize(np.asarray(group), sort=True)[0]
    part = np.full(n, -1)
    _place_groups(part, codes, np.bincount(codes), strata, wanted, draw)
    _place_singles(part, strata, wanted, draw)
    return part


def _largest(group: NDArray[Any] | None) -> int:
    """People of the largest group."""
    return 1 if group is None else max(pd.Series(group).value_counts(), default=0)


def _strata(trait: Trait) -> NDArray[np.int64]:
    """(n,) stratum of each person, 0, 1, ..."""
    if trait.kind == "binary":
        return trait.values.astype(np.int64)
    bins = int(np.clip(len(trait.values) // 50, 1, QUANTILE_BINS))
    edges = np.quantile(trait.values, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(np.unique(edges), trait.values, side="right").astype(np.int64)


def _place_groups(
    part: NDArray[np.int64],
    codes: NDArray[np.int64],
    size: NDArray[np.int64],
    strata: NDArray[np.int64],
    wanted: NDArray[np.float64],
    draw: np.random.Generator,
) -> None:
    """Write the part of everybody who is in a group of two or more."""
    in_group = np.flatnonzero(size[codes] > 1)
    members = np.split(
        in_group[np.argsort(codes[in_group], kind="stable")],
        np.cumsum(size[size > 1])[:-1],
    )
    members = [members[i] for i in draw.permutation(len(members))]
    placed = np.zeros_like(wanted)
    for people in sorted(members, key=len, reverse=True):
        if not len(people):
            continue
        adds = np.bincount(strata[people], minlength=wanted.shape[1])
        # growth of sum (placed - wanted)^2 / wanted over the strata, for each part
        cost = (adds * (adds + 2 * (placed - wanted)) / np.maximum(wanted, 1e-9)).sum(axis=1)
        best = int(np.argmin(cost))
        placed[best] += adds
        part[people] = best


def _place_singles(
    part: NDArray[np.int64],
    strata: NDArray[np.int64],
    wanted: NDArray[np.float64],
    draw: np.random.Generator,
) -> None:
    """Write the part of everybody who is alone: fill what is lacking, stratum by stratum."""
    carried = np.zeros(len(wanted))  # what rounding owes each part, so that totals come out
    for stratum in range(wanted.shape[1]):
        of_stratum = strata == stratum
        alone = draw.permutation(np.flatnonzero(of_stratum & (part < 0)))
        if not len(alone):
            continue
        placed = np.bincount(part[of_stratum & (part >= 0)], minlength=len(wanted))
        lacking = np.maximum(wanted[:, stratum] - placed, 0)  # sums to at least len(alone)
        quota = lacking * (len(alone) / lacking.sum())
        seats = np.floor(quota)
        order = np.argsort(-(quota - seats + carried), kind="stable")
        seats[order[: len(alone) - int(seats.sum())]] += 1
        carried += quota - seats
        part[alone] = np.repeat(np.arange(len(wanted)), seats.astype(np.int64))


def _check_parts(part: NDArray[np.int64], trait: Trait, largest: int) -> None:
    for number, name in enumerate(PARTS):
        values = trait.values[part == number]
        if len(values) == 0 or len(np.unique(values)) < 2:
            raise GenobenchError(
                f"trait {trait.name}: of {len(part)} people (largest group {largest}), "
                f"{len(values)} fell to the {name} part and all have one label or none: "
                "a split needs more people, more cases or smaller groups"
            )


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Tab-separated table whose standard columns keep their types: text stays text."""
    text: dict[str, Any] = {c: str for c in columns if c not in ("pos", "sex")}
    return pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False)

"""How files spell chromosomes and alleles: the same thing under several names."""

from __future__ import annotations

COMPLEMENT = str.maketrans("ACGT", "TGCA")
BASES = frozenset("ACGT")
UNSEEN = "0"  # PLINK's name of an allele that nobody in the file carries
NUMBERED = {"23": "x", "24": "y", "25": "xy", "26": "mt", "m": "mt"}  # as PLINK numbers them


def chromosome(name: str) -> str:
    """One spelling of each chromosome: ``chr01`` is 1, 23 is x, chrM and 26 are mt."""
    plain = str(name).lower().removeprefix("chr").lstrip("0")
    return NUMBERED.get(plain, plain)


def other_strand(alleles: tuple[str, str]) -> tuple[str, str] | None:
    """The two alleles as the other strand has them; None where that cannot be said.

    Single bases are complemented. An insertion or a deletion is written with the base before it,
    which on the other strand is another base at another position; codes (1 / 2, A / B, I / D) have
    no strand at all.
    """
    if not set(alleles) <= BASES | {UNSEEN} or set(alleles) == {UNSEEN}:
        return None
    return alleles[0].translate(COMPLEMENT), alleles[1].translate(COMPLEMENT)

"""The lines that say what was done to a data set."""

from __future__ import annotations

import pytest

from genobench.data import account


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            {"method": "KING-robust", "people_with_relatives": 1200, "families": 431,
             "threshold": 0.0884, "independent_snps": 1876, "family_ids": {"used": False}},
            "relatives: 1,200 people in 431 families, to the second degree by kinship at 1,876 "
            "independent SNPs, are kept in one part each",
        ),
        (
            {"method": "KING-robust", "people_with_relatives": 4, "families": 2, "threshold": 0.177,
             "independent_snps": 900, "not_compared": 31},
            "relatives: 4 people in 2 families, to the first degree by kinship at 900 independent "
            "SNPs, are kept in one part each; 31 called at too few of them are compared with "
            "nobody",
        ),
        (
            {"method": "none", "reason": "asked for, or the data set's default"},
            "relatives: nobody is kept together (asked for, or the data set's default)",
        ),
    ],
)  # fmt: skip
def test_relatives_are_told(found: dict[str, object], line: str) -> None:
    """How they were looked for; nobody is warned of what they asked for."""
    assert account.relatives_line(found) == line


def test_families_by_id_are_told_where_kinship_says_nothing() -> None:
    """The warning keeps the reason, what to do, and that families by id stay together."""
    reason = "312 independent SNPs, KING needs 500"
    found = {"method": "none", "reason": reason, "family_ids": {"used": True, "families": 12}}
    line = account.relatives_line(found)
    assert line.startswith("warning: relatives were not looked for")
    assert reason in line
    assert "12 families by FID are kept together" in line

"""The ``data`` commands: fetch, simulate, prepare and describe cohorts."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from genobench.commands.catalogue import print_json, show_list, terminal_width
from genobench.commands.making import DATA_OPTIONS, say
from genobench.errors import GenobenchError
from genobench.report.plain import align, listing

COUNTS = {  # of `summary.match`, in words
    "lines": "lines of summary statistics",
    "matched": "SNPs matched",
    "by_position": "matched by position",
    "by_id": "matched by id",
    "swapped": "other allele counted, sign turned",
    "other_strand": "on the other strand",
    "ambiguous": "strand-ambiguous (A/T, C/G), taken as written",
    "other_alleles": "other alleles, not matched",
    "unmatched": "SNPs without a line",
    "boundless_odds": "odds ratio 0 or infinite, sign taken",
}
PEOPLE, SNPS = 458_724, 2_048  # of a biobank, unless asked otherwise
SIMULATED_WHOLE = 20_000  # people beyond whom a simulation is written SNP by SNP
SEXES = {1: "male", 2: "female", 0: "unknown"}  # PLINK's codes


def get(options: Namespace) -> int:
    """``genobench data get NAME``."""
    from genobench.data import public

    local = public.get(options.name, say=say)
    print(f"{local.bed}\n{local.pheno}")
    return 0


def simulate(options: Namespace) -> int:
    """``genobench data simulate``: PLINK files with the disease in the .fam."""
    if options.founders is not None or (options.people or 0) > SIMULATED_WHOLE:
        return _simulate_biobank(options)
    from genobench.data.plink import write_plink
    from genobench.data.simulate import SimulationSpec
    from genobench.data.simulate import simulate as simulated

    changes = {"people": options.people, "snps": options.snps, "seed": options.seed}
    given = {k: v for k, v in changes.items() if v is not None}
    if "snps" in given:  # a twentieth is causal, as in the embedded cohort
        given["causal"] = max(1, min(SimulationSpec().causal, given["snps"] // 20))
    cohort = simulated(SimulationSpec(**given))
    bed = write_plink(cohort, options.out)
    print(f"{bed}: {cohort.n:,} people, {cohort.m:,} SNPs, {int(cohort.labels.sum()):,} cases")
    return 0


def _simulate_biobank(options: Namespace) -> int:
    """Founders simulated, all others mosaics of them."""
    from genobench.data.mosaic import MosaicSpec, write_biobank

    size = {"people": options.people or PEOPLE, "snps": options.snps or SNPS}
    founders = {} if options.founders is None else {"founders": options.founders}
    spec = MosaicSpec(**size, **founders, seed=options.seed)
    bed = write_biobank(spec, options.out, say=say)
    print(f"{bed}: {spec.people:,} people, {spec.snps:,} SNPs, {spec.founders:,} founders")
    return 0


def prepare(options: Namespace) -> int:
    """``genobench data prepare``: quality control, split and selection, with the account."""
    from genobench.data import split_folder
    from genobench.data.prepare import DataSpec
    from genobench.data.prepare import prepare as prepared_by

    given = {k: v for k in DATA_OPTIONS if (v := getattr(options, k)) is not None}
    spec = DataSpec.for_name(options.data, **given)
    if options.out is None:
        prepared = prepared_by(spec, say=say)
    else:
        with split_folder.opened(options.out, spec.key) as folder:
            prepared = prepared_by(spec, say=say)
            folder.write(prepared)
    if options.json:
        print_json(prepared.report)
        return 0
    report = prepared.report
    print(report["quality_table"])
    parts = [[name, *(f"{k} {_short(v)}" for k, v in part.items())]
             for name, part in report["split"].items()]  # fmt: skip
    print("\n" + "\n".join(align(parts)))
    print("\n" + "\n".join(align(_selection_rows(report["selection"]))))
    if options.out is not None:
        print(f"\nwritten to {options.out}")
    return 0


def _selection_rows(selection: dict[str, Any]) -> list[list[str]]:
    """One line per fact; counts of matched summary statistics below those of the choice."""
    rows = []
    for name, value in selection.items():
        if isinstance(value, dict):
            rows += [[COUNTS.get(k, k.replace("_", " ")), _short(v)] for k, v in value.items()]
        else:
            rows.append([name.replace("_", " "), _short(value)])
    return rows


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and len(value) > 6:
        return f"{len(value)} entries"
    return f"{value:,}" if isinstance(value, int) else str(value)


def info(options: Namespace) -> int:
    """``genobench data info [NAME|cohort.bed]``."""
    from dataclasses import asdict

    from genobench.data import cache, public
    from genobench.data.filesets import LIST

    if options.name is None:
        options.what = "data"
        if not options.json:
            print(f"cache: {cache.folder()}\n")
        return show_list(options)
    if options.name.endswith((".bed", LIST)):
        return _plink_info(options.name, options)
    card = asdict(public.find(options.name))
    if options.json:
        print_json(card)
        return 0
    files = card.pop("files")
    rows = [[k, ", ".join(map(str, v)) if isinstance(v, list | tuple) else _short(v)]
            for k, v in card.items() if v not in (None, "", ())]  # fmt: skip
    rows += [["file", f.address] for f in public.find(options.name).files]
    rows += [["downloads", str(len(files))]]
    print("\n".join(listing(rows, terminal_width())))
    return 0


def _plink_info(name: str, options: Namespace) -> int:
    """What the .bim and .fam of PLINK file sets say; no genotype is read."""
    from genobench.data.filesets import scan_sets, variants_of
    from genobench.data.tables import trait_from_fam

    sets = scan_sets(name)
    files, variants = sets[0], variants_of(sets)
    codes: list[str] = []
    try:
        keep, trait = trait_from_fam(files.samples, say=codes.append)
        kind = f"{trait.kind}, of {int(keep.sum()):,} people"
        if trait.kind == "binary":
            kind += f", {int(trait.values.sum()):,} cases; {'; '.join(codes)}"
    except GenobenchError as error:
        kind = f"none of use: {error}"
    sexes = files.samples["sex"].value_counts()
    facts: dict[str, Any] = {
        "files": [str(path) for s in sets for path in (s.bed, s.bim, s.fam)],
        "people": files.n,
        "variants": len(variants),
        "chromosomes": list(dict.fromkeys(map(str, variants["chrom"]))),
        "sex": {name: int(sexes.get(code, 0)) for code, name in SEXES.items()},
        "trait": kind,
    }
    if options.json:
        print_json(facts)
        return 0
    facts["files"] = " ".join(facts["files"])
    facts["chromosomes"] = ", ".join(facts["chromosomes"])
    facts["sex"] = ", ".join(f"{count:,} {name}" for name, count in facts["sex"].items())
    rows = [[k, f"{v:,}" if isinstance(v, int) else v] for k, v in facts.items()]
    print("\n".join(listing(rows, terminal_width())))
    return 0

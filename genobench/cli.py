"""The command line: ``genobench COMMAND``. Parses, dispatches, and turns errors into messages.

Nothing heavy is imported before a command is known to need it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from genobench import __version__
from genobench.commands import arguments
from genobench.errors import GenobenchError
from genobench.report.plain import visible

OK, FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130
OVERWRITE = ("only-missing", "failed", "always", "never")
# command -> where it is carried out, what it does, and an example
COMMANDS = {
    "run": (
        "making:run",
        "run a benchmark and show its tables",
        "run --models vae,snpgen --data cohort.bed --pheno table.tsv --trait T2D",
    ),
    "list": ("catalogue:show_list", "what there is to run", "list models"),
    "data": ("", "fetch, simulate, prepare or describe data", "data get hla1000g"),
    "data get": (
        "datasets:get",
        "fetch a public data set and make PLINK files of it",
        "data get hla1000g",
    ),
    "data simulate": (
        "datasets:simulate",
        "simulate a cohort with a disease, as PLINK files",
        "data simulate --people 2000 --snps 800 --out simulated.bed",
    ),
    "data prepare": (
        "datasets:prepare",
        "check, split and select SNPs, and say what was done",
        "data prepare cohort.bed --pheno table.tsv --trait T2D --out prepared",
    ),
    "data info": (
        "datasets:info",
        "what is known of a data set",
        "data info mice",
    ),
    "fit": (
        "single:fit",
        "fit one generator outside a benchmark",
        "fit vae --data default --out fitted/vae",
    ),
    "sample": (
        "single:sample",
        "draw synthetic people from a fitted generator, as PLINK files",
        "sample fitted/vae --people 2000 --out synthetic.bed",
    ),
    "score": (
        "outside:score",
        "score a synthetic PLINK file that somebody else made",
        "score synthetic.bed --train train.bed --test test.bed",
    ),
    "check": (
        "catalogue:check",
        "see whether a generator keeps every promise of the contract",
        "check my_model.py:MyModel",
    ),
    "show": (
        "show:show",
        "show a record with its log and the command that repeats it, or a model's card",
        "show 3fa2c1d0 --out runs",
    ),
    "reproduce": (
        "reproduce:reproduce",
        "run a record's job again: identical, within its seed interval, or different",
        "reproduce leaderboards/records/default-smoke/3fa2c1d0.json",
    ),
    "merge": (
        "merge:merge",
        "join finished runs of several people, or say why they do not fit together",
        "merge runs/mine runs/yours --out runs/ours",
    ),
    "tune": (
        "tune:tune",
        "find settings of a generator on training and validation people",
        "tune vae --trials 20 --seconds 1h",
    ),
    "leaderboard": (
        "making:leaderboard",
        "make the tables of a folder of records, or check them",
        "leaderboard --from runs/smoke --out leaderboards",
    ),
    "figures": (
        "figures:figures",
        "draw a run, or leaderboards, for papers and slides",
        "figures runs/smoke --models vae,snpgen,real --for slide",
    ),
    "new": (
        "scaffold:new",
        "begin a generator of your own: module, card and test",
        "new my_model",
    ),
}


class Parser(argparse.ArgumentParser):
    """Parser whose errors are those of the rest of genobench."""

    def error(self, message: str) -> NoReturn:
        raise GenobenchError(f"{message}\nSee `{self.prog} --help`")


def main(argv: Sequence[str] | None = None, options: argparse.Namespace | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        Its words; default: those of the shell.
    options
        What they are parsed into, and where a command may leave what it has made.

    Returns
    -------
    0 done; 1 it ran, and something failed; 2 what was asked cannot be done; 130 interrupted.
    """
    try:
        options = build_parser().parse_args(argv, options)
        module, _, function = options.function.partition(":")
        command = getattr(importlib.import_module(f"genobench.commands.{module}"), function)
        code = int(command(options))
        print(end="", flush=True)  # unlike a method of it, also where there is no standard output
        return code
    except GenobenchError as error:
        print(f"genobench: error: {visible(str(error))}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("genobench: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def entry() -> int:
    """`main` as the shell calls it."""
    options = argparse.Namespace()
    code = main(options=options)
    if hasattr(options, "tables"):  # and millions of parts of records: not taken apart one by one
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
    gc.freeze()  # what is left is not searched for garbage once more, at the very end
    return code


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands."""
    parser = Parser(
        prog="genobench",
        description="Which generator of synthetic genotypes can I trust for my cohort?",
        epilog="Begin with: genobench run --models all --suite smoke",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"genobench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, declare in (
        ("run", _run),
        ("list", _list),
        ("data", _data),
        ("fit", _fit),
        ("sample", _sample),
        ("score", _score),
        ("check", _check),
        ("show", _show),
        ("reproduce", _reproduce),
        ("merge", _merge),
        ("tune", _tune),
        ("leaderboard", _leaderboard),
        ("figures", _figures),
        ("new", _new),
    ):
        declare(_add(commands, name))
    return parser


def _add(commands: argparse._SubParsersAction[Parser], name: str, below: str = "") -> Parser:
    function, text, example = COMMANDS[f"{below} {name}".strip()]
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"Example: genobench {example}",
        allow_abbrev=False,
    )
    if function:
        parser.set_defaults(function=function)
    return parser


def _run(parser: Parser) -> None:
    add = parser.add_argument
    add("--models", type=arguments.models, default=("all",), metavar="A,B",
        help="names, file.py:Class, or all (default); each may have settings of its own: "
        "NAME(key=value,...) or NAME@file.toml")  # fmt: skip
    add("--suite", default="smoke", help="smoke (default), small or full: see README")
    add("--tasks", type=arguments.names, default=("all",), metavar="A,B",
        help="default: all; studies are run when they are named")  # fmt: skip
    add("--seeds", type=arguments.seeds, help="0-4 or 0,2,5; default: the suite's")
    add("--jobs", type=arguments.positive, help="jobs at a time; default: what the machine holds")
    add("--out", type=Path, default=Path("runs"), help="folder of the results (default: runs)")
    add("--overwrite", choices=OVERWRITE, default="only-missing", help="default: only-missing")
    add("--timeout", type=arguments.duration, metavar="2h", help="per job; default: the suite's")
    add("--memory", type=arguments.size, metavar="16G", help="per job; default: its share")
    add("--device-memory", type=arguments.size, metavar="8G",
        help="of a GPU, per job; default: all; fits that need more: see docs/scale.md")  # fmt: skip
    add("--gpus-per-fit", type=arguments.positive, default=1, metavar="N",
        help="GPUs that work on one fit, where a card says that they may; default: 1")  # fmt: skip
    add("--dry-run", action="store_true", help="say what would be run, and run nothing")
    _device(parser)
    _data_options(parser)
    _json(parser)
    add("--plain", action="store_true", help="progress as lines, as when it is piped")
    add("--cluster", default="", metavar="WHERE",
        help="run the jobs on a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT, local:N (workers "
        "of this machine) or slurm:profile.toml: see docs/scale.md")  # fmt: skip
    add("--cluster-tls", default="", metavar="CA,CERT,KEY",
        help="PEM files that encrypt its wire; default: what distributed is set to, with slurm: "
        "certificates of this run alone; none: in the clear")  # fmt: skip


def _list(parser: Parser) -> None:
    parser.add_argument("what", nargs="?", metavar="models|tasks|data|metrics")
    _json(parser)


def _data(parser: Parser) -> None:
    commands = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    get = _add(commands, "get", "data")
    get.add_argument("name")
    simulate = _add(commands, "simulate", "data")
    simulate.add_argument("--people", type=arguments.positive)
    simulate.add_argument("--snps", type=arguments.positive)
    simulate.add_argument("--founders", type=arguments.positive,
        help="simulate so many people; all others are mosaics of their haplotypes")  # fmt: skip
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--out", type=Path, default=Path("simulated.bed"))
    prepare = _add(commands, "prepare", "data")
    prepare.add_argument("data", metavar="NAME|cohort.bed")
    _data_options(prepare, with_name=False)
    prepare.add_argument("--out", type=Path, help="folder to write the split into")
    _json(prepare)
    info = _add(commands, "info", "data")
    info.add_argument("name", nargs="?", metavar="NAME|cohort.bed")
    _json(info)


def _fit(parser: Parser) -> None:
    parser.add_argument("model", help="name or file.py:Class; NAME(key=value,...), NAME@file.toml")
    parser.add_argument("--suite", default="smoke", help="whose settings and data (default: smoke)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=arguments.duration, metavar="2h", help="for the fit")
    parser.add_argument("--out", type=Path, required=True, help="folder of the fitted model")
    _device(parser)
    _data_options(parser)


def _sample(parser: Parser) -> None:
    parser.add_argument("model", type=Path, help="folder that `genobench fit` wrote")
    parser.add_argument("--people", type=arguments.positive, help="default: as in training")
    parser.add_argument("--labels", choices=("as-trained", "balanced"), default="as-trained",
        help="shares as among the training people, or as many cases as controls")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="synthetic.bed")


def _score(parser: Parser) -> None:
    add = parser.add_argument
    add("synthetic", type=Path, help="synthetic .bed; labels in the sixth column of its .fam")
    add("--train", type=Path, required=True, help=".bed of the people it was made from")
    add("--test", type=Path, required=True, help=".bed of other people of the same kind")
    add("--reference", type=Path, help=".bed of yet others: the attacker's own and level `real`")
    add("--pheno", type=Path, help="table with FID IID and the trait of the real people")
    add("--trait", metavar="COLUMN", help="its column; default: the sixth column of the .fam")
    add("--tasks", type=arguments.names, metavar="A,B",
        help="default: all that verdicts are made from")  # fmt: skip
    add("--seed", type=int, default=0)
    add("--json", nargs="?", const="-", metavar="FILE", help="for machines; - or none: printed")
    add("--markdown", nargs="?", const="-", metavar="FILE", help="as a page; - or none: printed")


def _check(parser: Parser) -> None:
    parser.add_argument("model", help="name or file.py:Class")
    parser.add_argument("--only", type=arguments.names, metavar="A,B", help="these promises only")
    _json(parser)


def _show(parser: Parser) -> None:
    parser.add_argument("what", metavar="KEY|MODEL", help="beginning of a record's key, or a model")
    parser.add_argument("--out", type=Path, metavar="RUN",
        help="folder of the results; default: runs, those in it, leaderboards")  # fmt: skip
    _json(parser)


def _reproduce(parser: Parser) -> None:
    add = parser.add_argument
    parser.description = f"""{parser.description} Data, settings, seed, tasks and threads are the
        record's; the options below name what it leaves open. Exit code 0: identical, or within
        what other seeds beside the record make likely (without two of them: within the record's
        own 95 % intervals; of another sample one metric in ten may lie outside); 1: different; 2:
        not possible, with the reason."""
    add("record", type=Path, metavar="RECORD", help="records/KEY.json of a run or leaderboard")
    add("--out", type=Path, default=Path("runs/reproduced"), metavar="FOLDER",
        help="folder of the repetition (default: runs/reproduced)")  # fmt: skip
    add("--device", choices=("auto", "cpu", "cuda"), help="default: the record's")
    add("--model", metavar="FILE.PY:CLASS", help="where the model lies, if it is not installed")
    _data_options(parser)
    _json(parser)
    add("--plain", action="store_true", help="progress as lines, as when it is piped")


def _merge(parser: Parser) -> None:
    add = parser.add_argument
    parser.description = f"""{parser.description} All is checked before the first file is written.
        Records of jobs that failed or were interrupted are left out and named. Exit code 2: they
        do not fit together, with every reason."""
    add("runs", nargs="+", type=Path, metavar="RUN",
        help="folder that `genobench run --out` made, or one of leaderboard records")  # fmt: skip
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder of the joined run")
    _json(parser)


def _tune(parser: Parser) -> None:
    add = parser.add_argument
    add("model", type=arguments.models, metavar="MODEL[,MODEL]", help="name or file.py:Class")
    add("--trials", type=arguments.positive, default=20, metavar="N",
        help="of each model, the first with the plain settings (default: 20)")  # fmt: skip
    add("--seconds", type=arguments.duration, metavar="1h",
        help="for all trials of one model, in equal shares; default: 3m a trial")  # fmt: skip
    add("--suite", default="smoke", help="whose settings and data (default: smoke)")
    add("--seed", type=int, default=0)
    add("--memory", type=arguments.size, metavar="16G", help="per trial; default: nine tenths")
    add("--out", type=Path, default=Path("tuned"), help="folder of what is found (default: tuned)")
    _device(parser)
    _data_options(parser)
    _json(parser)


def _leaderboard(parser: Parser) -> None:
    add = parser.add_argument
    add("--check", action="store_true", help="fail when tables and records differ; write nothing")
    add("--from", dest="source", type=Path, metavar="RUN", help="take over a run's records first")
    add(
        "--no-portraits",
        action="store_true",
        help="do not draw the samples of --from for the page, which may take minutes a model",
    )
    add("--out", type=Path, default=Path("leaderboards"), help="default: leaderboards")


def _figures(parser: Parser) -> None:
    add = parser.add_argument
    parser.description = f"""{parser.description} PNG and PDF, with a caption for each in
        captions.md. Figures of people need the folder of a run, which keeps its samples."""
    add("run", type=Path, metavar="RUN", help="folder of a run, or of leaderboards")
    add("--models", type=arguments.models, default=("all",), metavar="A,B", help="default: all")
    add(
        "--only",
        type=arguments.names,
        default=(),
        metavar="A,B",
        help="figures by name, such as pca,ld-map, which alone are there then; default: all",
    )
    add("--out", type=Path, default=Path("figures"), metavar="FOLDER", help="default: figures")
    add("--for", dest="medium", choices=("column", "slide"), default="column",
        help="of a journal, 89 or 183 mm wide (default), or 16:9")  # fmt: skip


def _new(parser: Parser) -> None:
    parser.add_argument("name", help="module name, such as my_model")
    parser.add_argument("--folder", type=Path, default=Path(), help="default: here")


def _device(parser: Parser) -> None:
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _data_options(parser: Parser, with_name: bool = True) -> None:
    group = parser.add_argument_group("data")
    add = group.add_argument
    if with_name:
        add("--data", metavar="NAME|cohort.bed|'chr*.bed'", help="default: the suite's")
    add("--pheno", type=Path, help="table with FID IID and the columns named below")
    which = group.add_mutually_exclusive_group().add_argument
    which("--trait", help="its column, or COLUMN=VALUE; default: the .fam's sixth column")
    add("--trait-kind", choices=("auto", "binary", "quantitative"),
        help="default: auto: 0, 1 and 2 are codes of classes, else quantitative")  # fmt: skip
    which("--simulate-trait", dest="trait", type=arguments.simulated_trait, metavar="H2,CAUSAL",
          help="a trait with known effects: h2=0.5,causal=20,seed=1[,prevalence=0.3]")  # fmt: skip
    add("--covariates", type=arguments.names, metavar="A,B", help="columns to adjust for")
    add("--gwas", type=Path, help="summary statistics that choose the SNPs")
    add("--snps", type=arguments.positive, metavar="K", help="how many SNPs")
    add("--clump-r2", type=arguments.correlation, metavar="R2", help="thin SNPs in LD")
    add("--group", help="column of people to keep together, or none; default: relatives")
    add("--split-seed", type=int, help="default: 0")
    add("--train-population", metavar="POP", help="train and validate on this population alone")
    add("--test-population", metavar="POP", help="test on this other population")
    add("--membership", choices=("shares", "coin"),
        help="coin: a fair coin per family says who trains: an audit of epsilon")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

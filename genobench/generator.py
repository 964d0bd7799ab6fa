"""What a generator is: the contract, its budget, its card."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, Self, get_args, runtime_checkable

from numpy.typing import NDArray

from genobench import bounded, card_kinds, checkpoint
from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.published import Published, read_published

Conditioning = Literal["native", "strata", "none"]
FitOn = Literal["train", "control"]
Role = Literal["entrant", "ceiling", "floor", "leak"]
Parallel = Literal["none", "ddp"]
_KINDS: Mapping[str, card_kinds.Kind] = {
    **dict.fromkeys(("class_name", "title", "paper", "faithful"), card_kinds.TEXT),
    "year": card_kinds.WHOLE,
    "departures": card_kinds.TEXTS,
    "settings": card_kinds.TABLES,
    "search": card_kinds.TABLES,
    "expected_failures": card_kinds.REASONS,
}
SETTINGS = ("toy", "smoke", "small", "paper")
SIZES = {"smoke": 256, "small": 512, "paper": 2048}  # SNPs at which parameters are counted


def _silent(progress: Mapping[str, float]) -> None:
    """Progress callback that listens to nothing."""


@dataclass(frozen=True)
class Budget:
    """What one fit may use.

    Attributes
    ----------
    seconds
        Wall-clock time of ``fit``; a generator stops by itself within it and keeps its best state.
    device
        ``cpu`` or ``cuda``.
    threads
        CPU threads it was given. The harness sets them; a generator leaves them alone.
    report
        Called now and then with figures such as ``{"step": 200, "validation": 0.31}``.
    """

    seconds: float = float("inf")
    device: str = "cpu"
    threads: int = 1
    report: Callable[[Mapping[str, float]], None] = _silent

    def deadline(self) -> float:
        """Reading of ``time.monotonic()`` at which a fit that begins now must have ended."""
        return time.monotonic() + self.seconds


class Generator(ABC):
    """A generator of synthetic genotypes.

    A subclass is a dataclass whose fields are its settings, with defaults; the constructor does
    nothing else. Learned state lives in attributes that end in an underscore and travels through
    `state` and `restore`; ``save`` writes it as safetensors and the settings as JSON, so that
    nothing is ever unpickled. Randomness comes from ``seed`` alone; global random state, thread
    counts and default dtypes are left as found. ``genobench check NAME`` tests every promise.
    """

    @abstractmethod
    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Learn from ``train``; ``validation`` serves early stopping and model selection only.

        Both cohorts carry the same variants, no missing call and a trait (binary or quantitative).
        """

    @abstractmethod
    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Synthetic people with these labels.

        Parameters
        ----------
        labels
            (k,) float32, k >= 0, on the scale of the training labels.
        seed
            The same seed gives the same rows on CPU; other seeds give other rows.

        Returns
        -------
        (k, m) int8, values 0 / 1 / 2, in memory of its own.
        """

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as named arrays."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""

    def settings(self) -> dict[str, Any]:
        """Settings by name, as given to the constructor."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]

    @property
    def parameters(self) -> int:
        """Number of learned scalars: the size of the state, unless a subclass knows better."""
        return sum(int(a.size) for a in self.state().values())

    def save(self, folder: Path) -> None:
        """Write ``settings.json`` and ``state.safetensors`` into ``folder``."""
        checkpoint.write(folder, type(self), self.settings(), self.state())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Generator that `save` wrote into ``folder``, ready to sample.

        Raises
        ------
        GenobenchError
            When the files are not what this class, in this version, wrote there.
        """
        settings, state = checkpoint.read(folder, cls)
        generator = cls(**settings)
        generator.restore(state)
        return generator


@runtime_checkable
class Reconstructs(Protocol):
    """What a generator may offer besides: a round trip of real people through what it learned."""

    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """People in, the same people out, as well as the fitted model can carry them.

        An autoencoder encodes and decodes, a model on principal components projects and returns.
        Without randomness, and without the people's labels: a model that conditions on them takes
        the mean training label.

        Parameters
        ----------
        genotypes
            (n, m) int8, 0 / 1 / 2, of people it need not have seen.

        Returns
        -------
        (n, m) int8, values 0 / 1 / 2, in memory of its own.
        """


@dataclass(frozen=True)
class Card:
    """What is known of a generator before it is imported: the TOML file beside its module.

    Attributes
    ----------
    name
        File name without ending; the name on the command line and in the tables.
    class_name
        Class in the module of the same name (key ``class``).
    title, paper, year
        As in the table of a paper; ``paper`` is a citation key such as ``arXiv:2508.09212``.
    role
        ``entrant``, or what a control is there for: ``ceiling``, ``floor``, ``leak``.
    conditioning
        ``native``: obeys labels; ``strata``: the harness fits one per label stratum;
        ``none``: ignores labels on purpose (a floor).
    fit_on
        ``train``, or ``control`` for the ceiling, which is given people nobody else sees.
    parallel
        ``ddp``: one fit may run in several processes, each with a GPU of its own, which share their
        gradients as `genobench.parallel` describes; ``none``: in one.
    faithful, departures
        What of the paper is kept, and where this departs from it and why.
    published
        Figures from the paper, each beside the metric of ours that is nearest to it.
    settings
        Keyword settings by suite: smoke, small, paper; and ``toy``, with which the contract is
        checked on 400 people in seconds.
    parameters
        Learned numbers by suite, at the SNPs of `SIZES`.
    search
        Search space for tuning: setting -> {low, high, log} or {choices}.
    expected_failures
        Promise -> reason. Strict: a listed promise that holds fails the check.
    """

    name: str
    class_name: str
    title: str
    paper: str = ""
    year: int | None = None
    role: Role = "entrant"
    conditioning: Conditioning = "native"
    fit_on: FitOn = "train"
    parallel: Parallel = "none"
    faithful: str = ""
    departures: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    search: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    expected_failures: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Card:
        """Card in the TOML file ``path``.

        Raises
        ------
        GenobenchError
            Naming the file and the key that is missing, unknown or of the wrong kind.
        """
        try:
            table = bounded.read_toml(path)
        except OSError as error:
            raise GenobenchError(f"{path}: a generator needs a card there ({error})") from error
        except ValueError as error:
            raise GenobenchError(f"{path}: not valid TOML: {error}") from error
        if "class" not in table:
            raise GenobenchError(f"{path}: key 'class' is missing: name the generator's class")
        table["class_name"] = table.pop("class")
        table["name"] = path.stem
        known = {f.name for f in fields(cls)}
        needed = {
            f.name
            for f in fields(cls)
            if f.default is NO_DEFAULT and f.default_factory is NO_DEFAULT
        }
        if unknown := sorted(set(table) - known):
            raise GenobenchError(
                f"{path}: unknown key(s) {', '.join(unknown)}; "
                f"a card has {', '.join(sorted(known))}"
            )
        if absent := sorted(needed - set(table)):
            raise GenobenchError(f"{path}: key(s) {', '.join(absent)} are missing")
        card_kinds.require(table, _KINDS, path)
        for key, allowed in (
            ("role", Role),
            ("conditioning", Conditioning),
            ("fit_on", FitOn),
            ("parallel", Parallel),
        ):
            if table.get(key, get_args(allowed)[0]) not in get_args(allowed):
                raise GenobenchError(
                    f"{path}: {key} = {table[key]!r}; one of {', '.join(get_args(allowed))}"
                )
        if unknown := sorted(set(table.get("settings", {})) - set(SETTINGS)):
            raise GenobenchError(f"{path}: unknown settings table(s) {', '.join(unknown)}")
        for suite, count in table.get("parameters", {}).items():
            if suite not in SIZES or type(count) is not int or count < 0:
                raise GenobenchError(
                    f"{path}: parameters.{suite} = {count!r}: whole numbers for {', '.join(SIZES)}"
                )
        table["departures"] = tuple(table.get("departures", ()))
        table["published"] = read_published(path, table.get("published", []))
        return cls(**table)

    @property
    def behaviour(self) -> str:
        """What of the card, settings aside, decides how the harness runs the generator."""
        alone = f"{self.class_name} {self.conditioning} {self.fit_on}"
        return alone if self.parallel == "none" else f"{alone} {self.parallel}"

    def settings_for(self, suite: str) -> dict[str, Any]:
        """Settings of one suite; the class's defaults where the card lists none."""
        return dict(self.settings.get(suite, {}))

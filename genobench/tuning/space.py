"""Where tuning looks: the ``[search]`` tables of a card, and what to try next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.registry import GeneratorPlugin
from genobench.seeds import derive
from genobench.settings_check import checked
from genobench.tuning.journal import Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

STARTUP = 8  # trials at random before the sampler trusts what it has seen
ATTEMPTS = 50  # at finding settings that were not tried yet
SEED_LIMIT = 2**32  # of numpy's older generators, which the sampler uses


@dataclass(frozen=True)
class Dimension:
    """One setting: an interval of numbers, or a list of choices.

    Attributes
    ----------
    low, high
        Ends of the interval, both inside; whole numbers only, if both ends are.
    log
        Whether it is searched on a log scale.
    choices
        In place of an interval.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it has whole numbers only."""
        return type(self.low) is int and type(self.high) is int

    def distribution(self) -> BaseDistribution:
        """As the sampler has it; choices by their JSON text, since they may be lists."""
        from optuna import distributions as kinds

        if self.choices:
            return kinds.CategoricalDistribution([json.dumps(c) for c in self.choices])
        if self.whole:
            return kinds.IntDistribution(int(self.low), int(self.high), log=self.log)
        return kinds.FloatDistribution(float(self.low), float(self.high), log=self.log)

    def encoded(self, value: Any) -> Any:
        """The value as the sampler has it."""
        return json.dumps(value) if self.choices else value

    def decoded(self, value: Any) -> Any:
        """What `encoded` was given; of other numbers four digits, which is all that is meant."""
        if self.choices:
            return json.loads(value)
        return value if self.whole else min(max(float(f"{value:.4g}"), self.low), self.high)

    def holds(self, value: Any) -> bool:
        """Whether it lies inside: a default need not."""
        if self.choices:
            return value in self.choices
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


Space = Mapping[str, Dimension]


def read(plugin: GeneratorPlugin) -> Space:
    """Search space of a generator's card, every value of it one that the generator takes.

    Raises
    ------
    GenobenchError
        When the card has none; naming the card and the setting that is wrong.
    """
    card = plugin.path.with_suffix(".toml")
    if plugin.card.role != "entrant":
        raise GenobenchError(f"{plugin.name} is a control: it is what it is, and is not tuned")
    if not plugin.card.search:
        raise GenobenchError(f"{plugin.name}: nothing to tune: {card} has no [search]")
    found = {}
    for name, table in plugin.card.search.items():
        found[name] = _dimension(table, where=f"{card}: search.{name}")
        for value in found[name].choices or (found[name].low, found[name].high):
            checked(plugin, {name: value}, where=str(card))
    return found


def _dimension(table: Mapping[str, Any], *, where: str) -> Dimension:
    if set(table) == {"choices"}:
        if not isinstance(table["choices"], list) or not table["choices"]:
            raise GenobenchError(f"{where}: choices is a list of at least one value")
        return Dimension(choices=tuple(table["choices"]))
    if not {"low", "high"} <= set(table) <= {"low", "high", "log"}:
        raise GenobenchError(f"{where}: low and high and perhaps log = true, or choices")
    low, high, log = table["low"], table["high"], table.get("log", False)
    if any(type(x) not in (int, float) for x in (low, high)) or not low <= high:
        raise GenobenchError(f"{where}: low and high are numbers, the lower one first")
    if log and low <= 0:
        raise GenobenchError(f"{where}: a log scale begins above 0")
    return Dimension(low, high, bool(log))


def propose(
    space: Space, done: Sequence[Trial], defaults: Mapping[str, Any], *, seed: int, number: int
) -> dict[str, Any] | None:
    """Settings of trial ``number``, or None when all that is found was tried already.

    A tree-structured Parzen estimator (Bergstra et al. 2011) with a seed of its own for every
    trial, so that what it proposes depends on the trials before and not on whether there was an
    interruption among them.

    Parameters
    ----------
    space, done
        Where to look, and what came of it so far.
    defaults
        Values that trials of the plain settings had.
    seed, number
        Of the study, and of this trial, 1, 2, ...
    """
    tried = [{**defaults, **trial.settings} for trial in done]
    for attempt in range(ATTEMPTS):
        study = _study(space, done, defaults, derive(seed, "trial", number, attempt))
        asked = study.ask({name: dimension.distribution() for name, dimension in space.items()})
        found = {name: space[name].decoded(value) for name, value in asked.params.items()}
        if {**defaults, **found} not in tried:
            return found
    return None


def _study(space: Space, done: Sequence[Trial], defaults: Mapping[str, Any], seed: int) -> Study:
    """Study that knows what was tried; a trial that failed is worse than all that did not."""
    optuna = imported()
    sampler = optuna.samplers.TPESampler(seed=seed % SEED_LIMIT, n_startup_trials=STARTUP)
    study: Study = optuna.create_study(sampler=sampler)
    states = optuna.trial.TrialState
    for trial in done:
        values = {**defaults, **trial.settings}
        if not all(name in values and d.holds(values[name]) for name, d in space.items()):
            continue  # a default outside the space tells the sampler nothing about the inside
        study.add_trial(
            optuna.trial.create_trial(
                state=states.PRUNED if trial.objective is None else states.COMPLETE,
                value=trial.objective,
                params={name: d.encoded(values[name]) for name, d in space.items()},
                distributions={name: d.distribution() for name, d in space.items()},
            )
        )
    return study


def imported() -> Any:
    """The optional dependency, kept from talking.

    Raises
    ------
    GenobenchError
        When it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise GenobenchError(
            "tuning needs Optuna, which is not installed: pip install 'genobench[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna

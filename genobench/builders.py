"""Generators by name for Python: found at once, imported when one is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.generator import Card, Generator
    from genobench.registry import GeneratorPlugin


class Builder:
    """A generator that was found and not yet imported; called, it gives an unfitted one.

    Attributes
    ----------
    plugin
        Where it was found; ``plugin.load()`` imports the class.
    """

    def __init__(self, plugin: GeneratorPlugin) -> None:
        self.plugin = plugin

    @property
    def card(self) -> Card:
        """What is known of it without importing it: title, paper, settings."""
        return self.plugin.card

    def __call__(self, suite: str = "smoke", **settings: Any) -> Generator:
        """Generator under a suite's settings, some of them changed, as a benchmark builds it.

        Raises
        ------
        GenobenchError
            For an unknown suite, and for a setting that the generator does not have or take.
        """
        from genobench.conditioning import build
        from genobench.run.suites import find_suite
        from genobench.settings_check import checked

        usual = self.card.settings_for(find_suite(suite).settings)
        return build(self.card, self.plugin.load(), {**usual, **checked(self.plugin, settings)})

    def __str__(self) -> str:
        """What `run` finds it by."""
        return self.plugin.spec

    def __repr__(self) -> str:
        return f"<generator {self.card.name}: {self.card.title}>"


class UnknownGeneratorError(GenobenchError, KeyError):
    """No generator has this name; the message says which come near."""

    __str__ = Exception.__str__  # a KeyError would put quotes around the sentence


class Generators(Mapping[str, Builder]):
    """Installed generators by name, and any other as ``path/to/file.py:Class``.

    Names and cards are read when they are asked for; a module is imported when its generator is
    built.

    Examples
    --------
    >>> "snpgen" in genobench.generators
    True
    >>> genobench.generators["hwe"].card.role
    'floor'
    >>> genobench.generators["snpgn"]
    Traceback (most recent call last):
    genobench.builders.UnknownGeneratorError: unknown model 'snpgn'; did you mean snpgen?...
    >>> from genobench.generator import Budget
    >>> split = genobench.load_split("cohort.bed", snps=12, group="none")
    >>> model = genobench.generators["hwe"]()
    >>> model = model.fit(split.train, split.validation, seed=0, budget=Budget(seconds=60))
    >>> model.sample(split.train.labels, seed=1).shape
    (120, 12)
    """

    def __getitem__(self, name: str) -> Builder:
        from genobench import registry

        if ".py" in name or name in registry.generators():
            return Builder(registry.find_generator(name))
        try:
            return Builder(registry.find_generator(name))
        except GenobenchError as error:
            raise UnknownGeneratorError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        from genobench.registry import generators as installed

        return iter(installed())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<generators {', '.join(self)}>"

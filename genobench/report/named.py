"""What is known of the models that records name."""

from __future__ import annotations

from collections.abc import Mapping

from genobench.entrant import plain_name
from genobench.generator import Card

ROLES = ("entrant", "ceiling", "floor", "leak")  # in the order of tables


def card_of(cards: Mapping[str, Card], model: str) -> Card | None:
    """Card of a model, or of the generator that it is a variant of; None without one."""
    return cards.get(model) or cards.get(plain_name(model))


def title_of(cards: Mapping[str, Card], model: str) -> str:
    """Title on the card with what a variant adds; the name without a card."""
    card = card_of(cards, model)
    if card is None:
        return model
    variant = "" if model in cards else model.removeprefix(plain_name(model))
    return f"{card.title} {variant}".strip()


def role_of(cards: Mapping[str, Card], model: str) -> str:
    """Role on the card; without one it is an entrant."""
    card = card_of(cards, model)
    return card.role if card else "entrant"

"""A second real sample: the ceiling of every task."""

from ._resampling import Resampling


class Real(Resampling):
    """Real people whom no generator saw; the card has it fitted on the control people."""

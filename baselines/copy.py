"""Training people handed out again, unchanged."""

from ._resampling import Resampling


class Copy(Resampling):
    """The training people themselves: perfect fidelity, no privacy."""

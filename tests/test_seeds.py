"""Streams are named, independent and stable."""

from genobench.seeds import derive, rng


def test_axes_do_not_collide() -> None:
    """Every name is a stream of its own, also where the joined text would be the same."""
    streams = {derive(0), derive(0, "a"), derive(0, "a", "b"), derive(0, "ab"), derive(1, "a")}
    assert len(streams) == 5


def test_stable_over_versions() -> None:
    """Published records depend on this: the numbers never change."""
    assert derive(0, "fit", "vae") == 2969921799512869603
    assert rng(0, "split").integers(1 << 30) == rng(0, "split").integers(1 << 30)

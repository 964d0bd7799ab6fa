"""Discrete diffusion on dosages given the label (Austin et al. 2021, arXiv:2107.03006)."""

from __future__ import annotations

from dataclasses import dataclass

from ._discrete_diffusion import DiscreteDiffusion


@dataclass
class D3pm(DiscreteDiffusion):
    """The diffusion alone; settings as in `DiscreteDiffusion`."""

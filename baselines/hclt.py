"""Hidden Chow-Liu tree: a tree of hidden variables over SNPs, with exact likelihood.

The structure is Liu & Van den Broeck's (2021, arXiv:2106.02264): the Chow-Liu tree of the SNPs,
every SNP replaced by a hidden variable that emits it; learned by EM. The label chooses the root's
distribution, and below the root each class may move away from the common tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._hidden_tree import HiddenTree


@dataclass
class Hclt(HiddenTree):
    """The tree alone; settings as in `HiddenTree`."""

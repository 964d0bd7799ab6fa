"""Continuous normalising flow on principal-component scores, trained by flow matching.

Lipman et al. 2023 (arXiv:2210.02747), optionally with the minibatch couplings of Tong et al. 2023
(arXiv:2302.00482).
"""

from __future__ import annotations

from dataclasses import dataclass

from ._principal_flow import PrincipalFlow


@dataclass
class FlowMatching(PrincipalFlow):
    """The flow alone; settings as in `PrincipalFlow`."""

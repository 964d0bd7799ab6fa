"""Are the true effects of variants on a trait still there?

The truth is known of the embedded cohort's disease and of a trait simulated on real genotypes
(``--simulate-trait``): the effect of every causal variant, and what each variant shows for those in
LD with it. Effects are estimated from synthetic people and from as many training people. The
variants were chosen by their association in the training people, so that these, and copies of
them, overstate effects (the winner's curse): their slope lies above 1, that of fresh people at 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import effects
from genobench.metrics.effects import Estimated
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval
from genobench.metrics.moments import deviations
from genobench.task import Estimate, Reference, Task, timed

from ._ridge import drawn


class EffectRecovery(Task):
    """Slope and correlation of estimated with true effects, and the power to find causal ones."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Truth, scale, and effects as the training people show them; empty without a truth."""
        variants, train = split.train.variants, split.train
        if "marginal_beta" not in variants:
            return {}
        return {
            "marginal": variants["marginal_beta"].to_numpy(np.float64),
            "joint": variants["beta"].to_numpy(np.float64),
            "scale": deviations(train.genotypes),
            **{f"train_{name}": part for name, part in _estimated(train).arrays().items()},
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates; empty where nobody knows the truth.

        Effects are in units of a quantitative trait or standard deviations of the liability.
        """
        split, facts = reference.split, reference.statistics
        if not facts:
            return {}
        train = split.train
        comparable(synthetic.genotypes, train.genotypes, at_least=10)
        if synthetic.trait is None or train.trait is None:
            raise GenobenchError("effect_recovery: synthetic and training people need the trait")
        real = Estimated(facts["train_sums"], facts["train_joint"], facts["train_p"])
        if synthetic.n < train.n:
            real = _estimated(drawn(train, synthetic.n, seed=seed))
        return timed(lambda: _compared(_estimated(synthetic), real, facts), synthetic.n)


def _compared(made: Estimated, real: Estimated, facts: Any) -> dict[str, Interval]:
    marginal, joint, scale = facts["marginal"], facts["joint"], facts["scale"]
    causal = joint != 0
    return {
        "effect_slope": effects.marginal_slope(made, marginal, scale),
        "effect_corr": effects.marginal_correlation(made, marginal, scale),
        "effect_corr_gap": effects.marginal_gap(made, real, marginal, scale),
        "joint_corr": effects.joint_correlation(made, joint, scale),
        "joint_corr_gap": effects.joint_gap(made, real, joint, scale),
        "power": effects.power(made.p, causal),
        "power_gap": effects.power_gap(made.p, real.p, causal),
        "sign_errors": effects.sign_errors(made.p, made.marginal, marginal),
        "real_effect_slope": effects.marginal_slope(real, marginal, scale),
        "real_effect_corr": effects.marginal_correlation(real, marginal, scale),
        "real_joint_corr": effects.joint_correlation(real, joint, scale),
        "real_power": effects.power(real.p, causal),
    }


def _estimated(cohort: Cohort) -> Estimated:
    assert cohort.trait is not None
    return Estimated.of(cohort.genotypes, cohort.labels, cohort.trait.kind)

"""genobench: which generator of synthetic genotypes can be trusted?

From Python: `load_cohort`, `load_split`, `generators`, `run` and `score`; see `genobench.api`.
"""

from typing import TYPE_CHECKING

from genobench import api
from genobench import run as _package
from genobench.api import load_cohort, load_split, score
from genobench.builders import Generators

if TYPE_CHECKING:
    from genobench.api import run
else:
    _package.__class__ = api.RunPackage  # genobench.run holds the jobs, and is called as well
    _package.__doc__ = api.run.__doc__
    run = _package

__version__ = "0.1.0"
__all__ = ["__version__", "generators", "load_cohort", "load_split", "run", "score"]

generators = Generators()

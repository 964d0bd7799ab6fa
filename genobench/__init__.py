"""genobench: which generator of synthetic genotypes can be trusted?"""

__version__ = "0.1.0"

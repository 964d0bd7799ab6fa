"""Generators: one module and one card each. Installed as ``genobench.baselines``."""

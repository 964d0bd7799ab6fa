"""Finds settings of a generator on training and validation people, for ``genobench tune``."""

"""Figures for papers and slides, one family a module: its numbers as data, then how it is drawn."""

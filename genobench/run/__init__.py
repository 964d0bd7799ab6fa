"""Jobs: what is run, where, under which limits, and the records that remain."""

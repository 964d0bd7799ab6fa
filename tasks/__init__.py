"""Tasks: one module and one card each. Installed as ``genobench.tasks``."""

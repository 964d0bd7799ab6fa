"""``python -m genobench``: the command line."""

import sys

from genobench.cli import entry

if __name__ == "__main__":
    sys.exit(entry())

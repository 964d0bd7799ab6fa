"""``python -m genobench``: the command line."""

import sys

from genobench.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m xengen.cli.main`: the program where its script is not on the PATH."""

from __future__ import annotations

import sys

from xengen.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

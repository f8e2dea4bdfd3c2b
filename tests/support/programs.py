"""Programs that tests start as a user would from a terminal.

Invariants
  - Whoever runs the suite (a job in the background, say) may have SIGINT ignored, and children inherit that: here
    a program begins with every signal as a terminal leaves it.
"""

from __future__ import annotations

import sys

PYTHON = ("env", "--default-signal", sys.executable)
"""The beginning of a command that runs this Python with all signals at their defaults."""

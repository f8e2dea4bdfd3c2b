"""The command line of `xengen bench isolation`.

Invariants
  - Nothing is built or booted here.
"""

from __future__ import annotations

import pytest

from xengen.cli.app import run_command_line


@pytest.mark.parametrize("option", [["--strict"], ["--trace", "null"], ["--against", "xen"], ["--append", "x"]])
def test_options_of_other_benches_are_refused(option: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "isolation", *option]) == 2
    assert "not for isolation" in capfd.readouterr().err

"""The example of docs/contracts.md does what the page says about it."""

from __future__ import annotations

import re

from tests.unit.lint.conftest import ROOT, Check
from tests.unit.lint.test_depth import START, hypervisor

EXAMPLE, MESSAGE = re.findall(r"```\n(.*?)```", (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8"), re.S)
FILE = "asm/hypervisor/mm/frames.s"
CALLER = START.replace("call outer", "movl $start, %esi\n        movl $1, %eax\n        call frame_find")


def test_the_example_of_the_page_keeps_its_contract(check_files: Check) -> None:
    assert check_files({**hypervisor(CALLER), FILE: EXAMPLE}).images[0].findings == ()


def test_the_example_breaks_it_as_the_page_says(check_files: Check) -> None:
    broken = EXAMPLE.replace("# clob:  %edx", "# clob:  none")
    findings = check_files({**hypervisor(CALLER), FILE: broken}).images[0].findings
    assert [str(finding) for finding in findings] == [MESSAGE.strip()]

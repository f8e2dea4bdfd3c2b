"""What is left of a machine that ended, and what one that cannot start says (xengen/machine/startup.py, process.py)."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.programs import PYTHON
from tests.unit.machine.conftest import Boot
from tests.unit.machine.kernels import kernel
from tests.unit.machine.sources import ECHO, SPIN
from tests.unit.machine.waiting import is_running, wait_until
from xengen.errors import UserError, XengenError
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec


def test_nothing_is_left_behind(boot: Boot, open_descriptors: Callable[[], set[str]]) -> None:
    before = open_descriptors(), threading.active_count()
    machine = boot(SPIN)
    pid = machine.pid
    assert is_running(pid)
    machine.close()
    assert not is_running(pid)
    assert (open_descriptors(), threading.active_count()) == before


def test_nothing_is_left_behind_by_an_exception(tmp_path: Path) -> None:
    path = kernel(tmp_path, SPIN)
    with pytest.raises(ZeroDivisionError), Machine(MachineSpec(kernel=path)) as machine:
        pid = machine.pid
        raise ZeroDivisionError
    assert not is_running(pid)


def test_a_machine_may_be_closed_twice(boot: Boot) -> None:
    machine = boot(SPIN)
    machine.close()
    machine.close()
    with pytest.raises(XengenError, match="its memory is gone"):
        machine.memory.u32(0)


SCRIPT = """
import sys
from pathlib import Path
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

with Machine(MachineSpec(kernel=Path(sys.argv[1]))) as machine:
    print(machine.pid, flush=True)
    machine.wait(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_qemu_dies_with_python(tmp_path: Path, number: signal.Signals) -> None:
    command = [*PYTHON, "-c", SCRIPT, str(kernel(tmp_path, SPIN))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as script:
        assert script.stdout is not None
        pid = int(script.stdout.readline())
        assert is_running(pid)
        script.send_signal(number)
        script.wait(timeout=10)
    assert wait_until(lambda: not is_running(pid))


MAGIC = bytes.fromhex("02b0ad1b")
# A good multiboot header that says: load at 1 MiB, from a file offset before the file's beginning.
BROKEN_KERNEL = MAGIC + struct.pack("<II5I", 1 << 16, -(0x1BADB002 + (1 << 16)) & 0xFFFFFFFF, 0, 1 << 20, 0, 0, 1 << 20)


def test_a_kernel_that_is_broken_is_refused_in_qemus_words(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(BROKEN_KERNEL)
    with pytest.raises(UserError, match=f"^QEMU cannot boot {path}: "):
        Machine(MachineSpec(kernel=path)).__enter__()


@pytest.mark.parametrize("contents", [b"", b"just some notes", bytes(4000), MAGIC + bytes(8)])
def test_a_file_without_a_multiboot_header_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(contents)
    with pytest.raises(UserError) as caught:
        Machine(MachineSpec(kernel=path)).__enter__()
    assert str(caught.value) == f"{path} is no multiboot image: its first 8 KiB have no multiboot header in them"


def test_a_machine_that_did_not_start_leaves_nothing_behind(
    tmp_path: Path, open_descriptors: Callable[[], set[str]]
) -> None:
    before = open_descriptors(), threading.active_count()
    path = tmp_path / "kernel"
    path.write_bytes(BROKEN_KERNEL)
    with pytest.raises(UserError):
        Machine(MachineSpec(kernel=path)).__enter__()
    assert (open_descriptors(), threading.active_count()) == before


def test_two_machines_do_not_meet(boot: Boot) -> None:
    first, second = boot(ECHO), boot(ECHO)
    first.console.send(b"first")
    second.console.send(b"second")
    assert first.console.expect("first") and second.console.expect("second")
    assert "second" not in first.console.text


def test_qemus_own_session_keeps_ctrl_c_from_it(boot: Boot) -> None:
    assert os.getsid(boot(SPIN).pid) != os.getsid(0)

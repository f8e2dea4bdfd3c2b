"""The console: every character arrives, each line says whose it is, and where it goes is up to the command line.

Invariants
  - What a guest wrote is compared byte for byte with what was sent; prefixes are looked at on the wire itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.snippets import ENDS, bytes_at, doing, turns, writing
from xengen.machine.machine import Ending, Machine
from xengen.machine.qemu import CONFIGURATION, command

LONG = 64 << 10

# Fills 64 KB with what `pattern` returns and writes them in one call.
_WRITES_A_PATTERN = r"""
        movl    $0, %ecx
        movl    $1, %eax
next:
        imull   $1103515245, %eax, %eax
        addl    $12345, %eax
        movl    %eax, %edx
        shrl    $16, %edx
        andl    $63, %edx
        addl    $' ', %edx
        movl    %eax, %ebx
        shrl    $24, %ebx
        cmpl    $LINE_ENDS, %ebx
        jae     1f
        movl    $'\n', %edx
1:
        movb    %dl, long(%ecx)
        incl    %ecx
        cmpl    $65535, %ecx
        jb      next
        movb    $'\n', long(%ecx)
{{ space("long", 65536) }}
""" + writing("long", "65536")


def writing_a_pattern(line_ends: int) -> str:
    """Return a guest that writes `pattern(line_ends)`."""
    return doing(_WRITES_A_PATTERN.replace("LINE_ENDS", str(line_ends)))


def pattern(line_ends: int) -> bytes:
    """Return 64 KB of text that does not repeat; `line_ends` of 256 characters, and the last one, end a line."""
    state, found = 1, bytearray()
    for _ in range(LONG - 1):
        state = (state * 1103515245 + 12345) & 0xFFFFFFFF
        found.append(0x0A if state >> 24 < line_ends else 0x20 + (state >> 16 & 63))
    return bytes(found) + b"\n"


def saying(guest: GuestMaker, data: bytes) -> Path:
    """Return a guest that writes `data` in one call."""
    return guest(doing(writing("message", str(len(data))) + bytes_at("message", data)))


def ended(machine: Machine) -> Machine:
    """Wait for an orderly end."""
    assert machine.wait(20) is Ending.POWEROFF
    return machine


def wire(machine: Machine) -> list[str]:
    """Return the lines that domains wrote, as they were on the wire."""
    return [line for line in machine.console.text.splitlines() if not line.startswith("(xengen)")]


# Output.


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
def test_64_kb_written_in_one_call_arrive_to_the_byte(boot: Booter, guest: GuestMaker, debug: bool) -> None:
    machine = ended(boot(guest(writing_a_pattern(10)), debug=debug))
    assert machine.transcript.raw(0) == pattern(10)


def test_a_line_of_64_kb_is_one_line(boot: Booter, guest: GuestMaker) -> None:
    machine = ended(boot(guest(writing_a_pattern(0))))
    assert wire(machine) == ["(d0) " + pattern(0).decode().rstrip("\n")]


def test_each_line_of_a_domain_carries_its_number(boot: Booter, guest: GuestMaker) -> None:
    first = guest(doing(turns(3)))
    others = [saying(guest, b"one\ntwo\n")] * 11
    # Time counts instructions: nobody's slice ends in the middle.
    machine = ended(boot(first, *others, memory=512 << 20, append="dom0_mem=8M domu_mem=8M", icount=True))
    assert wire(machine) == [f"(d{number}) {word}" for number in range(1, 12) for word in ("one", "two")]


def test_an_empty_line_carries_its_number_too(boot: Booter, guest: GuestMaker) -> None:
    assert wire(ended(boot(saying(guest, b"\n\na\n")))) == ["(d0) ", "(d0) ", "(d0) a"]


def test_lines_end_with_carriage_return_and_line_feed_on_the_wire(boot: Booter, guest: GuestMaker) -> None:
    machine = ended(boot(saying(guest, b"a\nb\n")))
    assert b"(d0) a\r\n(d0) b\r\n" in machine.console.raw
    assert machine.console.raw.count(b"\n") == machine.console.raw.count(b"\r\n")


@pytest.mark.parametrize("byte", sorted({*range(0x20), 0x7F} - {0x09, 0x0A}))
def test_a_control_character_is_dropped(control_characters: list[bytes], byte: int) -> None:
    assert control_characters[byte] == b"%02x<>" % byte


def test_a_tab_is_kept(control_characters: list[bytes]) -> None:
    assert control_characters[9] == b"09<\t>"


def test_a_byte_above_ascii_is_kept(control_characters: list[bytes]) -> None:
    for byte in range(0x80, 0x100):
        assert control_characters[byte] == b"%02x<%c>" % (byte, byte)


@pytest.fixture(scope="module")
def control_characters(images: Images, guest: GuestMaker) -> list[bytes]:
    """Return what arrives of `XX<byte>`, for each byte but the line's end: 256 lines."""
    booter = Booter(images)
    try:
        data = b"".join(b"%02x<%c>\n" % (byte, byte if byte != 0x0A else 0x20) for byte in range(256))
        return ended(booter(saying(guest, data))).transcript.raw(0).split(b"\n")[:256]
    finally:
        booter.close()


def test_text_in_utf_8_arrives_as_it_is(boot: Booter, guest: GuestMaker) -> None:
    text = "Grüße, Zdravíme, Привет, 你好, 🙂\n"
    assert ended(boot(saying(guest, text.encode()))).transcript.text(0) == text


def test_a_domain_cannot_begin_a_line_in_anothers_name(boot: Booter, guest: GuestMaker) -> None:
    forged = b"x\r(xengen) PANIC: not really\n\x1b[2K\r(d7) not me\n\x08\x08\x08\x08\x08(d8) nor me\n"
    lines = wire(ended(boot(saying(guest, forged))))
    assert lines == ["(d0) x(xengen) PANIC: not really", "(d0) [2K(d7) not me", "(d0) (d8) nor me"]


# Lines that are broken off.

HALF = doing(
    bytes_at("left", b"left ") + bytes_at("right", b"right\n")
    + writing("left", "5") + turns(1) + writing("left", "5") + turns(1) + writing("right", "6") + turns(2)
)  # fmt: skip


def test_a_line_that_another_domain_broke_off_goes_on_with_a_plus(boot: Booter, guest: GuestMaker) -> None:
    half = guest(HALF)
    assert wire(ended(boot(half, half, icount=True)))[:6] == [
        "(d0) left ", "(d1) left ", "(d0+) left ", "(d1+) left ", "(d0+) right", "(d1+) right",
    ]  # fmt: skip


def test_what_was_broken_off_can_be_joined_to_the_character(boot: Booter, guest: GuestMaker) -> None:
    half = guest(HALF)
    transcript = ended(boot(half, half, half, icount=True)).transcript
    assert [transcript.text(number) for number in range(3)] == ["left left right\n"] * 3


def test_a_line_that_the_hypervisor_broke_off_goes_on_with_a_plus(boot: Booter, guest: GuestMaker) -> None:
    body = bytes_at("left", b"left ") + bytes_at("right", b"right\n")
    body += writing("left", "5") + '{{ hypercall("hvm_op") }}' + writing("right", "6")
    machine = ended(boot(guest(doing(body)), append="log=debug"))
    lines = machine.console.text.splitlines()
    at = lines.index("(d0) left ")
    message = "(xengen) domain 0: hypercall hvm_op (34) is not there: -ENOSYS"
    assert lines[at : at + 3] == ["(d0) left ", message, "(d0+) right"]


def test_a_domain_that_goes_on_alone_keeps_its_line(boot: Booter, guest: GuestMaker) -> None:
    body = bytes_at("left", b"left ") + bytes_at("right", b"right\n") + writing("left", "5") + writing("right", "6")
    assert wire(ended(boot(guest(doing(body))))) == ["(d0) left right"]


def test_the_last_words_of_a_domain_that_is_gone_break_nobodys_line(boot: Booter, guest: GuestMaker) -> None:
    body = turns(400) + bytes_at("last", b"alone\n") + writing("last", "6")
    machine = ended(boot(guest(doing(body)), saying(guest, b"no end of line"), icount=True))
    assert "domain 1 is gone\n" in machine.transcript.hypervisor
    assert wire(machine) == ["(d1) no end of line", "(d0) alone"]


# Input.


def test_input_longer_than_the_devices_queue_arrives_whole(boot: Booter, guest: GuestMaker) -> None:
    echo = r"""
next:
        movl    $CONSOLEIO_read, %ebx
        movl    $7, %ecx
        movl    $buffer, %edx
        {{ hypercall("console_io") }}
        testl   %eax, %eax
        js      over
        jz      next
        movl    %eax, %ecx
        leal    -1(%eax), %ebp
        movl    $CONSOLEIO_write, %ebx
        movl    $buffer, %edx
        {{ hypercall("console_io") }}
        cmpb    $'.', buffer(%ebp)
        jne     next
over:
        movb    $'\n', buffer
        movl    $CONSOLEIO_write, %ebx
        movl    $1, %ecx
        movl    $buffer, %edx
        {{ hypercall("console_io") }}
"""
    machine = boot(guest(doing(echo)), trace=False)
    machine.console.expect("entering domain 0")
    text = b"".join(b"%d," % number for number in range(100)) + b"."
    machine.console.send(text)
    assert ended(machine).transcript.raw(0) == text + b"\n"


def test_a_machine_without_a_serial_port_is_told_apart_from_one_on_which_somebody_types(
    boot: Booter, guest: GuestMaker, debug_port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_serial_port(*arguments: Any) -> list[str]:
        words = command(*arguments)
        at = words.index("-serial")
        return [*words[:at], *words[at + 2 :]]

    body = r"""
        movl    $CONSOLEIO_read, %ebx
        movl    $16, %ecx
        movl    $buffer, %edx
        {{ hypercall("console_io") }}
{{ print("%d read\\n", "%eax") }}
"""
    monkeypatch.setattr("xengen.machine.machine.command", without_serial_port)
    ended(boot(guest(doing(body)), append="console=com1,e9"))
    assert b"\r\n(d0) 0 read\r\n" in debug_port.read_bytes()


# Where it goes.


@pytest.fixture
def debug_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file in which port 0xe9 of the test's machines ends up."""
    written = tmp_path / "e9"
    configuration = tmp_path / "qemu"
    configuration.mkdir()
    for file in CONFIGURATION.iterdir():
        (configuration / file.name).write_bytes(file.read_bytes())
    with (configuration / "pc.cfg").open("a", encoding="utf-8") as machine:
        machine.write(f'\n[chardev "e9"]\n  backend = "file"\n  path = "{written}"\n')
        machine.write('\n[device "port-e9"]\n  driver = "isa-debugcon"\n  iobase = "0xe9"\n  chardev = "e9"\n')
    monkeypatch.setattr("xengen.machine.qemu.CONFIGURATION", configuration)
    return written


@pytest.mark.parametrize("targets, com1, e9", [
    ("", True, False),
    ("console=com1", True, False),
    ("console=e9", False, True),
    ("console=com1,e9", True, True),
    ("console=none", False, False),
])  # fmt: skip
def test_output_goes_where_the_command_line_says(
    boot: Booter, guest: GuestMaker, debug_port: Path, targets: str, com1: bool, e9: bool
) -> None:
    machine = ended(boot(saying(guest, b"hello\n"), append=targets))
    for text, wanted in ((machine.console.raw, com1), (debug_port.read_bytes(), e9)):
        if wanted:
            assert b"\r\n(d0) hello\r\n(xengen) domain 0 shut down: poweroff\r\n" in text
        else:
            assert text == b""


def test_both_targets_get_the_same(boot: Booter, guest: GuestMaker, debug_port: Path) -> None:
    machine = ended(boot(guest(ENDS), append="console=com1,e9"))
    assert debug_port.read_bytes() == machine.console.raw
    assert re.search(rb"entering domain 0\r\n", machine.console.raw)

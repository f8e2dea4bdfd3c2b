"""The assembly library (asm/lib), called by a guest: printing by format, strings, numbers, memory.

Invariants
  - What must come out is what Python's own formatting and integers say.
  - One guest makes all calls of one kind, so a table costs one boot.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter, GuestMaker
from xengen.machine.machine import Ending

GUEST = r"""
        .text
# start: the calls, then the end.
{% call routine("start") %}
        cld
BODY
        movl    $SCHEDOP_shutdown, %ebx
        movl    $argument, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}
{{ space("argument", 4) }}
{{ space("buffer", 32) }}
"""

WORDS = (0, 1, 9, 10, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 123456789)
FORMATS = ("%u", "%12u", "%03u", "%x", "%9x", "%08x", "%p", "%d", "%12d")

# Text, the value or None when it is no number of 32 bits, and what is behind it.
NUMBERS = (
    ("0", 0, ""),
    ("4096", 4096, ""),
    ("4294967295", 0xFFFFFFFF, ""),
    ("4294967296", None, ""),
    ("99999999999", None, ""),
    ("0x1f", 0x1F, ""),
    ("0XABCDEF12", 0xABCDEF12, ""),
    ("0x123456789", None, ""),
    ("64K", 64 << 10, ""),
    ("16M", 16 << 20, ""),
    ("3G", 3 << 30, ""),
    ("4G", None, ""),
    ("0x10k rest", 0x10 << 10, " rest"),
    ("12monkeys", 12 << 20, "onkeys"),
    ("7,8", 7, ",8"),
    ("", None, ""),
    ("0x", None, ""),
    ("K", None, ""),
    ("-1", None, ""),
)

PAIRS = (("", ""), ("a", ""), ("", "a"), ("abc", "abc"), ("abc", "abd"), ("abcd", "abc"), ("abc", "abcd"))


def said(boot: Booter, guest: GuestMaker, body: str) -> list[str]:
    """Return the lines that a guest with `body` prints."""
    machine = boot(guest(GUEST.replace("BODY", body)))
    assert machine.wait(20) is Ending.POWEROFF
    return machine.transcript.text(0).splitlines()


def python_format(conversion: str, word: int) -> str:
    """Return what a conversion prints, in Python's words."""
    if conversion == "%p":
        return f"0x{word:08x}"
    value = word - (1 << 32) if conversion.endswith("d") and word >> 31 else word
    return conversion.replace("u", "d") % value


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
def test_numbers_are_printed_as_python_prints_them(boot: Booter, guest: GuestMaker, debug: bool) -> None:
    calls = [f'{{{{ print("[{form}]\\\\n", "${word}") }}}}' for form in FORMATS for word in WORDS]
    expected = [f"[{python_format(form, word)}]" for form in FORMATS for word in WORDS]
    assert said(boot, guest, "\n".join(calls)) == expected


def test_texts_and_characters_are_printed_among_others_in_order(boot: Booter, guest: GuestMaker) -> None:
    body = '{{ text("hey", "hey") }}\n{{ print("100%% %s|%5s|%1s %c%u %z\\\\n", "$hey", "$hey", "$hey", "$33", "$7") }}'
    assert said(boot, guest, body) == ["100% hey|  hey|hey !7 %z"]


def test_a_line_longer_than_the_guests_buffer_is_printed_whole(boot: Booter, guest: GuestMaker) -> None:
    line = "".join(chr(ord("a") + number % 26) for number in range(300))
    assert said(boot, guest, f'{{{{ print("{line}\\\\n") }}}}') == [line]


def test_printing_keeps_every_register(boot: Booter, guest: GuestMaker) -> None:
    names = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")
    loads = "\n".join(f"        movl    ${number}, %{name}" for number, name in enumerate(names, 11))
    operands = ", ".join(f'"%{name}"' for name in names)
    conversions = " ".join(["%u"] * len(names))
    line = f'{{{{ print("{conversions}\\\\n", {operands}) }}}}'
    assert said(boot, guest, f"{loads}\n{line}\n{line}") == ["11 12 13 14 15 16 17"] * 2


def test_a_text_is_read_as_a_number_only_when_it_is_one(boot: Booter, guest: GuestMaker) -> None:
    body = ""
    for index, (written, _, _) in enumerate(NUMBERS):
        body += f"""
{{{{ text("number_{index}", "{written}") }}}}
        movl    $number_{index}, %esi
        call    string_to_number
        testl   %edx, %edx
        jz      no_{index}
{{{{ print("%u behind '%s'\\\\n", "%eax", "%esi") }}}}
        jmp     done_{index}
no_{index}:
{{{{ print("none\\\\n") }}}}
done_{index}:
"""
    expected = ["none" if value is None else f"{value} behind '{rest}'" for _, value, rest in NUMBERS]
    assert said(boot, guest, body) == expected


def test_strings_are_measured_and_compared(boot: Booter, guest: GuestMaker) -> None:
    body = ""
    for index, (first, second) in enumerate(PAIRS):
        body += f"""
{{{{ text("first_{index}", "{first}") }}}}
{{{{ text("second_{index}", "{second}") }}}}
        movl    $first_{index}, %esi
        movl    $second_{index}, %edi
        call    string_length
        movl    %eax, %ebx
        call    string_equal
        movl    %eax, %ecx
        call    string_starts
{{{{ print("%u %u %u\\\\n", "%ebx", "%ecx", "%eax") }}}}
"""
    expected = [f"{len(first)} {first == second:d} {first.startswith(second):d}" for first, second in PAIRS]
    assert said(boot, guest, body) == expected


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 11])
def test_memory_is_copied_and_cleared_to_the_byte(boot: Booter, guest: GuestMaker, count: int) -> None:
    body = f"""
{{{{ text("source", "abcdefghijklmnop") }}}}
        movl    $source, %esi
        movl    $buffer, %edi
        movl    $16, %ecx
        call    memory_copy
        movl    $source + 1, %esi
        movl    ${count}, %ecx
        call    memory_copy
{{{{ print("%s\\\\n", "$buffer") }}}}
        movl    $buffer + 1, %edi
        call    memory_zero
{{{{ print("%s|%s\\\\n", "$buffer", "$buffer + 1 + {count}") }}}}
"""
    letters = "abcdefghijklmnop"
    copied = letters[1 : 1 + count] + letters[count:]
    cleared = copied if count == 0 else copied[0]
    assert said(boot, guest, body) == [copied, f"{cleared}|{copied[1 + count :]}"]

"""4 GB segments (ABI 7): an application's %gs with offsets on both sides of its base, under Bochs: it checks limits.

Method: a guest makes %gs a segment of ring 3 from the middle of a page to 4 GB, which the hypervisor cuts off at its
own private part. Applications read through it on both sides, and each says what it read, and how often it was told.
QEMU's TCG has no limits: nothing ever faults there, and nothing is turned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.boot.harness import GuestMaker, Images
from xengen.cli.iso import make_iso
from xengen.cli.iso import missing_packages as missing_for_iso
from xengen.machine.bochs import Bochs, BochsSpec, missing_packages
from xengen.machine.machine import Ending
from xengen.machine.spec import Module

LACKING = sorted({*missing_packages(), *missing_for_iso()})
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {' '.join(LACKING)}"),
    pytest.mark.xdist_group("4gb segments"),
]

# name: the application's code. %eax goes out; %ecx = 4, %edx = 0xfffffff0, which as an offset is -16.
APPLICATIONS = {
    "positive": "movl %gs:0, %eax",
    "another_segments": "movl %fs:0xfffffffc, %eax",
    "a_string": "movl $0xfffffffc, %esi\n .byte 0x65\n lodsl",
    "negative": "movl %gs:0xfffffffc, %eax",
    "there_and_back": "movl %gs:0, %eax\n movl %gs:0xfffffffc, %ebx\n addl %gs:4, %eax\n addl %ebx, %eax",
    "by_register": "movl %gs:-8(%ecx), %eax",
    "by_two_registers": "movl %gs:8(%edx,%ecx), %eax",
    "scaled": "movl %gs:-20(,%ecx,4), %eax",
    "a_byte": "movl $0, %eax\n movb %gs:0xffffffff, %al",
    "a_store": "movl $77, %gs:0xfffffff4\n movl %gs:0xfffffff4, %eax",
    "a_16_bit_number": "movl $0, %eax\n movw %gs:0xfffffffc, %ax",
    "compared_and_exchanged": "movl $0x11, %eax\n lock\n cmpxchgl %ecx, %gs:0xfffffffc\n movl $0x11, %gs:0xfffffffc",
    "across_the_base": "movl %gs:0xfffffffe, %eax",
    "beyond_both_sides": "movl %gs:0x3d000000, %eax",
    "from_a_pages_start": "movl $0x13, %eax\n movl %eax, %gs\n movl %gs:0xfffffffc, %eax\n addl %gs:0, %eax\n"
    " addl %gs:0xfffffffc, %eax",
}
# What an application reads, or None for its protection fault.
WORDS = {-16: 0xF0, -12: 77, -8: 0x22, -4: 0x11, 0: 0x33, 4: 0x44}
READ: dict[str, int | None] = {
    "positive": WORDS[0], "negative": WORDS[-4], "there_and_back": WORDS[0] + WORDS[4] + WORDS[-4],
    "by_register": WORDS[-4], "by_two_registers": WORDS[-4], "scaled": WORDS[-4], "a_byte": 0, "a_store": 77,
    "a_16_bit_number": WORDS[-4], "compared_and_exchanged": WORDS[-4], "another_segments": None,
    "across_the_base": None, "beyond_both_sides": None, "a_string": None,
    "from_a_pages_start": 0x55 + 0x66 + 0x55,
}  # fmt: skip
# How often each turns the segment, which begins by going up and stays as it was left.
TURNS = {"positive": 0, "negative": 1, "there_and_back": 3, "by_register": 1, "scaled": 0, "from_a_pages_start": 3}

GUEST = """
        .text
# start: all applications with both assists, the first two without the second one, then the second without any.
{% call routine("start") %}
        movl    %esi, %ebp
{% for number, base in [(0, "tls"), (1, "page_tls")] %}
        movl    ${{ base }}, %eax
        movl    %eax, %ebx
        shll    $16, %eax
        orl     $0xffff, %eax
        movl    %eax, tls_descriptors + 8 * {{ number }}   # 4 GB, data of ring 3
        movl    %ebx, %eax
        andl    $0xff000000, %eax
        shrl    $16, %ebx
        movb    %bl, %al
        orl     $0xcff200, %eax
        movl    %eax, tls_descriptors + 8 * {{ number }} + 4
{% endfor %}
        movl    $trap_table, %ebx
        {{ hypercall("set_trap_table") }}
{% for page in ["user_page", "page_tls"] %}
        movl    ${{ page }}, %ebx
        movl    $(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D), %ecx
        call    remap
{% endfor %}
        movl    $gdt, %ebx
        movl    $(PTE_P | PTE_A), %ecx
        call    remap
        movl    %edi, gdt_list
        movl    $gdt_list, %ebx
        movl    $512, %ecx
        {{ hypercall("set_gdt") }}
        testl   %eax, %eax
        jnz     failed
        movl    $VMASST_TYPE_4gb_segments, %ecx
        call    assist
        movl    $VMASST_TYPE_4gb_segments_notify, %ecx
        call    assist
{% for name in APPLICATIONS %}
        movl    $name_{{ name }}, application_name
        movl    $application_{{ name }}, %eax
        call    run
{% endfor %}
        movl    $VMASST_CMD_disable, %ebx
        movl    $VMASST_TYPE_4gb_segments_notify, %ecx
        {{ hypercall("vm_assist") }}
{% for name in ["positive", "negative"] %}
        movl    $name_{{ name }}_untold, application_name
        movl    $application_{{ name }}, %eax
        call    run
{% endfor %}
        movl    $VMASST_CMD_disable, %ebx
        movl    $VMASST_TYPE_4gb_segments, %ecx
        {{ hypercall("vm_assist") }}
        movl    $name_positive_alone, application_name
        movl    $application_positive, %eax
        call    run
        movl    $SCHEDOP_shutdown, %ebx
        movl    $zero, %ecx
        {{ hypercall("sched_op") }}
failed:
{{ print("set-up: %d\\\\n", "%eax") }}
        ud2
{% endcall %}

# assist: switches one on.
{% call routine("assist") %}
        movl    $VMASST_CMD_enable, %ebx
        {{ hypercall("vm_assist") }}
        testl   %eax, %eax
        jnz     failed
        ret
{% endcall %}

# remap: %ebx = page, %ecx = flags; %edi = its frame.
{% call routine("remap") %}
        movl    %ebx, %edi
        subl    $0xc0000000, %edi
        shrl    $12, %edi
        movl    START_INFO_mfn_list(%ebp), %eax
        movl    (%eax,%edi,4), %edi
        movl    %edi, %eax
        shll    $12, %eax
        orl     %eax, %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        testl   %eax, %eax
        jnz     failed
        ret
{% endcall %}

# run: %eax = application.
{% call routine("run") %}
        movl    $0, told
        movl    %esp, kernel_esp
        movl    %eax, %edi
        movl    %esp, %ecx
        subl    $64, %ecx
        movl    $FLAT_KERNEL_SS, %ebx
        {{ hypercall("stack_switch") }}
        movl    $FLAT_USER_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    $0xb, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $4, %ecx
        movl    $0xfffffff0, %edx
        pushl   $FLAT_USER_SS
        pushl   $0
        pushl   $(EFLAGS_ONE | EFLAGS_IF)
        pushl   $FLAT_USER_CS
        pushl   %edi
        iret
{% endcall %}

# ended: int $0x80, with the word that was read; refused: a protection fault.
{% call routine("ended") %}
        call    kernel_segments
{{ print("%s read 0x%x, told %u\\\\n", "application_name", "%eax", "told") }}
        jmp     back
{% endcall %}
{% call routine("refused") %}
        popl    %eax
        call    kernel_segments
{{ print("%s fault 0x%x, told %u\\\\n", "application_name", "%eax", "told") }}
        jmp     back
{% endcall %}
{% call routine("back") %}
        movl    %ss:kernel_esp, %esp
        ret
{% endcall %}
{% call routine("kernel_segments") %}
        movl    $FLAT_KERNEL_DS, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        ret
{% endcall %}

# turned: vector 15: error code = length of the instruction up to its operand.
{% call routine("turned") %}
        incl    %ss:told
        pushl   %eax
        movl    4(%esp), %eax
        movl    %eax, %ss:last_length
        popl    %eax
        addl    $4, %esp
        iret
{% endcall %}

        .section .rodata
zero:   .long   0
{% for name in APPLICATIONS %}
{{ text("name_" ~ name, name) }}
{% endfor %}
{% for name in ["positive_untold", "negative_untold", "positive_alone"] %}
{{ text("name_" ~ name, name) }}
{% endfor %}
        .data
trap_table:
{% for vector, flags, handler in [(13, 0, "refused"), (15, 0, "turned"), (128, 3, "ended")] %}
        .byte   {{ vector }}, {{ flags }}
        .word   FLAT_KERNEL_CS
        .long   {{ handler }}
{% endfor %}
        .long   0, 0
gdt_list: .long 0
told: .long 0
last_length: .long 0
application_name: .long 0
kernel_esp: .long 0
        .balign 4096
gdt:
        .long   0, 0
tls_descriptors: .long 0, 0, 0, 0
        .skip   4072
user_page:
        .long   0xf0, 0xe0, 0x22, 0x11
tls:    .long   0x33, 0x44
{% for name, code in APPLICATIONS.items() %}
application_{{ name }}:
        {{ code }}
        int     $0x80
{% endfor %}
        .balign 2048
        .skip   2044
        .long   0x55
page_tls: .long 0x66
"""


@pytest.fixture(scope="module")
def said(images: Images, guest: GuestMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the guest says."""
    elf = guest("{% set APPLICATIONS = " + repr(APPLICATIONS) + " %}\n" + GUEST)
    iso = tmp_path_factory.mktemp("segments") / "boot.iso"
    make_iso(iso, images.hypervisor(), "console=e9", (Module(elf),))
    with Bochs(BochsSpec(iso)) as machine:
        assert machine.wait(60) is Ending.POWEROFF
        yield machine.transcript.text(0)


def line(said: str, name: str) -> tuple[str, int, int]:
    """("read" or "fault", the number behind it, how often the guest was told) of one application."""
    found = re.search(rf"^{name} (read|fault) (0x[0-9a-f]+), told (\d+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1], int(found[2], 16), int(found[3])


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_reads_on_both_sides_of_its_base(said: str, name: str) -> None:
    expected = READ[name]
    assert line(said, name)[:2] == (("fault", 0) if expected is None else ("read", expected))


@pytest.mark.parametrize("name", TURNS)
def test_the_guest_is_told_of_each_turn(said: str, name: str) -> None:
    assert line(said, name)[2] == TURNS[name]


def test_a_guest_need_not_be_told(said: str) -> None:
    assert line(said, "positive_untold") == ("read", WORDS[0], 0)
    assert line(said, "negative_untold") == ("read", WORDS[-4], 0)


def test_without_the_assist_the_other_side_is_a_protection_fault(said: str) -> None:
    # The last application before it has left the segment going down.
    assert line(said, "positive_alone") == ("fault", 0, 0)

"""The short way from one domain to another (sched/hand_over.s): what is handed over, and when the long way is gone.

Two guests of one source. Domain 0 sends and sleeps until it is answered, over and over; domain 1 answers in its upcall
and sleeps. Each test puts instructions before, between and behind their calls, which say when something was not kept.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter, GuestMaker
from tests.boot.scheduling import stop
from xengen.inspect.invariants import check
from xengen.inspect.live import hypervisor_of

ROUNDS = 400
DONE = r"^\(d0\) done$"
LOST = r"^\(d\d\) lost .*$"

# %ebp is the start_info's address, %edi the rounds that are left; what is put in keeps both.
SOURCE = r"""
{{ elf_note("GUEST_OS", ".asciz", '"rounds"') }}
        .text
# start: the shared page, the channel, and the rounds.
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        movl    %esi, info
        movl    $page, %ebx
        movl    START_INFO_shared_info(%ebp), %ecx
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        movl    $FLAT_KERNEL_CS, %ebx
        movl    $upcall, %ecx
        movl    $FLAT_KERNEL_CS, %edx
        movl    $upcall, %esi
        {{ hypercall("set_callbacks") }}
        testl   $SIF_INITDOMAIN, START_INFO_flags(%ebp)
        jz      domain_1
        movl    $EVTCHNOP_alloc_unbound, %ebx
        movl    $wanted, %ecx
        {{ hypercall("event_channel_op") }}
        movl    wanted + EVTCHN_ALLOC_UNBOUND_port, %eax
        movl    %eax, port
wait_for_partner:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        movl    $EVTCHNOP_status, %ebx
        movl    $question, %ecx
        {{ hypercall("event_channel_op") }}
        cmpl    $EVTCHNSTAT_interdomain, question + EVTCHN_STATUS_status
        jne     wait_for_partner
        movl    $ROUNDS, %edi
BEGIN_0
next_round:
        movl    $0, heard
SEND_0
not_yet:
        cmpl    $0, heard
        jne     answered
        movl    $SCHEDOP_block, %ebx
        {{ hypercall("sched_op") }}
        jmp     not_yet
answered:
ROUND_0
        decl    %edi
        jnz     next_round
{{ print("done\\n") }}
        jmp     end
lost:
{{ print("lost %s\\n", "%eax") }}
end:
        movl    $SCHEDOP_shutdown, %ebx
        movl    $poweroff, %ecx
        {{ hypercall("sched_op") }}
        ud2
{% endcall %}

# domain_1: binds, and sleeps for ever: the upcall answers.
{% call routine("domain_1") %}
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        movl    $EVTCHNOP_bind_interdomain, %ebx
        movl    $binding, %ecx
        {{ hypercall("event_channel_op") }}
        testl   %eax, %eax
        jnz     domain_1
        movl    binding + EVTCHN_BIND_INTERDOMAIN_local_port, %eax
        movl    %eax, port
BEGIN_1
sleep:
        movl    $0x51515151, %esi
        movl    $SCHEDOP_block, %ebx
        {{ hypercall("sched_op") }}
        cmpl    $SCHEDOP_block, %ebx
        jne     lost_in_sleep
        cmpl    $0x51515151, %esi
        jne     lost_in_sleep
        testl   %eax, %eax
        jz      sleep
lost_in_sleep:
        movl    $asleep_text, %eax
        jmp     lost
{% endcall %}

# upcall: takes the event; domain 1 sends one back.
{% call routine("upcall") %}
        pushal
        movb    $0, page + VCPU_INFO_evtchn_upcall_pending
        movl    $0, page + VCPU_INFO_evtchn_pending_sel
        movl    $0, page + SHARED_INFO_evtchn_pending
        incl    heard
        movl    info, %ebp
        testl   $SIF_INITDOMAIN, START_INFO_flags(%ebp)
        jnz     taken
        movl    $EVTCHNOP_send, %ebx
        movl    $port, %ecx
        {{ hypercall("event_channel_op") }}
ROUND_1
taken:
        popal
        movb    $0, page + VCPU_INFO_evtchn_upcall_mask
        iret
{% endcall %}

        .data
wanted: .word   DOMID_SELF, 1
        .long   0
binding:
        .word   0, 0
        .long   1, 0
question:
        .word   DOMID_SELF, 0
        .long   1, 0, 0, 0, 0
port:   .long   0
heard:  .long   0
info:   .long   0
poweroff:
        .long   SHUTDOWN_poweroff
number: .long   0, 0
asleep_text:
        .asciz  "registers asleep"
lost_text:
        .asciz  "what is tested"
{{ space("page", "PAGE_SIZE", "PAGE_SIZE") }}
""".replace("$ROUNDS", f"${ROUNDS}")

SEND = r"""
        movl    $EVTCHNOP_send, %ebx
        movl    $port, %ecx
        {{ hypercall("event_channel_op") }}
"""

SEND_WITH_CANARIES = r"""
        pushl   %ebp
        pushl   %edi
        movl    $0x1D1D1D1D, %edx
        movl    $0x15151515, %esi
        movl    $0x1E1E1E1E, %edi
        movl    $0x1B1B1B1B, %ebp
        movl    $EVTCHNOP_send, %ebx
        movl    $port, %ecx
        movl    $HYPERCALL_event_channel_op, %eax
        stc
        int     $0x82
        jnc     lost_registers
        testl   %eax, %eax
        jnz     lost_registers
        cmpl    $EVTCHNOP_send, %ebx
        jne     lost_registers
        cmpl    $port, %ecx
        jne     lost_registers
        cmpl    $0x1D1D1D1D, %edx
        jne     lost_registers
        cmpl    $0x15151515, %esi
        jne     lost_registers
        cmpl    $0x1E1E1E1E, %edi
        jne     lost_registers
        cmpl    $0x1B1B1B1B, %ebp
        je      registers_kept
lost_registers:
        movl    $lost_text, %eax
        jmp     lost
registers_kept:
        popl    %edi
        popl    %ebp
"""


def rounds(send: str = SEND, **places: str) -> str:
    """Return the guest's source with instructions in `places`: begin_0, begin_1, round_0, round_1."""
    text = SOURCE.replace("SEND_0", send)
    for name in ("begin_0", "begin_1", "round_0", "round_1"):
        text = text.replace(name.upper(), places.get(name, ""))
    return text


def lost_if(condition: str, label: str) -> str:
    """Return instructions that say that what is tested was lost, when `condition` (a jump) holds."""
    return f"""
        {condition} {label}_lost
        jmp     {label}_kept
{label}_lost:
        movl    $lost_text, %eax
        jmp     lost
{label}_kept:
"""


# What each domain has of its own. The registers of both are looked at after every switch.
NUMBERS = """
        movl    $NUMBER, number
        fildl   number
"""
LOOK_AT_NUMBER = """
        fistl   number + 4
        cmpl    $NUMBER, number + 4
"""
CLOCK = """
        rdtsc
        subl    page + VCPU_INFO_time + VCPU_TIME_INFO_tsc_timestamp, %eax
        movb    page + VCPU_INFO_time + VCPU_TIME_INFO_tsc_shift, %cl
        shll    %cl, %eax
        mull    page + VCPU_INFO_time + VCPU_TIME_INFO_tsc_to_system_mul
        addl    page + VCPU_INFO_time + VCPU_TIME_INFO_system_time, %edx
        movl    %edx, %eax
        subl    number, %eax
        movl    %edx, number
        cmpl    $0, %eax
"""
CLOCK_BEGINS = """
        movl    page + VCPU_INFO_time + VCPU_TIME_INFO_system_time, %eax
        movl    %eax, number
"""
MULTICALL = r"""
        movl    $EVTCHNOP_send, list + MULTICALL_ENTRY_args
        movl    $list, %ebx
        movl    $2, %ecx
        {{ hypercall("multicall") }}
        orl     list + MULTICALL_ENTRY_result, %eax
        jnz     list_lost
        cmpl    $4 << 16, list + MULTICALL_ENTRY_size + MULTICALL_ENTRY_result
        jae     list_kept
list_lost:
        movl    $lost_text, %eax
        jmp     lost
list_kept:
        .pushsection .data
list:   .long   HYPERCALL_event_channel_op, 0, EVTCHNOP_send, port, 0, 0, 0, 0
        .long   HYPERCALL_xen_version, 0, XENVER_version, 0, 0, 0, 0, 0
        .popsection
"""

KEPT = {
    "registers and flags": rounds(SEND_WITH_CANARIES),
    "floating point of both": rounds(
        begin_0=NUMBERS.replace("NUMBER", "1000"), begin_1=NUMBERS.replace("NUMBER", "2000"),
        round_0=LOOK_AT_NUMBER.replace("NUMBER", "1000") + lost_if("jne", "zero"),
        round_1=LOOK_AT_NUMBER.replace("NUMBER", "2000") + lost_if("jne", "one"),
    ),
    "selectors of one": rounds(
        begin_1="        xorl %eax, %eax\n        movl %eax, %fs\n",
        round_0="        movl %fs, %eax\n        cmpw $FLAT_KERNEL_DS, %ax\n" + lost_if("jne", "zero"),
        round_1="        movl %fs, %eax\n        testw %ax, %ax\n" + lost_if("jne", "one"),
    ),
    "breakpoints of one": rounds(
        begin_1="""
        xorl    %ebx, %ebx
        movl    $never_in_domain_1, %ecx
        {{ hypercall("set_debugreg") }}
        movl    $7, %ebx
        movl    $1, %ecx
        {{ hypercall("set_debugreg") }}
""",
        round_0="never_in_domain_1:\n        nop\n",
    ),
    "the clock's direction": rounds(
        begin_0=CLOCK_BEGINS, begin_1=CLOCK_BEGINS,
        round_0=CLOCK + lost_if("jl", "zero"), round_1=CLOCK + lost_if("jl", "one"),
    ),
    "the rest of a list of calls": rounds(MULTICALL),
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_is_kept_while_two_domains_wake_each_other(boot: Booter, guest: GuestMaker, what: str) -> None:
    elf = guest(KEPT[what], like="bench")
    machine = boot(elf, elf)
    assert machine.console.expect(f"{DONE}|{LOST}|died", 60)[0] == "(d0) done"


def test_the_records_are_sound_whenever_a_guest_runs(boot: Booter, guest: GuestMaker) -> None:
    elf = guest(rounds().replace(f"${ROUNDS}", "$-1"), like="bench")
    machine = boot(elf, elf)
    machine.console.expect("entering domain 0")
    for _ in range(20):
        machine.resume()
        stop(machine)
        assert check(hypervisor_of(machine)) == []


@pytest.mark.parametrize("begin, reason", [
    ("        xorl %ebx, %ebx\n        xorl %ecx, %ecx\n        xorl %edx, %edx\n        xorl %esi, %esi\n"
     "        {{ hypercall(\"set_callbacks\") }}\n", "no handler"),
    ("        movl $0x1000, %esp\n", "stack"),
], ids=["no callback", "no stack"])  # fmt: skip
def test_who_cannot_take_its_upcall_dies_alone(boot: Booter, guest: GuestMaker, begin: str, reason: str) -> None:
    elf = guest(rounds(begin_1=begin), like="bench")
    machine = boot(elf, elf)
    machine.console.expect(rf"domain 1 died: .*{reason}", 30)

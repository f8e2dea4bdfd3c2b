"""How events arrive (ABI 5.6, 9.1, 9.4): bits, masks, selectors, and the upcall with its frame."""

from __future__ import annotations

import pytest

from tests.boot.event_ports import (
    UNBOUND,
    Status,
    alloc_unbound,
    bind_interdomain,
    bind_ipi,
    channel,
    close,
    mask,
    pending,
    quiet,
    selected,
    send,
    status,
    unmask,
    upcall,
)
from tests.boot.harness import Booter
from xengen.abi.event import EvtchnSend
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFLAGS_IF, KERNEL_CS, KERNEL_DS, USER_DS, value
from xengen.agent.outcome import EVENT, Trap

Ends = tuple[Agent, Agent]
Bits = tuple[set[int], set[int], bool]


def seen(agent: Agent) -> Bits:
    """Pending ports, selected words, and whether an upcall is due."""
    return pending(agent), selected(agent), upcall(agent)


def test_an_event_sets_its_bit_the_selector_and_the_upcall(ends: Ends) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    assert send(zero, there) == 0
    assert seen(one) == ({here}, {here // 32}, True)
    assert seen(zero) == (set(), set(), False)


def test_both_ends_of_a_channel_send(ends: Ends) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    assert send(one, here) == 0
    assert (seen(zero), seen(one)) == (({there}, {0}, True), (set(), set(), False))


def test_a_new_channel_begins_with_an_event_at_the_end_that_bound(ends: Ends) -> None:
    zero, one = ends
    there = alloc_unbound(zero, 1)
    assert send(zero, there) == 0  # to nobody yet
    here = bind_interdomain(one, 0, there)
    assert seen(one) == ({here}, {0}, True)
    assert seen(zero) == (set(), set(), False)


def test_a_masked_port_keeps_its_event_and_nothing_else_happens(ends: Ends) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    mask(one, here)
    assert send(zero, there) == 0
    assert seen(one) == ({here}, set(), False)


@pytest.mark.parametrize("sent", [False, True])
def test_unmasking_lets_an_event_through_that_waited(ends: Ends, sent: bool) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    mask(one, here)
    if sent:
        assert send(zero, there) == 0
    assert unmask(one, here) == 0
    assert not any(one.shared_info.evtchn_mask)
    assert seen(one) == (({here}, {0}, True) if sent else (set(), set(), False))


def test_unmasking_a_port_that_is_not_masked_changes_nothing(ends: Ends) -> None:
    _, one = ends
    own = bind_ipi(one)
    one.shared_info.evtchn_pending[0] |= 1 << own
    assert unmask(one, own) == 0
    assert seen(one) == ({own}, set(), False)


def test_a_second_event_on_a_pending_port_is_one_with_the_first(ends: Ends) -> None:
    zero, one = ends
    there, _ = channel(zero, one)
    assert send(zero, there) == 0
    one.shared_info.vcpu_info[0].evtchn_upcall_pending = 0
    one.shared_info.vcpu_info[0].evtchn_pending_sel = 0
    assert send(zero, there) == 0
    assert (selected(one), upcall(one)) == (set(), False)


def test_an_event_in_a_word_that_is_selected_brings_no_new_upcall(ends: Ends) -> None:
    zero, one = ends
    there, _ = channel(zero, one)
    another, here = channel(zero, one)
    assert send(zero, there) == 0
    one.shared_info.vcpu_info[0].evtchn_upcall_pending = 0  # the guest is about to look at the selector
    assert send(zero, another) == 0
    assert here in pending(one) and not upcall(one)


def test_closing_takes_the_event_and_leaves_the_mask(ends: Ends) -> None:
    _, one = ends
    own = bind_ipi(one)
    mask(one, own)
    assert send(one, own) == 0
    assert close(one, own) == 0
    assert pending(one) == set()
    assert one.shared_info.evtchn_mask[0] == 1 << own
    assert bind_ipi(one) == own
    assert seen(one) == (set(), set(), False)


def test_the_other_end_of_a_closed_channel_hears_nothing_keeps_its_event_and_can_be_bound_again(ends: Ends) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    assert send(one, here) == 0
    assert close(one, here) == 0
    assert seen(zero) == ({there}, {0}, True)
    quiet(zero)
    assert status(zero, there) == Status(UNBOUND, dom=1)
    assert send(zero, there) == 0
    again = bind_interdomain(one, 0, there)
    assert send(one, again) == 0
    assert seen(zero) == ({there}, {0}, True)


# The upcall.

SEND = "movl $EVTCHNOP_send, %ebx\nmovl %edi, %ecx\nmovl $HYPERCALL_event_channel_op, %eax\nint $0x82\n"
OPEN = "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
SHUT = "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"


def run(agent: Agent, text: str, port: int) -> tuple[int, list[Trap]]:
    """Run a snippet in ring 1 with %edi = address of the argument of a send by `port`; return its %eax, and traps."""
    after = completed(agent.ring1(text, edi=agent.put(EvtchnSend(port))))
    return after.result, list(agent.traps)


def test_the_upcall_comes_on_the_way_out_of_the_call_that_sends(ends: Ends) -> None:
    _, one = ends
    result, traps = run(one, OPEN + SEND + SHUT, bind_ipi(one))
    assert (result, [trap.vector for trap in traps]) == (0, [EVENT])


def test_the_frame_of_an_upcall_has_the_place_behind_the_call_and_open_events(ends: Ends) -> None:
    _, one = ends
    text = OPEN + SEND.replace("int $0x82\n", "int $0x82\nbehind:\nmovl $behind, %esi\n") + SHUT
    after = completed(one.ring1(text, edi=one.put(EvtchnSend(bind_ipi(one)))))
    (trap,) = one.traps
    assert trap.eip == after.esi
    assert (trap.cs, trap.saved_mask, trap.eflags & EFLAGS_IF, trap.esp) == (KERNEL_CS, 0, EFLAGS_IF, None)


def test_an_upcall_masks_events_and_takes_no_bit_back(ends: Ends) -> None:
    _, one = ends
    own = bind_ipi(one)
    _, (trap,) = run(one, OPEN + SEND + SHUT, own)
    assert trap.handler_mask == 1
    assert (pending(one), selected(one)) == ({own}, {0})


def test_no_upcall_comes_while_the_vcpu_masks_it(ends: Ends) -> None:
    _, one = ends
    own = bind_ipi(one)
    assert run(one, SHUT + SEND, own) == (0, [])
    assert upcall(one)


def test_an_upcall_that_was_masked_comes_on_the_way_out_of_any_later_call(ends: Ends) -> None:
    _, one = ends
    later = "xorl %ebx, %ebx\nmovl $HYPERCALL_xen_version, %eax\nint $0x82\n"
    _, traps = run(one, SHUT + SEND + OPEN + later + SHUT, bind_ipi(one))
    assert [trap.vector for trap in traps] == [EVENT]


@pytest.mark.parametrize("selector", [KERNEL_DS, USER_DS, 0])
def test_an_upcall_leaves_the_data_segment_as_it_is(ends: Ends, selector: int) -> None:
    _, one = ends
    text = OPEN + SEND.replace("int ", f"movl ${selector}, %edx\nmovl %edx, %ds\nint ")
    text += "movl %ds, %esi\nmovl $FLAT_KERNEL_DS, %edx\nmovl %edx, %ds\n" + SHUT
    after = completed(one.ring1(text, edi=one.put(EvtchnSend(bind_ipi(one)))))
    (trap,) = one.traps
    assert (trap.selectors[0], after.esi & 0xFFFF) == (selector, selector)


def test_an_upcall_keeps_all_registers_but_the_result(ends: Ends) -> None:
    _, one = ends
    text = OPEN + SEND.replace("int ", "movl $0x11, %edx\nmovl $0x22, %esi\nmovl $0x33, %ebp\nint ") + SHUT
    after = completed(one.ring1(text, edi=(address := one.put(EvtchnSend(bind_ipi(one))))))
    assert (after.eax, after.edx, after.esi, after.edi, after.ebp) == (0, 0x11, 0x22, address, 0x33)


# What a guest cannot take.

DEADLY = {
    "no callback": ("set_callbacks", "it has no handler for this"),
    "a stack without memory": ("movl $0xdead0000, %esp\n", "its kernel stack cannot be written"),
    "a stack that begins at address 0": ("movl $8, %esp\n", "its kernel stack cannot be written"),
    "a stack in the hypervisor": ("movl $HV_PRIVATE_START + 64, %esp\n", "its kernel stack cannot be written"),
}


@pytest.mark.parametrize("what", DEADLY)
def test_an_upcall_that_cannot_be_delivered_ends_the_domain_alone(boot: Booter, what: str) -> None:
    text, reason = DEADLY[what]
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as zero, Agent(machine, 1) as one:
        own = bind_ipi(one)
        if text == "set_callbacks":
            assert one.hypercall(text, 0, 0, 0, 0) == 0
            text = ""
        with pytest.raises(DomainDied, match=rf"^domain 1 died: {reason}"):
            run(one, OPEN + SEND.replace("int ", text + "int "), own)
        assert zero.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096

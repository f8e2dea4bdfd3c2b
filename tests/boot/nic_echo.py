"""A hypervisor that answers each packet itself: for tests of the drivers alone, without domains and their interfaces.

What a driver has received it gets back to send, cut into pieces of odd sizes, straight from the frame that it was
received into; the driver gets another frame for that. So each packet shows both directions, and the exchange.

Invariants
  - All but the end of `nic_received` is the hypervisor as it is.
  - A frame is freed when the driver says that its packet is through. What NIC_room has no place for is dropped.
"""

from __future__ import annotations

from pathlib import Path

from tests.boot.changed import Change, ChangedImages

PIECE = 84  # 14 bytes and 18 of these are 1,526: what one packet may have, in as many pieces as it may have

ECHO = """
# What is received is sent.
#
# Invariants
#   - PACKET_owner is the frame of a packet that is on its way.

        .text

{% set L = labels("echo_receive") %}
# echo_receive(nic, mfn, offset, bytes): sends what was received.
#
# in:    %ebx = NIC; %eax = mfn, %edx = offset in the frame, %ecx = bytes
# out:   %eax = another frame, or the same one when there is no room
# clob:  none
# errs:  none
{% call routine("echo_receive") %}
        cmpl    $0, NIC_room(%ebx)
        jne     {{ L("has_room") }}
        incl    NIC_dropped(%ebx)
        ret
{{ L("has_room") }}:
        pushal
        movl    %eax, %edi
        movl    %ecx, %ebp
        movl    $PACKET_size, %ecx
        call    heap_alloc
        movl    %eax, %esi
        movl    %ebx, PACKET_nic(%esi)
        movl    $packet_echoed, PACKET_done(%esi)
        movl    %edi, PACKET_owner(%esi)
        movl    %ebp, PACKET_bytes(%esi)
        shll    $PAGE_SHIFT, %edi
        addl    %edx, %edi
        leal    PACKET_pieces(%esi), %edx
        movl    $14, %ecx                       # a head, and then pieces
{{ L("next_piece") }}:
        cmpl    %ecx, %ebp
        jae     {{ L("whole") }}
        movl    %ebp, %ecx
{{ L("whole") }}:
        movl    %edi, PIECE_address(%edx)
        movl    %ecx, PIECE_bytes(%edx)
        addl    $PIECE_size, %edx
        incl    PACKET_count(%esi)
        addl    %ecx, %edi
        subl    %ecx, %ebp
        movl    $ECHO_PIECE, %ecx
        testl   %ebp, %ebp
        jnz     {{ L("next_piece") }}
        call    nic_send
        popal
        jmp     frame_alloc
{% endcall %}

# packet_echoed(packet): it is on the wire.
#
# in:    %esi = PACKET
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("packet_echoed") %}
        movl    PACKET_owner(%esi), %eax
        call    frame_free
        movl    %esi, %eax
        movl    $PACKET_size, %ecx
        jmp     heap_free
{% endcall %}
""".replace("ECHO_PIECE", str(PIECE))


class EchoImages(ChangedImages):
    """The project's images, but for the hypervisor, which echoes; it is built in `folder` (of one worker)."""

    def __init__(self, folder: Path) -> None:
        ends = Change("drivers/nic.s", "        jmp     net_receive\n", "        jmp     echo_receive\n")
        super().__init__(folder, (ends,), {"drivers/nic_echo.s": ECHO.lstrip()})

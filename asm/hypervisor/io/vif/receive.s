# What network interfaces receive, on its way to domains.
#
# Invariants
#   - A packet for which there is nobody, or no room, is dropped and counted: its frame stays the driver's.

        .text

# net_receive(nic, mfn, offset, bytes): a packet that an interface has received.
#
# in:    %ebx = NIC; %eax = mfn, %edx = offset in the frame, %ecx = bytes
# out:   %eax = mfn of the frame that the driver has from now on: the same, or one that was exchanged for it
# clob:  none
# errs:  none
{% call routine("net_receive") %}
        incl    NIC_dropped(%ebx)
        orl     $0, %eax                        # the same
        ret
{% endcall %}

# packet_forgotten(packet): a packet is through that nobody has waited for.
#
# in:    %esi = PACKET
# out:   -
# clob:  none
# errs:  none
{% call routine("packet_forgotten") %}
        ret
{% endcall %}

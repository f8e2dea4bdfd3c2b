# The Internet's checksum (RFC 1071), and the sum over what UDP and TCP count besides their own bytes.
#
# Invariants
#   - Sums are of words as a load gives them: that is the sum of the exchanged words with its bytes exchanged, so nobody
#     has to exchange anything. A sum has 32 bits, and what is carried out comes in again at the bottom.

        .text

{% set L = labels("checksum_add") %}
# checksum_add(bytes, count, sum): adds bytes to a sum; an odd one at the end counts as if a zero followed.
#
# in:    %esi = bytes, %ecx = count, %eax = sum so far
# out:   %eax = sum
# clob:  none
# errs:  none
{% call routine("checksum_add") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
{{ L("next_word") }}:
        subl    $4, %ecx
        jb      {{ L("tail") }}
        addl    (%esi), %eax
        adcl    $0, %eax
        addl    $4, %esi
        jmp     {{ L("next_word") }}
{{ L("tail") }}:
        testl   $2, %ecx
        jz      {{ L("last_byte") }}
        movzwl  (%esi), %edx
        addl    %edx, %eax
        adcl    $0, %eax
        addl    $2, %esi
{{ L("last_byte") }}:
        testl   $1, %ecx
        jz      {{ L("done") }}
        movzbl  (%esi), %edx
        addl    %edx, %eax
        adcl    $0, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# checksum_fold(sum): what belongs into the packet.
#
# in:    %eax = sum
# out:   %eax = 16 bits: 0 when the sum was over a packet with its right checksum in it
# clob:  none
# errs:  none
{% call routine("checksum_fold") %}
        pushl   %edx
        movl    %eax, %edx
        shrl    $16, %edx
        addw    %dx, %ax
        adcw    $0, %ax
        notw    %ax
        movzwl  %ax, %eax
        popl    %edx
        ret
{% endcall %}

{% set L = labels("checksum_payload") %}
# checksum_payload(packet, bytes): the checksum over the payload of an IPv4 packet, and what goes with it.
#
# in:    %edi = IPv4 head, whose protocol, source and destination are set; %ecx = bytes of payload
# out:   %eax = 16 bits, as of checksum_fold
# clob:  none
# errs:  none
{% call routine("checksum_payload") %}
        pushl   %edx
        pushl   %esi
        xorl    %eax, %eax
        movzbl  IPV4_protocol(%edi), %edx
        cmpl    $IP_PROTOCOL_ICMP, %edx
        je      {{ L("bytes_only") }}
        movb    %dl, %ah                        # the protocol, as the second byte of a word
        addl    IPV4_source(%edi), %eax
        adcl    IPV4_destination(%edi), %eax
        adcl    $0, %eax
        movl    %ecx, %edx
        xchgb   %dl, %dh
        addl    %edx, %eax
        adcl    $0, %eax
{{ L("bytes_only") }}:
        leal    IPV4_size(%edi), %esi
        call    checksum_add
        popl    %esi
        popl    %edx
        jmp     checksum_fold
{% endcall %}

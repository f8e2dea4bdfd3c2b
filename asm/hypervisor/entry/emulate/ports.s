# IN, OUT, INS, OUTS: whether a guest may, and the access itself (ABI 6.11).
#
# Invariants
#   - A guest may try a port when its virtual IOPL allows that, or its own bitmap does. Otherwise it is #GP.
#   - Having tried, it reaches the hardware only if its domain is privileged and the port is not one of ours: else reads
#     give ones and writes are dropped, all bytes of the access or none.
#   - INS reads a port only after its destination has been found writable: what a port gives is never lost.

        .text

{% set L = labels("emulate_op_port") %}
# emulate_op_port(opcode): IN and OUT, with the port in the instruction or in %dx.
#
# in:    %eax = opcode, %ebx = prefixes, %edi = next byte, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi
# clob:  %ecx, %edx
# errs:  EMULATE_NOT: may not; EMULATE_FAULT: no byte with the port
{% call routine("emulate_op_port") %}
        pushl   %eax
        movzwl  ENTRY_FRAME_edx(%esi), %edx
        testb   $8, %al
        jnz     {{ L("have_port") }}
        call    emulate_fetch
        jc      {{ L("unreadable") }}
        movl    %eax, %edx
{{ L("have_port") }}:
        movl    (%esp), %eax
        call    port_size
        call    port_may_try
        jc      {{ L("not_allowed") }}
        popl    %eax
        testb   $2, %al
        jnz     {{ L("out") }}
        call    port_read
        cmpl    $2, %ecx
        ja      {{ L("all_of_it") }}
        je      {{ L("half_of_it") }}
        movb    %al, ENTRY_FRAME_eax(%esi)
        jmp     {{ L("done") }}
{{ L("half_of_it") }}:
        movw    %ax, ENTRY_FRAME_eax(%esi)
        jmp     {{ L("done") }}
{{ L("all_of_it") }}:
        movl    %eax, ENTRY_FRAME_eax(%esi)
        jmp     {{ L("done") }}
{{ L("out") }}:
        movl    ENTRY_FRAME_eax(%esi), %eax
        call    port_write
{{ L("done") }}:
        xorl    %eax, %eax
        ret
{{ L("unreadable") }}:
        popl    %eax
        movl    $EMULATE_FAULT, %eax
        ret
{{ L("not_allowed") }}:
        popl    %eax
        movl    $EMULATE_NOT, %eax
        ret
{% endcall %}

{% set L = labels("port_size") %}
# port_size(opcode): how many bytes an access has.
#
# in:    %eax = opcode, %ebx = prefixes
# out:   %ecx = 1, 2 or 4
# clob:  none
# errs:  none
{% call routine("port_size") %}
        movl    $1, %ecx
        testb   $1, %al
        jz      {{ L("known") }}
        movl    $4, %ecx
        testl   $PREFIX_OPERAND, %ebx
        jz      {{ L("known") }}
        movl    $2, %ecx
{{ L("known") }}:
        ret
{% endcall %}

{% set L = labels("port_may_try") %}
# port_may_try(port, bytes): whether the virtual IOPL or the guest's bitmap allows an access.
#
# in:    %edx = port, %ecx = bytes; %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   carry: it does not
# clob:  %eax
# errs:  carry
{% call routine("port_may_try") %}
        call    iopl_suffices
        jnc     {{ L("may") }}
        leal    (%edx,%ecx), %eax
        cmpl    VCPU_io_ports(%ebp), %eax
        ja      {{ L("may_not") }}
        pushl   %ebx
        pushl   %ecx
        movl    %edx, %ebx
        shrl    $3, %ebx
        addl    VCPU_io_bitmap(%ebp), %ebx
        cmpl    $HV_PRIVATE_START - 2, %ebx
        ja      {{ L("bitmap_denies") }}
        {{ user("movzbl (%ebx), %eax", fail=L("bitmap_denies")) }}
        orl     $0xff00, %eax                   # what cannot be read denies
        {{ user("movb 1(%ebx), %ah", fail=L("bits_read")) }}
{{ L("bits_read") }}:
        movl    $1, %ebx
        shll    %cl, %ebx
        decl    %ebx                            # a bit for each byte
        movl    %edx, %ecx
        andl    $7, %ecx
        shll    %cl, %ebx
        testl   %eax, %ebx
        popl    %ecx
        popl    %ebx
        jnz     {{ L("may_not") }}
{{ L("may") }}:
        clc
        ret
{{ L("bitmap_denies") }}:
        popl    %ecx
        popl    %ebx
{{ L("may_not") }}:
        stc
        ret
{% endcall %}

# iopl_suffices(frame): whether the virtual IOPL is as high as the ring.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   carry: it is lower
# clob:  %eax
# errs:  carry
{% call routine("iopl_suffices") %}
        movl    ENTRY_FRAME_cs(%esi), %eax
        andl    $SELECTOR_RPL, %eax
        cmpl    %eax, VCPU_iopl(%ebp)
        ret
{% endcall %}

{% set L = labels("port_read") %}
# port_read(port, bytes): what a guest finds at a port.
#
# in:    %edx = port, %ecx = bytes; %ebp = current vcpu
# out:   %eax = value, upper bytes any
# clob:  none
# errs:  none
{% call routine("port_read") %}
        call    port_reaches
        jc      {{ L("nothing_there") }}
        cmpl    $2, %ecx
        ja      {{ L("four") }}
        je      {{ L("two") }}
        inb     %dx, %al
        ret
{{ L("two") }}:
        inw     %dx, %ax
        ret
{{ L("four") }}:
        inl     %dx, %eax
        ret
{{ L("nothing_there") }}:
        movl    $-1, %eax
        ret
{% endcall %}

{% set L = labels("port_write") %}
# port_write(port, bytes, value): a guest's write to a port.
#
# in:    %edx = port, %ecx = bytes, %eax = value; %ebp = current vcpu
# out:   -
# clob:  none
# errs:  none
# why:   of the timer only channel 2, the loudspeaker's, is a guest's: its commands have the number in bits 6 and 7
{% call routine("port_write") %}
        call    port_reaches
        jc      {{ L("not_reached") }}
{{ L("write") }}:
        cmpl    $2, %ecx
        ja      {{ L("four") }}
        je      {{ L("two") }}
        outb    %al, %dx
        ret
{{ L("two") }}:
        outw    %ax, %dx
        ret
{{ L("four") }}:
        outl    %eax, %dx
{{ L("dropped") }}:
        ret
{{ L("not_reached") }}:
        cmpl    $PIT_COMMAND, %edx
        jne     {{ L("dropped") }}
        cmpl    $1, %ecx
        jne     {{ L("dropped") }}
        pushl   %eax
        andb    $PIT_CHANNEL_MASK, %al
        cmpb    $PIT_SELECT_CHANNEL_2, %al
        popl    %eax
        jne     {{ L("dropped") }}
        pushl   %edx
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        popl    %edx
        jnz     {{ L("write") }}
        ret
{% endcall %}

{% set L = labels("port_reaches") %}
# port_reaches(port, bytes): whether an access goes to the hardware.
#
# in:    %edx = port, %ecx = bytes; %ebp = current vcpu
# out:   carry: it does not
# clob:  none
# errs:  carry
{% call routine("port_reaches") %}
        pushl   %eax
        pushl   %ecx
        movl    VCPU_domain(%ebp), %eax
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        jz      {{ L("does_not") }}
        movl    %edx, %eax
{{ L("next_port") }}:
        cmpl    $OWN_PORTS_END, %eax
        jae     {{ L("does") }}
        btl     %eax, own_ports
        jc      {{ L("ours") }}
{{ L("not_ours") }}:
        incl    %eax
        decl    %ecx
        jnz     {{ L("next_port") }}
{{ L("does") }}:
        popl    %ecx
        popl    %eax
        clc
        ret
{{ L("ours") }}:
        call    port_shared
        jnc     {{ L("not_ours") }}
{{ L("does_not") }}:
        popl    %ecx
        popl    %eax
        stc
        ret
{% endcall %}

# Which descriptors a guest may have, and what is corrected in them (ABI 6.12).
#
# Invariants
#   - No descriptor that passes reaches HV_PRIVATE_START, and none has privilege 0 or leads to code that has.
#   - A descriptor that is not present passes as it is: nobody can load it.

        .text

{% set L = labels("descriptor_check") %}
# descriptor_check(descriptor): whether a guest may have it; corrects DPL and limit (ABI 6.12).
#
# in:    %eax, %edx = descriptor, low and high
# out:   %eax, %edx = what may be stored; carry: it is no good
# clob:  none
# errs:  carry
{% call routine("descriptor_check") %}
        btl     $15, %edx
        jnc     {{ L("good") }}                 # not present
        testl   $DESCRIPTOR_DPL, %edx
        jnz     {{ L("ring_ok") }}
        orl     $DESCRIPTOR_DPL_1, %edx
{{ L("ring_ok") }}:
        testl   $DESCRIPTOR_S, %edx
        jz      gate_check
        jmp     segment_check
{{ L("good") }}:
        clc
        ret
{% endcall %}

{% set L = labels("gate_check") %}
# gate_check(descriptor): a system descriptor: only the 32-bit call gate, into the guest's own code.
#
# in:    %eax, %edx = present descriptor, low and high
# out:   %eax = low half of what may be stored (the high half is good as it is); carry: it is no good
# clob:  none
# errs:  carry
{% call routine("gate_check") %}
        pushl   %ecx
        movl    %edx, %ecx
        andl    $DESCRIPTOR_GATE_BITS, %ecx
        cmpl    $DESCRIPTOR_CALL_GATE, %ecx
        jne     {{ L("bad") }}
        movl    %eax, %ecx
        shrl    $16, %ecx                       # target selector
        testb   $SELECTOR_RPL, %cl
        jnz     {{ L("ring_ok") }}
        orl     $1 << 16, %eax
        orl     $1, %ecx
{{ L("ring_ok") }}:
        testb   $SELECTOR_LDT, %cl
        jnz     {{ L("good") }}
        cmpl    $GDT_RESERVED_OFFSET, %ecx
        jb      {{ L("good") }}
        cmpl    $FLAT_RING1_CS, %ecx
        jne     {{ L("bad") }}
{{ L("good") }}:
        popl    %ecx
        clc
        ret
{{ L("bad") }}:
        popl    %ecx
        stc
        ret
{% endcall %}

{% set L = labels("segment_check") %}
# segment_check(descriptor): code or data: nothing at or beyond HV_PRIVATE_START may be within its limit.
#
# in:    %eax, %edx = present descriptor, low and high
# out:   %eax, %edx = what may be stored, the limit cut where that is possible; carry: it is no good
# clob:  none
# errs:  carry
{% call routine("segment_check") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %esi
        movl    %eax, %ebx
        shrl    $16, %ebx
        movl    %edx, %ecx
        shll    $16, %ecx
        andl    $0xff0000, %ecx
        orl     %ecx, %ebx
        movl    %edx, %ecx
        andl    $0xff000000, %ecx
        orl     %ecx, %ebx                      # base
        movzwl  %ax, %ecx
        movl    %edx, %esi
        andl    $0xf0000, %esi
        orl     %esi, %ecx                      # limit field
        testl   $DESCRIPTOR_G, %edx
        jz      {{ L("have_limit") }}
        shll    $PAGE_SHIFT, %ecx
        orl     $PAGE_OFFSET_MASK, %ecx         # limit in bytes
{{ L("have_limit") }}:
        movl    %edx, %esi
        andl    $(DESCRIPTOR_CODE | DESCRIPTOR_EXPAND_DOWN), %esi
        cmpl    $DESCRIPTOR_EXPAND_DOWN, %esi
        je      {{ L("expand_down") }}
        cmpl    $HV_PRIVATE_START - PAGE_SIZE, %ebx
        jae     {{ L("bad") }}
        addl    %ebx, %ecx                      # last byte
        jc      {{ L("cut_up") }}
        cmpl    $HV_PRIVATE_START, %ecx
        jb      {{ L("good") }}
{{ L("cut_up") }}:
        movl    $HV_PRIVATE_START, %ecx
        subl    %ebx, %ecx
        jmp     {{ L("cut") }}
{{ L("expand_down") }}:                         # offsets above the limit: they must wrap below the base
        cmpl    $HV_PRIVATE_START - PAGE_SIZE, %ebx
        jae     {{ L("bad") }}
        addl    %ebx, %ecx
        jc      {{ L("good") }}
        incl    %ecx
        jz      {{ L("good") }}                 # it begins at 4 GB: what is beyond it wraps as well
        movl    %ebx, %ecx
        andl    $~PAGE_OFFSET_MASK, %ecx
        negl    %ecx
        jz      {{ L("bad") }}
{{ L("cut") }}:
        testl   $DESCRIPTOR_G, %edx
        jz      {{ L("bad") }}
        shrl    $PAGE_SHIFT, %ecx
        decl    %ecx
        movw    %cx, %ax
        andl    $0xf0000, %ecx
        andl    $~0xf0000, %edx
        orl     %ecx, %edx
{{ L("good") }}:
        clc
        jmp     {{ L("done") }}
{{ L("bad") }}:
        stc
{{ L("done") }}:
        popl    %esi
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

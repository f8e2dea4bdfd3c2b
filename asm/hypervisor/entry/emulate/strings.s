# INS and OUTS, with and without REP (ABI 6.11).
#
# Invariants
#   - One access of memory and one of a port at a time; each leaves the frame as if the instruction had been executed
#     that often. After STRING_PIECE of them, or one if the guest single-steps, it executes the same instruction again.
#   - Memory is reached through the guest's own selector, in %es, so base, limit and type of its segment apply; and
#     pages that ring 3 may not use are not used for it.
#   - Only with 32-bit addresses: others are the guest's own protection fault.

        .text

{% set L = labels("emulate_op_port_string") %}
# emulate_op_port_string(opcode): INS and OUTS.
#
# in:    %eax = opcode, %ebx = prefixes, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*
# clob:  %ecx, %edx
# errs:  EMULATE_NOT: may not; EMULATE_FAULT: memory that cannot be used
{% call routine("emulate_op_port_string") %}
        pushl   %es
        testl   $PREFIX_ADDRESS, %ebx
        jnz     {{ L("not_ours") }}
        movl    %eax, string_opcode
        call    port_size
        movl    %ecx, string_size
        movzwl  ENTRY_FRAME_edx(%esi), %edx
        call    port_may_try
        jc      {{ L("not_ours") }}
        call    string_segment
        jc      {{ L("not_ours") }}
        movl    $STRING_PIECE, string_left
        testl   $EFLAGS_TF, ENTRY_FRAME_eflags(%esi)
        jz      {{ L("any_left") }}
        movl    $1, string_left
{{ L("any_left") }}:
        testl   $PREFIX_REPEAT, %ebx
        jz      {{ L("one") }}
        cmpl    $0, ENTRY_FRAME_ecx(%esi)
        je      {{ L("done") }}
        decl    string_left
        js      {{ L("again") }}
{{ L("one") }}:
        call    string_step
        jc      {{ L("fault") }}
        testl   $PREFIX_REPEAT, %ebx
        jz      {{ L("done") }}
        decl    ENTRY_FRAME_ecx(%esi)
        testb   $0xf, debug_missed
        jz      {{ L("any_left") }}
        cmpl    $0, ENTRY_FRAME_ecx(%esi)
        je      {{ L("done") }}
{{ L("again") }}:
        movl    $EMULATE_AGAIN, %eax
        jmp     {{ L("out") }}
{{ L("done") }}:
        xorl    %eax, %eax
        jmp     {{ L("out") }}
{{ L("fault") }}:
        movl    $EMULATE_FAULT, %eax
        jmp     {{ L("out") }}
{{ L("not_ours") }}:
        movl    $EMULATE_NOT, %eax
{{ L("out") }}:
        popl    %es
        ret
{% endcall %}

{% set L = labels("string_segment") %}
# string_segment(frame): loads %es with the guest's segment: %es for INS, for OUTS %ds or what a prefix says.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %ebx = prefixes; string_opcode
# out:   %es = the segment; string_base; carry: it cannot be loaded
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("string_segment") %}
        movl    $PREFIX_ES, %ecx
        testb   $2, string_opcode
        jz      {{ L("have_segment") }}
        movl    %ebx, %ecx
        andl    $PREFIX_SEGMENT, %ecx
        jnz     {{ L("have_segment") }}
        movl    $PREFIX_DS, %ecx
{{ L("have_segment") }}:
        call    segment_selector
        {{ user("movl %eax, %es", fail=L("none")) }}
        call    segment_find
        movl    %eax, string_base
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("string_step") %}
# string_step(frame): one element, from memory to the port or the other way; the index moves on.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %es = the guest's segment; string_opcode, string_size, string_base
# out:   carry: memory cannot be used, and why has been noted
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("string_step") %}
        pushl   %edi
        movl    string_size, %ecx
        movl    ENTRY_FRAME_edi(%esi), %edx
        testb   $2, string_opcode
        jz      {{ L("have_index") }}
        movl    ENTRY_FRAME_esi(%esi), %edx
{{ L("have_index") }}:
        call    string_check
        jc      {{ L("refused") }}
        testb   $2, string_opcode
        jz      {{ L("in") }}
        call    string_load
        jc      {{ L("refused") }}
        movzwl  ENTRY_FRAME_edx(%esi), %edx
        call    port_write
        movl    $ENTRY_FRAME_esi, %edi
        jmp     {{ L("move_on") }}
{{ L("in") }}:
        movl    %edx, %edi
        {{ user("addb $0, %es:(%edi)", fail=L("not_writable")) }}
        {{ user("addb $0, %es:-1(%edi,%ecx)", fail=L("not_writable")) }}
        movzwl  ENTRY_FRAME_edx(%esi), %edx
        call    port_read
        call    string_store
        movl    $ENTRY_FRAME_edi, %edi
{{ L("move_on") }}:
        testl   $EFLAGS_DF, ENTRY_FRAME_eflags(%esi)
        jz      {{ L("upwards") }}
        negl    %ecx
{{ L("upwards") }}:
        addl    %ecx, (%esi,%edi)
        clc
        popl    %edi
        ret
{{ L("not_writable") }}:
        call    string_fault
{{ L("refused") }}:
        popl    %edi
        ret
{% endcall %}

{% set L = labels("string_check") %}
# string_check(offset, bytes): whether the guest may use that memory at all; its page tables have the last word.
#
# in:    %edx = offset, %ecx = bytes; %esi = ENTRY_FRAME; string_base, string_opcode
# out:   carry: it may not, and why has been noted
# clob:  %eax, %edi
# errs:  carry
{% call routine("string_check") %}
        movl    string_base, %edi
        addl    %edx, %edi
        cmpl    $HV_PRIVATE_START - 4, %edi
        ja      {{ L("ours") }}
        call    emulate_may_use
        jc      {{ L("not_for_ring_3") }}
        leal    -1(%edi,%ecx), %edi
        call    emulate_may_use
        jc      {{ L("not_for_ring_3") }}
        ret
{{ L("not_for_ring_3") }}:
        movl    $PF_PRESENT, %eax
        testb   $2, string_opcode
        jnz     {{ L("reason_known") }}
        orl     $PF_WRITE, %eax
{{ L("reason_known") }}:
        jmp     emulate_page_fault
{{ L("ours") }}:
        jmp     emulate_protection_fault
{% endcall %}

{% set L = labels("string_load") %}
# string_load(offset, bytes): reads one element.
#
# in:    %edx = offset, %ecx = bytes, %es; %esi = ENTRY_FRAME
# out:   %eax = element, upper bytes any; carry: why not has been noted
# clob:  %edi
# errs:  carry
{% call routine("string_load") %}
        cmpl    $2, %ecx
        ja      {{ L("four") }}
        je      {{ L("two") }}
        {{ user("movb %es:(%edx), %al", fail=L("unreadable")) }}
        clc
        ret
{{ L("two") }}:
        {{ user("movw %es:(%edx), %ax", fail=L("unreadable")) }}
        clc
        ret
{{ L("four") }}:
        {{ user("movl %es:(%edx), %eax", fail=L("unreadable")) }}
        clc
        ret
{{ L("unreadable") }}:
        jmp     string_fault
{% endcall %}

{% set L = labels("string_store") %}
# string_store(offset, bytes, element): writes one element where that has just been found possible.
#
# in:    %edi = offset, %ecx = bytes, %eax = element, %es
# out:   -
# clob:  none
# errs:  none
{% call routine("string_store") %}
        cmpl    $2, %ecx
        ja      {{ L("four") }}
        je      {{ L("two") }}
        {{ user("movb %al, %es:(%edi)", fail=L("done")) }}
        ret
{{ L("two") }}:
        {{ user("movw %ax, %es:(%edi)", fail=L("done")) }}
        ret
{{ L("four") }}:
        {{ user("movl %eax, %es:(%edi)", fail=L("done")) }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("string_fault") %}
# string_fault(): notes for the guest the fault that we had in its place.
#
# in:    fault_vector, fault_error_code, %cr2; %esi = ENTRY_FRAME
# out:   carry
# clob:  %eax, %edi
# errs:  always carry
{% call routine("string_fault") %}
        cmpl    $VECTOR_PF, fault_vector
        jne     {{ L("segment") }}
        movl    %cr2, %edi
        movl    fault_error_code, %eax
        andl    $~PF_USER, %eax
        testb   $2, string_opcode
        jnz     {{ L("reason_known") }}
        orl     $PF_WRITE, %eax                 # the trial is a read first
{{ L("reason_known") }}:
        jmp     emulate_page_fault
{{ L("segment") }}:
        jmp     emulate_protection_fault
{% endcall %}

{% for name in ["string_opcode", "string_size", "string_left", "string_base"] %}
{{ space(name, 4) }}
{% endfor %}

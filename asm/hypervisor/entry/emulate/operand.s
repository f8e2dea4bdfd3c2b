# Operands of instructions that are emulated: the memory operand of a ModRM byte, and the guest's segments.
#
# Invariants
#   - Only 32-bit addresses. The address is computed from the frame's registers, as the processor would have.

        .text

{% set L = labels("operand_memory") %}
# operand_memory(address): decodes ModRM, SIB and displacement.
#
# in:    %edi = address of the ModRM byte, %ebx = prefixes, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = linear address of the operand, %ecx = the ModRM byte's register field, %edi = the address behind;
#        carry: no memory operand, or not to be read
# clob:  %edx
# errs:  carry
{% call routine("operand_memory") %}
        call    emulate_fetch
        jc      {{ L("none") }}
        cmpl    $MODRM_REGISTER, %eax
        jae     {{ L("no_memory") }}
        movl    %eax, operand_modrm
        movl    $PREFIX_DS, operand_segment
        andl    $7, %eax
        cmpl    $REGISTER_ESP, %eax
        je      {{ L("sib") }}
        xorl    %ecx, %ecx
{{ L("add_base") }}:                            # %ecx = offset so far, %eax = number of the base register
        cmpl    $REGISTER_EBP, %eax
        jne     {{ L("base_is_register") }}
        cmpl    $MODRM_DISPLACEMENT_8, operand_modrm
        jb      {{ L("displacement_32") }}      # no base, but a number
{{ L("base_is_register") }}:
        call    emulate_register
        addl    (%edx), %ecx
        leal    -REGISTER_ESP(%eax), %edx
        cmpl    $1, %edx                        # %esp and %ebp are in the stack's segment
        ja      {{ L("displacement") }}
        movl    $PREFIX_SS, operand_segment
{{ L("displacement") }}:
        movl    operand_modrm, %eax
        shrl    $6, %eax
        jz      {{ L("have_offset") }}
        cmpl    $1, %eax
        jne     {{ L("displacement_32") }}
        call    emulate_fetch
        jc      {{ L("none") }}
        movsbl  %al, %eax
        jmp     {{ L("add_displacement") }}
{{ L("displacement_32") }}:
        pushl   %ecx
        movl    $4, %ecx
        call    emulate_fetch_number
        popl    %ecx
        jc      {{ L("none") }}
{{ L("add_displacement") }}:
        addl    %eax, %ecx
{{ L("have_offset") }}:
        call    operand_linear
        jc      {{ L("none") }}
        movl    operand_modrm, %ecx
        shrl    $3, %ecx
        andl    $7, %ecx                        # clears carry
{{ L("none") }}:
        ret
{{ L("sib") }}:
        call    emulate_fetch
        jc      {{ L("none") }}
        movl    %eax, %ecx
        pushl   %eax
        shrl    $3, %eax
        andl    $7, %eax
        cmpl    $REGISTER_ESP, %eax             # as an index it is none
        je      {{ L("no_index") }}
        call    emulate_register
        movl    (%edx), %eax
        shrl    $6, %ecx
        shll    %cl, %eax
        jmp     {{ L("have_index") }}
{{ L("no_index") }}:
        xorl    %eax, %eax
{{ L("have_index") }}:
        movl    %eax, %ecx
        popl    %eax
        andl    $7, %eax
        jmp     {{ L("add_base") }}
{{ L("no_memory") }}:
        stc
        ret
{% endcall %}

{% set L = labels("operand_linear") %}
# operand_linear(offset): adds the base of the operand's segment.
#
# in:    %ecx = offset, %ebx = prefixes, %esi = ENTRY_FRAME, %ebp = current vcpu; operand_segment = PREFIX_* of the
#        segment that is used without a prefix
# out:   %eax = linear address; operand_offset; carry: the segment is gone
# clob:  %ecx, %edx
# errs:  carry
{% call routine("operand_linear") %}
        movl    %ecx, operand_offset
        pushl   %ecx
        movl    %ebx, %ecx
        andl    $PREFIX_SEGMENT, %ecx
        jnz     {{ L("have_segment") }}
        movl    operand_segment, %ecx
{{ L("have_segment") }}:
        call    segment_selector
        call    segment_find
        popl    %ecx
        jc      {{ L("gone") }}
        addl    %ecx, %eax
        clc
{{ L("gone") }}:
        ret
{% endcall %}

{% set L = labels("segment_selector") %}
# segment_selector(segment): the guest's selector in a segment register.
#
# in:    %ecx = PREFIX_* of the segment; %esi = ENTRY_FRAME
# out:   %eax = selector, upper half clear
# clob:  none
# errs:  none
{% call routine("segment_selector") %}
        movzwl  ENTRY_FRAME_ds(%esi), %eax
        cmpl    $PREFIX_DS, %ecx
        je      {{ L("done") }}
        ja      {{ L("live") }}
        movzwl  ENTRY_FRAME_ss(%esi), %eax
        cmpl    $PREFIX_CS, %ecx
        ja      {{ L("done") }}
        movzwl  ENTRY_FRAME_cs(%esi), %eax
        je      {{ L("done") }}
        movzwl  ENTRY_FRAME_es(%esi), %eax
{{ L("done") }}:
        ret
{{ L("live") }}:
        movl    %fs, %eax
        cmpl    $PREFIX_FS, %ecx
        je      {{ L("clear_upper") }}
        movl    %gs, %eax
{{ L("clear_upper") }}:
        movzwl  %ax, %eax
        ret
{% endcall %}

{{ space("operand_modrm", 4) }}
{{ space("operand_segment", 4) }}
{{ space("operand_offset", 4) }}

# Instructions that store, as far as guests use them on page tables: MOV, the arithmetic of two operands, XCHG, XADD,
# CMPXCHG, CMPXCHG8B, the bit operations, INC, DEC, NOT, NEG; plain and locked.
#
# An opcode leads to a row (store_rows.s): where its other operand comes from, and its operation, or a group of eight of
# which the ModRM byte's register field takes one.
#
# Invariants
#   - Sizes are 1, 2, 4, and 8 for CMPXCHG8B alone; a table of routines is indexed by the size itself.
#   - table_back is where the other operand goes back to (XCHG, XADD), or 0.

        .text

{% set L = labels("table_decode") %}
# table_decode(frame): the instruction at the guest's %eip, if it stores and is known here.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = address of the memory operand, %edi = address of the next instruction; table_size, table_source,
#        table_back, table_operation; carry: it is not known
# clob:  %ebx, %ecx, %edx
# errs:  carry
{% call routine("table_decode") %}
        call    emulate_open
        jc      {{ L("unknown") }}
        movl    $0, table_back
{{ L("next_prefix") }}:
        call    emulate_fetch
        jc      {{ L("unknown") }}
        movzbl  emulate_opcodes(%eax), %ecx
        testl   %ecx, %ecx
        jz      {{ L("opcode") }}
        cmpl    $EMULATE_PREFIXES, %ecx
        ja      {{ L("two_bytes") }}
        andl    prefix_kept - 4(,%ecx,4), %ebx
        orl     prefix_set - 4(,%ecx,4), %ebx
        jmp     {{ L("next_prefix") }}
{{ L("two_bytes") }}:
        cmpl    $EMULATE_TWO_BYTES, %ecx
        jne     {{ L("unknown") }}
        call    emulate_fetch
        jc      {{ L("unknown") }}
        movzbl  store_rows_0f(%eax), %ecx
        jmp     {{ L("have_row") }}
{{ L("opcode") }}:
        movzbl  store_rows(%eax), %ecx
{{ L("have_row") }}:
        testl   %ecx, %ecx
        jz      {{ L("unknown") }}
        xorl    emulate_default, %ebx
        testl   $PREFIX_ADDRESS, %ebx
        jnz     {{ L("unknown") }}
        leal    (%ecx,%ecx,2), %ecx
        leal    store_row_list - STORE_ROW_size(,%ecx,4), %ecx
        movl    %ecx, table_row
        call    port_size                       # by the opcode's bit 0 and the operand-size prefix, as for ports
        movl    table_row, %edx
        cmpl    $0, STORE_ROW_size_field(%edx)
        je      {{ L("size_known") }}
        movl    STORE_ROW_size_field(%edx), %ecx
{{ L("size_known") }}:
        movl    %ecx, table_size
        jmp     table_operands
{{ L("unknown") }}:
        stc
        ret
{% endcall %}

{% set L = labels("table_operands") %}
# table_operands(frame): both operands and the operation.
#
# in:    %eax = opcode, %edi = next byte, %ebx = prefixes, %esi = ENTRY_FRAME, %ebp = current vcpu; table_row,
#        table_size
# out:   %eax = address of the memory operand, %edi = address of the next instruction; the rest as table_decode
# clob:  %ecx, %edx
# errs:  carry
# calls: table_from_*
{% call routine("table_operands") %}
        movl    %eax, table_opcode
        movl    table_row, %edx
        cmpl    $table_from_offset, STORE_ROW_source(%edx)
        je      {{ L("offset") }}
        call    operand_memory
        jc      {{ L("unknown") }}
        movl    table_row, %edx
        movl    STORE_ROW_operation(%edx), %edx
        cmpl    $store_groups_end, %edx
        jae     {{ L("have_operation") }}
        movl    (%edx,%ecx,4), %edx             # a group
        testl   %edx, %edx
        jz      {{ L("unknown") }}
{{ L("have_operation") }}:
        movl    %edx, table_operation
        pushl   %eax
        movl    table_row, %edx
        call    *STORE_ROW_source(%edx)
        popl    %eax
        jc      {{ L("unknown") }}
        addl    table_displacement, %eax
        clc
        ret
{{ L("offset") }}:
        movl    STORE_ROW_operation(%edx), %edx
        movl    %edx, table_operation
        jmp     table_from_offset
{{ L("unknown") }}:
        stc
        ret
{% endcall %}

{% set L = labels("table_from_register") %}
# table_from_register(register): the other operand is a register.
#
# in:    %ecx = its number; %esi = ENTRY_FRAME
# out:   table_source, table_displacement = 0; %edx = where the register is; no carry
# clob:  %eax, %ecx
# errs:  none
# why:   of bytes, 4 to 7 are the second ones of the first four registers
{% call routine("table_from_register") %}
        movl    %ecx, %eax
        cmpl    $1, table_size
        jne     {{ L("whole") }}
        andl    $3, %eax
        call    emulate_register
        shrl    $2, %ecx
        addl    %ecx, %edx
        jmp     {{ L("have_place") }}
{{ L("whole") }}:
        call    emulate_register
{{ L("have_place") }}:
        movl    (%edx), %eax
        movl    %eax, table_source
        movl    $0, table_displacement
        clc
        ret
{% endcall %}

# table_from_exchange(register): the other operand is a register, and it gets something back.
#
# in:    %ecx = its number; %esi = ENTRY_FRAME
# out:   table_source, table_displacement = 0, table_back; no carry
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("table_from_exchange") %}
        call    table_from_register
        movl    %edx, table_back
        ret
{% endcall %}

{% set L = labels("table_from_bits") %}
# table_from_bits(register): a bit's number in a register: it may be far from the operand that is named.
#
# in:    %ecx = the register's number; %esi = ENTRY_FRAME
# out:   table_source = number of the bit in its word, table_displacement = bytes to the word; carry: 16-bit form
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("table_from_bits") %}
        cmpl    $4, table_size
        jne     {{ L("unknown") }}
        call    table_from_register
        movl    table_source, %eax
        andl    $31, table_source
        sarl    $5, %eax
        shll    $2, %eax
        movl    %eax, table_displacement
        clc
        ret
{{ L("unknown") }}:
        stc
        ret
{% endcall %}

{% set L = labels("table_from_number") %}
# table_from_number(): the other operand is in the instruction: of the operand's size, or a byte that stands for it.
#
# in:    %edi = next byte; %esi = ENTRY_FRAME; table_opcode, table_size
# out:   table_source, table_displacement = 0; %edi; carry: not to be read
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("table_from_number") %}
        movl    table_size, %ecx
        cmpl    $OPCODE_GROUP_1_BYTE, table_opcode
        je      {{ L("byte") }}
        call    emulate_fetch_number
        jc      {{ L("none") }}
        jmp     {{ L("have_number") }}
{{ L("byte") }}:
        call    emulate_fetch
        jc      {{ L("none") }}
        movsbl  %al, %eax
{{ L("have_number") }}:
        movl    %eax, table_source
        movl    $0, table_displacement
        clc
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("table_from_bit") %}
# table_from_bit(): the number of a bit is in the instruction, always within the operand.
#
# in:    %edi = next byte, %ebx = prefixes, %esi = ENTRY_FRAME
# out:   table_source, table_displacement = 0; %edi; carry: not to be read, or the 16-bit form
# clob:  %eax
# errs:  carry
{% call routine("table_from_bit") %}
        testl   $PREFIX_OPERAND, %ebx
        stc
        jnz     {{ L("none") }}
        call    emulate_fetch
        jc      {{ L("none") }}
        andl    $31, %eax
        movl    %eax, table_source
        movl    $0, table_displacement
        clc
{{ L("none") }}:
        ret
{% endcall %}

# table_from_nothing(): there is no other operand; but CMPXCHG8B wants %ecx.
#
# in:    %esi = ENTRY_FRAME
# out:   table_source, table_displacement = 0; no carry
# clob:  %eax
# errs:  none
{% call routine("table_from_nothing") %}
        movl    ENTRY_FRAME_ecx(%esi), %eax
        movl    %eax, table_source
        movl    $0, table_displacement
        clc
        ret
{% endcall %}

{% set L = labels("table_from_offset") %}
# table_from_offset(): MOV of %eax to an address that is in the instruction.
#
# in:    %edi = next byte; %ebx = prefixes, %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = address of the operand, %edi; table_source; carry: not to be read
# clob:  %ecx, %edx
# errs:  carry
{% call routine("table_from_offset") %}
        movl    $4, %ecx
        call    emulate_fetch_number
        jc      {{ L("none") }}
        movl    ENTRY_FRAME_eax(%esi), %ecx
        movl    %ecx, table_source
        movl    %eax, %ecx
        movl    $PREFIX_DS, operand_segment
        jmp     operand_linear
{{ L("none") }}:
        ret
{% endcall %}

{% for name in ["table_row", "table_opcode", "table_displacement"] %}
{{ space(name, 4) }}
{% endfor %}

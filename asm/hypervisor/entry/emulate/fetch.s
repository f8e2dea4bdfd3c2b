# The bytes of the instruction that is emulated, and other memory that it refers to.
#
# Invariants
#   - Bytes come from the code segment's base and limit on, 15 at most, and never from HV_PRIVATE_START or above.
#   - Ring 0 may read what ring 3 may not: emulate_may_use asks the page tables on ring 3's behalf.
#   - What cannot be read raises what the processor would have raised: #PF with the address, or #GP(0).

        .text

{% set L = labels("emulate_open") %}
# emulate_open(frame): where the instruction is.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %edi = address of its first byte, %ebx = 0; carry: its segment is gone; emulate_base, emulate_start,
#        emulate_end; emulate_default = PREFIX_* of a 16-bit segment, which its prefixes take away, or 0
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("emulate_open") %}
        xorl    %ebx, %ebx
        movl    %ebx, emulate_default
        movzwl  ENTRY_FRAME_cs(%esi), %eax
        cmpl    $FLAT_RING1_CS, %eax
        je      {{ L("flat") }}
        cmpl    $FLAT_RING3_CS, %eax
        je      {{ L("flat") }}
        call    segment_find
        jc      {{ L("gone") }}
        testl   $DESCRIPTOR_D, %edx
        jnz     {{ L("have_segment") }}
        movl    $(PREFIX_OPERAND | PREFIX_ADDRESS), emulate_default
        jmp     {{ L("have_segment") }}
{{ L("flat") }}:
        xorl    %eax, %eax
        movl    $HV_PRIVATE_START - 1, %ecx
{{ L("have_segment") }}:
        movl    %eax, emulate_base
        movl    ENTRY_FRAME_eip(%esi), %edi
        addl    %eax, %edi
        movl    %edi, emulate_start
        addl    %eax, %ecx                      # address of the segment's last byte
        jc      {{ L("up_to_ours") }}
        cmpl    $HV_PRIVATE_START - 1, %ecx
        jb      {{ L("have_last") }}
{{ L("up_to_ours") }}:
        movl    $HV_PRIVATE_START - 1, %ecx
{{ L("have_last") }}:
        incl    %ecx
        leal    INSTRUCTION_BYTES(%edi), %eax
        cmpl    %edi, %eax
        jb      {{ L("have_end") }}
        cmpl    %eax, %ecx
        jb      {{ L("have_end") }}
        movl    %eax, %ecx
{{ L("have_end") }}:
        movl    %ecx, emulate_end
        clc
        ret
{{ L("gone") }}:
        stc
        ret
{% endcall %}

{% set L = labels("emulate_fetch") %}
# emulate_fetch(address): the next byte of the instruction.
#
# in:    %edi = its address; %esi = ENTRY_FRAME
# out:   %eax = the byte, %edi = the address behind it; carry: there is none, and why has been noted
# clob:  none
# errs:  carry
{% call routine("emulate_fetch") %}
        cmpl    emulate_end, %edi
        jae     {{ L("beyond") }}
        testl   $PAGE_OFFSET_MASK, %edi
        jz      {{ L("another_page") }}
{{ L("read") }}:
        {{ user("movzbl (%edi), %eax", fail=L("absent")) }}
        incl    %edi
        clc
        ret
{{ L("another_page") }}:
        movl    $PF_PRESENT, %eax
        call    emulate_may_use
        jnc     {{ L("read") }}
        jmp     {{ L("page_fault") }}
{{ L("absent") }}:
        xorl    %eax, %eax
{{ L("page_fault") }}:
        cmpl    $0, no_execute_high
        je      {{ L("reason_known") }}
        orl     $PF_FETCH, %eax
{{ L("reason_known") }}:
        jmp     emulate_page_fault
{{ L("beyond") }}:
        jmp     emulate_protection_fault
{% endcall %}

{% set L = labels("emulate_fetch_number") %}
# emulate_fetch_number(address, bytes): the next 1, 2 or 4 bytes of the instruction as a number.
#
# in:    %edi = address, %ecx = bytes; %esi = ENTRY_FRAME
# out:   %eax = the number, upper bits clear, %edi = the address behind it; carry: why not has been noted
# clob:  %edx
# errs:  carry
{% call routine("emulate_fetch_number") %}
        xorl    %edx, %edx
        movl    %edx, emulate_number
{{ L("next_byte") }}:
        call    emulate_fetch
        jc      {{ L("none") }}
        movb    %al, emulate_number(%edx)
        incl    %edx
        cmpl    %ecx, %edx
        jb      {{ L("next_byte") }}
        movl    emulate_number, %eax
        clc
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("emulate_may_use") %}
# emulate_may_use(address): whether ring 3 may use a page, if it is ring 3 that we work for. Others may.
#
# in:    %edi = address; %esi = ENTRY_FRAME
# out:   carry: the page is there, but not for ring 3
# clob:  none
# errs:  carry
{% call routine("emulate_may_use") %}
        testb   $2, ENTRY_FRAME_cs(%esi)        # clears carry
        jz      {{ L("done") }}
        pushl   %eax
        movl    %edi, %eax
        shrl    $L2_SHIFT, %eax
        {{ user("movl LINEAR_L2(,%eax,8), %eax", fail=L("may")) }}
        notl    %eax
        testb   $PTE_P, %al
        jnz     {{ L("may") }}                  # absent: the access itself will fault
        testb   $PTE_US, %al
        jnz     {{ L("may_not") }}
        movl    %edi, %eax
        shrl    $PAGE_SHIFT, %eax
        {{ user("movl LINEAR_TABLES(,%eax,8), %eax", fail=L("may")) }}
        notl    %eax
        testb   $PTE_P, %al
        jnz     {{ L("may") }}
        testb   $PTE_US, %al
        jnz     {{ L("may_not") }}
{{ L("may") }}:
        clc
        popl    %eax
{{ L("done") }}:
        ret
{{ L("may_not") }}:
        stc
        popl    %eax
        ret
{% endcall %}

{% set L = labels("emulate_page_fault") %}
# emulate_page_fault(address, error): notes a page fault of the guest.
#
# in:    %edi = address, %eax = error code without PF_USER; %esi = ENTRY_FRAME
# out:   carry
# clob:  %eax
# errs:  always carry
{% call routine("emulate_page_fault") %}
        testb   $2, ENTRY_FRAME_cs(%esi)
        jz      {{ L("kernel") }}
        orl     $PF_USER, %eax
{{ L("kernel") }}:
        movl    %eax, emulate_error
        movl    %edi, emulate_address
        movl    $VECTOR_PF, emulate_vector
        stc
        ret
{% endcall %}

# emulate_protection_fault(): notes a protection fault of the guest.
#
# in:    -
# out:   carry
# clob:  none
# errs:  always carry
{% call routine("emulate_protection_fault") %}
        movl    $0, emulate_error
        movl    $VECTOR_GP, emulate_vector
        stc
        ret
{% endcall %}

{% set L = labels("segment_find") %}
# segment_find(selector): the descriptor of a segment that the current vcpu uses.
#
# in:    %eax = selector, upper half clear; %ebp = current vcpu
# out:   %eax = base, %ecx = limit in bytes, %edx = upper half of the descriptor; carry: there is none
# clob:  none
# errs:  carry
{% call routine("segment_find") %}
        testl   $~SELECTOR_RPL, %eax
        jz      {{ L("none") }}
        movl    %eax, %ecx
        andl    $~(SELECTOR_RPL | SELECTOR_LDT), %ecx
        testb   $SELECTOR_LDT, %al
        jnz     {{ L("local") }}
        cmpl    $GDT_LIMIT, %ecx
        ja      {{ L("none") }}
        addl    $DOMAIN_WINDOW, %ecx
        jmp     {{ L("have_address") }}
{{ L("local") }}:
        movl    VCPU_ldt_entries(%ebp), %edx
        shll    $3, %edx
        cmpl    %edx, %ecx
        jae     {{ L("none") }}
        addl    $LDT_WINDOW, %ecx
{{ L("have_address") }}:
        {{ user("movl (%ecx), %eax", fail=L("none")) }}
        {{ user("movl 4(%ecx), %edx", fail=L("none")) }}
        btl     $15, %edx
        jnc     {{ L("none") }}                 # not present
        movzwl  %ax, %ecx
        pushl   %edx
        andl    $0xf0000, %edx
        orl     %edx, %ecx                      # limit field
        popl    %edx
        testl   $DESCRIPTOR_G, %edx
        jz      {{ L("have_limit") }}
        shll    $PAGE_SHIFT, %ecx
        orl     $PAGE_OFFSET_MASK, %ecx
{{ L("have_limit") }}:
        shrl    $16, %eax
        pushl   %edx
        shll    $16, %edx
        andl    $0xff0000, %edx
        orl     %edx, %eax
        movl    (%esp), %edx
        andl    $0xff000000, %edx
        orl     %edx, %eax                      # base
        popl    %edx
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% for name in ["emulate_base", "emulate_start", "emulate_end", "emulate_number", "emulate_vector", "emulate_error",
                "emulate_address", "emulate_default"] %}
{{ space(name, 4) }}
{% endfor %}

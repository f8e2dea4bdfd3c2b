# A guest for the scheduler's tests: it uses all of the processor that it gets, and counts how much that is.
#
# It says where in the machine its counter is, so that whoever measures reads it there, and never ends. Its command line
# says what it does: `yield` gives the turn away after each count, anything else only spins.
#
# Invariants
#   - A count of the spinning form is three instructions, and memory of nobody else is touched.

{{ elf_note("GUEST_OS", ".asciz", '"spin"') }}

        .text

        .set    FIRST_OF_YIELD, 0x79            # y

{% set L = labels("start") %}
# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  none
{% call routine("start") %}
        cld
        movl    $spin_count, %edx
        movl    %edx, %eax
        subl    $VIRT_BASE, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    START_INFO_mfn_list(%esi), %ecx
        movl    (%ecx,%eax,4), %eax
        shll    $PAGE_SHIFT, %eax
        andl    $PAGE_OFFSET_MASK, %edx
        orl     %edx, %eax
{{ print("spin: counter at machine address %p\\n", "%eax") }}
        cmpb    $FIRST_OF_YIELD, START_INFO_cmd_line(%esi)
        je      {{ L("yields") }}
{{ L("spins") }}:
        addl    $1, spin_count
        adcl    $0, spin_count + 4
        jmp     {{ L("spins") }}
{{ L("yields") }}:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        addl    $1, spin_count
        adcl    $0, spin_count + 4
        jmp     {{ L("yields") }}
{% endcall %}

{{ space("spin_count", "8") }}

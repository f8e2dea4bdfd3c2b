# Operations on page tables: entries changed by mmu_update and update_va_mapping, and another base pointer.
#
# Invariants
#   - Scratch page i shows frame i or frame i ^ 1, and is never looked at; so what is remapped is always a change.
#   - A word that alternates is changed by `xorl` with the difference of its two values: one instruction.

        .text

{% set L = labels("mmu_update_prepare") %}
# mmu_update_prepare(): one request, for the first scratch page.
#
# in:    %ebp = start_info
# out:   %eax = 0; request, request_change
# clob:  %ebx, %ecx
# errs:  none
{% call routine("mmu_update_prepare") %}
        movl    $scratch, %ebx
        call    entry_address
        movl    %eax, request + MMU_UPDATE_ptr
        call    page_frame
        movl    %eax, %ecx
        shll    $PAGE_SHIFT, %eax
        orl     $SCRATCH_FLAGS, %eax
        movl    %eax, request + MMU_UPDATE_val
        addl    $PAGE_SIZE, %ebx
        call    page_frame
        xorl    %ecx, %eax
        shll    $PAGE_SHIFT, %eax
        movl    %eax, request_change
        xorl    %eax, %eax
        ret
{% endcall %}

{% for name, change in [("remap", "movl    request_change, %ecx"), ("flags", "movl    $PTE_D, %ecx")] %}
# bench_mmu_update_{{ name }}(): one entry changed: {{ "its frame" if name == "remap" else "no more than its flags" }}.
#
# in:    request
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_mmu_update_" ~ name) %}
mmu_update_{{ name }}_begin:
        {{ change }}
        xorl    %ecx, request + MMU_UPDATE_val
        movl    $request, %ebx
        movl    $1, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmu_update") }}
mmu_update_{{ name }}_end:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("mmu_batch_prepare") %}
# mmu_batch_prepare(): two lists of requests for all scratch pages: each with another frame, and each with its own.
#
# in:    %ebp = start_info
# out:   %eax = 0; batch_others, batch_own, batch_now, batch_change
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("mmu_batch_prepare") %}
        movl    $scratch, %ebx
        movl    $batch_others, %esi
        movl    $batch_own, %edi
{{ L("next_page") }}:
        call    entry_address
        movl    %eax, MMU_UPDATE_ptr(%esi)
        movl    %eax, MMU_UPDATE_ptr(%edi)
        call    page_frame
        shll    $PAGE_SHIFT, %eax
        orl     $SCRATCH_FLAGS, %eax
        movl    %eax, MMU_UPDATE_val(%edi)
        pushl   %ebx
        xorl    $PAGE_SIZE, %ebx                # the other page of the pair
        call    page_frame
        popl    %ebx
        shll    $PAGE_SHIFT, %eax
        orl     $SCRATCH_FLAGS, %eax
        movl    %eax, MMU_UPDATE_val(%esi)
        addl    $MMU_UPDATE_size, %esi
        addl    $MMU_UPDATE_size, %edi
        addl    $PAGE_SIZE, %ebx
        cmpl    $scratch + SCRATCH_PAGES * PAGE_SIZE, %ebx
        jb      {{ L("next_page") }}
        movl    $batch_own, %eax
        movl    %eax, batch_now
        xorl    $batch_others, %eax
        movl    %eax, batch_change
        xorl    %eax, %eax
        ret
{% endcall %}

# bench_mmu_update_batch(): all scratch pages get other frames, by one call.
#
# in:    batch_now, batch_change
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_mmu_update_batch") %}
mmu_update_batch_begin:
        movl    batch_now, %ebx
        xorl    batch_change, %ebx
        movl    %ebx, batch_now
        movl    $SCRATCH_PAGES, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmu_update") }}
mmu_update_batch_end:
        ret
{% endcall %}

# va_mapping_prepare(): the entry of the first scratch page, and what changes in it.
#
# in:    %ebp = start_info
# out:   %eax = 0; request, request_change
# clob:  %ebx, %ecx
# errs:  none
{% call routine("va_mapping_prepare") %}
        jmp     mmu_update_prepare
{% endcall %}

# bench_update_va_mapping(): another frame for a page, and its translation forgotten.
#
# in:    request
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_update_va_mapping") %}
update_va_mapping_begin:
        movl    request + MMU_UPDATE_val, %ecx
        xorl    request_change, %ecx
        movl    %ecx, request + MMU_UPDATE_val
        movl    $scratch, %ebx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
update_va_mapping_end:
        ret
{% endcall %}

        .set    GUEST_L2_ENTRIES, 0xf5800000 >> L2_SHIFT & (PTES_PER_TABLE - 1)

{% set L = labels("spaces_prepare") %}
# spaces_prepare(): a second address space, with a top L3 and L2 of its own and the same below.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error; space_operation, space_change
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  what the hypervisor says
{% call routine("spaces_prepare") %}
        call    table_l2
        movl    %eax, %esi
        movl    $second_l2, %edi
        movl    $(2 * GUEST_L2_ENTRIES), %ecx   # what lies above is the hypervisor's
        rep movsl
        movl    START_INFO_pt_base(%ebp), %esi
        movl    $second_l3, %edi
        movl    $(4 * PTE_size / 4), %ecx
        rep movsl
        movl    $second_l2, %ebx
        call    page_frame
        shll    $PAGE_SHIFT, %eax
        orl     $PTE_P, %eax
        movl    %eax, second_l3 + 3 * PTE_size
        call    page_protect
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $second_l3, %ebx
        call    page_protect
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    START_INFO_pt_base(%ebp), %ebx
        call    page_frame
        movl    %eax, space_change
        movl    $MMUEXT_PIN_L3_TABLE, space_operation + MMUEXT_OP_cmd
        movl    %eax, space_operation + MMUEXT_OP_arg1
        call    space_operate                   # an error: it is pinned already, as the builder may leave it
        movl    $second_l3, %ebx
        call    page_frame
        xorl    %eax, space_change
        movl    %eax, space_operation + MMUEXT_OP_arg1
        call    space_operate
        movl    $MMUEXT_NEW_BASEPTR, space_operation + MMUEXT_OP_cmd
{{ L("done") }}:
        ret
{% endcall %}

# space_operate(): carries out space_operation.
#
# in:    space_operation
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("space_operate") %}
        movl    $space_operation, %ebx
        movl    $1, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmuext_op") }}
        ret
{% endcall %}

# bench_new_baseptr(): the other address space.
#
# in:    space_operation
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_new_baseptr") %}
new_baseptr_begin:
        movl    space_change, %eax
        xorl    %eax, space_operation + MMUEXT_OP_arg1
        movl    $space_operation, %ebx
        movl    $1, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmuext_op") }}
new_baseptr_end:
        ret
{% endcall %}

{{ space("request", "MMU_UPDATE_size") }}
{{ space("request_change", 4) }}
{{ space("batch_now", 4) }}
{{ space("batch_change", 4) }}
{{ space("batch_own", "SCRATCH_PAGES * MMU_UPDATE_size") }}
{{ space("batch_others", "SCRATCH_PAGES * MMU_UPDATE_size") }}
{{ space("space_operation", "MMUEXT_OP_size") }}
{{ space("space_change", 4) }}
{{ space("second_l2", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("second_l3", "PAGE_SIZE", "PAGE_SIZE") }}

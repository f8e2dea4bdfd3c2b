# Long operations: those that a hypervisor must do in pieces, lest interrupts stay off for too long.
#
# Invariants
#   - Each is one hypercall, or two that undo each other, with as much to do as a guest might ask for at a time.
#   - tables, long_table and gdt_pages are page tables and descriptor tables for good once they have been filled: they
#     are read-only, and nothing else uses them. The last frames of the domain are others after balloon.

        .text

        .set    LONG_COUNT, 1024
        .set    TABLES, 4
        .set    GDT_PAGES, 14
        .set    EXTENTS, 128

{% set L = labels("mmu_long_prepare") %}
# mmu_long_prepare(): requests for all scratch pages, eight times over: other frames, their own, other ones, ...
#
# in:    %ebp = start_info
# out:   %eax = 0; long_list
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("mmu_long_prepare") %}
        call    mmu_batch_prepare
        movl    $long_list, %edi
{{ L("next_lists") }}:
        movl    $batch_others, %esi
        movl    $(SCRATCH_PAGES * MMU_UPDATE_size / 4), %ecx
        rep movsl
        movl    $batch_own, %esi
        movl    $(SCRATCH_PAGES * MMU_UPDATE_size / 4), %ecx
        rep movsl
        cmpl    $long_list + LONG_COUNT * MMU_UPDATE_size, %edi
        jb      {{ L("next_lists") }}
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("multicall_long_prepare") %}
# multicall_long_prepare(): a long list of calls that do the least.
#
# in:    -
# out:   %eax = 0; long_list
# clob:  %ecx
# errs:  none
{% call routine("multicall_long_prepare") %}
        movl    $long_list, %ecx
{{ L("next_entry") }}:
        movl    $HYPERCALL_xen_version, MULTICALL_ENTRY_op(%ecx)
        movl    $XENVER_version, MULTICALL_ENTRY_args(%ecx)
        addl    $MULTICALL_ENTRY_size, %ecx
        cmpl    $long_list + LONG_COUNT * MULTICALL_ENTRY_size, %ecx
        jb      {{ L("next_entry") }}
        xorl    %eax, %eax
        ret
{% endcall %}

{% set lists = {"flush_long": ("MMUEXT_INVLPG_LOCAL", "LONG_COUNT"),
                "clear_long": ("MMUEXT_CLEAR_PAGE", "SCRATCH_PAGES / 2")} %}
{% for name, (command, count) in lists.items() %}
{% set L = labels(name ~ "_prepare") %}
# {{ name }}_prepare(): a long list of operations {{ command }}.
#
# in:    %ebp = start_info
# out:   %eax = 0; long_list
# clob:  %ebx, %ecx, %edx
# errs:  none
{% call routine(name ~ "_prepare") %}
        movl    $long_list, %edx
        movl    $scratch, %ebx
        movl    $({{ count }}), %ecx
{{ L("next_operation") }}:
        movl    ${{ command }}, MMUEXT_OP_cmd(%edx)
{% if name == "clear_long" %}
        call    page_frame
        movl    %eax, MMUEXT_OP_arg1(%edx)
        addl    $PAGE_SIZE, %ebx
{% else %}
        movl    %ebx, MMUEXT_OP_arg1(%edx)
{% endif %}
        addl    $MMUEXT_OP_size, %edx
        decl    %ecx
        jnz     {{ L("next_operation") }}
        xorl    %eax, %eax
        ret
{% endcall %}

{% endfor %}
{% set calls = {"mmu_long": ("mmu_update", "LONG_COUNT"), "multicall_long": ("multicall", "LONG_COUNT"),
                "flush_long": ("mmuext_op", "LONG_COUNT"), "clear_long": ("mmuext_op", "SCRATCH_PAGES / 2"),
                "pin_l1": ("mmuext_op", "2"), "pin_l2": ("mmuext_op", "2")} %}
{% for name, (call, count) in calls.items() %}
# bench_{{ name }}(): one {{ call }} with what {{ name }}_prepare has made.
#
# in:    long_list
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  what the hypervisor says
{% call routine("bench_" ~ name) %}
{{ name }}_begin:
        movl    $long_list, %ebx
        movl    $({{ count }}), %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall(call) }}
{{ name }}_end:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("tables_fill") %}
# tables_fill(tables, count): makes L1 tables that map scratch pages, all their entries writable.
#
# in:    %edi = tables, %ecx = count; %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  what the hypervisor says
{% call routine("tables_fill") %}
{{ L("next_table") }}:
        pushl   %ecx
        movl    $scratch, %ebx
        xorl    %ecx, %ecx
{{ L("next_entry") }}:
        call    page_frame
        shll    $PAGE_SHIFT, %eax
        orl     $SCRATCH_FLAGS, %eax
        movl    %eax, (%edi,%ecx,8)
        xorl    $PAGE_SIZE, %ebx
        incl    %ecx
        cmpl    $PTES_PER_TABLE, %ecx
        jb      {{ L("next_entry") }}
        movl    %edi, %ebx
        call    page_protect
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        addl    $PAGE_SIZE, %edi
        decl    %ecx
        jnz     {{ L("next_table") }}
{{ L("refused") }}:
        ret
{% endcall %}

{% for level in (1, 2) %}
{% set table = "tables" if level == 1 else "long_table" %}
{% set L = labels("pin_l%d_prepare" % level) %}
# pin_l{{ level }}_prepare(): an L{{ level }} table that is in no use, and the operations that pin and unpin it.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error; long_list
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  what the hypervisor says
{% call routine("pin_l%d_prepare" % level) %}
{% if level == 1 %}
        movl    $tables, %edi
        movl    $TABLES, %ecx
        call    tables_fill
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{% else %}
        movl    $tables, %ebx                   # which pin_l1_prepare has filled
        xorl    %ecx, %ecx
{{ L("next_entry") }}:
        call    page_frame
        shll    $PAGE_SHIFT, %eax
        orl     $(SCRATCH_FLAGS | PTE_US), %eax
        movl    %eax, long_table(,%ecx,8)
        addl    $PAGE_SIZE, %ebx
        incl    %ecx
        cmpl    $TABLES, %ecx
        jb      {{ L("next_entry") }}
        movl    $long_table, %ebx
        call    page_protect
        testl   %eax, %eax
        jnz     {{ L("refused") }}
{% endif %}
        movl    ${{ table }}, %ebx
        call    page_frame
        movl    $MMUEXT_PIN_L{{ level }}_TABLE, long_list + MMUEXT_OP_cmd
        movl    %eax, long_list + MMUEXT_OP_arg1
        movl    $MMUEXT_UNPIN_TABLE, long_list + MMUEXT_OP_size + MMUEXT_OP_cmd
        movl    %eax, long_list + MMUEXT_OP_size + MMUEXT_OP_arg1
        xorl    %eax, %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("gdt_prepare") %}
# gdt_prepare(): descriptor tables of the greatest size, full of segments for ring 3.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error; gdt_list
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  what the hypervisor says
{% call routine("gdt_prepare") %}
        movl    $gdt_pages, %ebx
{{ L("next_descriptor") }}:
        movl    $0x0000ffff, (%ebx)
        movl    $0x00cff300, 4(%ebx)            # data, writable, DPL 3, base 0, 4 GB: the limit has to be cut
        addl    $DESCRIPTOR_size, %ebx
        cmpl    $gdt_pages + GDT_PAGES * PAGE_SIZE, %ebx
        jb      {{ L("next_descriptor") }}
        xorl    %edi, %edi
{{ L("next_page") }}:
        movl    %edi, %ebx
        shll    $PAGE_SHIFT, %ebx
        addl    $gdt_pages, %ebx
        call    page_frame
        movl    %eax, gdt_list(,%edi,4)
        call    page_protect
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        incl    %edi
        cmpl    $GDT_PAGES, %edi
        jb      {{ L("next_page") }}
{{ L("refused") }}:
        ret
{% endcall %}

# bench_set_gdt(): descriptor tables of the greatest size taken, and given up again.
#
# in:    gdt_list
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_set_gdt") %}
set_gdt_begin:
        movl    $gdt_list, %ebx
        movl    $(GDT_PAGES * PAGE_SIZE / DESCRIPTOR_size), %ecx
        {{ hypercall("set_gdt") }}
        testl   %eax, %eax
        jnz     set_gdt_end
        movl    $gdt_list, %ebx
        xorl    %ecx, %ecx
        {{ hypercall("set_gdt") }}
set_gdt_end:
        ret
{% endcall %}

{% set L = labels("balloon_prepare") %}
# balloon_prepare(): the last frames of the domain, which the builder has not mapped anywhere.
#
# in:    %ebp = start_info
# out:   %eax = 0; long_list, reservation
# clob:  %ecx, %esi, %edi
# errs:  none
{% call routine("balloon_prepare") %}
        movl    START_INFO_nr_pages(%ebp), %esi
        shll    $2, %esi
        addl    START_INFO_mfn_list(%ebp), %esi
        subl    $(4 * EXTENTS), %esi
        movl    $long_list, %edi
        movl    $EXTENTS, %ecx
        rep movsl
        movl    $long_list, reservation + MEMORY_RESERVATION_extent_start
        movl    $EXTENTS, reservation + MEMORY_RESERVATION_nr_extents
        movw    $DOMID_SELF, reservation + MEMORY_RESERVATION_domid
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("bench_balloon") %}
# bench_balloon(): frames given to the hypervisor, and as many taken; their numbers are in the same list.
#
# in:    reservation
# out:   %eax = 0 or more: the number of frames; or an error
# clob:  %ebx, %ecx
# errs:  what the hypervisor says
{% call routine("bench_balloon") %}
balloon_begin:
        movl    $XENMEM_decrease_reservation, %ebx
        movl    $reservation, %ecx
        {{ hypercall("memory_op") }}
        testl   %eax, %eax
        js      balloon_end
        movl    $XENMEM_increase_reservation, %ebx
        movl    $reservation, %ecx
        {{ hypercall("memory_op") }}
balloon_end:
        ret
{% endcall %}

{{ space("long_list", "LONG_COUNT * MULTICALL_ENTRY_size") }}
{{ space("gdt_list", "4 * GDT_PAGES") }}
{{ space("reservation", "MEMORY_RESERVATION_size") }}
{{ space("tables", "TABLES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("long_table", "PAGE_SIZE", "PAGE_SIZE") }}
{{ space("gdt_pages", "GDT_PAGES * PAGE_SIZE", "PAGE_SIZE") }}

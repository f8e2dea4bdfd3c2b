# A guest's grants: which of its pages another domain may reach (ABI 10.9), in a table of GRANT_PAGES pages.
#
# Invariants
#   - References are given out once, from the first that is not reserved on, and kept until the domain ends: front ends
#     grant their rings and buffers when they start.
#   - An entry's flags are written last: from then on it holds.

        .text

        .set    GRANT_PAGES, 2
        .set    GRANT_ENTRIES, GRANT_PAGES * GRANT_ENTRIES_V1_PER_PAGE

{{ space("grant_table", "GRANT_PAGES * PAGE_SIZE", "PAGE_SIZE") }}
{{ space("grant_setup", "GNTTAB_SETUP_TABLE_size") }}
{{ space("grant_table_frames", "4 * GRANT_PAGES") }}

        .data
{% call object("grant_next") %}
        .long   GNTTAB_NR_RESERVED_ENTRIES
{% endcall %}

        .text

{% set L = labels("grants_begin") %}
# grants_begin(): asks for the table and maps it.
#
# in:    %ebp = start_info
# out:   %eax = 0, or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of setup_table and update_va_mapping
{% call routine("grants_begin") %}
        movw    $DOMID_SELF, grant_setup + GNTTAB_SETUP_TABLE_dom
        movl    $GRANT_PAGES, grant_setup + GNTTAB_SETUP_TABLE_nr_frames
        movl    $grant_table_frames, grant_setup + GNTTAB_SETUP_TABLE_frame_list
        movl    $GNTTABOP_setup_table, %ebx
        movl    $grant_setup, %ecx
        movl    $1, %edx
        {{ hypercall("grant_table_op") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movswl  grant_setup + GNTTAB_SETUP_TABLE_status, %eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
{% for page in range(2) %}
        movl    grant_table_frames + 4 * {{ page }}, %eax
        movl    $grant_table + {{ page }} * PAGE_SIZE, %ebx
        movl    $(PTE_P | PTE_RW | PTE_A | PTE_D), %ecx
        call    page_map
        testl   %eax, %eax
        jnz     {{ L("done") }}
{% endfor %}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_page") %}
# grant_page(va, domain, flags): lets a domain reach a page of ours.
#
# in:    %ebx = address in the page, in the initial mapping; %edx = domain; %ecx = GTF_permit_access, or that and
#        GTF_readonly; %ebp = start_info
# out:   %eax = reference; carry set when the table is full
# clob:  none
# errs:  carry
{% call routine("grant_page") %}
        pushl   %esi
        movl    grant_next, %esi
        cmpl    $GRANT_ENTRIES, %esi
        jae     {{ L("full") }}
        call    page_frame
        movl    %eax, grant_table + GRANT_ENTRY_V1_frame(,%esi,8)
        movw    %dx, grant_table + GRANT_ENTRY_V1_domid(,%esi,8)
        movw    %cx, grant_table + GRANT_ENTRY_V1_flags(,%esi,8)
        movl    %esi, %eax
        incl    grant_next
        popl    %esi
        clc
        ret
{{ L("full") }}:
        popl    %esi
        stc
        ret
{% endcall %}

{% set L = labels("grant_pages") %}
# grant_pages(va, count, references, domain, flags): lets a domain reach pages that follow each other.
#
# in:    %ebx = address of the first; %eax = count, above 0; %edi = where their references go; %edx, %ecx, %ebp: as for
#        grant_page
# out:   carry set when the table is full
# clob:  %eax, %ebx, %edi
# errs:  carry
{% call routine("grant_pages") %}
        pushl   %esi
        movl    %eax, %esi
{{ L("next_page") }}:
        call    grant_page
        jc      {{ L("done") }}
        stosl
        addl    $PAGE_SIZE, %ebx
        decl    %esi
        jnz     {{ L("next_page") }}
        clc
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

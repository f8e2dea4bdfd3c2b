# A domain's grant table: its frames, which the domain writes and we read, and where an entry is.
#
# Invariants
#   - A grant frame is the hypervisor's with the domain as its owner, as shared_info is: no allocation to give back, and
#     one writable reference of ours. So it can never be freed, or become a table, by its guest.
#   - Beside each there is a frame of GRANT_ACTIVEs, which nobody else sees. Both are reached through the map cache.
#   - A table never shrinks. It is there until its domain is gone.

        .text

{% set L = labels("grant_table_get") %}
# grant_table_get(domain): a domain's GRANT_TABLE, which is made when it is first asked for.
#
# in:    %ebx = DOMAIN
# out:   %eax = GRANT_TABLE, or 0: no memory
# clob:  none
# errs:  0
{% call routine("grant_table_get") %}
        movl    DOMAIN_grants(%ebx), %eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
        pushl   %ecx
        movl    $GRANT_TABLE_size, %ecx
        call    heap_alloc
        popl    %ecx
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    $NO_HANDLE, GRANT_TABLE_free_handle(%eax)
        movl    %eax, DOMAIN_grants(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_table_grow") %}
# grant_table_grow(domain): one more frame of entries, all invalid.
#
# in:    %ebx = DOMAIN with less than GRANT_FRAMES of them
# out:   carry: no memory
# clob:  %eax
# errs:  carry
{% call routine("grant_table_grow") %}
        pushl   %edx
        pushl   %esi
        call    grant_table_get
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, %edx
        movl    GRANT_TABLE_nr_frames(%edx), %esi
        call    grant_page_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, GRANT_TABLE_active(%edx,%esi,4)
        call    grant_page_alloc
        testl   %eax, %eax
        jz      {{ L("no_second") }}
        movl    %eax, GRANT_TABLE_frames(%edx,%esi,4)
        call    frame_record
        movl    $1, FRAME_count(%eax)
        movl    $(FRAME_TYPE_WRITABLE | FRAME_VALIDATED | 1), FRAME_type(%eax)
        movl    %ebx, FRAME_owner(%eax)
        incl    GRANT_TABLE_nr_frames(%edx)
        testl   %esi, %esi
        jnz     {{ L("done") }}
        call    grant_reserved_fill
        clc
{{ L("done") }}:                                # carry is clear: `test` or `clc` cleared it
        popl    %esi
        popl    %edx
        ret
{{ L("no_second") }}:
        movl    GRANT_TABLE_active(%edx,%esi,4), %eax
        call    frame_free
{{ L("no_memory") }}:
        popl    %esi
        popl    %edx
        stc
        ret
{% endcall %}

{% set L = labels("grant_page_alloc") %}
# grant_page_alloc(): a frame for the records of grants, zeroed.
#
# in:    -
# out:   %eax = mfn, or 0
# clob:  none
# errs:  0
{% call routine("grant_page_alloc") %}
        call    frame_alloc
        testl   %eax, %eax
        jz      {{ L("none") }}
        pushl   %ecx
        pushl   %edi
        pushl   %eax
        call    map_frame
        movl    %eax, %edi
        movl    $PAGE_SIZE, %ecx
        call    memory_zero
        popl    %eax
        popl    %edi
        popl    %ecx
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("grant_reserved_fill") %}
# grant_reserved_fill(domain): shows a new domain's console and xenstore pages to domain 0 (ABI 1.9).
#
# in:    %ebx = DOMAIN with a first grant frame
# out:   -
# clob:  %eax
# errs:  none
# why:   done when the table is made, so that a domain without one costs nothing; nobody can tell (grant_entry)
{% call routine("grant_reserved_fill") %}
        cmpl    $0, DOMAIN_console_mfn(%ebx)
        je      {{ L("has_none") }}
        pushl   %ecx
        movl    DOMAIN_grants(%ebx), %eax
        movl    GRANT_TABLE_frames(%eax), %eax
        call    map_frame
{% for page, entry in [("console", "GNTTAB_RESERVED_CONSOLE"), ("store", "GNTTAB_RESERVED_XENSTORE")] %}
        movl    DOMAIN_{{ page }}_mfn(%ebx), %ecx
        movl    %ecx, {{ entry }} * GRANT_ENTRY_V1_size + GRANT_ENTRY_V1_frame(%eax)
        movl    $GTF_permit_access, {{ entry }} * GRANT_ENTRY_V1_size + GRANT_ENTRY_V1_flags(%eax)     # domid 0
{% endfor %}
        popl    %ecx
{{ L("has_none") }}:
        ret
{% endcall %}

{% set L = labels("grant_entry") %}
# grant_entry(domain, ref): where an entry is, and the record of its uses.
#
# in:    %ebx = DOMAIN, %ecx = ref (any number)
# out:   no carry: %esi = the entry, %edi = its GRANT_ACTIVE, both in the map cache
# clob:  %eax, %esi, %edi
# errs:  carry: the table has no such entry
{% call routine("grant_entry") %}
{{ L("again") }}:
        movl    DOMAIN_grants(%ebx), %esi
        testl   %esi, %esi
        jz      {{ L("beyond") }}
        movl    %ecx, %edi
        shrl    $GRANT_REF_SHIFT, %edi
        cmpl    GRANT_TABLE_nr_frames(%esi), %edi
        jae     {{ L("beyond") }}
        movl    GRANT_TABLE_active(%esi,%edi,4), %eax
        pushl   GRANT_TABLE_frames(%esi,%edi,4)
        movl    %ecx, %esi
        andl    $(GRANT_ENTRIES_V1_PER_PAGE - 1), %esi
        call    map_frame
        leal    (%eax,%esi,8), %edi
        popl    %eax
        call    map_frame
        leal    (%eax,%esi,8), %esi
        clc
        ret
{{ L("beyond") }}:
        cmpl    $GNTTAB_NR_RESERVED_ENTRIES, %ecx
        jae     {{ L("none") }}
        cmpl    $0, DOMAIN_console_mfn(%ebx)
        je      {{ L("none") }}
        testl   %esi, %esi
        jz      {{ L("first_use") }}
        cmpl    $0, GRANT_TABLE_nr_frames(%esi)
        jne     {{ L("none") }}
{{ L("first_use") }}:                           # of an entry that has been there from the domain's start
        call    grant_table_grow
        jnc     {{ L("again") }}
{{ L("none") }}:
        stc
        ret
{% endcall %}

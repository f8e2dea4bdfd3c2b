# What a domain has mapped of others' grants, by handle (MAPTRACK).
#
# Invariants
#   - A handle is page * 256 + place in the page. Those from next_handle on were never given out; the free ones below
#     are chained through MAPTRACK_ref. A free one's granter is 0.
#   - A record holds one use of the entry (acquire.s) as long as it has a part, GNTMAP_host_map or GNTMAP_device_map;
#     afterwards it waits in grant_drops for its end, and is nobody's handle.
#   - The entry of an L1 that came with a host part holds its own references, as any entry does (mm/l1.s): however it is
#     taken away, counts and types are right. Taken away by another call, the grant stays in use until it is unmapped.

        .text

{% set L = labels("maptrack_get") %}
# maptrack_get(): a free handle of the current domain's.
#
# in:    %ebp = current vcpu
# out:   %eax = handle, or NO_HANDLE: it has as many as it may have, or there is no memory
# clob:  none
# errs:  NO_HANDLE
{% call routine("maptrack_get") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        movl    VCPU_domain(%ebp), %ebx
        call    grant_table_get
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, %edx
        movl    GRANT_TABLE_free_handle(%edx), %eax
        cmpl    $NO_HANDLE, %eax
        je      {{ L("fresh") }}
        call    maptrack_at
        pushl   MAPTRACK_ref(%esi)
        popl    GRANT_TABLE_free_handle(%edx)
        jmp     {{ L("done") }}
{{ L("fresh") }}:
        movl    GRANT_TABLE_maptrack_pages(%edx), %ecx
        movl    %ecx, %eax
        shll    $MAPTRACK_SHIFT, %eax
        cmpl    GRANT_TABLE_next_handle(%edx), %eax
        ja      {{ L("have_room") }}
        cmpl    $MAPTRACK_PAGES, %ecx
        jae     {{ L("none") }}
        call    grant_page_alloc
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, GRANT_TABLE_maptrack(%edx,%ecx,4)
        incl    GRANT_TABLE_maptrack_pages(%edx)
{{ L("have_room") }}:
        movl    GRANT_TABLE_next_handle(%edx), %eax
        incl    GRANT_TABLE_next_handle(%edx)
{{ L("done") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("none") }}:
        movl    $NO_HANDLE, %eax
        jmp     {{ L("done") }}
{% endcall %}

# maptrack_put(handle): makes a handle of the current domain's free.
#
# in:    %eax = handle; %ebp = current vcpu
# out:   -
# clob:  none
# errs:  none
{% call routine("maptrack_put") %}
        pushl   %edx
        pushl   %esi
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_grants(%edx), %edx
        call    maptrack_at
        movl    $0, MAPTRACK_granter(%esi)
        movl    $0, MAPTRACK_flags(%esi)
        pushl   GRANT_TABLE_free_handle(%edx)
        popl    MAPTRACK_ref(%esi)
        movl    %eax, GRANT_TABLE_free_handle(%edx)
        popl    %esi
        popl    %edx
        ret
{% endcall %}

# maptrack_at(table, handle): where the record of a handle is.
#
# in:    %edx = GRANT_TABLE, %eax = handle below next_handle
# out:   %esi = MAPTRACK, in the map cache
# clob:  none
# errs:  none
{% call routine("maptrack_at") %}
        pushl   %eax
        movl    %eax, %esi
        shrl    $MAPTRACK_SHIFT, %eax
        movl    GRANT_TABLE_maptrack(%edx,%eax,4), %eax
        call    map_frame
        andl    $(MAPTRACK_PER_PAGE - 1), %esi
        shll    $4, %esi
        addl    %eax, %esi
        popl    %eax
        ret
{% endcall %}

{% set L = labels("maptrack_find") %}
# maptrack_find(handle): the record behind what a guest says is a handle.
#
# in:    %eax = handle (any number); %ebp = current vcpu
# out:   no carry: %esi = MAPTRACK with a part, in the map cache
# clob:  %esi
# errs:  carry: not a handle of the current domain's
{% call routine("maptrack_find") %}
        pushl   %edx
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_grants(%edx), %edx
        testl   %edx, %edx
        jz      {{ L("none") }}
        cmpl    GRANT_TABLE_next_handle(%edx), %eax
        jae     {{ L("none") }}
        call    maptrack_at
        testl   $(GNTMAP_host_map | GNTMAP_device_map), MAPTRACK_flags(%esi)
        jz      {{ L("none") }}
        popl    %edx
        ret                                     # carry is clear: `test` cleared it
{{ L("none") }}:
        popl    %edx
        stc
        ret
{% endcall %}

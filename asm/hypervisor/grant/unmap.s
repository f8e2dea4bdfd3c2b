# grant_table_op unmap_grant_ref and unmap_and_replace: the end of a mapping.
#
# Invariants
#   - The entry that is given must still show the frame with the same P and RW; else nothing changes, and the grant
#     stays in use (ABI 10.9). A handle that has lost its last part is no handle any more.
#   - What the handle held is given up only when no translation of it can be in the TLB: grant_drops_finish.

        .text

{% set L = labels("grant_unmap") %}
# grant_unmap(): ends a mapping, or one part of it when it has both.
#
# in:    grant_element: GNTTAB_UNMAP_GRANT_REF; %ebp = current vcpu
# out:   %eax = status
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  bad_handle, general_error (not mapped there, another address)
# why:   of a mapping with both parts an address of 0 means: not this part
{% call routine("grant_unmap") %}
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_handle, %eax
        call    maptrack_find
        movl    $GNTST_bad_handle, %eax
        jc      {{ L("done") }}
        movl    %esi, %edi
        movl    MAPTRACK_flags(%edi), %ecx
        andl    $(GNTMAP_host_map | GNTMAP_device_map), %ecx
        cmpl    $(GNTMAP_host_map | GNTMAP_device_map), %ecx
        jne     {{ L("parts_ok") }}
{% for address, part in [("host_addr", "GNTMAP_host_map"), ("dev_bus_addr", "GNTMAP_device_map")] %}
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_{{ address }}, %eax
        orl     grant_element + GNTTAB_UNMAP_GRANT_REF_{{ address }}_high, %eax
        jnz     {{ L("wants_" ~ address) }}
        andl    $~{{ part }}, %ecx
{{ L("wants_" ~ address) }}:
{% endfor %}
{{ L("parts_ok") }}:
        testl   $GNTMAP_device_map, %ecx
        jz      {{ L("address_ok") }}
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_dev_bus_addr, %eax
        orl     grant_element + GNTTAB_UNMAP_GRANT_REF_dev_bus_addr_high, %eax
        jz      {{ L("address_ok") }}           # there is only this part
        movl    MAPTRACK_frame(%edi), %eax
        shll    $PAGE_SHIFT, %eax
        xorl    grant_element + GNTTAB_UNMAP_GRANT_REF_dev_bus_addr, %eax
        orl     grant_element + GNTTAB_UNMAP_GRANT_REF_dev_bus_addr_high, %eax
        jnz     {{ L("general_error") }}
{{ L("address_ok") }}:
        testl   $GNTMAP_host_map, %ecx
        jz      {{ L("unmapped") }}
        call    grant_pte_check
        jc      {{ L("general_error") }}
        pushl   %ecx
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        call    grant_pte_swap
        popl    %ecx
{{ L("unmapped") }}:
        call    grant_parts_end
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("general_error") }}:
        movl    $GNTST_general_error, %eax
        ret
{% endcall %}

{% set L = labels("grant_unmap_and_replace") %}
# grant_unmap_and_replace(): ends a mapping, and moves the entry for another address to where it was.
#
# in:    grant_element: GNTTAB_UNMAP_AND_REPLACE; %ebp = current vcpu
# out:   %eax = status
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  bad_handle, general_error (not mapped there, no such other entry, or one that was named by machine address)
# why:   an entry takes its references along; with new_addr 0 it is an unmapping
{% call routine("grant_unmap_and_replace") %}
        movl    grant_element + GNTTAB_UNMAP_AND_REPLACE_new_addr, %eax
        orl     grant_element + GNTTAB_UNMAP_AND_REPLACE_new_addr_high, %eax
        jz      grant_unmap
        movl    grant_element + GNTTAB_UNMAP_AND_REPLACE_handle, %eax
        call    maptrack_find
        movl    $GNTST_bad_handle, %eax
        jc      {{ L("done") }}
        movl    %esi, %edi
        movl    MAPTRACK_flags(%edi), %ecx
        andl    $(GNTMAP_host_map | GNTMAP_contains_pte), %ecx
        cmpl    $GNTMAP_host_map, %ecx
        jne     {{ L("general_error") }}
        call    grant_pte_check
        jc      {{ L("general_error") }}
        pushl   %esi
        movl    grant_element + GNTTAB_UNMAP_AND_REPLACE_new_addr, %eax
        movl    grant_element + GNTTAB_UNMAP_AND_REPLACE_new_addr_high, %edx
        call    grant_pte_find
        popl    %eax
        jc      {{ L("general_error") }}
        cmpl    %eax, %esi
        je      {{ L("general_error") }}
        movl    (%esi), %ebx
        movl    4(%esi), %ecx
        movl    $0, (%esi)
        movl    $0, 4(%esi)
        movl    %eax, %esi
        call    grant_pte_swap
        movl    $GNTMAP_host_map, %ecx
        call    grant_parts_end
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("general_error") }}:
        movl    $GNTST_general_error, %eax
        ret
{% endcall %}

{% set L = labels("grant_pte_check") %}
# grant_pte_check(mapping): the entry at host_addr, if it still is the mapping's.
#
# in:    %edi = MAPTRACK with a host part; grant_element; %ebp = current vcpu
# out:   no carry: %esi = address of the entry in the map cache
# clob:  %eax, %edx, %esi
# errs:  carry: no such entry, or another frame, P or RW
{% call routine("grant_pte_check") %}
        pushl   %ecx
        movl    MAPTRACK_flags(%edi), %ecx
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_host_addr, %eax
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_host_addr_high, %edx
        call    grant_pte_find
        jc      {{ L("done") }}
        movl    MAPTRACK_frame(%edi), %eax
        shll    $PAGE_SHIFT, %eax
        orl     $(PTE_P | PTE_RW), %eax
        testl   $GNTMAP_readonly, %ecx
        jz      {{ L("expected") }}
        xorl    $PTE_RW, %eax
{{ L("expected") }}:
        xorl    (%esi), %eax
        testl   $(~PAGE_OFFSET_MASK | PTE_P | PTE_RW), %eax
        jnz     {{ L("another") }}
        testl   $PTE_HIGH_FRAME, 4(%esi)
        jz      {{ L("done") }}                 # carry is clear: `test` cleared it
{{ L("another") }}:
        stc
{{ L("done") }}:
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("grant_parts_end") %}
# grant_parts_end(mapping, parts): takes parts off a mapping; with the last one its use is to end.
#
# in:    %edi = MAPTRACK, %ecx = parts; grant_element; less than GRANT_DROPS uses wait in grant_drops
# out:   grant_drops
# clob:  %eax, %ecx, %esi
# errs:  none
{% call routine("grant_parts_end") %}
        notl    %ecx
        andl    %ecx, MAPTRACK_flags(%edi)
        testl   $(GNTMAP_host_map | GNTMAP_device_map), MAPTRACK_flags(%edi)
        jnz     {{ L("done") }}
        imull   $GRANT_DROP_size, grant_drop_count, %esi
        addl    $grant_drops, %esi
        incl    grant_drop_count
{% for field in ["granter", "ref", "frame"] %}
        movl    MAPTRACK_{{ field }}(%edi), %eax
        movl    %eax, GRANT_DROP_{{ field }}(%esi)
{% endfor %}
        xorl    %eax, %eax
        testl   $GNTMAP_readonly, MAPTRACK_flags(%edi)
        setz    %al
        movl    %eax, GRANT_DROP_writable(%esi)
        movl    grant_element + GNTTAB_UNMAP_GRANT_REF_handle, %eax
        movl    %eax, GRANT_DROP_handle(%esi)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_drops_finish") %}
# grant_drops_finish(): flushes the TLB, and ends the uses that wait for that.
#
# in:    grant_drops; %ebp = current vcpu
# out:   grant_drops is empty
# clob:  none
# errs:  none
# why:   the owner may take the page for itself as soon as the marks are off its entry. invlpg would not do: the same
#        L1 may be in two places
{% call routine("grant_drops_finish") %}
        cmpl    $0, grant_drop_count
        je      {{ L("none") }}
        pushal
        call    tlb_flush
{{ L("next_drop") }}:
        decl    grant_drop_count
        js      {{ L("finished") }}
        imull   $GRANT_DROP_size, grant_drop_count, %esi
        addl    $grant_drops, %esi
        movl    GRANT_DROP_granter(%esi), %ebx
        movl    GRANT_DROP_ref(%esi), %ecx
        movl    GRANT_DROP_writable(%esi), %edx
        movl    GRANT_DROP_frame(%esi), %eax
        call    grant_release
        movl    GRANT_DROP_handle(%esi), %eax
        call    maptrack_put
        jmp     {{ L("next_drop") }}
{{ L("finished") }}:
        movl    $0, grant_drop_count
        popal
{{ L("none") }}:
        ret
{% endcall %}

        .data
{% call object("grant_drop_count") %}
        .long   0
{% endcall %}
{{ space("grant_drops", "GRANT_DROPS * GRANT_DROP_size") }}

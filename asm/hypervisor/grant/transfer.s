# grant_table_op transfer: a frame changes hands, with what is in it.
#
# Invariants
#   - Everything that can fail comes first: a frame that is not transferred stays its owner's.
#   - The frame has no reference but its allocation: no mapping, no pin, no use by a grant, no type. And no translation
#     of it is in the TLB: that is flushed once for each piece of a list, for no guest runs meanwhile.

        .text

{% set L = labels("grant_transfer") %}
# grant_transfer(): one frame to another domain's accept_transfer entry.
#
# in:    grant_element: GNTTAB_TRANSFER; %ebp = current vcpu
# out:   %eax = status
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  bad_page, bad_domain, bad_gntref (beyond the table), general_error (no room, or not accepted)
{% call routine("grant_transfer") %}
        movl    grant_element + GNTTAB_TRANSFER_mfn, %eax
        movl    VCPU_domain(%ebp), %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad_page") }}
        call    frame_put
        movl    %eax, %edx                      # FRAME
        cmpl    $(FRAME_ALLOCATED | 1), FRAME_count(%edx)
        jne     {{ L("bad_page") }}
        testl   $FRAME_COUNT_MASK, FRAME_type(%edx)
        jnz     {{ L("bad_page") }}
        movzwl  grant_element + GNTTAB_TRANSFER_domid, %eax
        call    domain_living
        movl    $GNTST_bad_domain, %eax
        jc      {{ L("done") }}
        movl    DOMAIN_nr_pages(%ebx), %eax
        cmpl    DOMAIN_max_pages(%ebx), %eax
        jae     {{ L("general_error") }}
        movl    grant_element + GNTTAB_TRANSFER_ref, %ecx
        call    grant_entry
        movl    $GNTST_bad_gntref, %eax
        jc      {{ L("done") }}
        movl    VCPU_domain(%ebp), %edi
        movl    DOMAIN_id(%edi), %eax
        shll    $16, %eax
        orl     $GTF_accept_transfer, %eax
        leal    GTF_transfer_committed(%eax), %ecx
        lock cmpxchgl %ecx, GRANT_ENTRY_V1_flags(%esi)
        jne     {{ L("general_error") }}
        movl    tlb_epoch, %eax
        cmpl    grant_epoch, %eax
        je      {{ L("flushed") }}
        call    tlb_flush
        movl    tlb_epoch, %eax
        movl    %eax, grant_epoch
{{ L("flushed") }}:
        decl    DOMAIN_nr_pages(%edi)
        incl    DOMAIN_nr_pages(%ebx)
        movl    %ebx, FRAME_owner(%edx)
        movl    $0, FRAME_type(%edx)            # what it was checked for was its old owner's
        movl    grant_element + GNTTAB_TRANSFER_mfn, %eax
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        movl    %eax, GRANT_ENTRY_V1_frame(%esi)
        lock orl $GTF_transfer_completed, GRANT_ENTRY_V1_flags(%esi)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("bad_page") }}:
        movl    $GNTST_bad_page, %eax
        ret
{{ L("general_error") }}:
        movl    $GNTST_general_error, %eax
        ret
{% endcall %}

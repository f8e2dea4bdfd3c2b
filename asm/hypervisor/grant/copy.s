# grant_table_op copy: bytes from one page to another, each a grant or a frame of the caller's own.
#
# Invariants
#   - Both pages are held, the second one for writing, while the copy is made, and let go of afterwards: a grant as any
#     use of one (acquire.s), an own frame by references alone.
#   - A side is a GRANT_DROP: granter 0 is an own frame.

        .text

{% set L = labels("grant_copy") %}
# grant_copy(): one copy.
#
# in:    grant_element: GNTTAB_COPY; %ebp = current vcpu
# out:   %eax = status
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  bad_copy_arg (beyond a page), permission_denied (another's frame), bad_domain, and as grant_acquire
{% call routine("grant_copy") %}
        movl    $GNTST_bad_copy_arg, %eax
        movzwl  grant_element + GNTTAB_COPY_len, %ecx
{% for side in ["source", "dest"] %}
        movzwl  grant_element + GNTTAB_COPY_{{ side }}_offset, %edx
        addl    %ecx, %edx
        cmpl    $PAGE_SIZE, %edx
        ja      {{ L("done") }}
{% endfor %}
        movzwl  grant_element + GNTTAB_COPY_flags, %ecx
        pushl   %ecx
        andl    $GNTCOPY_source_gref, %ecx
        xorl    %edx, %edx
        movl    $grant_element + GNTTAB_COPY_source, %esi
        movl    $grant_source, %edi
        call    grant_side_get
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("done") }}
        andl    $GNTCOPY_dest_gref, %ecx
        incl    %edx
        movl    $grant_element + GNTTAB_COPY_dest, %esi
        movl    $grant_dest, %edi
        call    grant_side_get
        testl   %eax, %eax
        jnz     {{ L("no_dest") }}
        movl    grant_source + GRANT_DROP_frame, %eax
        call    map_frame
        movzwl  grant_element + GNTTAB_COPY_source_offset, %esi
        addl    %eax, %esi
        movl    grant_dest + GRANT_DROP_frame, %eax
        call    map_frame
        movzwl  grant_element + GNTTAB_COPY_dest_offset, %edi
        addl    %eax, %edi
        movzwl  grant_element + GNTTAB_COPY_len, %ecx
        call    memory_copy
        movl    $grant_dest, %edi
        call    grant_side_put
        xorl    %eax, %eax
{{ L("no_dest") }}:
        movl    $grant_source, %edi
        call    grant_side_put
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_side_get") %}
# grant_side_get(pointer, side, writable, kind): holds the page of one side.
#
# in:    %esi = GNTTAB_COPY_POINTER of the element, %edi = GRANT_DROP to fill, %edx = 1 to write, 0 to read only,
#        %ecx = not 0: it is a grant; %ebp = current vcpu
# out:   %eax = status
# clob:  %ebx, %ecx
# errs:  as grant_copy
{% call routine("grant_side_get") %}
        movl    %edx, GRANT_DROP_writable(%edi)
        movzwl  GNTTAB_COPY_source_domid(%esi), %eax
        call    domain_living
        jc      {{ L("no_domain") }}
        testl   %ecx, %ecx
        movl    GNTTAB_COPY_source_u(%esi), %ecx
        jz      {{ L("own_frame") }}
        movl    %ebx, GRANT_DROP_granter(%edi)
        movl    %ecx, GRANT_DROP_ref(%edi)
        movl    VCPU_domain(%ebp), %eax
        movl    DOMAIN_id(%eax), %eax
        call    grant_acquire
        jc      {{ L("done") }}
        movl    %eax, GRANT_DROP_frame(%edi)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("no_domain") }}:
        movl    $GNTST_bad_domain, %eax
        testl   %ecx, %ecx
        jnz     {{ L("done") }}
{{ L("not_own") }}:
        movl    $GNTST_permission_denied, %eax
        ret
{{ L("own_frame") }}:
        cmpl    VCPU_domain(%ebp), %ebx
        jne     {{ L("not_own") }}
        movl    %ecx, GRANT_DROP_frame(%edi)
        movl    $0, GRANT_DROP_granter(%edi)
        movl    %ecx, %eax
        movl    %ebx, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("unusable") }}
        testl   %edx, %edx
        jz      {{ L("held") }}
        movl    %eax, %ecx
        pushl   %edx
        movl    $FRAME_TYPE_WRITABLE, %edx
        call    type_get
        popl    %edx
        testl   %eax, %eax
        jz      {{ L("held") }}
        movl    %ecx, %eax
        call    frame_put
{{ L("unusable") }}:
        movl    $GNTST_general_error, %eax
        ret
{{ L("held") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("grant_side_put") %}
# grant_side_put(side): lets go of the page of one side.
#
# in:    %edi = GRANT_DROP
# out:   -
# clob:  %ebx, %ecx, %edx
# errs:  none
{% call routine("grant_side_put") %}
        pushl   %eax
        movl    GRANT_DROP_frame(%edi), %eax
        movl    GRANT_DROP_writable(%edi), %edx
        movl    GRANT_DROP_granter(%edi), %ebx
        testl   %ebx, %ebx
        jz      {{ L("own_frame") }}
        movl    GRANT_DROP_ref(%edi), %ecx
        call    grant_release
        popl    %eax
        ret
{{ L("own_frame") }}:
        call    frame_record
        testl   %edx, %edx
        jz      {{ L("not_written") }}
        call    type_put
{{ L("not_written") }}:
        call    frame_put
        popl    %eax
        ret
{% endcall %}

{{ space("grant_source", "GRANT_DROP_size") }}
{{ space("grant_dest", "GRANT_DROP_size") }}

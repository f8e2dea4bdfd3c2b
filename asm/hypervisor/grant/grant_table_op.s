# The hypercall grant_table_op (ABI 10.9): pages that one domain shows to another, entry by entry.
#
# Invariants
#   - A list is carried out element by element. Each is copied once, found to be writable, carried out, and gets its
#     status; the call itself fails only where the list cannot be read or written.
#   - A long list is done in pieces (mm/work.s): the guest makes the call again with what is left of it.
#   - What is unmapped stays in use (grant_drops) until the TLB has been flushed: once for many, and before the guest
#     goes on.

        .text

{% set L = labels("grant_table_op") %}
# do_grant_table_op(cmd, array, count): one sub-operation, for each element of a list or for one structure.
#
# in:    %ebx = GNTTABOP_*, %ecx = address of the elements, %edx = how many; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (count), -ENOSYS (cmd), -EFAULT, and what the versions say
# calls: grant_list, grant_setup_table, grant_dump_table, grant_query_size, grant_set_version, grant_get_version,
#        grant_unknown
{% call routine("do_grant_table_op") %}
        movl    $-EINVAL, %eax
        testl   %edx, %edx
        js      {{ L("refused") }}
        movl    $-ENOSYS, %eax
        cmpl    $GRANT_OPERATIONS, %ebx
        jae     {{ L("refused") }}
        movl    %ebx, grant_command
        movl    %ecx, grant_array
        movl    %edx, grant_left
        call    work_bound
        call    *grant_operations(,%ebx,4)
        call    work_end
        cmpl    $-ERESTART, %eax
        jne     {{ L("refused") }}
        movl    $HYPERCALL_grant_table_op, %eax
        movl    grant_command, %ebx
        movl    grant_array, %ecx
        movl    grant_left, %edx
        jmp     hypercall_continue_edx
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("grant_list") %}
# grant_list(): carries out an operation for each element that is left.
#
# in:    grant_command, grant_array, grant_left; %ebp = current vcpu
# out:   %eax = 0, -EFAULT, or -ERESTART; grant_array, grant_left: the rest
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ERESTART
# calls: grant_map, grant_unmap, grant_unmap_and_replace, grant_transfer, grant_copy
# why:   that the answer can be stored is found out first: nothing is mapped whose handle nobody learns
{% call routine("grant_list") %}
        movl    $0, grant_epoch
        jmp     {{ L("any_left") }}
{{ L("next_element") }}:
        cmpl    $0, work_left
        jle     {{ L("pause") }}
        cmpl    $GRANT_DROPS, grant_drop_count
        jb      {{ L("room_for_a_drop") }}
        call    grant_drops_finish
{{ L("room_for_a_drop") }}:
        call    grant_kind
        movl    grant_array, %esi
        movl    $grant_element, %edi
        movl    GRANT_OPERATION_bytes(%ebx), %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    GRANT_OPERATION_status(%ebx), %eax
        {{ user("orw $0, (%esi,%eax)", fail=L("bad_list")) }}
        {{ user("orl $0, -4(%esi,%ecx)", fail=L("bad_list")) }}
        movl    GRANT_OPERATION_work(%ebx), %eax
        subl    %eax, work_left
        call    *GRANT_OPERATION_routine(%ebx)
        call    grant_kind
        movl    GRANT_OPERATION_status(%ebx), %ecx
        movw    %ax, grant_element(%ecx)
        movl    $grant_element, %esi
        movl    grant_array, %edi
        movl    GRANT_OPERATION_bytes(%ebx), %ecx
        addl    %ecx, grant_array
        decl    grant_left
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("any_left") }}:
        cmpl    $0, grant_left
        jne     {{ L("next_element") }}
        xorl    %eax, %eax
{{ L("done") }}:
        jmp     grant_drops_finish
{{ L("pause") }}:
        movl    $-ERESTART, %eax
        jmp     {{ L("done") }}
{{ L("bad_list") }}:
        movl    $-EFAULT, %eax
        jmp     {{ L("done") }}
{% endcall %}

# grant_kind(): the row of the operation that is being carried out.
#
# in:    grant_command
# out:   %ebx = GRANT_OPERATION
# clob:  none
# errs:  none
{% call routine("grant_kind") %}
        movl    grant_command, %ebx
        shll    $4, %ebx
        addl    $grant_kinds, %ebx
        ret
{% endcall %}

# grant_unknown(): an operation that is not there.
#
# in:    -
# out:   %eax = -ENOSYS
# clob:  none
# errs:  -ENOSYS
{% call routine("grant_unknown") %}
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

        .section .rodata
{% set lists = {0: ("GNTTAB_MAP_GRANT_REF", "map", "WORK_OF_A_GRANT"),
                1: ("GNTTAB_UNMAP_GRANT_REF", "unmap", "WORK_OF_A_GRANT"),
                4: ("GNTTAB_TRANSFER", "transfer", "WORK_OF_A_GRANT"),
                5: ("GNTTAB_COPY", "copy", "WORK_OF_A_PAGE"),
                7: ("GNTTAB_UNMAP_AND_REPLACE", "unmap_and_replace", "WORK_OF_A_GRANT")} %}
{% set single = {2: "setup_table", 3: "dump_table", 6: "query_size", 8: "set_version", 10: "get_version"} %}
{% call object("grant_operations") %}
{% for number in range(abi.GRANT_OPERATIONS) %}
        .long   {{ "grant_list" if number in lists else "grant_" ~ single.get(number, "unknown") }}
{% endfor %}
{% endcall %}
{% call object("grant_kinds") %}
{% for number in range(8) %}
{% if number in lists %}
{% set structure, name, work = lists[number] %}
        .long   {{ structure }}_size, {{ structure }}_status, grant_{{ name }}, {{ work }}
{% else %}
        .long   0, 0, 0, 0
{% endif %}
{% endfor %}
{% endcall %}

        .data
{% for name in ["grant_command", "grant_array", "grant_left", "grant_epoch"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("grant_element", "GRANT_ELEMENT_BYTES") }}

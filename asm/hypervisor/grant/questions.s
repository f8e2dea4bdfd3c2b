# grant_table_op on one structure: the table's size, and which version of the ABI it has.
#
# Invariants
#   - Only version 1 is there. Whoever asks for another is told so and keeps version 1.
#   - A domain asks about itself; a privileged one about any.

        .text

{% set L = labels("grant_argument_read") %}
# grant_argument_read(bytes): copies the one structure of a call.
#
# in:    %ecx = bytes; grant_array, grant_left
# out:   %eax = 0 or an error; grant_element
# clob:  %esi, %edi
# errs:  -EINVAL (not exactly one), -EFAULT
{% call routine("grant_argument_read") %}
        movl    $-EINVAL, %eax
        cmpl    $1, grant_left
        jne     {{ L("refused") }}
        movl    grant_array, %esi
        movl    $grant_element, %edi
        jmp     copy_from_guest
{{ L("refused") }}:
        ret
{% endcall %}

# grant_argument_write(bytes): copies it back, with its answers.
#
# in:    %ecx = bytes; grant_array, grant_element
# out:   %eax = 0 or -EFAULT
# clob:  %esi, %edi
# errs:  -EFAULT
{% call routine("grant_argument_write") %}
        movl    grant_array, %edi
        movl    $grant_element, %esi
        jmp     copy_to_guest
{% endcall %}

{% set L = labels("grant_subject") %}
# grant_subject(domid): the domain whose table a call is about.
#
# in:    %eax = domid (16 bits); %ebp = current vcpu
# out:   %eax = 0 or a status; %ebx = DOMAIN
# clob:  %ebx
# errs:  GNTST_bad_domain, GNTST_permission_denied
{% call routine("grant_subject") %}
        call    domain_living
        movl    $GNTST_bad_domain, %eax
        jc      {{ L("done") }}
        movl    VCPU_domain(%ebp), %eax
        cmpl    %eax, %ebx
        je      {{ L("good") }}
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%eax)
        movl    $GNTST_permission_denied, %eax
        jz      {{ L("done") }}
{{ L("good") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_argument_about") %}
# grant_argument_about(bytes): copies the one structure of a call about a domain's table, and finds the domain.
#
# in:    %ecx = bytes; grant_array, grant_left; %ebp = current vcpu
# out:   no carry: %eax = 0 or a status, %ebx = DOMAIN; carry: %eax = an error, and nothing is to be answered
# clob:  %ebx, %esi, %edi
# errs:  carry: -EINVAL (not exactly one), -EFAULT; status bad_domain, permission_denied
# why:   each of these structures begins with the domain's number
{% call routine("grant_argument_about") %}
        call    grant_argument_read
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movzwl  grant_element, %eax
        call    grant_subject
        clc
        ret
{{ L("refused") }}:
        stc
        ret
{% endcall %}

{% set L = labels("grant_setup_table") %}
# grant_setup_table(): makes a table as large as is wanted, if it is not yet, and tells its frames.
#
# in:    grant_array, grant_left; %ebp = current vcpu
# out:   %eax = 0, an error, or -ERESTART
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (not exactly one), -EFAULT; status bad_domain, permission_denied, general_error (too many, or no
#        memory), bad_virt_addr (frame_list)
{% call routine("grant_setup_table") %}
        movl    $GNTTAB_SETUP_TABLE_size, %ecx
        call    grant_argument_about
        jc      {{ L("refused") }}
        testl   %eax, %eax
        jnz     {{ L("answer") }}
        movl    grant_element + GNTTAB_SETUP_TABLE_nr_frames, %edx
        cmpl    $GRANT_FRAMES, %edx
        ja      {{ L("general_error") }}
        testl   %edx, %edx
        jz      {{ L("answer") }}
{{ L("any_missing") }}:
        call    grant_table_get
        testl   %eax, %eax
        jz      {{ L("general_error") }}
        cmpl    GRANT_TABLE_nr_frames(%eax), %edx
        jbe     {{ L("enough") }}
        cmpl    $0, work_left
        jle     {{ L("pause") }}
        subl    $2 * WORK_OF_A_PAGE, work_left
        call    grant_table_grow
        jnc     {{ L("any_missing") }}
{{ L("general_error") }}:
        movl    $GNTST_general_error, %eax
        jmp     {{ L("answer") }}
{{ L("enough") }}:
        leal    GRANT_TABLE_frames(%eax), %esi
        movl    grant_element + GNTTAB_SETUP_TABLE_frame_list, %edi
        leal    (,%edx,4), %ecx
        call    copy_to_guest
        testl   %eax, %eax
        jz      {{ L("answer") }}
        movl    $GNTST_bad_virt_addr, %eax
{{ L("answer") }}:
        movw    %ax, grant_element + GNTTAB_SETUP_TABLE_status
        movl    $GNTTAB_SETUP_TABLE_size, %ecx
        jmp     grant_argument_write
{{ L("pause") }}:
        movl    $-ERESTART, %eax                # what has been made stays: the same call goes on from there
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("grant_query_size") %}
# grant_query_size(): how many frames a table has, and may have.
#
# in:    grant_array, grant_left; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %esi, %edi
# errs:  -EINVAL (not exactly one), -EFAULT; status bad_domain, permission_denied
{% call routine("grant_query_size") %}
        movl    $GNTTAB_QUERY_SIZE_size, %ecx
        call    grant_argument_about
        jc      {{ L("refused") }}
        movw    %ax, grant_element + GNTTAB_QUERY_SIZE_status
        testl   %eax, %eax
        jnz     {{ L("answer") }}
        call    grant_frames_count
        movl    %eax, grant_element + GNTTAB_QUERY_SIZE_nr_frames
        movl    $GRANT_FRAMES, grant_element + GNTTAB_QUERY_SIZE_max_nr_frames
{{ L("answer") }}:
        movl    $GNTTAB_QUERY_SIZE_size, %ecx
        jmp     grant_argument_write
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("grant_frames_count") %}
# grant_frames_count(domain): how many frames its table has.
#
# in:    %ebx = DOMAIN
# out:   %eax = frames
# clob:  none
# errs:  none
{% call routine("grant_frames_count") %}
        movl    DOMAIN_grants(%ebx), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    GRANT_TABLE_nr_frames(%eax), %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_dump_table") %}
# grant_dump_table(): one line about a table in the log.
#
# in:    grant_array, grant_left; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %esi, %edi
# errs:  -EINVAL (not exactly one), -EFAULT; status bad_domain, permission_denied
{% call routine("grant_dump_table") %}
        movl    $GNTTAB_DUMP_TABLE_size, %ecx
        call    grant_argument_about
        jc      {{ L("refused") }}
        movw    %ax, grant_element + GNTTAB_DUMP_TABLE_status
        testl   %eax, %eax
        jnz     {{ L("answer") }}
        call    grant_frames_count
{{ log("LOG_INFO", "domain %u: %u of at most %u grant frames\\n", "DOMAIN_id(%ebx)", "%eax", "$GRANT_FRAMES") }}
{{ L("answer") }}:
        movl    $GNTTAB_DUMP_TABLE_size, %ecx
        jmp     grant_argument_write
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("grant_set_version") %}
# grant_set_version(): agrees to version 1; tells which one is in use.
#
# in:    grant_array, grant_left
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EINVAL (not exactly one, or no version), -ENOSYS (version 2), -EFAULT
{% call routine("grant_set_version") %}
        movl    $GNTTAB_SET_VERSION_size, %ecx
        call    grant_argument_read
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    grant_element + GNTTAB_SET_VERSION_version, %eax
        movl    $1, grant_element + GNTTAB_SET_VERSION_version
        xorl    %edx, %edx
        cmpl    $1, %eax
        je      {{ L("answer") }}
        movl    $-ENOSYS, %edx
        cmpl    $2, %eax
        je      {{ L("answer") }}
        movl    $-EINVAL, %edx
{{ L("answer") }}:
        call    grant_argument_write
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %edx, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_get_version") %}
# grant_get_version(): 1.
#
# in:    grant_array, grant_left; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EINVAL (not exactly one), -EFAULT, -ESRCH, -EPERM
{% call routine("grant_get_version") %}
        movl    $GNTTAB_GET_VERSION_size, %ecx
        call    grant_argument_read
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movzwl  grant_element + GNTTAB_GET_VERSION_dom, %eax
        call    domain_by_id
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $1, grant_element + GNTTAB_GET_VERSION_version
        jmp     grant_argument_write
{{ L("done") }}:
        ret
{% endcall %}

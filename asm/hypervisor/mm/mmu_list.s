# What mmu_update and mmuext_op have in common: whose frames a list is about, and how it begins, stops and ends.
#
# Invariants
#   - mmu_table_owner and mmu_page_owner are set by mmu_owners_set at the start of each call and mean nothing else.
#   - mmu_list and mmu_left say what of the list is left, mmu_done how many elements were completed; the guest is told
#     of that also when the list ends in an error, or is to be gone on with.

        .text

{% set L = labels("mmu_owners_set") %}
# mmu_owners_set(foreigndom): whose frames are mapped, and whose tables are written (ABI 6.6).
#
# in:    %eax = foreigndom: low half the owner of the frames, high half 0 or 1 + the owner of the tables;
#        %ebp = current vcpu
# out:   %eax = 0 or an error; mmu_page_owner, mmu_table_owner
# clob:  none
# errs:  -ESRCH (no such domain; the caller's own number), -EPERM (no privilege)
{% call routine("mmu_owners_set") %}
        pushl   %ecx
        pushl   %edx
        movl    VCPU_domain(%ebp), %edx
        movl    %edx, mmu_table_owner
        movl    %edx, mmu_page_owner
        movl    %eax, %ecx
        movzwl  %ax, %eax
        cmpl    $DOMID_SELF, %eax
        je      {{ L("own_frames") }}
        call    domain_foreign
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %edx, mmu_page_owner
{{ L("own_frames") }}:
        xorl    %eax, %eax
        shrl    $16, %ecx
        jz      {{ L("done") }}
        leal    -1(%ecx), %eax
        call    domain_foreign
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %edx, mmu_table_owner
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("mmu_list_begin") %}
# mmu_list_begin(list, count, done): the beginning that mmu_update and mmuext_op have in common.
#
# in:    %ebx = list, %ecx = count (bit 31: continued), %edx = where the number done goes, or 0; %ebp = current vcpu
# out:   %eax = 0, or -ERESTART: no request can be handled in this piece
# clob:  %ecx, %esi, %edi
# errs:  -ERESTART
# why:   a call that goes on counts from what it has told the guest so far
{% call routine("mmu_list_begin") %}
        movl    %edx, mmu_done_address
        movl    $0, mmu_done
        btrl    $31, %ecx
        movl    %ebx, mmu_list
        movl    %ecx, mmu_left
        jnc     {{ L("work") }}
        testl   %edx, %edx
        jz      {{ L("work") }}
        movl    %edx, %esi
        movl    $mmu_done, %edi
        movl    $4, %ecx
        call    copy_from_guest
{{ L("work") }}:
        jmp     work_begin
{% endcall %}

{% set L = labels("mmu_list_end") %}
# mmu_list_end(result, number): the end that mmu_update and mmuext_op have in common.
#
# in:    %eax = result so far, -ERESTART: there is more to do; %ecx = number of the call; %ebp = current vcpu
# out:   %eax = what the handler returns
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT: the number done cannot be stored
# why:   a table that is half dropped must be dropped before the guest goes on: then the call continues, even at its end
{% call routine("mmu_list_end") %}
        call    work_end
        testl   %eax, %eax
        jnz     {{ L("told") }}
        cmpl    $0, VCPU_old_table(%ebp)
        je      {{ L("told") }}
        movl    $-ERESTART, %eax
{{ L("told") }}:
        cmpl    $-ERESTART, %eax
        jne     mmu_done_store
        pushl   %ecx
        xorl    %eax, %eax
        call    mmu_done_store
        popl    %ecx
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %ecx, %eax
        movl    mmu_list, %ebx
        movl    mmu_left, %ecx
        orl     $MMU_UPDATE_PREEMPTED, %ecx
        jmp     hypercall_continue
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("mmu_done_store") %}
# mmu_done_store(result): tells the guest how many were done, if it wants to know.
#
# in:    %eax = result so far; mmu_done, mmu_done_address
# out:   %eax = the result, or -EFAULT when there was no error but the number cannot be stored
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("mmu_done_store") %}
        movl    mmu_done_address, %edi
        testl   %edi, %edi
        jz      {{ L("not_wanted") }}
        movl    %eax, %edx
        movl    $mmu_done, %esi
        movl    $4, %ecx
        call    copy_to_guest
        testl   %edx, %edx
        jz      {{ L("not_wanted") }}
        movl    %edx, %eax
{{ L("not_wanted") }}:
        ret
{% endcall %}

        .data
{% for name in ["mmu_table_owner", "mmu_page_owner", "mmu_done", "mmu_done_address", "mmu_list", "mmu_left"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}

# The hypercall mmu_update (ABI 6.6): validated stores into page tables, and into the M2P table.
#
# Invariants
#   - Each request is copied before it is looked at. The list stops at the first error; *done says how many were
#     completed, also then.
#   - What a store does depends on the type that the frame has at that moment, never on what the guest says it is.

        .text

{% set L = labels("do_mmu_update") %}
# do_mmu_update(requests, count, done, foreigndom): carries out a list of stores.
#
# in:    %ebx = array of MMU_UPDATE, %ecx = count (bit 31: continued), %edx = where the number done goes, or 0,
#        %esi = foreign domain; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -ESRCH, -EPERM, and what a store says
{% call routine("do_mmu_update") %}
        movl    %esi, %eax
        call    mmu_owners_set
        testl   %eax, %eax
        jnz     {{ L("bad_domain") }}
        call    mmu_list_begin
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        jmp     {{ L("any_left") }}
{{ L("next_request") }}:
        cmpl    $0, work_left
        jle     {{ L("pause") }}
        movl    mmu_list, %edi
        cmpl    $HV_PRIVATE_START - MMU_UPDATE_size, %edi
        ja      {{ L("bad_list") }}
        {{ user("movl MMU_UPDATE_ptr(%edi), %eax", fail=L("bad_list")) }}
        {{ user("movl MMU_UPDATE_ptr_high(%edi), %edx", fail=L("bad_list")) }}
        {{ user("movl MMU_UPDATE_val(%edi), %ebx", fail=L("bad_list")) }}
        {{ user("movl MMU_UPDATE_val_high(%edi), %ecx", fail=L("bad_list")) }}
        call    mmu_request
        testl   %eax, %eax
        jnz     {{ L("stop") }}
        addl    $MMU_UPDATE_size, mmu_list
        incl    mmu_done
        decl    mmu_left
        subl    $WORK_OF_A_REQUEST, work_left
{{ L("any_left") }}:
        cmpl    $0, mmu_left
        jne     {{ L("next_request") }}
{{ L("stop") }}:
        movl    $HYPERCALL_mmu_update, %ecx
        jmp     mmu_list_end
{{ L("pause") }}:
        movl    $-ERESTART, %eax
        jmp     {{ L("stop") }}
{{ L("bad_list") }}:
        movl    $-EFAULT, %eax
        jmp     {{ L("stop") }}
{{ L("bad_domain") }}:
        ret
{% endcall %}

{% set L = labels("mmu_request") %}
# mmu_request(ptr, value): one store.
#
# in:    %eax, %edx = ptr with the command in its low 3 bits; %ebx, %ecx = value; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL, -ENOSYS, and what the tables say
# calls: mmu_store_*
{% call routine("mmu_request") %}
        testl   %edx, %edx
        jnz     {{ L("bad_frame") }}
        movl    %eax, %esi
        shrl    $PAGE_SHIFT, %esi
        cmpl    max_frame, %esi
        jae     {{ L("bad_frame") }}
        movl    %eax, %edx
        andl    $7, %edx
        cmpl    $MMU_MACHPHYS_UPDATE, %edx
        je      {{ L("machine_to_physical") }}
        cmpl    $MMU_PT_UPDATE_PRESERVE_AD, %edx
        ja      {{ L("unknown") }}
        shll    $4, %esi
        addl    $FRAME_TABLE, %esi
        movl    mmu_table_owner, %edi
        cmpl    %edi, FRAME_owner(%esi)
        jne     {{ L("bad_frame") }}
        movl    mmu_page_owner, %edi
        testl   %edx, %edx
        jnz     {{ L("keep_accessed_dirty") }}
{{ L("value_ok") }}:
        movl    FRAME_type(%esi), %edx
        testl   $FRAME_COUNT_MASK, %edx
        jz      mmu_store_plain
        testl   $FRAME_VALIDATED, %edx
        jz      {{ L("bad_frame") }}            # half validated: nothing is known of its entries
        shrl    $28, %edx
        jmp     *mmu_stores(,%edx,4)
{{ L("keep_accessed_dirty") }}:
        pushl   %eax
        call    mmu_entry_address
        movl    (%eax), %eax
        andl    $(PTE_A | PTE_D), %eax
        andl    $~(PTE_A | PTE_D), %ebx
        orl     %eax, %ebx
        popl    %eax
        jmp     {{ L("value_ok") }}
{{ L("machine_to_physical") }}:
        movl    mmu_page_owner, %ecx
        movl    %esi, %eax
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad_frame") }}
        movl    %ebx, M2P(,%esi,4)
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        ret
{{ L("bad_frame") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# mmu_entry_address(ptr): where the entry that a request names can be written.
#
# in:    %eax = machine address of the entry, with the command
# out:   %eax = address in the map cache
# clob:  none
# errs:  none
{% call routine("mmu_entry_address") %}
        pushl   %ecx
        movl    %eax, %ecx
        shrl    $PAGE_SHIFT, %eax
        call    map_frame
        andl    $(PAGE_OFFSET_MASK & ~7), %ecx
        addl    %ecx, %eax
        popl    %ecx
        ret
{% endcall %}

# mmu_store_l1(ptr, value): into a validated L1.
#
# in:    %eax = ptr, %ebx, %ecx = value, %esi = FRAME, %edi = owner of the frames that may be mapped
# out:   %eax = 0 or an error
# clob:  %edx, %esi
# errs:  as l1_entry_update
{% call routine("mmu_store_l1") %}
        call    mmu_entry_address
        movl    %eax, %esi
        jmp     l1_entry_update
{% endcall %}

{% for level in ["l2", "l3"] %}
# mmu_store_{{ level }}(ptr, value): into a validated {{ level | upper }}.
#
# in:    %eax = ptr, %ebx, %ecx = value, %esi = FRAME, %edi = owner of the frames that may be mapped
# out:   %eax = 0 or an error
# clob:  %edx
# errs:  -EINVAL (a foreign frame), or as {{ level }}_entry_update
{% call routine("mmu_store_" ~ level) %}
        cmpl    %edi, mmu_table_owner
        jne     mmu_store_refused
        movl    %eax, %edx
        shrl    $3, %edx
        andl    $(PTES_PER_TABLE - 1), %edx
        jmp     {{ level }}_entry_update
{% endcall %}

{% endfor %}
# mmu_store_refused(): a frame that no entry can be stored into.
#
# in:    -
# out:   %eax = -EINVAL
# clob:  none
# errs:  -EINVAL
{% call routine("mmu_store_refused") %}
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("mmu_store_plain") %}
# mmu_store_plain(ptr, value): into a frame that is writable, or of no type at the moment.
#
# in:    %eax = ptr, %ebx, %ecx = value, %esi = FRAME
# out:   %eax = 0 or an error
# clob:  %edx
# errs:  -EINVAL: the frame cannot be of the type writable
{% call routine("mmu_store_plain") %}
        pushl   %eax
        incl    FRAME_count(%esi)
        movl    %esi, %eax
        movl    $FRAME_TYPE_WRITABLE, %edx
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    (%esp), %eax
        call    mmu_entry_address
        movl    %ebx, (%eax)
        movl    %ecx, 4(%eax)
        movl    %esi, %eax
        call    type_put
        call    frame_put
        xorl    %eax, %eax
        addl    $4, %esp
        ret
{{ L("refused") }}:
        movl    %esi, %eax
        call    frame_put
        movl    $-EINVAL, %eax
        addl    $4, %esp
        ret
{% endcall %}

        .section .rodata
{% call object("mmu_stores") %}
        .long   mmu_store_plain, mmu_store_l1, mmu_store_l2, mmu_store_l3, mmu_store_refused, mmu_store_plain
        .long   mmu_store_l2
{% for unused in range(9) %}
        .long   mmu_store_refused
{% endfor %}
{% endcall %}

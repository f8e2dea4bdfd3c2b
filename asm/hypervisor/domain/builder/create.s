# A new domain's structures: DOMAIN, VCPU, shared_info and the window's table.
#
# Invariants
#   - shared_info is the hypervisor's frame with the domain as its owner: it has no allocation to give back, and one
#     writable reference of ours, so it can never be freed, or become a table, by its guest.
#   - A domain that is DOMAIN_UNBUILT has no page tables, no state to start with, and does not run.

        .text

{% set L = labels("domain_create") %}
# domain_create(id): a domain without memory, in the list.
#
# in:    %eax = its number, which no domain has
# out:   %eax = 0 or -ENOMEM; %ebx = DOMAIN
# clob:  none
# errs:  -ENOMEM: no heap for it
{% call routine("domain_create") %}
        pushl   %ecx
        pushl   %ebp
        pushl   %eax
        call    domain_blocks_take
        testl   %eax, %eax
        jnz     {{ L("no_heap") }}
        popl    DOMAIN_id(%ebx)
        movl    $DOMAIN_UNBUILT, DOMAIN_flags(%ebx)
        movl    $M2P_ALIAS, DOMAIN_virt_start(%ebx)
        cmpl    $0, DOMAIN_id(%ebx)
        jne     {{ L("not_privileged") }}
        orl     $DOMAIN_PRIVILEGED, DOMAIN_flags(%ebx)
{{ L("not_privileged") }}:
        movl    DOMAIN_vcpu(%ebx), %ebp
        movl    %ebx, VCPU_domain(%ebp)
        movl    $INVALID_MFN, VCPU_guest_table(%ebp)
        call    shared_info_begin
        call    domain_enlist
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %ebp
        popl    %ecx
        ret
{{ L("no_heap") }}:
        addl    $4, %esp
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("domain_blocks_take") %}
# domain_blocks_take(): the heap's blocks of a domain; the window's table shows what it shows when idle.
#
# in:    -
# out:   %eax = 0 or -ENOMEM; %ebx = DOMAIN
# clob:  %ecx
# errs:  -ENOMEM: nothing is taken
{% call routine("domain_blocks_take") %}
        pushl   %esi
        pushl   %edi
        movl    $DOMAIN_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_domain") }}
        movl    %eax, %ebx
{% for size, field in [("VCPU_size", "vcpu"), ("PAGE_SIZE", "shared_info"), ("PAGE_SIZE", "window_l1")] %}
        movl    ${{ size }}, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_" ~ field) }}
        movl    %eax, DOMAIN_{{ field }}(%ebx)
{% endfor %}
        movl    %eax, %edi
        movl    $hv_l1 + (DOMAIN_WINDOW - HV_START) / PAGE_SIZE * PTE_size, %esi
        movl    $PAGE_SIZE, %ecx
        call    memory_copy
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        ret
{% for size, field, held in [("PAGE_SIZE", "window_l1", "shared_info"), ("PAGE_SIZE", "shared_info", "vcpu")] %}
{{ L("no_" ~ field) }}:
        movl    DOMAIN_{{ held }}(%ebx), %eax
        movl    ${{ "VCPU_size" if held == "vcpu" else size }}, %ecx
        call    heap_free
{% endfor %}
{{ L("no_vcpu") }}:
        movl    %ebx, %eax
        movl    $DOMAIN_size, %ecx
        call    heap_free
{{ L("no_domain") }}:
        movl    $-ENOMEM, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("shared_info_begin") %}
# shared_info_begin(domain): shared_info as the guest finds it, and whose its frame is.
#
# in:    %ebx = DOMAIN, %ebp = VCPU
# out:   DOMAIN_shared_info_mfn, VCPU_info
# clob:  %eax, %ecx
# errs:  none
{% call routine("shared_info_begin") %}
        movl    DOMAIN_shared_info(%ebx), %eax
        movl    %eax, VCPU_info(%ebp)
        movl    $MAX_SHARED_VCPUS, %ecx
{{ L("next_vcpu_info") }}:
        movb    $1, VCPU_INFO_evtchn_upcall_mask(%eax)
        addl    $VCPU_INFO_size, %eax
        decl    %ecx
        jnz     {{ L("next_vcpu_info") }}
        movl    DOMAIN_shared_info(%ebx), %eax
        call    heap_mfn
        movl    %eax, DOMAIN_shared_info_mfn(%ebx)
        call    frame_record
        movl    $1, FRAME_count(%eax)
        movl    $(FRAME_TYPE_WRITABLE | FRAME_VALIDATED | 1), FRAME_type(%eax)
        movl    %ebx, FRAME_owner(%eax)
        ret
{% endcall %}

{% set L = labels("domain_enlist") %}
# domain_enlist(domain): puts the domain in its place in the list, which is in the order of numbers.
#
# in:    %ebx = DOMAIN
# out:   domain_list
# clob:  %eax, %ecx
# errs:  none
{% call routine("domain_enlist") %}
        pushl   %edx
        movl    DOMAIN_id(%ebx), %edx
        movl    $domain_list - DOMAIN_next, %ecx
{{ L("next_domain") }}:
        movl    DOMAIN_next(%ecx), %eax
        testl   %eax, %eax
        jz      {{ L("here") }}
        cmpl    %edx, DOMAIN_id(%eax)
        ja      {{ L("here") }}
        movl    %eax, %ecx
        jmp     {{ L("next_domain") }}
{{ L("here") }}:
        movl    %eax, DOMAIN_next(%ebx)
        movl    %ebx, DOMAIN_next(%ecx)
        popl    %edx
        ret
{% endcall %}

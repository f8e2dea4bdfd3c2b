# What becomes of a domain that has ended: its memory goes back, and then the domain itself.
#
# Invariants
#   - A domain that has ended and is not current is dying: its base pointer, descriptor tables, pins and allocations are
#     given up, frame by frame, in pieces of RELEASE_PIECE frames, and not more work than one stretch may be (work.s),
#     each time somebody is scheduled.
#   - A table that is FRAME_DROPPING is left alone: VCPU_old_table leads to the topmost one, and from there to all.
#   - A frame that another domain still maps stays the dying domain's until that mapping goes. Only when it owns none,
#     and nobody maps its shared_info, do DOMAIN and VCPU go.
#   - Domain 0 never gets here: the machine ends with it.

        .text

{% set L = labels("domains_release") %}
# domains_release(): a piece of work for the first domain that has ended.
#
# in:    current_vcpu
# out:   -
# clob:  none
# errs:  none
{% call routine("domains_release") %}
        pushal
        movl    domain_list, %ebx
{{ L("next_domain") }}:
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        testl   $DOMAIN_SHUTDOWN, DOMAIN_flags(%ebx)
        jz      {{ L("alive") }}
        movl    DOMAIN_vcpu(%ebx), %ebp
        cmpl    current_vcpu, %ebp
        jne     {{ L("found") }}
{{ L("alive") }}:
        movl    DOMAIN_next(%ebx), %ebx
        jmp     {{ L("next_domain") }}
{{ L("found") }}:
        movl    $WORK_PIECE, work_left
        btsl    $DOMAIN_DYING_BIT, DOMAIN_flags(%ebx)
        jc      {{ L("begun") }}
        call    domain_release_begin
{{ L("begun") }}:
        call    old_table_finish
        testl   %eax, %eax
        jnz     {{ L("piece_done") }}
        call    domain_release_frames
{{ L("piece_done") }}:
        movl    $WORK_UNBOUNDED, work_left
        cmpl    $0, DOMAIN_nr_pages(%ebx)
        jne     {{ L("done") }}
        movl    DOMAIN_shared_info_mfn(%ebx), %eax
        call    frame_record
        cmpl    $1, FRAME_count(%eax)
        jne     {{ L("done") }}
        call    domain_free
{{ L("done") }}:
        popal
        ret
{% endcall %}

# domain_release_begin(domain): gives up what the vcpu holds.
#
# in:    %ebx = DOMAIN, %ebp = its VCPU
# out:   DOMAIN_release_next = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("domain_release_begin") %}
        movl    $0, DOMAIN_release_next(%ebx)
        call    gdt_release
        call    ldt_release
        call    fpu_release
        call    vcpu_info_release
        movl    VCPU_guest_table(%ebp), %eax
        movl    $INVALID_MFN, VCPU_guest_table(%ebp)
        call    frame_record
        call    type_put
        call    frame_put
        ret
{% endcall %}

{% set L = labels("domain_release_frames") %}
# domain_release_frames(domain): pins and allocations of a piece of the frame table; begins again when it is through.
#
# in:    %ebx = DOMAIN
# out:   DOMAIN_release_next
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("domain_release_frames") %}
        movl    DOMAIN_release_next(%ebx), %edx
        movl    $RELEASE_PIECE, %ecx
{{ L("next_frame") }}:
        cmpl    max_frame, %edx
        jae     {{ L("through") }}
        movl    %edx, %eax
        call    frame_record
        cmpl    %ebx, FRAME_owner(%eax)
        jne     {{ L("not_its_own") }}
        testl   $FRAME_PARTIAL, FRAME_type(%eax)
        jz      {{ L("not_partial") }}
        testl   $FRAME_DROPPING, FRAME_type(%eax)
        jnz     {{ L("not_pinned") }}
        incl    FRAME_count(%eax)
        call    type_put
        call    frame_put
{{ L("not_partial") }}:
        testl   $FRAME_PINNED, FRAME_type(%eax)
        jz      {{ L("not_pinned") }}
        andl    $~FRAME_PINNED, FRAME_type(%eax)
        call    type_put
        call    frame_put
{{ L("not_pinned") }}:
        btrl    $31, FRAME_count(%eax)
        jnc     {{ L("not_its_own") }}
        call    frame_put
{{ L("not_its_own") }}:
        incl    %edx
        cmpl    $0, work_left
        jle     {{ L("enough") }}
        decl    %ecx
        jnz     {{ L("next_frame") }}
{{ L("enough") }}:
        movl    %edx, DOMAIN_release_next(%ebx)
        ret
{{ L("through") }}:
        movl    $0, DOMAIN_release_next(%ebx)
        ret
{% endcall %}

{% set L = labels("domain_free") %}
# domain_free(domain): takes the domain off the list and frees its structures.
#
# in:    %ebx = DOMAIN that owns no frame but its shared_info, %ebp = its VCPU
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("domain_free") %}
        pushl   DOMAIN_id(%ebx)
        cmpl    %ebx, console_owner
        jne     {{ L("not_the_writer") }}
        movl    $0, console_owner
{{ L("not_the_writer") }}:
        movl    $domain_list - DOMAIN_next, %edx
{{ L("next_domain") }}:
        cmpl    %ebx, DOMAIN_next(%edx)
        je      {{ L("unlink") }}
        movl    DOMAIN_next(%edx), %edx
        jmp     {{ L("next_domain") }}
{{ L("unlink") }}:
        movl    DOMAIN_next(%ebx), %eax
        movl    %eax, DOMAIN_next(%edx)
        movl    DOMAIN_shared_info_mfn(%ebx), %eax
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        call    frame_record
        movl    $0, FRAME_owner(%eax)
        movl    $0, FRAME_type(%eax)
        movl    $(FRAME_ALLOCATED | 1), FRAME_count(%eax)
        movl    $PAGE_SIZE, %ecx
        movl    DOMAIN_shared_info(%ebx), %eax
        call    heap_free
        movl    DOMAIN_window_l1(%ebx), %eax
        call    heap_free
        movl    %ebp, %eax
        movl    $VCPU_size, %ecx
        call    heap_free
        movl    %ebx, %eax
        movl    $DOMAIN_size, %ecx
        call    heap_free
        popl    %edx
{{ log("LOG_INFO", "domain %u is gone\\n", "%edx") }}
        ret
{% endcall %}

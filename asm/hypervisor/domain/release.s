# What becomes of a domain that has ended: its memory goes back, and then the domain itself.
#
# Invariants
#   - A domain that has ended and is not current is dying: its ports, base pointer, descriptor tables, pins and
#     allocations are given up, frame by frame, for no longer than one stretch of work may be (work.s), each time
#     somebody is scheduled.
#   - A table that is FRAME_DROPPING is left alone: VCPU_old_table leads to the topmost one, and from there to all.
#   - Requests of its virtual devices that are in flight end first; what they use stays as long (io/shut.s).
#   - A frame that another domain still maps stays the dying domain's until that mapping goes. Only when it owns none,
#     and nobody maps its shared_info, do DOMAIN and VCPU go.
#   - A domain that is to be preserved (DOMAIN_PRESERVE) or is suspended stays as it is, until domain 0 destroys it.
#   - Domain 0 never gets here: the machine ends with it.

        .text

{% set L = labels("domains_release") %}
# domains_release(): a piece of work for one of the domains that have ended: for each of them in turn.
#
# in:    current_vcpu
# out:   -
# clob:  none
# errs:  none
{% call routine("domains_release") %}
        pushal
        movl    $domain_list - DOMAIN_next, %ebx
{{ L("next_domain") }}:
        movl    DOMAIN_next(%ebx), %ebx
        testl   %ebx, %ebx
        jz      {{ L("begin_again") }}
        call    domain_is_to_go
        jne     {{ L("next_domain") }}
        movl    DOMAIN_vcpu(%ebx), %ebp
        cmpl    current_vcpu, %ebp
        je      {{ L("next_domain") }}
        movl    DOMAIN_id(%ebx), %eax
        cmpl    release_last, %eax
        jbe     {{ L("next_domain") }}
        movl    %eax, release_last
        call    domain_release_piece            # with what the last hypercall has left of this stretch
        movl    $0, work_done
        popal
        ret
{{ L("begin_again") }}:
        movl    $0, release_last
        popal
        ret
{% endcall %}

{% set L = labels("domain_is_to_go") %}
# domain_is_to_go(domain): whether it has ended, and nobody wants to keep it.
#
# in:    %ebx = DOMAIN
# out:   zero flag: it is to go
# clob:  %eax
# errs:  none
{% call routine("domain_is_to_go") %}
        movl    DOMAIN_flags(%ebx), %eax
        notl    %eax
        testl   $DOMAIN_DESTROYED, %eax
        jz      {{ L("destroyed") }}
        notl    %eax
        andl    $(DOMAIN_SHUTDOWN | DOMAIN_PRESERVE | DOMAIN_SUSPENDED), %eax
        cmpl    $DOMAIN_SHUTDOWN, %eax
{{ L("destroyed") }}:
        ret
{% endcall %}

{% set L = labels("domain_release_piece") %}
# domain_release_piece(domain): goes on with giving back what a domain has that has ended.
#
# in:    %ebx = DOMAIN, %ebp = its VCPU, which is not current
# out:   %eax = RELEASE_MORE; RELEASE_THROUGH: what is left of it is not its own to give; RELEASE_GONE: nothing is left
# clob:  %ecx, %edx, %esi
# errs:  none
{% call routine("domain_release_piece") %}
        call    work_begin
        testl   %eax, %eax
        jnz     {{ L("more") }}
        btsl    $DOMAIN_DYING_BIT, DOMAIN_flags(%ebx)
        jc      {{ L("begun") }}
        call    domain_release_begin
        jmp     {{ L("more") }}
{{ L("begun") }}:
        call    events_close_all
        testl   %eax, %eax
        jnz     {{ L("more") }}
        call    hand_drop
        testl   %eax, %eax
        jnz     {{ L("more") }}
        cmpl    $INVALID_MFN, DOMAIN_release_next(%ebx)
        je      {{ L("through") }}
        call    domain_release_frames
{{ L("more") }}:
        call    work_end
        movl    $RELEASE_MORE, %eax
        ret
{{ L("through") }}:                             # it has no page tables any more, and so no mappings
        call    devices_release
        testl   %eax, %eax
        jnz     {{ L("waits") }}
        call    grants_release
        cmpl    $0, DOMAIN_nr_pages(%ebx)
        jne     {{ L("waits") }}
        movl    DOMAIN_shared_info_mfn(%ebx), %eax
        call    frame_record
        cmpl    $1, FRAME_count(%eax)
        jne     {{ L("waits") }}
        call    grants_idle
        jc      {{ L("waits") }}
        call    grants_free
        call    domain_free
        call    work_end
        movl    $RELEASE_GONE, %eax
        ret
{{ L("waits") }}:                               # for others, who have something of it mapped
        cmpl    $0, work_left
        jle     {{ L("more") }}
        call    work_end
        movl    $RELEASE_THROUGH, %eax
        ret
{% endcall %}

{% set L = labels("domain_release_begin") %}
# domain_release_begin(domain): gives up what the vcpu holds.
#
# in:    %ebx = DOMAIN, %ebp = its VCPU
# out:   DOMAIN_release_next = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("domain_release_begin") %}
        movl    $0, DOMAIN_release_next(%ebx)
        call    job_abandon
        call    gdt_release
        call    ldt_release
        call    fpu_release
        call    vcpu_timers_release
        call    vcpu_info_release
        movl    VCPU_guest_table(%ebp), %eax
        cmpl    $INVALID_MFN, %eax
        je      {{ L("never_built") }}
        movl    $INVALID_MFN, VCPU_guest_table(%ebp)
        call    frame_record
        call    type_put
        call    frame_put
{{ L("never_built") }}:
        ret
{% endcall %}

{% set L = labels("domain_release_frames") %}
# domain_release_frames(domain): a piece of the two passes over the frame table: tables first, then allocations.
#
# in:    %ebx = DOMAIN; DOMAIN_release_next: where to go on, in the second pass with max_frame added
# out:   DOMAIN_release_next; INVALID_MFN: it is through
# clob:  %eax, %edx
# errs:  none
{% call routine("domain_release_frames") %}
        movl    DOMAIN_release_next(%ebx), %edx
{{ L("next_frame") }}:
        testl   $(RELEASE_FRAMES - 1), %edx
        jnz     {{ L("same_unit") }}
        decl    work_left
{{ L("same_unit") }}:
        movl    %edx, %eax
        subl    max_frame, %eax
        jae     {{ L("allocations") }}
        movl    %edx, %eax
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        testl   $(FRAME_PARTIAL | FRAME_PINNED), FRAME_type(%eax)
        jz      {{ L("done_with_it") }}
        cmpl    %ebx, FRAME_owner(%eax)
        jne     {{ L("done_with_it") }}
        call    release_table
        jmp     {{ L("done_with_it") }}
{{ L("allocations") }}:
        cmpl    max_frame, %eax
        jae     {{ L("through") }}
        shll    $4, %eax
        addl    $FRAME_TABLE, %eax
        cmpl    %ebx, FRAME_owner(%eax)
        jne     {{ L("done_with_it") }}
        btrl    $31, FRAME_count(%eax)
        jnc     {{ L("done_with_it") }}
        decl    work_left
        call    frame_put
{{ L("done_with_it") }}:
        incl    %edx
        cmpl    $0, work_left
        jg      {{ L("next_frame") }}
        movl    %edx, DOMAIN_release_next(%ebx)
        ret
{{ L("through") }}:
        movl    $INVALID_MFN, DOMAIN_release_next(%ebx)
        ret
{% endcall %}

{% set L = labels("release_table") %}
# release_table(frame): gives up what makes a frame of a dying domain a table: its being partial, and its pin.
#
# in:    %eax = FRAME that is one of both
# out:   -
# clob:  none
# errs:  none
{% call routine("release_table") %}
        testl   $FRAME_PARTIAL, FRAME_type(%eax)
        jz      {{ L("not_partial") }}
        testl   $FRAME_DROPPING, FRAME_type(%eax)
        jnz     {{ L("done") }}
        incl    FRAME_count(%eax)
        call    type_put
        call    frame_put
{{ L("not_partial") }}:
        testl   $FRAME_PINNED, FRAME_type(%eax)
        jz      {{ L("done") }}
        andl    $~FRAME_PINNED, FRAME_type(%eax)
        call    type_put
        call    frame_put
{{ L("done") }}:
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
        decl    domains_ended
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
        movl    $VIRQ_DOM_EXC, %eax
        jmp     event_virq_global
{% endcall %}

        .data
{% call object("release_last") %}
        .long   0
{% endcall %}

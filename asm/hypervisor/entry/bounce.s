# Bouncing: building a frame on a guest's kernel stack, so that the guest goes on in one of its handlers (ABI 5.5).
#
# Invariants
#   - The frame is put together in bounce_frame, then copied to the guest's stack in one instruction that may fault,
#     through the stack selector that the guest named: the descriptor's base, and on hardware its limit, apply.
#   - It is copied only below HV_PRIVATE_START, whatever an emulator thinks of limits.
#   - Nothing of the ENTRY_FRAME changes before the whole frame stands on the guest's stack.
#   - A handler with a null selector, or a stack that cannot be written, kills the domain and nothing else.
#   - bounce_frame is static: ring 0 is never re-entered between its filling and its copying.

        .text

{% set L = labels("bounce") %}
# bounce(frame, cs, eip, flags): continues the guest at cs:eip with a frame on its kernel stack.
#
# in:    %esi = ENTRY_FRAME, %ebp = its vcpu; %ebx = handler's cs, %ecx = its eip; %edx = words that the caller has put
#        below eip in bounce_frame (0, BOUNCE_ERROR_CODE or BOUNCE_SEGMENTS), | BOUNCE_MASK_EVENTS
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler, or a bad stack: the domain is crashed
{% call routine("bounce") %}
        pushl   %es
        pushl   %esi
        testl   $~SELECTOR_RPL & 0xffff, %ebx
        jz      {{ L("no_handler") }}
        movl    %ecx, bounce_target
        call    bounce_frame_fill               # %eax = ss, %edi = esp, %ecx = words
        {{ user("movl %eax, %es", fail=L("bad_stack")) }}
        movl    %eax, bounce_frame_ss
        cmpl    $HV_PRIVATE_START, %edi
        ja      {{ L("bad_stack") }}
        leal    (,%ecx,4), %eax
        subl    %eax, %edi
        jb      {{ L("bad_stack") }}
        movl    %edi, bounce_frame_sp
        movl    $bounce_frame + BOUNCE_FRAME_eip, %esi
        movzbl  %dl, %eax
        shll    $2, %eax
        subl    %eax, %esi
        {{ user("rep movsl", fail=L("bad_stack")) }}
        popl    %esi
        popl    %es
        movl    bounce_frame_sp, %eax
        movl    %eax, ENTRY_FRAME_esp(%esi)
        movl    bounce_frame_ss, %eax
        movl    %eax, ENTRY_FRAME_ss(%esi)
        movl    bounce_target, %eax
        movl    %eax, ENTRY_FRAME_eip(%esi)
        movl    %ebx, ENTRY_FRAME_cs(%esi)
        andl    $~(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT), ENTRY_FRAME_eflags(%esi)
        testl   $BOUNCE_MASK_EVENTS, %edx
        jz      {{ L("done") }}
        movl    VCPU_info(%ebp), %eax
        orb     $1, VCPU_INFO_evtchn_upcall_mask(%eax)
{{ L("done") }}:
        ret
{{ L("no_handler") }}:
        movl    $reason_no_handler, %eax
        jmp     {{ L("crash") }}
{{ L("bad_stack") }}:
        movl    $reason_bad_stack, %eax
{{ L("crash") }}:
        popl    %esi
        popl    %es
        call    domain_crash
        ret
{% endcall %}

{{ text("reason_no_handler", "it has no handler for this") }}
{{ text("reason_bad_stack", "its kernel stack cannot be written") }}

{% set L = labels("bounce_frame_fill") %}
# bounce_frame_fill(frame, flags): eip, cs with the event mask, eflags, and esp and ss when the ring changes.
#
# in:    %esi = ENTRY_FRAME, %ebp = its vcpu, %edx as at bounce
# out:   %eax = ss and %edi = esp of the stack to use; %ecx = words of the frame
# clob:  none
# errs:  none
# why:   IF in the frame is the virtual one, the inverse of the event mask; IOPL is 0, as the hardware has it
{% call routine("bounce_frame_fill") %}
        movl    ENTRY_FRAME_eip(%esi), %eax
        movl    %eax, bounce_frame + BOUNCE_FRAME_eip
        movl    VCPU_info(%ebp), %edi
        movzbl  VCPU_INFO_evtchn_upcall_mask(%edi), %eax
        movl    ENTRY_FRAME_eflags(%esi), %ecx
        andl    $~(EFLAGS_IOPL | EFLAGS_IF), %ecx
        testl   %eax, %eax
        jnz     {{ L("events_masked") }}
        orl     $EFLAGS_IF, %ecx
{{ L("events_masked") }}:
        movl    %ecx, bounce_frame + BOUNCE_FRAME_eflags
        shll    $16, %eax
        movw    ENTRY_FRAME_cs(%esi), %ax
        movl    %eax, bounce_frame + BOUNCE_FRAME_cs
        movzbl  %dl, %ecx
        addl    $3, %ecx
        movl    ENTRY_FRAME_esp(%esi), %edi
        movzwl  ENTRY_FRAME_ss(%esi), %eax
        testb   $2, ENTRY_FRAME_cs(%esi)
        jz      {{ L("same_ring") }}
        movl    %edi, bounce_frame + BOUNCE_FRAME_esp
        movl    %eax, bounce_frame + BOUNCE_FRAME_ss
        addl    $2, %ecx
        movl    VCPU_kernel_sp(%ebp), %edi
        movl    VCPU_kernel_ss(%ebp), %eax
{{ L("same_ring") }}:
        ret
{% endcall %}

{% set L = labels("deliver_failsafe") %}
# deliver_failsafe: selectors of a guest could not be loaded on the way back to it (ABI 5.7).
#
# in:    %esp = ENTRY_FRAME of the current vcpu; %ds, %es as they may be
# out:   does not return
# errs:  no failsafe callback, or one that cannot be entered itself: the domain is crashed
# why:   the frame has the selectors that failed; the guest goes on with null ones, so it cannot fault again at once
{% call routine("deliver_failsafe") %}
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, %esi
        movl    current_vcpu, %ebp
        movl    VCPU_failsafe_eip(%ebp), %eax
        testl   %eax, %eax
        jz      {{ L("no_failsafe") }}
        cmpl    %eax, ENTRY_FRAME_eip(%esi)
        jne     {{ L("can_try") }}
        movl    VCPU_failsafe_cs(%ebp), %eax
        cmpl    %eax, ENTRY_FRAME_cs(%esi)
        je      {{ L("no_failsafe") }}          # it was the failsafe callback that could not be entered
{{ L("can_try") }}:
        movzwl  ENTRY_FRAME_ds(%esi), %eax      # the upper half is whatever a push left there
        movl    %eax, bounce_frame + BOUNCE_FRAME_ds
        movzwl  ENTRY_FRAME_es(%esi), %eax
        movl    %eax, bounce_frame + BOUNCE_FRAME_es
        movl    %fs, %eax
        movl    %eax, bounce_frame + BOUNCE_FRAME_fs
        movl    %gs, %eax
        movl    %eax, bounce_frame + BOUNCE_FRAME_gs
        movl    $BOUNCE_SEGMENTS, %edx
        testl   $CALLBACKF_mask_events, VCPU_failsafe_flags(%ebp)
        jz      {{ L("events_stay") }}
        orl     $BOUNCE_MASK_EVENTS, %edx
{{ L("events_stay") }}:
        movl    VCPU_failsafe_cs(%ebp), %ebx
        movl    VCPU_failsafe_eip(%ebp), %ecx
        call    bounce
        xorl    %eax, %eax
        movl    %eax, ENTRY_FRAME_ds(%esi)
        movl    %eax, ENTRY_FRAME_es(%esi)
        movl    %eax, %fs
        movl    %eax, %gs
        jmp     exit_to_guest
{{ L("no_failsafe") }}:
        movl    $reason_no_failsafe, %eax
        call    domain_crash
        jmp     exit_to_guest
{% endcall %}

{{ text("reason_no_failsafe", "its segments cannot be reloaded, and it has no failsafe callback that can be entered") }}

        .data
{% for name in ["bounce_target", "bounce_frame_sp", "bounce_frame_ss"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("bounce_frame", "BOUNCE_FRAME_size") }}

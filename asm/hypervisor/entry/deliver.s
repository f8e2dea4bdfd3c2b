# Delivering: the shortest way from an exception in a guest to the guest's own handler for it (ABI 5.5).
#
# What bounce does in general is done here for the common case, straight from the stub: no event is due, the handler is
# there, and the guest's stack takes the frame. In every other case nothing has been changed and bounce does it all
# again, or ends the domain.
#
# Invariants
#   - %ds is the guest's, then its stack's, until the end: memory of ours is reached through %ss or %ebp. %es is left
#     alone. The frame is written through the stack selector, so its base and limit apply.
#   - The stack for entries from an outer ring is checked when it is set (outer_frame_set), not here; that of ring 1 is
#     checked here: a frame is written below HV_PRIVATE_START only, whatever an emulator thinks of limits.
#   - Nobody has set `reschedule` since the guest ran last: that is the work of hypercalls and interrupts.

        .text

{% for kind, extra in [("plain", 0), ("code", 4)] %}
{% set L = labels("deliver_" ~ kind) %}
# deliver_{{ kind }}: continues the guest in a handler, {{ "with" if extra else "without" }} an error code.
#
# in:    %esp = ENTRY_FRAME from the guest; %ebp = current vcpu, %esi = the handler's TRAP_INFO; %ds, %es: the guest's
# out:   does not return
# errs:  no handler, or a stack that cannot be written: bounce says what happens
{% call routine("deliver_" ~ kind) %}
        movl    VCPU_info(%ebp), %edi
        movl    ENTRY_FRAME_eflags(%esp), %ecx
        movzbl  %ss:VCPU_INFO_evtchn_upcall_mask(%edi), %eax
        shll    $16, %eax
        jz      {{ L("events_open") }}
        xorl    $EFLAGS_IF, %ecx                # the processor's is always set; the frame's is the mask's inverse
{{ L("flags_ok") }}:
        movw    ENTRY_FRAME_cs(%esp), %ax
        movzwl  %ss:TRAP_INFO_cs(%esi), %ebx
        cmpl    $SELECTOR_RPL, %ebx
        jbe     {{ L("the_long_way") }}
        testb   $2, %al
        jz      {{ L("same_ring") }}
        movl    VCPU_kernel_ss(%ebp), %edx
        movl    %ss:outer_frame, %edi
{% if extra %}
        subl    $4, %edi
{% endif %}
        {{ user("movl %edx, %ds", fail=L("the_long_way")) }}
        {{ user("movl %ecx, " ~ (extra + 8) ~ "(%edi)", fail=L("the_long_way")) }}
        movl    ENTRY_FRAME_esp(%esp), %ecx
        {{ user("movl %ecx, " ~ (extra + 12) ~ "(%edi)", fail=L("the_long_way")) }}
        movzwl  ENTRY_FRAME_ss(%esp), %ecx
        {{ user("movl %ecx, " ~ (extra + 16) ~ "(%edi)", fail=L("the_long_way")) }}
{{ L("stack_written") }}:
        {{ user("movl %eax, " ~ (extra + 4) ~ "(%edi)", fail=L("the_long_way")) }}
        movl    ENTRY_FRAME_eip(%esp), %eax
        {{ user("movl %eax, " ~ extra ~ "(%edi)", fail=L("the_long_way")) }}
{% if extra %}
        movl    ENTRY_FRAME_error_code(%esp), %eax
        {{ user("movl %eax, (%edi)", fail=L("the_long_way")) }}
{% endif %}
        movl    %edi, ENTRY_FRAME_esp(%esp)
        movl    %edx, ENTRY_FRAME_ss(%esp)
        movl    %ss:TRAP_INFO_address(%esi), %eax
        movl    %eax, ENTRY_FRAME_eip(%esp)
        movl    %ebx, ENTRY_FRAME_cs(%esp)
        andl    $~(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT), ENTRY_FRAME_eflags(%esp)
        testb   $TI_MASK_EVENTS, %ss:TRAP_INFO_flags(%esi)
        jnz     {{ L("mask_events") }}
{{ L("go") }}:
        popal
        {{ user("movw ENTRY_FRAME_ds - ENTRY_FRAME_es(%esp), %ds", fail="exit_bad_es") }}
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_es), %esp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("same_ring") }}:
        movl    ENTRY_FRAME_ss(%esp), %edx
        movl    ENTRY_FRAME_esp(%esp), %edi
        subl    ${{ extra + 12 }}, %edi
        cmpl    $HV_PRIVATE_START - {{ extra + 12 }}, %edi
        ja      {{ L("the_long_way") }}
        {{ user("movl %edx, %ds", fail=L("the_long_way")) }}
        {{ user("movl %ecx, " ~ (extra + 8) ~ "(%edi)", fail=L("the_long_way")) }}
        jmp     {{ L("stack_written") }}
{{ L("mask_events") }}:
        movl    VCPU_info(%ebp), %eax
        orb     $1, %ss:VCPU_INFO_evtchn_upcall_mask(%eax)
        jmp     {{ L("go") }}
{{ L("events_open") }}:
        cmpb    $0, %ss:VCPU_INFO_evtchn_upcall_pending(%edi)
        je      {{ L("flags_ok") }}
{{ L("the_long_way") }}:
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        movl    %esi, %edi
{% if extra %}
        movl    ENTRY_FRAME_error_code(%esp), %eax
        movl    %eax, bounce_frame + BOUNCE_FRAME_error_code
        movl    $BOUNCE_ERROR_CODE, %edx
{% else %}
        xorl    %edx, %edx
{% endif %}
        movl    %esp, %esi
        call    bounce_to_handler
        jmp     exit_to_guest
{% endcall %}

{% endfor %}
{% set L = labels("outer_frame_set") %}
# outer_frame_set(vcpu, esp): where frames from ring 3 will be written, for the vcpu that runs.
#
# in:    %ebp = current vcpu, %ecx = esp of the guest kernel's stack
# out:   outer_frame, VCPU_outer_frame
# clob:  %eax
# errs:  none; a stack that reaches where it must not gets an address at which nothing is ever mapped
# why:   %ss:, for it is also called with the guest's %ds
{% call routine("outer_frame_set") %}
        leal    -OUTER_FRAME_BYTES - 4(%ecx), %eax
        cmpl    $HV_PRIVATE_START - OUTER_FRAME_BYTES - 4, %eax
        ja      {{ L("no_stack") }}
        addl    $4, %eax
{{ L("have_frame") }}:
        movl    %eax, %ss:outer_frame
        movl    %eax, VCPU_outer_frame(%ebp)
        ret
{{ L("no_stack") }}:
        movl    $NEVER_MAPPED, %eax
        jmp     {{ L("have_frame") }}
{% endcall %}

{{ space("outer_frame", 4) }}

# The upcall on the way out: the shortest way into a guest kernel's event callback (ABI 5.6).
#
# What bounce does in general is done here for the common case: a guest kernel in ring 1 is to go on, and an event is
# due. In every other case nothing has been changed, and bounce does it all.
#
# Invariants
#   - As in deliver.s: memory of ours is reached through %ss or %ebp; the frame is written through the guest's stack
#     selector, below HV_PRIVATE_START.
#   - Behind a call without a full frame %ds and %es are the guest's. Most guests have their stack in the very segment
#     that %ds has already: then no segment is loaded.
#   - The event mask is 0, so the frame shows it as 0, and the virtual IF as set, as the processor's is.

        .text

{% for kind, full in [("quick", false), ("full", true)] %}
{% set L = labels("deliver_event_" ~ kind) %}
# deliver_event_{{ kind }}: continues a guest kernel in its callback {{ "by exit_to_guest" if full else "at once" }}.
#
# in:    %esp = ENTRY_FRAME of the current vcpu, who is due an upcall; %ds, %es: {{ "ours" if full else "the guest's" }}
# out:   does not return
# errs:  no callback, or a stack that cannot be written: bounce says what happens
{% call routine("deliver_event_" ~ kind) %}
{% if not full %}
        cmpl    $0, %ss:reschedule
        jne     {{ L("the_long_way") }}
{% endif %}
        movl    %ss:current_vcpu, %ebp
        testb   $2, ENTRY_FRAME_cs(%esp)
        jnz     {{ L("the_long_way") }}
        movl    VCPU_event_cs(%ebp), %ebx
        cmpl    $SELECTOR_RPL, %ebx
        jbe     {{ L("the_long_way") }}
        movl    ENTRY_FRAME_esp(%esp), %edi
        subl    $BOUNCE_PLAIN_BYTES, %edi
        cmpl    $HV_PRIVATE_START - BOUNCE_PLAIN_BYTES, %edi
        ja      {{ L("the_long_way") }}
        movl    ENTRY_FRAME_ss(%esp), %edx
{% if not full %}
        xorl    %esi, %esi
        cmpw    %dx, ENTRY_FRAME_ds(%esp)
        je      {{ L("stack_selected") }}
        incl    %esi                            # %ds is to be restored
{% endif %}
        {{ user("movl %edx, %ds", fail=L("the_long_way")) }}
{{ L("stack_selected") }}:
        movl    ENTRY_FRAME_eflags(%esp), %eax
        {{ user("movl %eax, 8(%edi)", fail=L("the_long_way")) }}
        movzwl  ENTRY_FRAME_cs(%esp), %eax
        {{ user("movl %eax, 4(%edi)", fail=L("the_long_way")) }}
        movl    ENTRY_FRAME_eip(%esp), %eax
        {{ user("movl %eax, (%edi)", fail=L("the_long_way")) }}
        movl    %edi, ENTRY_FRAME_esp(%esp)
        movl    VCPU_event_eip(%ebp), %eax
        movl    %eax, ENTRY_FRAME_eip(%esp)
        movl    %ebx, ENTRY_FRAME_cs(%esp)
        andl    $~(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT), ENTRY_FRAME_eflags(%esp)
        incl    VCPU_upcalls(%ebp)
        movl    VCPU_info(%ebp), %eax
        movb    $1, %ss:VCPU_INFO_evtchn_upcall_mask(%eax)
{% if full %}
        popal
        {{ user("popl %es", fail="exit_bad_es") }}
        {{ user("popl %ds", fail="exit_bad_ds") }}
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_vector), %esp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("the_long_way") }}:
        jmp     exit_event_bounce
{% else %}
        testl   %esi, %esi
        popal
        jnz     {{ L("restore_ds") }}
{{ L("go") }}:
        addl    $(ENTRY_FRAME_eip - ENTRY_FRAME_es), %esp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("restore_ds") }}:
        {{ user("movw ENTRY_FRAME_ds - ENTRY_FRAME_es(%esp), %ds", fail="exit_bad_es") }}
        jmp     {{ L("go") }}
{{ L("the_long_way") }}:
        jmp     exit_with_own_segments
{% endif %}
{% endcall %}

{% endfor %}

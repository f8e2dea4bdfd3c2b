# The way in and out of a hypercall: `int $0x82` from ring 1, dispatch by number, back with the result in %eax.
#
# Invariants
#   - The gate has DPL 1 and is an interrupt gate: we come from ring 1 or 2 only, and interrupts are off until iret.
#   - On entry the processor has pushed ss, esp, eflags, cs, eip on the hypervisor's stack. %ss is ours; %ds, %es, %fs,
#     %gs are the guest's: up to full_hypercall memory is reached through %ss or %ebp only.
#   - The two words below eip are the `error_code` and `vector` of ENTRY_FRAME. A bare handler finds the guest's %ebp
#     and its own return address there; full_hypercall builds the rest of the frame below them.
#   - A handler gets the guest's argument registers as they are (%ebx, %ecx, %edx, %esi, %edi) and %ebp = current vcpu.
#     What a bare handler does not name in `out` and `clob` reaches the guest unchanged.
#   - Bare handlers return with carry clear. One named fast_* may return with carry set: then do_NAME makes the call,
#     with the arguments that are in the registers now, behind full_hypercall.
#   - Every way out tests for a pending event, so a guest can make any hypercall to have its upcall delivered.

        .text

{% set L = labels("hypercall_entry") %}
# hypercall_entry: a guest kernel has executed `int $0x82`.
#
# in:    %eax = number, arguments in registers; the stack as above
# out:   does not return
# errs:  a number that is not in the table answers -ENOSYS
# calls: do_*, fast_*, full_*
# why:   tables of 64 entries for every number: no test but the bound
{% call routine("hypercall_entry") %}
        pushl   %ebp
        movl    %ss:current_vcpu, %ebp
        cmpl    $NR_HYPERCALLS, %eax
        jae     {{ L("bad_number") }}
        movl    %eax, VCPU_last_hypercall(%ebp)
        incl    VCPU_hypercalls(%ebp,%eax,4)
        call    *%ss:hypercall_table(,%eax,4)
        jc      {{ L("long_way") }}
{{ L("done") }}:
        movl    VCPU_info(%ebp), %ebp
        cmpb    $0, VCPU_INFO_evtchn_upcall_mask(%ebp)
        jne     {{ L("no_event") }}
        cmpb    $0, VCPU_INFO_evtchn_upcall_pending(%ebp)
        jne     {{ L("event") }}
{{ L("no_event") }}:
        popl    %ebp
        {{ user("iret", fail="exit_bad_iret") }}
{{ L("bad_number") }}:
        movl    $-ENOSYS, %eax
        jmp     {{ L("done") }}
{{ L("long_way") }}:
        pushl   %eax                            # where a return address would be
        movl    VCPU_last_hypercall(%ebp), %ebp
{{ assert("btl %ebp, %ss:split_hypercalls", "jc", "a bare handler returned with carry set") }}
        movl    %ss:multicall_table(,%ebp,4), %ebp
        jmp     full_hypercall
{{ L("event") }}:
        pushl   $0x82                           # the vector: from here on it is a full frame
        pushl   %ds
        pushl   %es
        pushal
        movl    ENTRY_FRAME_error_code(%esp), %eax
        movl    %eax, ENTRY_FRAME_ebp(%esp)
        jmp     deliver_event_quick
{% endcall %}

{% set L = labels("full_hypercall") %}
# full_hypercall: the rest of the way for handlers that need a full ENTRY_FRAME and our data segments.
#
# in:    %ebp = handler; stack: a word that is never used, the guest's %ebp, the processor's frame
# out:   does not return
# errs:  none
# calls: do_*
{% call routine("full_hypercall") %}
        pushl   %ds
        pushl   %es
        pushal
        cld
        movl    ENTRY_FRAME_error_code(%esp), %eax
        movl    %eax, ENTRY_FRAME_ebp(%esp)
        movl    $HV_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %ebp, %eax
        movl    current_vcpu, %ebp
        movl    $0, work_done                   # a new stretch (work.s)
        call    *%eax
        cmpl    $-ERESTART, %eax
        je      {{ L("restart") }}
{{ L("have_result") }}:
        movl    %eax, ENTRY_FRAME_eax(%esp)
        jmp     exit_to_guest
{{ L("restart") }}:
        movl    current_vcpu, %ebp
        cmpl    $HYPERCALL_iret, VCPU_last_hypercall(%ebp)
        je      {{ L("have_result") }}          # the guest's own %eax, whatever it is
        call    hypercall_restart
        jmp     {{ L("have_result") }}
{% endcall %}

{% for call in hypercalls if call.entry and call.entry.name == "FULL" %}
# full_{{ call.name }}: leads the dispatch table to do_{{ call.name }} by way of full_hypercall.
#
# in:    as at a bare handler
# out:   does not return
# errs:  none
{% call routine("full_" ~ call.name) %}
        movl    $do_{{ call.name }}, %ebp
        jmp     full_hypercall
{% endcall %}

{% endfor %}
# full_not_there: a number of the public ABI that has no handler yet.
#
# in:    as at a bare handler
# out:   does not return
# errs:  none
{% call routine("full_not_there") %}
        movl    $do_not_there, %ebp
        jmp     full_hypercall
{% endcall %}

# do_not_there(): answers -ENOSYS and says at debug level which call was missed.
#
# in:    %ebp = current vcpu
# out:   %eax = -ENOSYS
# clob:  %edx
# errs:  always
{% call routine("do_not_there") %}
        movl    VCPU_last_hypercall(%ebp), %eax
        movl    hypercall_names(,%eax,4), %eax
        movl    VCPU_domain(%ebp), %edx
{{ log("LOG_DEBUG", "domain %u: hypercall %s (%u) is not there: -ENOSYS\\n", "DOMAIN_id(%edx)", "%eax",
       "VCPU_last_hypercall(%ebp)") }}
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

        .section .rodata
# Where a number leads from hypercall_entry, and where a multicall's entry leads: the handler itself.
{% set by_number = {} %}
{% for call in hypercalls %}
{% set _ = by_number.update({call.number: call}) %}
{% endfor %}
{% call object("hypercall_table") %}
{% for number in range(abi.NR_HYPERCALLS) %}
{% set call = by_number.get(number) %}
{% if call is none or call.entry is none %}
        .long   full_not_there
{% else %}
        .long   {{ {"BARE": "do_", "SPLIT": "fast_", "FULL": "full_"}[call.entry.name] ~ call.name }}
{% endif %}
{% endfor %}
{% endcall %}
{% call object("split_hypercalls") %}
{% set bits = namespace(split=0) %}
{% for call in hypercalls if call.entry and call.entry.name == "SPLIT" %}
{% set bits.split = bits.split + 2 ** call.number %}
{% endfor %}
        .long   {{ bits.split % 2 ** 32 }}, {{ bits.split // 2 ** 32 }}
{% endcall %}
{% call object("multicall_table") %}
{% for number in range(abi.NR_HYPERCALLS) %}
{% set call = by_number.get(number) %}
        .long   {{ "do_not_there" if call is none or call.entry is none else "do_" ~ call.name }}
{% endfor %}
{% endcall %}
{% call object("hypercall_names") %}
{% for number in range(abi.NR_HYPERCALLS) %}
        .long   hypercall_name_{{ number }}
{% endfor %}
{% endcall %}
{% for number in range(abi.NR_HYPERCALLS) %}
{% set call = by_number.get(number) %}
{{ text("hypercall_name_" ~ number, "(no such call)" if call is none else call.name) }}
{% endfor %}

# A guest that measures what an event to another domain costs: domain 0 sends and counts, domain 1 answers.
#
#       an event to another domain that is idle, and back: 450 instructions
#       the same without a pause: 500 instructions
#       an event to another domain that is idle and does not come first: 150 instructions
#
# In a round of the first kind domain 0 sends, domain 1's upcall runs and sends back, it sleeps, and domain 0's upcall
# comes: two events, two upcalls, two switches. Domain 0 works a little before each round, so it has run longer than
# domain 1, which runs at once when it wakes, and is idle when the next round begins.
# Without a pause domain 1 has run longer: it is domain 0 that runs at once when it is answered, and domain 1 finds the
# next event when it goes to sleep.
# For the third kind domain 1 works when it is told to, and sleeps. So it has run longer when domain 0 sends, and waits.
#
# Invariants
#   - Under QEMU's -icount shift=0 the time stamp counter counts instructions.
#   - Port 1 of domain 0 is answered, port 2 is worked for.

{{ elf_note("GUEST_OS", ".asciz", '"rounds"') }}

        .text

        .set    ROUNDS, 256
        .set    PAUSE, 1000                     # instructions, more than a round takes
        .set    WORK, 300000

# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  none
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        movl    $page, %ebx
        movl    START_INFO_shared_info(%ebp), %ecx
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %ecx
        xorl    %edx, %edx
        movl    $UVMF_INVLPG, %esi
        {{ hypercall("update_va_mapping") }}
        testl   $SIF_INITDOMAIN, START_INFO_flags(%ebp)
        jz      partner
        movl    $measurer_upcall, %ecx
        call    upcall_set
        movl    $wanted, %ecx
        call    port_offer
        movl    wanted + EVTCHN_ALLOC_UNBOUND_port, %eax
        movl    %eax, port
        call    port_offer
        movl    wanted + EVTCHN_ALLOC_UNBOUND_port, %eax
        movl    %eax, work_port
        call    partner_await
        jmp     measure
{% endcall %}

# measure: all kinds of rounds, and the end.
#
# in:    both channels are there
# out:   does not return
# errs:  none
{% call routine("measure") %}
{% for pause, title in [("PAUSE", "an event to another domain that is idle, and back"),
                        ("0", "the same without a pause")] %}
        movl    ${{ pause }}, pause
        movl    $ROUNDS, %edi
        call    rounds                          # to warm up
        movl    $ROUNDS, %edi
        call    rounds
        movl    %esi, %eax
        xorl    %edx, %edx
        movl    $ROUNDS, %ecx
        divl    %ecx
{{ print(title ~ ": %u instructions\\n", "%eax") }}
{% endfor %}
        movl    $-1, %edi
        movl    $8, %esi
measure_next:
        call    send_to_worker
        cmpl    %edi, %eax
        jae     measure_not_less
        movl    %eax, %edi
measure_not_less:
        decl    %esi
        jnz     measure_next
{{ print("an event to another domain that is idle and does not come first: %u instructions\\n", "%edi") }}
        movl    $SHUTDOWN_poweroff, %eax
        jmp     shut_down
{% endcall %}

# rounds(count): sends and sleeps until the answer is there, with a pause before each.
#
# in:    %edi = count; pause
# out:   %esi = instructions, those of the pauses left out
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("rounds") %}
        xorl    %esi, %esi
round_next:
        movl    pause, %ecx
        testl   %ecx, %ecx
        jz      paused
        call    spin
paused:
        rdtsc
        movl    %eax, begun
rounds_begin:
        movl    $0, heard
        movl    $EVTCHNOP_send, %ebx
        movl    $port, %ecx
        {{ hypercall("event_channel_op") }}
not_yet:
        cmpl    $0, heard
        jne     round_end
        movl    $SCHEDOP_block, %ebx
        {{ hypercall("sched_op") }}
        jmp     not_yet
round_end:
        rdtsc
        subl    begun, %eax
        leal    -2(%esi,%eax), %esi             # without rdtsc and the instruction that stores
        decl    %edi
        testl   $1, %edi
        jnz     round_next
rounds_end:                                     # two are over
        testl   %edi, %edi
        jnz     round_next
        ret
{% endcall %}

# send_to_worker(): gives domain 1 something to work, lets it, and counts what the next event to it takes.
#
# in:    -
# out:   %eax = instructions
# clob:  %ebx, %ecx, %edx
# errs:  none
{% call routine("send_to_worker") %}
        movl    $EVTCHNOP_send, %ebx
        movl    $work_port, %ecx
        {{ hypercall("event_channel_op") }}
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        rdtsc
        movl    %eax, begun
worker_begin:
        movl    $EVTCHNOP_send, %ebx
        movl    $work_port, %ecx
        {{ hypercall("event_channel_op") }}
worker_end:
        rdtsc
        subl    begun, %eax
        subl    $2, %eax                        # rdtsc and the instruction that stores
        pushl   %eax
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        popl    %eax
        ret
{% endcall %}

# measurer_upcall: domain 0's: takes the event.
#
# in:    an upcall's frame
# out:   does not return
# errs:  none
{% call routine("measurer_upcall") %}
        movb    $0, page + VCPU_INFO_evtchn_upcall_pending
        movl    $0, page + VCPU_INFO_evtchn_pending_sel
        movl    $0, page + SHARED_INFO_evtchn_pending
        incl    heard
        movb    $0, page + VCPU_INFO_evtchn_upcall_mask
        iret
{% endcall %}

# spin(count): lets time pass.
#
# in:    %ecx = instructions, an even number
# out:   -
# clob:  %ecx
# errs:  none
{% call routine("spin") %}
spin_on:
        subl    $2, %ecx
        jnz     spin_on
        ret
{% endcall %}

        .data
{% call object("wanted") %}
        .word   DOMID_SELF, 1                   # EVTCHN_ALLOC_UNBOUND
        .long   0
{% endcall %}
{% for name in ["port", "work_port", "heard", "begun", "pause"] %}
{{ space(name, 4) }}
{% endfor %}
{{ space("page", "PAGE_SIZE", "PAGE_SIZE") }}

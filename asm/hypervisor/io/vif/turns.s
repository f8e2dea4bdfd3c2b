# Turns: one run of work for virtual interfaces, and whose packets are sent in it.
#
# Invariants
#   - Interfaces with something to send are in their kind's queue (io/devices.s) and take turns by bytes: in each turn
#     one may send VIF_QUANTUM of them, and what it sends beyond is taken from its next turn.
#   - One that a NIC had no room for is in vif_waiting, with what is left of its turn, and goes on, first of all, as
#     soon as there is room; one whose credit is used up waits for its timer (credit.s). Neither is in the queue then.
#   - A run delivers and sends no more packets than vif_work says. One whose turn the end of a run interrupts is
#     vif_interrupted, and goes on with the next one. What is left of it is in the queues: vif_more.

        .text

{% set L = labels("vifs_run") %}
# vifs_run(): a run of work for virtual interfaces.
#
# in:    -
# out:   vif_more: not 0 when there is work left that is in no queue of devices
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vifs_run") %}
        movl    vif_input_prod, %eax
        subl    vif_input_cons, %eax
        orl     vif_list, %eax
        orl     vif_more, %eax
        jz      {{ L("none") }}
        call    vifs_finish
        cmpl    $0, io_timer + TIMER_position
        jne     {{ L("shown") }}                # a pause: what a NIC has done or received does not end it
        movl    $VIF_WORK, vif_work
        xorl    %eax, %eax
        cmpl    %eax, io_queues + IO_VIF * IO_QUEUE_size + IO_QUEUE_first
        je      {{ L("nobody_sends") }}
        movl    $(VIF_WORK / 2), %eax           # is kept for those who send
{{ L("nobody_sends") }}:
        subl    %eax, vif_work
        pushl   %eax
        call    vif_inputs_run
        popl    %eax
        addl    %eax, vif_work
        call    vifs_send
{{ L("shown") }}:
        call    vifs_show
        movl    vif_input_prod, %eax
        subl    vif_input_cons, %eax
        orl     vif_done, %eax
        orl     vif_interrupted, %eax
        jnz     {{ L("have_more") }}
        call    vif_waiting_take
        testl   %ebx, %ebx
        jz      {{ L("have_more") }}
        call    vif_wait_first
        incl    %eax
{{ L("have_more") }}:
        movl    %eax, vif_more
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("vifs_finish") %}
# vifs_finish(): answers packets that a NIC is done with.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vifs_finish") %}
        pushl   $VIF_WORK_SLOTS                 # slots that may be let go of
{{ L("next_packet") }}:
        cmpl    $0, (%esp)
        jle     {{ L("done") }}
        movl    vif_done, %ebp
        testl   %ebp, %ebp
        jz      {{ L("done") }}
        movl    VIF_PACKET_count(%ebp), %eax
        addl    $VIF_WORK_OF_AN_ANSWER, %eax
        subl    %eax, (%esp)
        movl    VIF_PACKET_packet_next(%ebp), %eax
        movl    %eax, vif_done
        movl    VIF_PACKET_vif(%ebp), %ebx
        decl    VIF_PACKET_in_flight(%ebp)
        call    vif_let_go
        movl    $NETIF_RSP_OKAY, %eax
        call    vif_answer
        movl    vif_records, %eax
        movl    %eax, VIF_PACKET_packet_next(%ebp)
        movl    %ebp, vif_records
        movl    %ebx, %edx
        decl    VIRTUAL_DEVICE_in_flight(%edx)
        jnz     {{ L("next_packet") }}
        call    device_settle                   # if it is shut
        jmp     {{ L("next_packet") }}
{{ L("done") }}:
        popl    %eax
        ret
{% endcall %}

{% set L = labels("vifs_send") %}
# vifs_send(): sends packets of interfaces that have some, in turns.
#
# in:    vif_work
# out:   vif_work
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vifs_send") %}
        movl    vif_interrupted, %ebx
        movl    $0, vif_interrupted
        testl   %ebx, %ebx
        jz      {{ L("next_vif") }}
        movl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%ebx)
        jmp     {{ L("first_again") }}
{{ L("next_vif") }}:
        cmpl    $0, vif_work
        jle     {{ L("done") }}
        call    vif_waiting_take
        testl   %ebx, %ebx
        jnz     {{ L("first_again") }}
        movl    $IO_VIF, %eax
        call    device_take
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    %edx, %ebx
        cmpl    $IO_STATE_CONNECTED, VIF_device_state(%ebx)
        jne     {{ L("shut") }}
        cmpl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%ebx)
        jne     {{ L("next_vif") }}             # kicked meanwhile
        cmpl    $0, VIF_deficit(%ebx)
        jg      {{ L("goes_on") }}
        addl    $VIF_QUANTUM, VIF_deficit(%ebx)
{{ L("goes_on") }}:
        xorl    %eax, %eax
        call    vif_turn
        jmp     {{ L("next_vif") }}
{{ L("shut") }}:
        call    vif_ports_free                  # they were for what is in flight no more
        jmp     {{ L("next_vif") }}
{{ L("first_again") }}:
        cmpl    $IO_STATE_CONNECTED, VIF_device_state(%ebx)
        jne     {{ L("next_vif") }}
        movl    $1, %eax
        call    vif_turn
        jmp     {{ L("next_vif") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_turn") %}
# vif_turn(vif, waited): a turn of an interface.
#
# in:    %ebx = VIF that is connected, in no queue; %eax = 1: it has waited for room, else 0; vif_work
# out:   it is where it belongs
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("vif_turn") %}
        pushl   %eax
{{ L("next_packet") }}:
        cmpl    $0, VIF_deficit(%ebx)
        jle     {{ L("through") }}
        cmpl    $0, vif_work
        jle     {{ L("interrupted") }}
        call    vif_send
        cmpl    $VIF_TX_PACKET, %eax
        je      {{ L("next_packet") }}
        cmpl    $VIF_TX_BLOCKED, %eax
        je      {{ L("no_room") }}
        cmpl    $VIF_TX_CREDIT, %eax
        je      {{ L("done") }}
        movl    $0, VIF_deficit(%ebx)           # it has nothing more to send
{{ L("done") }}:
        popl    %eax
        ret
{{ L("through") }}:
        popl    %eax
        movl    %ebx, %edx
        jmp     device_wake
{{ L("interrupted") }}:
        popl    %eax
        movl    $VIF_WAITS_FOR_RUN, VIF_waits(%ebx)
        movl    %ebx, vif_interrupted
        ret
{{ L("no_room") }}:
        popl    %eax
        testl   %eax, %eax
        jnz     vif_wait_first
        jmp     vif_wait_last
{% endcall %}

{% set L = labels("vif_waiting_take") %}
# vif_waiting_take(): the first interface that waits for room and finds it; it waits no more.
#
# in:    -
# out:   %ebx = VIF, or 0
# clob:  %ecx, %edx
# errs:  0
{% call routine("vif_waiting_take") %}
        movl    $vif_waiting - VIF_waiting_next, %edx
{{ L("next_vif") }}:
        movl    VIF_waiting_next(%edx), %ebx
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    VIF_nic(%ebx), %ecx
        cmpl    $0, NIC_room(%ecx)
        jne     {{ L("found") }}
        movl    %ebx, %edx
        jmp     {{ L("next_vif") }}
{{ L("found") }}:
        movl    VIF_waiting_next(%ebx), %ecx
        movl    %ecx, VIF_waiting_next(%edx)
        movl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

# vif_wait_first(vif): an interface waits for room, before all others.
#
# in:    %ebx = VIF
# out:   -
# clob:  %edx
# errs:  none
{% call routine("vif_wait_first") %}
        movl    $VIF_WAITS_FOR_ROOM, VIF_waits(%ebx)
        movl    vif_waiting, %edx
        movl    %edx, VIF_waiting_next(%ebx)
        movl    %ebx, vif_waiting
        ret
{% endcall %}

{% set L = labels("vif_wait_last") %}
# vif_wait_last(vif): an interface waits for room, behind all others.
#
# in:    %ebx = VIF
# out:   -
# clob:  %ecx, %edx
# errs:  none
{% call routine("vif_wait_last") %}
        movl    $vif_waiting - VIF_waiting_next, %edx
{{ L("next_vif") }}:
        movl    VIF_waiting_next(%edx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("last") }}
        movl    %ecx, %edx
        jmp     {{ L("next_vif") }}
{{ L("last") }}:
        movl    $VIF_WAITS_FOR_ROOM, VIF_waits(%ebx)
        movl    %ebx, VIF_waiting_next(%edx)
        movl    %ecx, VIF_waiting_next(%ebx)
        ret
{% endcall %}

{% set L = labels("vif_wait_end") %}
# vif_wait_end(vif): an interface that is not connected any more waits for nothing.
#
# in:    %ebx = VIF
# out:   -
# clob:  %eax, %edi
# errs:  none
{% call routine("vif_wait_end") %}
        leal    VIF_credit_timer(%ebx), %edi
        call    timer_stop
        movl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%ebx)
        cmpl    %ebx, vif_interrupted
        jne     {{ L("its_turn_is_over") }}
        movl    $0, vif_interrupted
{{ L("its_turn_is_over") }}:
        movl    $vif_waiting - VIF_waiting_next, %edi
{{ L("next_vif") }}:
        movl    VIF_waiting_next(%edi), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    %ebx, %eax
        je      {{ L("found") }}
        movl    %eax, %edi
        jmp     {{ L("next_vif") }}
{{ L("found") }}:
        movl    VIF_waiting_next(%ebx), %eax
        movl    %eax, VIF_waiting_next(%edi)
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% for name in ["vif_waiting", "vif_interrupted", "vif_more"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}

# Virtual interfaces as devices: made, connected to rings and ports, shut, settled, gone.
#
# Invariants
#   - Every VIF is in vif_list and in the chain of its address, from its creation until its block is freed.
#   - A VIF that is connected has both rings and one port or two; VIRTUAL_DEVICE_port is the one of its transmit ring.
#   - A VIF that is freed is in no list, no rule leads to it, and no packet in the queue comes from it.

        .text

{% set L = labels("vif_add") %}
# vif_add(vif): an interface is on its wire.
#
# in:    %ebx = VIF with mac
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("vif_add") %}
        movl    vif_list, %eax
        movl    %eax, VIF_next(%ebx)
        movl    %ebx, vif_list
        movl    VIF_mac + 2(%ebx), %eax
        call    vif_hash
        movl    (%eax), %ecx
        movl    %ecx, VIF_mac_next(%ebx)
        movl    %ebx, (%eax)
        ret
{% endcall %}

{% set L = labels("vif_free") %}
# vif_free(device): nobody knows it any more: its rules and its block go.
#
# in:    %edx = VIF
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vif_free") %}
        pushl   %edx
        movl    %edx, %ebx
        movl    $vif_list - VIF_next, %edi
{{ L("next_vif") }}:
        movl    VIF_next(%edi), %eax
        cmpl    %ebx, %eax
        je      {{ L("in_list") }}
        movl    %eax, %edi
        jmp     {{ L("next_vif") }}
{{ L("in_list") }}:
        movl    VIF_next(%ebx), %eax
        movl    %eax, VIF_next(%edi)
        movl    VIF_mac + 2(%ebx), %eax
        call    vif_hash
        leal    -VIF_mac_next(%eax), %edi
{{ L("next_address") }}:
        movl    VIF_mac_next(%edi), %eax
        cmpl    %ebx, %eax
        je      {{ L("in_chain") }}
        movl    %eax, %edi
        jmp     {{ L("next_address") }}
{{ L("in_chain") }}:
        movl    VIF_mac_next(%ebx), %eax
        movl    %eax, VIF_mac_next(%edi)
        call    vif_inputs_forget
        call    vif_rules_forget
        call    vif_rules_free
        movl    %ebx, %eax
        movl    $VIF_size, %ecx
        call    heap_free
        popl    %edx
        ret
{% endcall %}

{% set L = labels("vif_inputs_forget") %}
# vif_inputs_forget(vif): packets in the queue come from it no more, and the one that is given to many passes it by.
#
# in:    %ebx = VIF
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("vif_inputs_forget") %}
        movl    $vif_inputs, %eax
        movl    $VIF_INPUTS, %ecx
{{ L("next_input") }}:
        cmpl    %ebx, VIF_INPUT_vif(%eax)
        jne     {{ L("another") }}
        movl    $0, VIF_INPUT_vif(%eax)
{{ L("another") }}:
        addl    $VIF_INPUT_size, %eax
        decl    %ecx
        jnz     {{ L("next_input") }}
        cmpl    %ebx, vif_input_record + VIF_PACKET_vif
        jne     {{ L("not_its_own") }}
        movl    %ecx, vif_input_record + VIF_PACKET_vif
{{ L("not_its_own") }}:
        cmpl    %ebx, vif_input_next
        jne     {{ L("not_next") }}
        movl    VIF_next(%ebx), %eax
        movl    %eax, vif_input_next
{{ L("not_next") }}:
        ret
{% endcall %}

{% set L = labels("vif_settle") %}
# vif_settle(device): nothing of it is in flight, and it is not connected: its rings and ports go.
#
# in:    %edx = VIF
# out:   -
# clob:  %eax, %ebx, %ecx, %esi, %edi
# errs:  none
{% call routine("vif_settle") %}
{% for ring in ["tx", "rx"] %}
        leal    VIF_{{ ring }}(%edx), %esi
        call    ring_detach
{% endfor %}
        movl    %edx, %ebx
        call    vif_wait_end
        jmp     vif_ports_free
{% endcall %}

# vif_ports_free(vif): its ports lead to nobody.
#
# in:    %ebx = VIF that is not connected
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("vif_ports_free") %}
        movl    $0, VIF_device_port(%ebx)
{% for ring in ["tx", "rx"] %}
        movl    VIF_{{ ring }}_port(%ebx), %eax
        movl    $0, VIF_{{ ring }}_port(%ebx)
        call    vif_port_free
{% endfor %}
        ret
{% endcall %}

{% set L = labels("vif_port_free") %}
# vif_port_free(vif, port): a port leads to nobody, if it still leads to the interface.
#
# in:    %ebx = VIF, %eax = port, 0: none
# out:   -
# clob:  %ecx
# errs:  none
# why:   the domain may have closed it, or its other one, or both (io/ports.s knows of one)
{% call routine("vif_port_free") %}
        pushl   %ebx
        pushl   %edx
        movl    VIF_device_index(%ebx), %ecx
        movl    VIF_device_domain(%ebx), %ebx
        call    port_find
        testl   %edx, %edx
        jz      {{ L("gone") }}
        cmpb    $EVTCHNSTAT_hypervisor, PORT_state(%edx)
        jne     {{ L("gone") }}
        cmpl    %ecx, PORT_remote(%edx)
        jne     {{ L("gone") }}
        movb    $EVTCHNSTAT_unbound, PORT_state(%edx)
        movl    $0, PORT_remote(%edx)
{{ L("gone") }}:
        popl    %edx
        popl    %ebx
        ret
{% endcall %}

# vif_hostile(vif, reason): shuts an interface whose rings make no sense.
#
# in:    %ebx = VIF, %eax = IO_REASON_*
# out:   -
# clob:  none
# errs:  none
{% call routine("vif_hostile") %}
        pushal
        movl    %ebx, %edx
        call    device_shut
        popal
        ret
{% endcall %}

{% set L = labels("vif_attach") %}
# vif_attach(vif, argument): takes rings and ports of a front end.
#
# in:    %edx = VIF without any, %esi = VIF_CONNECT
# out:   %eax = 0 or -EINVAL: then it has none
# clob:  %ebx, %ecx, %edi
# errs:  -EINVAL: a ring that is not granted, a port that does not wait for domain 0
{% call routine("vif_attach") %}
        movl    %esi, %edi
{% for ring in ["tx", "rx"] %}
        movl    VIF_CONNECT_{{ ring }}_ref(%edi), %eax
        leal    VIF_{{ ring }}(%edx), %esi
        call    ring_attach
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    $0, VIF_{{ ring }}_told(%edx)
{% endfor %}
        movl    VIF_CONNECT_rx_port(%edi), %eax
        testl   %eax, %eax
        jz      {{ L("one_port") }}
        cmpl    VIF_CONNECT_tx_port(%edi), %eax
        je      {{ L("one_port") }}
        call    device_port_bind
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    VIF_CONNECT_rx_port(%edi), %eax
        movl    %eax, VIF_rx_port(%edx)
        movl    $0, VIRTUAL_DEVICE_port(%edx)
{{ L("one_port") }}:
        movl    VIF_CONNECT_tx_port(%edi), %eax
        call    device_port_bind
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    VIRTUAL_DEVICE_port(%edx), %eax
        movl    %eax, VIF_tx_port(%edx)
        cmpl    $0, VIF_rx_port(%edx)
        jne     {{ L("two_ports") }}
        movl    %eax, VIF_rx_port(%edx)
{{ L("two_ports") }}:
        xorl    %eax, %eax
        movl    %edi, %esi
        ret
{{ L("refused") }}:
        pushl   %edi
        call    vif_settle
        popl    %esi
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# What domain 0 decides about virtual interfaces (io_op): made, connected, disconnected, destroyed, limited.
#
# Invariants
#   - A VIF has an address that is no other's on its wire, and is for one; unless told otherwise its rules let nothing
#     out that has another source.
#   - A connected VIF has its rings and ports; one that is not has neither.

        .text

{% set L = labels("io_op_vif_create") %}
# io_op_vif_create(argument): an interface, with the rules that prevent spoofing.
#
# in:    %ebx = DOMAIN, %ecx = handle, %esi = VIF_CREATE
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (flags, an address that is for many or zero), -ENOENT (nic), -EEXIST (handle, address), -ENOSPC,
#        -ENOMEM
{% call routine("io_op_vif_create") %}
        movl    $-EINVAL, %eax
        testw   $~VIF_CREATE_BARE & 0xFFFF, VIF_CREATE_flags(%esi)
        jnz     {{ L("done") }}
        testb   $1, VIF_CREATE_mac(%esi)
        jnz     {{ L("done") }}
        movl    VIF_CREATE_mac(%esi), %edx
        orw     VIF_CREATE_mac + 4(%esi), %dx
        testl   %edx, %edx
        jz      {{ L("done") }}
        xorl    %edi, %edi
        movl    VIF_CREATE_nic(%esi), %eax
        cmpl    $VIF_NO_NIC, %eax
        je      {{ L("have_wire") }}
        pushl   %ebx
        call    nic_find
        movl    %ebx, %edi
        popl    %ebx
        movl    $-ENOENT, %eax
        testl   %edi, %edi
        jz      {{ L("done") }}
{{ L("have_wire") }}:
        call    vif_mac_taken
        jc      {{ L("done") }}
        call    vif_make
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    vif_add
        testw   $VIF_CREATE_BARE, VIF_flags(%ebx)
        jnz     {{ L("made") }}
        movl    $VIF_DROP, VIF_policies + 4 * VIF_OUT(%ebx)
        call    vif_rules_default
        testl   %eax, %eax
        jz      {{ L("made") }}
        movl    %ebx, %edx
        call    device_remove
        call    vif_free
        movl    $-ENOMEM, %eax
        ret
{{ L("made") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_mac_taken") %}
# vif_mac_taken(argument, nic): whether an address is in use on its wire.
#
# in:    %esi = VIF_CREATE, %edi = NIC or 0
# out:   carry: it is, and %eax = -EEXIST
# clob:  %eax, %edx
# errs:  carry
# why:   it is asked as if it were a packet's destination
{% call routine("vif_mac_taken") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %ebp
        movl    $vif_probe, %ebp
        movl    VIF_CREATE_mac(%esi), %eax
        movl    %eax, VIF_PACKET_head + ETHERNET_destination(%ebp)
        movw    VIF_CREATE_mac + 4(%esi), %ax
        movw    %ax, VIF_PACKET_head + ETHERNET_destination + 4(%ebp)
        movl    %edi, %ecx
        call    vif_find_mac
        movl    $-EEXIST, %eax
        cmpl    $1, %ebx                        # carry: there is none
        cmc
        popl    %ebp
        popl    %ecx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("vif_make") %}
# vif_make(domain, handle, argument, nic): the block of an interface, known as a device.
#
# in:    %ebx = DOMAIN, %ecx = handle, %esi = VIF_CREATE, %edi = NIC or 0
# out:   %eax = 0 and %ebx = VIF, or %eax = an error
# clob:  %ecx, %edx
# errs:  -ENOMEM, -EEXIST, -ENOSPC
{% call routine("vif_make") %}
        movl    %ecx, %edx
        cmpl    $0, vif_record
        jne     {{ L("have_record") }}
        call    vif_record_make
        movl    %eax, vif_record
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
{{ L("have_record") }}:
        movl    $VIF_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    $IO_VIF, VIRTUAL_DEVICE_kind(%eax)
        movl    %ebx, VIRTUAL_DEVICE_domain(%eax)
        movl    %edx, VIRTUAL_DEVICE_handle(%eax)
        movl    VIF_CREATE_mac(%esi), %edx
        movl    %edx, VIF_mac(%eax)
        movl    VIF_CREATE_mac + 4(%esi), %edx  # and the flags
        movl    %edx, VIF_mac + 4(%eax)
        movl    VIF_CREATE_ip(%esi), %edx
        movl    %edx, VIF_ip(%eax)
        movl    %edi, VIF_nic(%eax)
        movl    $vif_credit_due, VIF_credit_timer + TIMER_routine(%eax)
        movl    %eax, %ebx
        movl    %eax, %edx
        call    device_add
        testl   %eax, %eax
        jz      {{ L("done") }}
        xchgl   %eax, %edx
        call    heap_free
        movl    %edx, %eax
{{ L("done") }}:
        ret
{{ L("no_memory") }}:
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

{% set L = labels("io_op_vif_connect") %}
# io_op_vif_connect(argument): begins to serve its rings.
#
# in:    %edx = VIF, %esi = VIF_CONNECT
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EBUSY (it is connected, or something of its last connection is in flight), -EINVAL (flags, rings,
#        ports)
# why:   what was sent by the port before is not lost: the ring is looked at
{% call routine("io_op_vif_connect") %}
        movl    $-EBUSY, %eax
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        je      {{ L("done") }}
        cmpl    $0, VIRTUAL_DEVICE_in_flight(%edx)
        jne     {{ L("done") }}
        movl    $-EINVAL, %eax
        testl   $~(VIF_RX_COPY | VIF_NO_CHECKSUM), VIF_CONNECT_flags(%esi)
        jnz     {{ L("done") }}
        call    vif_attach
        testl   %eax, %eax
        jnz     {{ L("done") }}
        andw    $VIF_CREATE_BARE, VIF_flags(%edx)
        movl    VIF_CONNECT_flags(%esi), %ecx
        orw     %cx, VIF_flags(%edx)
        movl    %eax, VIF_deficit(%edx)
        movl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edx)
        movl    $IO_REASON_NONE, VIRTUAL_DEVICE_reason(%edx)
        call    device_wake
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vif_credit") %}
# io_op_vif_credit(argument): how much it may send.
#
# in:    %edx = VIF, %esi = VIF_CREDIT
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %edi
# errs:  -EINVAL (bytes 0 or beyond what a signed word counts, with a period)
{% call routine("io_op_vif_credit") %}
        movl    VIF_CREDIT_period_us(%esi), %eax
        movl    VIF_CREDIT_bytes(%esi), %ecx
        testl   %eax, %eax
        jz      {{ L("unlimited") }}
        testl   %ecx, %ecx
        jle     {{ L("bad_credit") }}
{{ L("unlimited") }}:
        movl    %eax, VIF_credit_period_us(%edx)
        movl    %ecx, VIF_credit_bytes(%edx)
        movl    $0, VIF_credit(%edx)            # its first period begins with its next packet
        movl    $0, VIF_credit_end(%edx)
        movl    $0, VIF_credit_end_high(%edx)
        cmpl    $VIF_WAITS_FOR_CREDIT, VIF_waits(%edx)
        jne     {{ L("does_not_wait") }}
        leal    VIF_credit_timer(%edx), %edi
        call    timer_stop
        movl    $VIF_WAITS_FOR_NOTHING, VIF_waits(%edx)
        call    device_wake
{{ L("does_not_wait") }}:
        xorl    %eax, %eax
        ret
{{ L("bad_credit") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{{ space("vif_probe", "VIF_PACKET_size") }}

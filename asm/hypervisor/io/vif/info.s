# What domain 0 can see of virtual interfaces, and of the NICs that they may be on (io_op).
#
# Invariants
#   - An answer is written in full: nothing of an earlier argument goes back.

        .text

{% set L = labels("io_op_vif_info") %}
# io_op_vif_info(argument): state and counters of an interface.
#
# in:    %edx = VIF, %esi = VIF_INFO
# out:   %eax = 0; the VIF_INFO
# clob:  %ebx, %ecx, %edx, %edi
# errs:  none
{% call routine("io_op_vif_info") %}
{% for field in ["state", "reason", "in_flight", "events", "kicks"] %}
        movl    VIF_device_{{ field }}(%edx), %eax
        movl    %eax, VIF_INFO_{{ field }}(%esi)
{% endfor %}
{% for field in ["mac", "mac + 4", "ip", "tx_bytes", "tx_bytes_high", "rx_bytes", "rx_bytes_high", "tx_packets",
                 "rx_packets", "spoofed", "filtered", "tx_errors", "tx_lost", "rx_no_buffer", "rx_errors",
                 "credit_waits", "flipped", "credit_bytes", "credit_period_us", "policies", "policies + 4"] %}
        movl    VIF_{{ field }}(%edx), %eax
        movl    %eax, VIF_INFO_{{ field }}(%esi)
{% endfor %}
        movl    $VIF_NO_NIC, VIF_INFO_nic(%esi)
        movl    VIF_nic(%edx), %eax
        testl   %eax, %eax
        jz      {{ L("no_nic") }}
        movl    NIC_number(%eax), %eax
        movl    %eax, VIF_INFO_nic(%esi)
{{ L("no_nic") }}:
        movl    %edx, %ebx
{% for direction in [0, 1] %}
        movl    ${{ direction }}, %ecx
        movl    $VIF_RULES, %eax
        call    vif_rule_place
        movl    %eax, VIF_INFO_rules + {{ 4 * direction }}(%esi)
{% endfor %}
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("io_op_nic_info") %}
# io_op_nic_info(argument): a NIC and its counters.
#
# in:    %ecx = its number, %esi = NIC_INFO
# out:   %eax = 0 or an error; the NIC_INFO
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT
{% call routine("io_op_nic_info") %}
        movl    %ecx, %eax
        call    nic_find
        movl    $-ENOENT, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
{% for field in ["mac", "mac + 4", "flags", "sent", "received", "dropped", "errors", "bytes_sent", "bytes_sent_high",
                 "bytes_received", "bytes_received_high"] %}
        movl    NIC_{{ field }}(%ebx), %eax
        movl    %eax, NIC_INFO_{{ field }}(%esi)
{% endfor %}
        leal    NIC_INFO_name(%esi), %edi
        leal    NIC_name(%ebx), %esi
        movl    $16, %ecx
        call    memory_copy
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

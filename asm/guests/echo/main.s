# A guest that serves a network: ARP, ICMP echo, and the service echo (RFC 862) over UDP and TCP, port 7.
#
# Its address is on its command line: ip=10.0.2.15. If it has a disk, it writes and verifies that first.
#
# Invariants
#   - A packet is taken only when there is a buffer for its answer: what is too much is dropped before it costs us.
#   - It sleeps whenever there is nothing to do: a packet wakes it, or a TCP connection's time.

{{ elf_note("GUEST_OS", ".asciz", '"echo"') }}

        .text

{{ text("ip_option", "ip=") }}
{{ text("data_folder", "data") }}
{{ text("serves_name", "echo") }}
{{ text("serves_value", "serves") }}

{% set L = labels("start") %}
# start: connects the interface, and serves for ever.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  without an address or an interface: says so, and waits for the end
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
        leal    START_INFO_cmd_line(%ebp), %esi
        movl    $ip_option, %edi
        call    option_find
        jc      {{ L("no_address") }}
        call    ip_read
        jc      {{ L("no_address") }}
        movl    %eax, ip_address
        call    grants_begin
        testl   %eax, %eax
        jnz     {{ L("no_interface") }}
        call    disk_check
        call    net_begin
        jc      {{ L("no_interface") }}
{{ print("echo: serves\\n") }}
        movl    $data_folder, %ebx
        movl    $serves_name, %esi
        movl    $serves_value, %edx
        call    store_write
{{ L("next_packet") }}:
        cmpl    $0, net_free_count
        jne     {{ L("can_answer") }}
        call    net_reap
        cmpl    $0, net_free_count
        je      {{ L("no_packet") }}
{{ L("can_answer") }}:
        call    net_receive
        jc      {{ L("no_packet") }}
        pushl   %eax
        call    packet_input
        popl    %eax
        call    net_done
        jmp     {{ L("next_packet") }}
{{ L("no_packet") }}:
        movl    $net_device, %edi
        call    xenbus_gone
        jc      {{ L("gone") }}
        call    tcp_time
        call    net_wait
        jmp     {{ L("next_packet") }}
{{ L("no_address") }}:
{{ print("echo: no address: give ip=10.0.2.15 on the command line\\n") }}
        jmp     wait_for_ever
{{ L("gone") }}:
{{ print("echo: the interface is gone\\n") }}
        jmp     wait_for_ever
{{ L("no_interface") }}:
{{ print("echo: there is no interface\\n") }}
        jmp     wait_for_ever
{% endcall %}

{% set L = labels("protocol_input") %}
# protocol_input(packet, bytes, protocol): what neither ARP nor ICMP nor UDP's echo has taken.
#
# in:    %esi = Ethernet head, %edi = IPv4 head, %ecx = bytes of payload, %eax = protocol
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is wrong, or not TCP, is dropped
{% call routine("protocol_input") %}
        cmpl    $IP_PROTOCOL_TCP, %eax
        jne     {{ L("drop") }}
        cmpl    $TCP_size, %ecx
        jb      {{ L("drop") }}
        call    checksum_payload
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        movzbl  IPV4_size + TCP_offset(%edi), %eax
        shrl    $4, %eax
        shll    $2, %eax
        cmpl    $TCP_size, %eax
        jb      {{ L("drop") }}
        subl    %eax, %ecx
        jb      {{ L("drop") }}
        leal    IPV4_size(%edi,%eax), %edx
        jmp     tcp_input
{{ L("drop") }}:
        ret
{% endcall %}

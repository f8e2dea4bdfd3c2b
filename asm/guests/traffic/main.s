# A traffic generator: it sends UDP datagrams to the service echo of another, and counts what comes back.
#
# On its command line: ip=10.0.2.16 (its own) to=10.0.2.15 (whom it asks, on the same network) size=64 (bytes of each
# datagram) count=100 (0: for ever) rate=1000 (a second; 0: as many as go) wait=1000 (ms for the last answers)
# report=1000 (ms between two reports to the store, at most 4000; 0: none before the end). If it has a disk, it writes
# and verifies that first.
#
# Invariants
#   - traffic_sent = traffic_answered + what is on its way or lost: an answer counts once, by its number.
#   - When it has sent all it says what came of it, writes data/lost into the store last, and goes on to answer others.

{{ elf_note("GUEST_OS", ".asciz", '"traffic"') }}

        .text

        .set    TRAFFIC_SECOND, 1000000000      # ns

{{ space("traffic_count", 4) }}
{{ space("traffic_size", 4) }}
{{ space("traffic_interval", 4) }}
{{ space("traffic_patience", 4) }}
{{ space("traffic_to", 4) }}
{{ space("traffic_sent", 4) }}
{{ space("traffic_answered", 4) }}
{{ space("traffic_times", 8) }}
{{ space("traffic_due", 8) }}
{{ space("traffic_report_due", 8) }}
{{ space("traffic_report_every", 4) }}
{{ space("traffic_ended", 4) }}
{% for name, option in [("ip", "ip="), ("to", "to="), ("size", "size="), ("count", "count="), ("rate", "rate="),
                        ("wait", "wait="), ("report", "report=")] %}
{{ text("option_" ~ name, option) }}
{% endfor %}

{% set L = labels("start") %}
# start: connects the interface, finds whom it asks, and asks.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  without addresses or an interface: says so, and waits for the end
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
        call    traffic_options
        jc      {{ L("no_address") }}
        call    grants_begin
        testl   %eax, %eax
        jnz     {{ L("no_interface") }}
        call    disk_check
        call    net_begin
        jc      {{ L("no_interface") }}
        call    traffic_find
{{ print("traffic: begins\\n") }}
        call    system_time
        movl    %eax, traffic_due
        movl    %edx, traffic_due + 4
        movl    %eax, traffic_report_due
        movl    %edx, traffic_report_due + 4
{{ L("next_look") }}:
        call    traffic_receive
        call    net_reap
        call    traffic_report
        call    traffic_send                    # %edx:%eax = when to go on, %ecx = 0 for at once
        jecxz   {{ L("at_once") }}
        pushl   %eax
        movl    $net_device, %edi
        call    xenbus_gone
        popl    %eax                            # leaves the carry
        jc      {{ L("gone") }}
        call    net_wait
        jmp     {{ L("next_look") }}
{{ L("at_once") }}:
        call    net_push
        jmp     {{ L("next_look") }}
{{ L("no_address") }}:
{{ print("traffic: no addresses: give ip=10.0.2.16 to=10.0.2.15 on the command line\\n") }}
        jmp     wait_for_ever
{{ L("gone") }}:
{{ print("traffic: the interface is gone\\n") }}
        jmp     wait_for_ever
{{ L("no_interface") }}:
{{ print("traffic: there is no interface\\n") }}
        jmp     wait_for_ever
{% endcall %}

{% set L = labels("traffic_options") %}
# traffic_options(): reads the command line.
#
# in:    %ebp = start_info
# out:   ip_address, traffic_to, traffic_size, traffic_count, traffic_interval, traffic_patience,
#        traffic_report_every; carry set when an address is missing
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  carry; a size that no packet can have is made one that it can
{% call routine("traffic_options") %}
        leal    START_INFO_cmd_line(%ebp), %ebx
{% for name, variable in [("ip", "ip_address"), ("to", "traffic_to")] %}
        movl    %ebx, %esi
        movl    $option_{{ name }}, %edi
        call    option_find
        jc      {{ L("done") }}
        call    ip_read
        jc      {{ L("done") }}
        movl    %eax, {{ variable }}
{% endfor %}
{% for name, default, variable in [("count", 100, "traffic_count"), ("size", 64, "traffic_size"),
                                   ("wait", 1000, "traffic_patience"), ("report", 1000, "traffic_report_every")] %}
        movl    %ebx, %esi
        movl    $option_{{ name }}, %edi
        movl    ${{ default }}, %eax
        call    option_number
        movl    %eax, {{ variable }}
{% endfor %}
        cmpl    $TRAFFIC_PAYLOAD_size, traffic_size
        jae     {{ L("large_enough") }}
        movl    $TRAFFIC_PAYLOAD_size, traffic_size
{{ L("large_enough") }}:
        cmpl    $ETHERNET_MOST - PACKET_HEADS - UDP_size, traffic_size
        jbe     {{ L("small_enough") }}
        movl    $ETHERNET_MOST - PACKET_HEADS - UDP_size, traffic_size
{{ L("small_enough") }}:
        movl    %ebx, %esi
        movl    $option_rate, %edi
        movl    $1000, %eax
        call    option_number
        movl    %eax, %ecx
        jecxz   {{ L("flood") }}
        movl    $TRAFFIC_SECOND, %eax
        xorl    %edx, %edx
        divl    %ecx
        movl    %eax, %ecx
{{ L("flood") }}:
        movl    %ecx, traffic_interval
        clc
{{ L("done") }}:
        ret
{% endcall %}

# traffic_receive(): does with all packets that have come what there is to do.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("traffic_receive") %}
1:
        call    net_receive
        jc      2f
        pushl   %eax
        call    packet_input
        popl    %eax
        call    net_done
        jmp     1b
2:
        ret
{% endcall %}

{% set L = labels("traffic_find") %}
# traffic_find(): asks the network for the MAC of whom it will send to, again and again until there is an answer.
#
# in:    traffic_to
# out:   arp_answer_mac
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("traffic_find") %}
{{ L("ask") }}:
        call    net_take
        jc      {{ L("wait") }}
        pushl   %eax
        movl    $-1, ETHERNET_destination(%edi)
        movw    $-1, ETHERNET_destination + 4(%edi)
        call    packet_from_us
        movl    $ARP_REQUEST_WIRE, %eax
        call    arp_fill
        movl    traffic_to, %eax
        movl    %eax, ETHERNET_size + ARP_target_ip(%edi)
        movl    $0, ETHERNET_size + ARP_target_mac(%edi)
        movw    $0, ETHERNET_size + ARP_target_mac + 4(%edi)
        popl    %eax
        movl    $ETHERNET_size + ARP_size, %ecx
        call    packet_send
{{ L("wait") }}:
        movl    $TRAFFIC_SECOND / 5, %eax
        call    wait_nanoseconds
        call    net_wait
        call    traffic_receive
        call    net_reap
        movl    traffic_to, %eax
        cmpl    %eax, arp_answer_ip
        jne     {{ L("ask") }}
        ret
{% endcall %}

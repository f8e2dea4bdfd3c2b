# Ports of ours: which those are, and how drivers take some.
#
# Invariants
#   - A port whose bit in own_ports is set is out of reach of guests, but for what port_shared says of it. From boot on:
#     interrupt controllers and their triggers, timer channels 0 and 1 and the commands, COM1, the data of PCI's
#     configuration, Bochs's and QEMU's debug and exit ports.
#   - A function that a driver of ours has taken is not there for guests: its configuration reads as ones.

        .section .init, "ax"

{% set L = labels("ports_take") %}
# ports_take(first, count): ports of a device that is ours.
#
# in:    %edx = first, %ecx = count, not 0
# out:   own_ports
# clob:  none
# errs:  none
{% call routine("ports_take") %}
        pushl   %ecx
        pushl   %edx
{{ L("next_port") }}:
        btsl    %edx, own_ports
        incl    %edx
        decl    %ecx
        jnz     {{ L("next_port") }}
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

        .text

{% set L = labels("port_shared") %}
# port_shared(port): whether a port of ours is none of ours just now.
#
# in:    %eax = port whose bit in own_ports is set
# out:   carry: it is ours
# clob:  none
# errs:  carry
{% call routine("port_shared") %}
        cmpl    $COM1, %eax
        jb      {{ L("ours") }}
        cmpl    $COM1 + 7, %eax
        jbe     {{ L("com1") }}
        cmpl    $PCI_DATA, %eax
        jb      {{ L("ours") }}
        cmpl    $PCI_DATA + 3, %eax
        jbe     {{ L("configuration") }}
{{ L("ours") }}:
        stc
        ret
{{ L("com1") }}:                                # only while our console is there
        testl   $CONSOLE_COM1, console_targets
        jnz     {{ L("ours") }}
        clc
        ret
{{ L("configuration") }}:                       # of which function, the guest has said at the address port
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        movl    $PCI_ADDRESS, %edx
        inl     %dx, %eax
        shrl    $8, %eax
        movzwl  %ax, %eax
        movl    own_function_count, %ecx
{{ L("next_function") }}:
        decl    %ecx
        js      {{ L("nobodys") }}
        cmpl    own_functions(,%ecx,4), %eax
        jne     {{ L("next_function") }}
        popl    %edx
        popl    %ecx
        popl    %eax
        stc
        ret
{{ L("nobodys") }}:
        popl    %edx
        popl    %ecx
        popl    %eax
        clc
        ret
{% endcall %}

        .data
{% set own = [(0x20, 0x21), (0xa0, 0xa1), (0x4d0, 0x4d1), (0x40, 0x41), (0x43, 0x43), (0x3f8, 0x3ff), (0xe9, 0xe9),
              (0xf4, 0xf7), (0xcfc, 0xcff)] %}
{% set first_words = 0xd00 // 32 %}
{% call object("own_ports") %}
{% for word in range(first_words) %}
{% set bits = [] %}
{% for first, last in own %}
{% for port in range([first, 32 * word] | max, [last, 32 * word + 31] | min + 1) %}
{% do bits.append(port % 32) %}
{% endfor %}
{% endfor %}
        .long   0{% for bit in bits %} | 1 << {{ bit }}{% endfor %}

{% endfor %}
        .skip   (OWN_PORTS_END - {{ 32 * first_words }}) / 8
{% endcall %}

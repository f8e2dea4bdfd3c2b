# A guest that provokes every exception which a guest kernel can provoke by itself, and checks the frames that it gets.
#
# main.s registers the handlers and ends the domain; cases.s, descriptors.s and user.s provoke; handler.s looks at the
# frames; memory.s maps pages. Each case prints
#
#       trap 14 error 0x2 cr2 0xdead1000 eip +0x0 cs 0xe019 eflags 0x10282 mask 1: write to an absent page: ok
#
# where eip is counted from the instruction that was to raise it, mask is the event mask in the frame, and cr2 is said
# for page faults only. What differs from the ABI makes the last word WRONG. The last line counts both.
#
# Invariants
#   - One case is under way at a time, and case_now points at its CASE; between cases it is 0.
#   - %ebp is the address of start_info in everything but the handlers.

{{ elf_note("GUEST_OS", ".asciz", '"traps"') }}

        .text

# start: where the domain builder lets the guest begin.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  a trap table that is refused ends the domain as crashed
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        movl    $trap_table, %ebx
        {{ hypercall("set_trap_table") }}
        testl   %eax, %eax
        jnz     1f
        call    cases_of_instructions
        call    cases_of_pages
        call    cases_of_interrupts
        call    cases_of_floating_point
        call    cases_of_descriptors
        call    cases_of_applications
{{ print("%u frames as they should be, %u wrong, %u cases not raised\\n", "cases_ok", "cases_wrong",
         "cases_not_raised") }}
        movl    $SHUTDOWN_poweroff, %eax
        jmp     shut_down
1:
{{ print("set_trap_table: error %d\\n", "%eax") }}
        movl    $SHUTDOWN_crash, %eax
        jmp     shut_down
{% endcall %}

        .data
{# The vectors with a handler, each with the lowest privilege that may raise it by `int`, 0 being none of a guest's. #}
{% set handlers = namespace(dpl=dict.fromkeys(range(20), 0)) %}
{% do handlers.dpl.update({0x30: 1, 0x80: 3}) %}
{% call object("trap_table") %}
{% for vector, dpl in handlers.dpl.items() %}
        .byte   {{ vector }}, {{ dpl }}
        .word   FLAT_KERNEL_CS
        .long   trap_stub_{{ vector }}
{% endfor %}
        .skip   TRAP_INFO_size                  # an address of 0 is the end
{% endcall %}

        .text

# trap_stubs: where the handlers begin: a frame of one shape, whatever the vector.
#
# in:    what the hypervisor put onto the stack: an error code or none, then eip, cs, eflags
# out:   does not return
# errs:  none
{% call routine("trap_stubs") %}
{% for vector in handlers.dpl %}
trap_stub_{{ vector }}:
{% if vector not in (8, 10, 11, 12, 13, 14, 17) %}
        pushl   $0                              # for an error code
{% endif %}
        pushl   ${{ vector }}
        jmp     trap_entry
{% endfor %}
{% endcall %}

# Emulation of privileged instructions (ABI 6.11): what a guest kernel written for the bare machine executes now and
# then, and gets a protection fault for.
#
# From the bytes of the instruction, prefixes first, two tables lead to a routine for it; what they do not name is the
# guest's own protection fault. A routine finds
#     %esi = ENTRY_FRAME, %ebp = current vcpu, %ebx = PREFIX_* of its prefixes, %edi = address of the byte behind the
#     opcode, %eax = the opcode's last byte
# and answers in %eax
#     EMULATE_DONE    carried out; %edi is behind the instruction
#     EMULATE_NOT     nothing happened: the guest gets the exception that we came for
#     EMULATE_FAULT   nothing happened: the guest gets the exception that emulate_raise has noted
#     EMULATE_AGAIN   carried out in part, and the frame says how far: the guest executes the same instruction again
#
# Invariants
#   - Each byte is read once, by emulate_fetch. What is decided is decided on that copy.
#   - Nothing that a guest sees changes before the last thing that can fail.
#   - This is for one guest at a time: what is noted here means nothing between two exceptions.

        .text

{% set L = labels("handle_protection") %}
# handle_protection(frame): a protection fault with error code 0: a privileged instruction, perhaps.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi, %gs
# errs:  no handler: the domain is crashed
{% call routine("handle_protection") %}
        movl    $0, debug_missed
        call    emulate_instruction
        cmpl    $EMULATE_NOT, %eax
        je      {{ L("no_privileged_one") }}
        cmpl    $EMULATE_FAULT, %eax
        je      emulate_fault
        cmpl    $EMULATE_AGAIN, %eax
        je      {{ L("same_place") }}
        jmp     emulate_complete
{{ L("same_place") }}:
        jmp     emulate_step
{{ L("no_privileged_one") }}:
        call    segment_turn
        cmpl    $EMULATE_NOT, %eax
        je      exception_bounce
        movl    VCPU_domain(%ebp), %eax
        btl     $VMASST_TYPE_4gb_segments_notify, DOMAIN_vm_assist(%eax)
        jnc     {{ L("not_told") }}
        movl    $VECTOR_SEGMENT_TURNED, %eax
        cmpl    $0, VCPU_traps + TRAP_INFO_address(%ebp,%eax,8)
        je      {{ L("not_told") }}
        movl    turn_length, %edx
        movl    %edx, bounce_frame + BOUNCE_FRAME_error_code
        movl    $BOUNCE_ERROR_CODE, %edx
        jmp     bounce_to_vector
{{ L("not_told") }}:
        ret
{% endcall %}

# emulate_complete(frame): the guest goes on behind the instruction.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu, %edi = address of the next instruction
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  as emulate_step
{% call routine("emulate_complete") %}
        subl    emulate_base, %edi
        movl    %edi, ENTRY_FRAME_eip(%esi)
        andl    $~EFLAGS_RF, ENTRY_FRAME_eflags(%esi)
        jmp     emulate_step
{% endcall %}

{% set L = labels("emulate_step") %}
# emulate_step(frame): the debug exception that the processor would raise behind the instruction.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
# why:   a breakpoint on a port was hit by us: debug_in_ring_0 has noted which
{% call routine("emulate_step") %}
        movl    debug_missed, %eax
        testl   $EFLAGS_TF, ENTRY_FRAME_eflags(%esi)
        jz      {{ L("no_step") }}
        orl     $DR6_BS, %eax
{{ L("no_step") }}:
        testl   %eax, %eax
        jz      {{ L("nothing") }}
        orl     %eax, VCPU_debugreg + 4 * 6(%ebp)
        movl    $VECTOR_DB, %eax
        xorl    %edx, %edx
        jmp     bounce_to_vector
{{ L("nothing") }}:
        ret
{% endcall %}

{% set L = labels("emulate_fault") %}
# emulate_fault(frame): hands the guest the exception that was noted.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu; emulate_vector, emulate_error, emulate_address
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("emulate_fault") %}
        movl    emulate_vector, %eax
        movl    %eax, ENTRY_FRAME_vector(%esi)
        movl    emulate_error, %edx
        movl    %edx, ENTRY_FRAME_error_code(%esi)
        cmpl    $VECTOR_PF, %eax
        jne     exception_bounce
        movl    emulate_address, %eax
        movl    %eax, VCPU_cr2(%ebp)
        movl    VCPU_info(%ebp), %edi
        movl    %eax, VCPU_INFO_arch_cr2(%edi)
        jmp     exception_bounce
{% endcall %}

{% set L = labels("emulate_instruction") %}
# emulate_instruction(frame): decodes and carries out.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   %eax = EMULATE_*; %edi = address of the next instruction when done
# clob:  %ebx, %ecx, %edx
# errs:  EMULATE_NOT, EMULATE_FAULT
# calls: emulate_op_*
{% call routine("emulate_instruction") %}
        call    emulate_open
        jc      {{ L("not_ours") }}
{{ L("next_prefix") }}:
        call    emulate_fetch
        jc      {{ L("unreadable") }}
        movzbl  emulate_opcodes(%eax), %ecx
        cmpl    $EMULATE_PREFIXES, %ecx
        ja      {{ L("opcode") }}
        testl   %ecx, %ecx
        jz      {{ L("not_ours") }}
        andl    prefix_kept - 4(,%ecx,4), %ebx
        orl     prefix_set - 4(,%ecx,4), %ebx
        jmp     {{ L("next_prefix") }}
{{ L("opcode") }}:
        xorl    emulate_default, %ebx
        testl   $PREFIX_LOCK, %ebx
        jnz     {{ L("not_ours") }}
        cmpl    $EMULATE_TWO_BYTES, %ecx
        jne     {{ L("have_routine") }}
        call    emulate_fetch
        jc      {{ L("unreadable") }}
        movzbl  emulate_opcodes_0f(%eax), %ecx
        testl   %ecx, %ecx
        jz      {{ L("not_ours") }}
{{ L("have_routine") }}:
        jmp     *emulate_routines - 4 * EMULATE_FIRST_ROUTINE(,%ecx,4)
{{ L("not_ours") }}:
        movl    $EMULATE_NOT, %eax
        ret
{{ L("unreadable") }}:
        movl    $EMULATE_FAULT, %eax
        ret
{% endcall %}

        .section .rodata
{# What an opcode leads to. In the tables of bytes: 0 is not ours, 1 to EMULATE_PREFIXES a prefix, then
   EMULATE_TWO_BYTES for 0x0f, then the routines. #}
{% set prefixes = {0x26: 1, 0x2e: 2, 0x36: 3, 0x3e: 4, 0x64: 5, 0x65: 6, 0x66: 7, 0x67: 8, 0xf0: 9, 0xf2: 10,
                   0xf3: 11} %}
{% set routines = ["port_string", "port", "interrupt_flag", "clts", "wbinvd", "read_control", "write_control",
                   "read_debug", "write_debug", "wrmsr", "rdtsc", "rdmsr", "group_7"] %}
{% set one_byte = {0x6c: "port_string", 0x6d: "port_string", 0x6e: "port_string", 0x6f: "port_string",
                   0xe4: "port", 0xe5: "port", 0xe6: "port", 0xe7: "port", 0xec: "port", 0xed: "port", 0xee: "port",
                   0xef: "port", 0xfa: "interrupt_flag", 0xfb: "interrupt_flag"} %}
{% set after_0f = {0x01: "group_7", 0x06: "clts", 0x09: "wbinvd", 0x20: "read_control", 0x21: "read_debug",
                   0x22: "write_control", 0x23: "write_debug", 0x30: "wrmsr", 0x31: "rdtsc", 0x32: "rdmsr"} %}
{% call object("emulate_opcodes") %}
{% for byte in range(256) %}
        .byte   {{ prefixes[byte] if byte in prefixes else "EMULATE_TWO_BYTES" if byte == 0x0f
                   else abi.EMULATE_FIRST_ROUTINE + routines.index(one_byte[byte]) if byte in one_byte else 0 }}
{% endfor %}
{% endcall %}
{% call object("emulate_opcodes_0f") %}
{% for byte in range(256) %}
        .byte   {{ abi.EMULATE_FIRST_ROUTINE + routines.index(after_0f[byte]) if byte in after_0f else 0 }}
{% endfor %}
{% endcall %}
{% call object("emulate_routines") %}
{% for name in routines %}
        .long   emulate_op_{{ name }}
{% endfor %}
{% endcall %}

# What each prefix keeps of %ebx, and what it sets: a later segment takes the place of an earlier one.
{% call object("prefix_kept") %}
        .long   ~PREFIX_SEGMENT, ~PREFIX_SEGMENT, ~PREFIX_SEGMENT, ~PREFIX_SEGMENT, ~PREFIX_SEGMENT, ~PREFIX_SEGMENT
        .long   -1, -1, -1, -1, -1
{% endcall %}
{% call object("prefix_set") %}
        .long   PREFIX_ES, PREFIX_CS, PREFIX_SS, PREFIX_DS, PREFIX_FS, PREFIX_GS
        .long   PREFIX_OPERAND, PREFIX_ADDRESS, PREFIX_LOCK, PREFIX_REPEAT, PREFIX_REPEAT
{% endcall %}

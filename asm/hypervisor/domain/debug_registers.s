# Debug registers and the debug exception: set_debugreg, get_debugreg (ABI 10.8).
#
# Why no debug exception of a guest's can hurt us
#   - A breakpoint's address is below HV_START and general detection is refused, so none is ever on an instruction or
#     on memory of ours, and we can use the registers ourselves. DR7 need not be cleared on entry.
#   - A data breakpoint on guest memory may be hit by us when we read or write it for the guest, and a breakpoint on
#     the stack segment's load is raised one instruction late: `mov %ss` and then `int $0x82` gives #DB on our first
#     instruction. Both are traps that come behind an instruction that is complete. debug_in_ring_0 takes note and we
#     go on: the exception is lost to the guest, as on native hardware it is lost in a system call's first instruction.
#   - The gates clear TF, so we are never single-stepped; SYSENTER is not set up, so there is no other way in.
#
# Invariants
#   - VCPU_debugreg holds what the guest wrote, made harmless. The processor's DR0 to DR3 and DR7 hold it only while the
#     vcpu runs and its DR7 enables something; otherwise the processor's DR7 enables nothing.
#   - The processor's DR6 is at DR6_RESET whenever a guest runs; the virtual DR6 collects what was found in it.

        .text

{% set L = labels("do_set_debugreg") %}
# do_set_debugreg(reg, value): writes a debug register of the vcpu.
#
# in:    %ebx = number, %ecx = value; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx
# errs:  -EPERM (an address of ours; general detection; I/O breakpoint without CR4.DE), -EINVAL (no such register)
{% call routine("do_set_debugreg") %}
        call    debug_register_number
        jc      {{ L("no_register") }}
        cmpl    $6, %ebx
        je      {{ L("status") }}
        ja      {{ L("control") }}
        cmpl    $HV_START, %ecx
        jb      {{ L("store") }}
{{ L("not_permitted") }}:
        movl    $-EPERM, %eax
        ret
{{ L("status") }}:
        orl     $DR6_RESET, %ecx
        andl    $~DR6_CLEAR, %ecx
        jmp     {{ L("store") }}
{{ L("control") }}:
        testl   $DR7_GD, %ecx
        jnz     {{ L("not_permitted") }}
        andl    $~DR7_CLEAR, %ecx
        orl     $DR7_RESET, %ecx
        testl   $CR4_DE, VCPU_cr4(%ebp)
        jnz     {{ L("store") }}
        movl    %ecx, %eax                      # R/W = 2 is bit 17 of 16 and 17, and so on; for 3 both are set
        shll    $1, %eax
        notl    %eax
        andl    %ecx, %eax
        testl   $DR7_RW_HIGH, %eax
        jnz     {{ L("not_permitted") }}
{{ L("store") }}:
        movl    %ecx, VCPU_debugreg(%ebp,%ebx,4)
        movl    $PLAIN_NOT, VCPU_plain(%ebp)
        call    debug_load
        xorl    %eax, %eax
        ret
{{ L("no_register") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("do_get_debugreg") %}
# do_get_debugreg(reg): reads a debug register of the vcpu.
#
# in:    %ebx = number; %ebp = current vcpu
# out:   %eax = value or -EINVAL
# clob:  %ebx
# errs:  -EINVAL: no such register
{% call routine("do_get_debugreg") %}
        call    debug_register_number
        jc      {{ L("no_register") }}
        movl    VCPU_debugreg(%ebp,%ebx,4), %eax
        cmpl    $6, %ebx
        jb      {{ L("done") }}
        je      {{ L("status") }}
        orl     $DR7_RESET, %eax                # of a vcpu that has never written it, too
{{ L("done") }}:
        ret
{{ L("status") }}:
        orl     $DR6_RESET, %eax
        ret
{{ L("no_register") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("debug_register_number") %}
# debug_register_number(reg): 4 and 5 are other names of 6 and 7, unless CR4.DE is set.
#
# in:    %ebx = number, %ebp = current vcpu
# out:   %ebx = 0 to 3, 6 or 7; carry: there is no such register
# clob:  none
# errs:  carry
{% call routine("debug_register_number") %}
        cmpl    $7, %ebx
        ja      {{ L("none") }}
        cmpl    $6, %ebx
        jae     {{ L("good") }}
        cmpl    $4, %ebx
        jb      {{ L("good") }}
        testl   $CR4_DE, VCPU_cr4(%ebp)
        jnz     {{ L("none") }}
        addl    $2, %ebx
{{ L("good") }}:
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("debug_load") %}
# debug_load(vcpu): the processor's debug registers for the vcpu that runs.
#
# in:    %ebp = VCPU
# out:   debug_live = whether its DR7 enables something
# clob:  %eax
# errs:  none
{% call routine("debug_load") %}
        testb   $DR7_ENABLES, VCPU_debugreg + 4 * 7(%ebp)
        jz      debug_unload
{% for number in [0, 1, 2, 3, 7] %}
        movl    VCPU_debugreg + 4 * {{ number }}(%ebp), %eax
        movl    %eax, %dr{{ number }}
{% endfor %}
        movl    $1, debug_live
        ret
{% endcall %}

{% set L = labels("debug_unload") %}
# debug_unload(): no breakpoint is enabled.
#
# in:    -
# out:   debug_live = 0
# clob:  %eax
# errs:  none
{% call routine("debug_unload") %}
        cmpl    $0, debug_live
        je      {{ L("done") }}
        movl    $DR7_RESET, %eax
        movl    %eax, %dr7
        movl    $0, debug_live
{{ L("done") }}:
        ret
{% endcall %}

# handle_debug(frame): the guest's debug exception; its virtual DR6 takes what the hardware says.
#
# in:    %esi = ENTRY_FRAME, %ebp = current vcpu
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  no handler: the domain is crashed
{% call routine("handle_debug") %}
        movl    %dr6, %eax
        andl    $DR6_CAUSES, %eax
        orl     %eax, VCPU_debugreg + 4 * 6(%ebp)
        movl    $DR6_RESET, %eax
        movl    %eax, %dr6
        jmp     exception_bounce
{% endcall %}

# debug_in_ring_0(frame): a debug exception that was raised while we were at work.
#
# in:    %esi = ENTRY_FRAME from ring 0
# out:   debug_missed: the causes, added up
# clob:  %eax
# errs:  none
{% call routine("debug_in_ring_0") %}
        movl    %dr6, %eax
        andl    $DR6_CAUSES, %eax
        orl     %eax, debug_missed
        movl    $DR6_RESET, %eax
        movl    %eax, %dr6
        andl    $~EFLAGS_TF, ENTRY_FRAME_eflags(%esi)
        ret
{% endcall %}

{{ space("debug_live", 4) }}
{{ space("debug_missed", 4) }}

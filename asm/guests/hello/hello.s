# The smallest guest worth the name: it says where it runs and what it was given, and shuts its domain down.
#
# A guest kernel starts in ring 1 with paging on, in flat segments, on a stack of one page, with events masked
# (ABI 1.9). It has no interrupt table, no console and no timer but what it asks the hypervisor for.
#
# Invariants
#   - %ebp is the address of start_info from the second instruction on: no hypercall changes it.
#   - Nothing here depends on who the hypervisor is: only calls that Xen has had since 3.0 are made.

{{ elf_note("GUEST_OS", ".asciz", '"hello"') }}

        .text

# start: where the domain builder lets the guest begin (note ENTRY).
#
# in:    %esi = start_info, %esp = top of the boot stack; the other registers are 0
# out:   does not return
# errs:  none
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    tell_ring
        call    tell_version
        call    tell_start_info
        jmp     shut_down
{% endcall %}

# tell_ring(): which ring this is, by the processor's own account.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx
# errs:  none
# why:   the two lowest bits of %cs are the current privilege level; no guest can write them
{% call routine("tell_ring") %}
        movl    %cs, %eax
        movl    %eax, %ebx
        andl    $SELECTOR_RPL, %ebx
        movl    %ss, %ecx
{{ print("hello from ring %u: cs = 0x%x, ss = 0x%x, esp = %p\\n", "%ebx", "%eax", "%ecx", "%esp") }}
        ret
{% endcall %}

# tell_version(): who the hypervisor says it is.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax, %ebx, %ecx, %edx
# errs:  a call that fails is said
{% call routine("tell_version") %}
        movl    $XENVER_extraversion, %ebx
        movl    $extraversion, %ecx
        {{ hypercall("xen_version") }}
        testl   %eax, %eax
        jns     1f
{{ print("xen_version, extraversion: error %d\\n", "%eax") }}
1:
        movl    $XENVER_version, %ebx
        {{ hypercall("xen_version") }}
        movzwl  %ax, %edx                       # the minor number, and the major one above it
        shrl    $16, %eax
        movl    %ebp, %ecx
        addl    $START_INFO_magic, %ecx
{{ print("hypervisor: Xen %u.%u%s, ABI %s\\n", "%eax", "%edx", "$extraversion", "%ecx") }}
        ret
{% endcall %}

# tell_start_info(): what the domain builder has left for us.
#
# in:    %ebp = start_info
# out:   -
# clob:  %eax
# errs:  none
{% call routine("tell_start_info") %}
        movl    START_INFO_nr_pages(%ebp), %eax
        shrl    $(20 - PAGE_SHIFT), %eax
{{ print("memory: %u pages (%u MB)\\n", "START_INFO_nr_pages(%ebp)", "%eax") }}
{{ print("start_info: at %p, flags 0x%x\\n", "%ebp", "START_INFO_flags(%ebp)") }}
{{ print("  shared_info at machine address %p\\n", "START_INFO_shared_info(%ebp)") }}
{{ print("  page tables at %p, %u frames\\n", "START_INFO_pt_base(%ebp)", "START_INFO_nr_pt_frames(%ebp)") }}
{{ print("  list of machine frames at %p\\n", "START_INFO_mfn_list(%ebp)") }}
{{ print("  module at %p, %u bytes\\n", "START_INFO_mod_start(%ebp)", "START_INFO_mod_len(%ebp)") }}
        leal    START_INFO_cmd_line(%ebp), %eax
{{ print("  command line \\\"%s\\\"\\n", "%eax") }}
        ret
{% endcall %}

# shut_down: the end of this domain, after the others had some turns: with domain 0 the machine ends.
#
# in:    -
# out:   does not return
# errs:  none
{% call routine("shut_down") %}
        movl    $16, %edi
1:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        decl    %edi
        jnz     1b
        movl    $SCHEDOP_shutdown, %ebx
        movl    $shutdown_argument, %ecx
        {{ hypercall("sched_op") }}
1:
        jmp     1b                              # nobody comes back from there
{% endcall %}

        .section .rodata
{% call object("shutdown_argument") %}
        .long   SHUTDOWN_poweroff               # SCHED_SHUTDOWN_reason
{% endcall %}

{{ space("extraversion", 16) }}

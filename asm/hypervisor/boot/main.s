# What happens between the first instruction in our own address space and the first guest, in order.
#
# Invariants
#   - Descriptor tables come first, so that a fault is a report; the serial port next, so that the report is seen.
#   - Everything here and below is .init: it is unmapped, and its frames are given back, before the first guest runs.
#   - Physical memory is at its own address until then (boot.s).

        .section .init, "ax"

# boot_main: the start of the machine, from paging on to the first guest.
#
# in:    paging on (idle tables), the loader's flat segments
# out:   does not return
# errs:  what cannot be continued without is a panic
{% call routine("boot_main") %}
        movl    $hypervisor_stack_top, %esp
        call    one_to_one_seal
        call    descriptors_init
        call    uart_init
        call    command_line_parse
        call    banner
        call    processor_init
        call    pic_mask
        call    lapic_find
        call    memory_map_read
        call    modules_read
        call    frames_init
        call    m2p_init
        call    map_cache_init
        call    clock_init
        call    pci_scan
        call    images_keep
        call    domains_build
        call    domain_0_require
        call    modules_release
        call    images_settle
        call    doorbell_begin
        jmp     first_domain
{% endcall %}

# banner(): the first lines of the log.
#
# in:    -
# out:   -
# clob:  none
# errs:  none
{% call routine("banner") %}
{% set name = "xengen " ~ version ~ (" (debug build)" if debug else "") %}
{{ log("LOG_ERROR", name ~ ": a paravirtualizing hypervisor for 32-bit x86\\n") }}
{{ log("LOG_INFO", "command line: %s\\n", "$command_line") }}
{{ log("LOG_INFO", "image: %p to %p, text %p to %p\\n", "$__image_start", "$__image_end", "$__text_start",
       "$__text_end") }}
        ret
{% endcall %}

        .set    PAT_LOW, 0x00070406             # write-back, write-through, UC-, uncached: as after a reset
        .set    PAT_HIGH, 0x00000501            # write-combining, write-protected, uncached twice: as Xen has it

{% set L = labels("processor_init") %}
# processor_init(): the features that we use, and the control registers for them.
#
# in:    -
# out:   -
# clob:  none
# errs:  a processor without TSC or FXSAVE is a panic
{% call routine("processor_init") %}
        pushal
        movl    $1, %eax
        cpuid
        testl   $CPUID_EDX_TSC, %edx
        jz      {{ L("too_old") }}
        testl   $CPUID_EDX_FXSR, %edx
        jz      {{ L("too_old") }}
        movl    %cr4, %eax
        orl     $(CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        movl    %eax, %cr4
        fninit
        testl   $CPUID_EDX_PAT, %edx
        jz      {{ L("no_attributes") }}
        movl    $MSR_PAT, %ecx
        movl    $PAT_LOW, %eax
        movl    $PAT_HIGH, %edx
        wrmsr                                   # entries 0 and 3, which we use, stay what they were
{{ L("no_attributes") }}:
        movl    $no_text, %eax
        cmpl    $0, no_execute_high
        je      {{ L("no_nx") }}
        movl    $yes_text, %eax
{{ L("no_nx") }}:
{{ log("LOG_INFO", "processor: PAE, FXSAVE, no-execute: %s\\n", "%eax") }}
        popal
        ret
{{ L("too_old") }}:
{{ panic("this processor has no TSC or no FXSAVE") }}
{% endcall %}

{{ text("yes_text", "yes") }}
{{ text("no_text", "no") }}

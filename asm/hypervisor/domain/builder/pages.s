# How much memory a boot module's domain gets: what the command line says, or a default.
#
# Invariants
#   - Domain 0 gets what the others leave, unless dom0_mem= says otherwise; whether there is that much is found out
#     later.

        .section .init, "ax"

{% set L = labels("pages_choose") %}
# pages_choose(): how much memory the domain gets (command line, else a default).
#
# in:    guest, option_*
# out:   GUEST_IMAGE_nr_pages
# clob:  %eax, %ecx
# errs:  none; whether there is that much is found out by memory_check
{% call routine("pages_choose") %}
        movl    guest + GUEST_IMAGE_domain_id, %ecx
        testl   %ecx, %ecx
        jz      {{ L("domain_0") }}
        call    option_pages
        jmp     {{ L("done") }}
{{ L("domain_0") }}:
        movl    option_dom0_pages, %eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    free_frames, %eax
        subl    $SPARE_FRAMES, %eax
        jbe     {{ L("nothing_left") }}
        call    other_domains_leave
        jmp     {{ L("done") }}
{{ L("nothing_left") }}:
        movl    $1, %eax
{{ L("done") }}:
        movl    %eax, guest + GUEST_IMAGE_nr_pages
        ret
{% endcall %}

{% set L = labels("option_pages") %}
# option_pages(domain): what the command line gives a domain other than 0.
#
# in:    %ecx = domain's number
# out:   %eax = pages
# clob:  none
# errs:  none
{% call routine("option_pages") %}
        xorl    %eax, %eax
        cmpl    $MAX_MODULES, %ecx
        jae     {{ L("no_own_option") }}
        movl    option_dom_pages(,%ecx,4), %eax
{{ L("no_own_option") }}:
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    option_domu_pages, %eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $DEFAULT_DOMU_PAGES, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("other_domains_leave") %}
# other_domains_leave(pages): what is left for domain 0 when the others have theirs.
#
# in:    %eax = pages that there are
# out:   %eax = pages, 1 at least
# clob:  %ecx
# errs:  none
{% call routine("other_domains_leave") %}
        pushl   %ebx
        pushl   %edx
        movl    $boot_modules + MULTIBOOT_MODULE_size, %ebx
        movl    %eax, %edx
        movl    $1, %ecx
        pushl   %esi
        movl    $1, %esi                        # module
{{ L("next_module") }}:
        cmpl    boot_module_count, %esi
        jae     {{ L("done") }}
        cmpl    $1, MULTIBOOT_MODULE_reserved(%ebx)
        je      {{ L("no_kernel") }}
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        call    module_is_elf
        testl   %eax, %eax
        jz      {{ L("no_kernel") }}
        call    option_pages
        incl    %ecx
        subl    %eax, %edx
        ja      {{ L("no_kernel") }}
        movl    $1, %edx
        jmp     {{ L("done") }}
{{ L("no_kernel") }}:
        addl    $MULTIBOOT_MODULE_size, %ebx
        incl    %esi
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        movl    %edx, %eax
        popl    %esi
        popl    %edx
        popl    %ebx
        ret
{% endcall %}

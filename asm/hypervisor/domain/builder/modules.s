# From boot modules to domains: which module is what, in order.
#
# Invariants
#   - The first module is domain 0's kernel; one that is no ELF is the initrd of the domain before it; every further
#     ELF is one more domain. Numbers are given to kernels, accepted or not: a refused one's number stays unused.
#   - A refused module is named in the log with its reason, and the others go on. That includes one that would be a
#     second initrd.
#   - `guest` describes the image at hand, and nothing outlives it.

        .section .init, "ax"

{% set L = labels("domains_build") %}
# domains_build(): makes a domain of each kernel among the modules.
#
# in:    boot_modules, boot_module_count
# out:   domain_list
# clob:  none
# errs:  refused images are logged
{% call routine("domains_build") %}
        pushal
        movl    $boot_modules, %ebx
        xorl    %edx, %edx                      # the next domain's number
        movl    boot_module_count, %ecx
{{ L("next_module") }}:
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        call    guest_begin
        cmpl    $boot_modules, %ebx
        je      {{ L("kernel") }}
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        call    module_is_elf
        testl   %eax, %eax
        jz      {{ L("no_kernel") }}
{{ L("kernel") }}:
        call    module_next
        jz      {{ L("have_guest") }}
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        call    module_is_elf
        testl   %eax, %eax
        jnz     {{ L("have_guest") }}
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    %eax, guest + GUEST_IMAGE_initrd_start
        movl    MULTIBOOT_MODULE_end(%ebx), %eax
        subl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    %eax, guest + GUEST_IMAGE_initrd_size
        call    module_next
{{ L("have_guest") }}:
        pushl   %ecx
        call    pages_choose
        popl    %ecx
        call    domain_build
        cmpl    $0, guest + GUEST_IMAGE_error
        je      {{ L("built") }}
        call    refusal_log
        call    domain_discard
{{ L("built") }}:
        incl    %edx
        jmp     {{ L("next_module") }}
{{ L("no_kernel") }}:
{{ refuse("it is no ELF file, and the domain before it has an initrd") }}
        call    refusal_log
        call    module_next
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("module_next") %}
# module_next(module): the next module that is not an image.
#
# in:    %ebx = MULTIBOOT_MODULE, %ecx = modules from it on
# out:   %ebx, %ecx: those of the next one; zero flag: %ecx = 0, there is none
# clob:  none
# errs:  none
{% call routine("module_next") %}
{{ L("next_module") }}:
        addl    $MULTIBOOT_MODULE_size, %ebx
        decl    %ecx
        jz      {{ L("done") }}
        cmpl    $1, MULTIBOOT_MODULE_reserved(%ebx)
        je      {{ L("next_module") }}
        testl   %ecx, %ecx
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("domain_discard") %}
# domain_discard(): a domain whose memory could not be had, although there is enough of it, ends before it begins.
#
# in:    guest
# out:   -
# clob:  none
# errs:  none
{% call routine("domain_discard") %}
        pushl   %ebx
        movl    guest + GUEST_IMAGE_domain, %ebx
        testl   %ebx, %ebx
        jz      {{ L("nothing_made") }}
        orl     $(DOMAIN_SHUTDOWN | DOMAIN_DESTROYED), DOMAIN_flags(%ebx)
        incl    domains_ended
{{ L("nothing_made") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("module_is_elf") %}
# module_is_elf(start): whether a module begins as an ELF file does.
#
# in:    %eax = its first byte, %ebx = MULTIBOOT_MODULE
# out:   %eax = 1 or 0
# clob:  none
# errs:  none
{% call routine("module_is_elf") %}
        addl    $4, %eax
        cmpl    MULTIBOOT_MODULE_end(%ebx), %eax
        ja      {{ L("no") }}
        cmpl    $ELF_MAGIC, -4(%eax)
        jne     {{ L("no") }}
        movl    $1, %eax
        ret
{{ L("no") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("guest_begin") %}
# guest_begin(module): a new image: where its file and its command line are.
#
# in:    %ebx = MULTIBOOT_MODULE, %edx = the domain's number
# out:   guest
# clob:  none
# errs:  none
# why:   the first word of a module's command line is the file's name, which we show without its folders; what follows
#        the blanks behind it is the guest's
{% call routine("guest_begin") %}
        pushal
        movl    $guest, %edi
        movl    $GUEST_IMAGE_size, %ecx
        call    memory_zero
        movl    %edx, guest + GUEST_IMAGE_domain_id
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    %eax, guest + GUEST_IMAGE_file_start
        movl    MULTIBOOT_MODULE_end(%ebx), %ecx
        subl    %eax, %ecx
        movl    %ecx, guest + GUEST_IMAGE_file_size
        movl    $no_name, %esi
        movl    MULTIBOOT_MODULE_cmdline(%ebx), %eax
        testl   %eax, %eax
        jz      {{ L("have_name") }}
        movl    %eax, %esi
{{ L("have_name") }}:
        call    word_next
        leal    (%esi,%ecx), %ebx               # behind the word
        call    file_name
        movl    $guest_name, %edi
        movl    $GUEST_NAME_BYTES - 1, %edx
        cmpl    %edx, %ecx
        jbe     {{ L("length_ok") }}
        movl    %edx, %ecx
{{ L("length_ok") }}:
        call    memory_copy
        movb    $0, (%edi,%ecx)
        movl    %ebx, %esi
{{ L("next_blank") }}:
        cmpb    $' ', (%esi)
        jne     {{ L("rest_found") }}
        incl    %esi
        jmp     {{ L("next_blank") }}
{{ L("rest_found") }}:
        movl    %esi, guest + GUEST_IMAGE_command_line
        popal
        ret
{% endcall %}

{{ text("no_name", "module") }}

{% set L = labels("file_name") %}
# file_name(path): the name of a file without its folders.
#
# in:    %esi = path, %ecx = its length
# out:   %esi = name, %ecx = its length
# clob:  none
# errs:  none
{% call routine("file_name") %}
        pushl   %eax
        movl    %ecx, %eax
{{ L("next_character") }}:
        testl   %eax, %eax
        jz      {{ L("done") }}
        decl    %eax
        cmpb    $'/', (%esi,%eax)
        jne     {{ L("next_character") }}
        incl    %eax
        addl    %eax, %esi
        subl    %eax, %ecx
{{ L("done") }}:
        popl    %eax
        ret
{% endcall %}

# The memory of boot modules, given back once the domains are built.
#
# Invariants
#   - Just what modules_reserve has kept (frames_init.s) is given back: nobody else uses those frames meanwhile.

        .section .init, "ax"

{% set L = labels("modules_release") %}
# modules_release(): gives back what modules_reserve has kept, once the domains are built.
#
# in:    boot_modules
# out:   boot_module_count = 0
# clob:  none
# errs:  none
{% call routine("modules_release") %}
        pushal
        movl    $boot_modules, %ebx
{{ L("next_module") }}:
        cmpl    $0, boot_module_count
        je      {{ L("done") }}
        movl    MULTIBOOT_MODULE_cmdline(%ebx), %esi
        testl   %esi, %esi
        jz      {{ L("no_command_line") }}
        call    string_length                   # before its frame can be another's
        leal    1(%esi,%eax), %ecx
        movl    %esi, %eax
        call    range_release
{{ L("no_command_line") }}:
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    MULTIBOOT_MODULE_end(%ebx), %ecx
        call    range_release
        addl    $MULTIBOOT_MODULE_size, %ebx
        decl    boot_module_count
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("range_release") %}
# range_release(start, end): the frames of the range are free, but for the image's and those that are no RAM.
#
# in:    %eax = start, %ecx = end, physical
# out:   -
# clob:  none
# errs:  none
# why:   modules and their command lines may share frames with each other: each is released once
{% call routine("range_release") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        addl    $PAGE_OFFSET_MASK, %ecx
        shrl    $PAGE_SHIFT, %ecx
        shrl    $PAGE_SHIFT, %eax
{{ L("next_frame") }}:
        cmpl    %ecx, %eax
        jae     {{ L("done") }}
        cmpl    max_frame, %eax
        jae     {{ L("done") }}
        movl    %eax, %edx
        shll    $PAGE_SHIFT, %edx
        cmpl    $__image_start - IMAGE_LOAD_OFFSET, %edx
        jb      {{ L("not_the_image") }}
        cmpl    $__image_end - IMAGE_LOAD_OFFSET, %edx
        jb      {{ L("keep") }}
{{ L("not_the_image") }}:
        movl    %eax, %edx
        shll    $4, %edx
        cmpl    $(FRAME_ALLOCATED | 1), FRAME_TABLE + FRAME_count(%edx)
        jne     {{ L("keep") }}
        call    frame_free
{{ L("keep") }}:
        incl    %eax
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# Boot modules that are kept as images, for domains that are built later (control/images.s).
#
# Invariants
#   - A module whose arguments begin with `--image` is an image, and no domain is made of it. Domain 0's kernel, the
#     first module, never is.
#   - Its frames have a second reference from images_keep to images_settle, so that modules_release leaves them alone.
#   - MULTIBOOT_MODULE_reserved says of each module whether it is an image.

        .section .init, "ax"

{% set L = labels("images_keep") %}
# images_keep(): finds the modules that are images.
#
# in:    boot_modules
# out:   images; MULTIBOOT_MODULE_reserved
# clob:  none
# errs:  a module that does not begin at a page, which no loader does, is no image
{% call routine("images_keep") %}
        pushal
        movl    $boot_modules, %ebx
        movl    boot_module_count, %edx
        movl    $images, %ebp
{{ L("next_module") }}:
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    $0, MULTIBOOT_MODULE_reserved(%ebx)
        cmpl    $boot_modules, %ebx
        je      {{ L("no_image") }}
        call    module_is_image
        testl   %eax, %eax
        jz      {{ L("no_image") }}
        incl    MULTIBOOT_MODULE_reserved(%ebx)
        call    image_record
        addl    $IMAGE_size, %ebp
{{ L("no_image") }}:
        addl    $MULTIBOOT_MODULE_size, %ebx
        decl    %edx
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("module_is_image") %}
# module_is_image(module): whether its arguments begin with `--image`.
#
# in:    %ebx = MULTIBOOT_MODULE
# out:   %eax = 1 or 0
# clob:  %ecx, %esi, %edi
# errs:  none
{% call routine("module_is_image") %}
        xorl    %eax, %eax
        movl    MULTIBOOT_MODULE_cmdline(%ebx), %esi
        testl   %esi, %esi
        jz      {{ L("no") }}
        testl   $PAGE_OFFSET_MASK, MULTIBOOT_MODULE_start(%ebx)
        jnz     {{ L("no") }}
        call    word_next
        addl    %ecx, %esi
        call    word_next
        cmpl    $IMAGE_WORD_BYTES, %ecx
        jne     {{ L("no") }}
        movl    $image_word, %edi
        jmp     string_starts
{{ L("no") }}:
        ret
{% endcall %}

{% set L = labels("image_record") %}
# image_record(module, image): the module as an image; its frames get a reference more.
#
# in:    %ebx = MULTIBOOT_MODULE, %ebp = free IMAGE
# out:   -
# clob:  %eax, %ecx, %esi, %edi
# errs:  none
{% call routine("image_record") %}
        movl    $IMAGE_BOOT, IMAGE_flags(%ebp)
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    MULTIBOOT_MODULE_end(%ebx), %ecx
        subl    %eax, %ecx
        movl    %ecx, IMAGE_bytes(%ebp)
        addl    $PAGE_OFFSET_MASK, %ecx
        shrl    $PAGE_SHIFT, %ecx
        movl    %ecx, IMAGE_pages(%ebp)
        shrl    $PAGE_SHIFT, %eax
        movl    %eax, IMAGE_first_mfn(%ebp)
        movl    $1, %eax
        call    image_frames_count
        movl    MULTIBOOT_MODULE_cmdline(%ebx), %esi
        call    word_next
        call    file_name
        leal    IMAGE_name(%ebp), %edi
        cmpl    $IMAGE_NAME_BYTES - 1, %ecx
        jbe     {{ L("length_ok") }}
        movl    $IMAGE_NAME_BYTES - 1, %ecx
{{ L("length_ok") }}:
        jmp     memory_copy
{% endcall %}

{% set L = labels("image_frames_count") %}
# image_frames_count(image, change): changes the count of each of its frames.
#
# in:    %ebp = IMAGE, %eax = 1 or -1
# out:   -
# clob:  %ecx, %edi
# errs:  none
{% call routine("image_frames_count") %}
        movl    IMAGE_first_mfn(%ebp), %edi
        shll    $4, %edi
        movl    IMAGE_pages(%ebp), %ecx
{{ L("next_frame") }}:
        jecxz   {{ L("done") }}
        addl    %eax, FRAME_TABLE + FRAME_count(%edi)
        addl    $FRAME_size, %edi
        decl    %ecx
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("images_settle") %}
# images_settle(): images have one reference to each of their frames, as others of the hypervisor's.
#
# in:    images, after modules_release
# out:   -
# clob:  none
# errs:  none
{% call routine("images_settle") %}
        pushal
        movl    $images, %ebp
        movl    $-1, %eax
{{ L("next_image") }}:
        cmpl    $0, IMAGE_flags(%ebp)
        je      {{ L("done") }}
        call    image_frames_count
        addl    $IMAGE_size, %ebp
        jmp     {{ L("next_image") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{{ text("image_word", "--image") }}

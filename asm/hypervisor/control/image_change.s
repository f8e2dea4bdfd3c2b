# Images that change: domain 0 writes into one, or removes it (images.s has the invariants).

        .text

{% set L = labels("sysctl_image_write") %}
# sysctl_image_write(): domain 0's bytes into an image of its own.
#
# in:    sysctl
# out:   %eax = 0 or an error; sysctl says what is left after a part: domain 0's structure changes meanwhile
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT, -EINVAL (a boot module, not in the image), -EFAULT, -EBUSY (a job goes on), -ERESTART
# why:   page by page, because the image is reached by its frames and domain 0's memory by its addresses
{% call routine("sysctl_image_write") %}
        movl    $-EBUSY, %eax
        cmpl    $0, job_key
        jne     {{ L("done") }}
        movl    sysctl + SYSCTL_u_image_write_image, %eax
        call    image_find
        movl    $-ENOENT, %eax
        jz      {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $IMAGE_UPLOADED, IMAGE_flags(%esi)
        jne     {{ L("done") }}
        movl    sysctl + SYSCTL_u_image_write_offset, %edx
        movl    IMAGE_bytes(%esi), %ecx
        subl    %edx, %ecx
        jb      {{ L("done") }}
        cmpl    %ecx, sysctl + SYSCTL_u_image_write_bytes
        ja      {{ L("done") }}
        movl    %esi, %ebx
        pushl   $IMAGE_WRITE_PAGES
{{ L("next_page") }}:
        xorl    %eax, %eax
        cmpl    $0, sysctl + SYSCTL_u_image_write_bytes
        je      {{ L("stop") }}
        movl    $-ERESTART, %eax
        decl    (%esp)
        js      {{ L("stop") }}
        call    image_write_page
        testl   %eax, %eax
        jz      {{ L("next_page") }}
{{ L("stop") }}:
        addl    $4, %esp
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("image_write_page") %}
# image_write_page(image): the part of it that is in one page of the image.
#
# in:    %ebx = IMAGE; sysctl, with bytes above 0
# out:   %eax = 0 or -EFAULT; sysctl: what is left
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("image_write_page") %}
        movl    sysctl + SYSCTL_u_image_write_offset, %edx
        movl    %edx, %eax
        shrl    $PAGE_SHIFT, %eax
        addl    IMAGE_first_mfn(%ebx), %eax
        call    map_frame
        andl    $PAGE_OFFSET_MASK, %edx
        leal    (%eax,%edx), %edi
        movl    $PAGE_SIZE, %ecx
        subl    %edx, %ecx
        cmpl    sysctl + SYSCTL_u_image_write_bytes, %ecx
        jbe     {{ L("to_the_end_of_the_page") }}
        movl    sysctl + SYSCTL_u_image_write_bytes, %ecx
{{ L("to_the_end_of_the_page") }}:
        movl    sysctl + SYSCTL_u_image_write_buffer, %esi
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        addl    %ecx, sysctl + SYSCTL_u_image_write_offset
        addl    %ecx, sysctl + SYSCTL_u_image_write_buffer
        subl    %ecx, sysctl + SYSCTL_u_image_write_bytes
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("sysctl_image_remove") %}
# sysctl_image_remove(): gives the memory of an image back; domains that were built from it keep theirs.
#
# in:    sysctl
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %esi
# errs:  -ENOENT, -EBUSY (a job goes on that is not for this image), -ERESTART
{% call routine("sysctl_image_remove") %}
        movl    sysctl + SYSCTL_u_image_image, %eax
        call    image_find
        movl    $-ENOENT, %eax
        jz      {{ L("done") }}
        movl    job_key, %ebx
        testl   %ebx, %ebx
        jz      {{ L("no_job") }}
        movl    $-EBUSY, %eax
        cmpl    %ebx, %esi
        jne     {{ L("done") }}
        call    job_abandon
        movl    run_first, %eax
        movl    %eax, IMAGE_first_mfn(%esi)
        movl    run_taken, %eax
        movl    %eax, IMAGE_pages(%esi)
{{ L("no_job") }}:
        orl     $IMAGE_UNFINISHED, IMAGE_flags(%esi)
        movl    $IMAGE_REMOVE_PIECE, %ecx
{{ L("next_frame") }}:
        xorl    %eax, %eax
        cmpl    %eax, IMAGE_pages(%esi)
        je      {{ L("removed") }}
        movl    $-ERESTART, %eax
        decl    %ecx
        js      {{ L("done") }}
        decl    IMAGE_pages(%esi)
        movl    IMAGE_first_mfn(%esi), %eax
        addl    IMAGE_pages(%esi), %eax
        call    frame_free
        jmp     {{ L("next_frame") }}
{{ L("removed") }}:
        movl    %eax, IMAGE_flags(%esi)
{{ L("done") }}:
        ret
{% endcall %}

# Images: kernels and initrds in the hypervisor's memory, that domains can be built from as often as one likes.
#
# Invariants
#   - images has MAX_IMAGES records; flags 0: it is free. Boot modules that are to be kept are there from the start
#     (builder/keep.s); domain 0 adds others, and writes into them from its own memory.
#   - An image is one run of frames, the hypervisor's own, with one reference each. It is zero where nobody has written.
#   - Nothing of an image changes while a job goes on: the builder checks a file and then relies on what it has seen.
#   - IMAGE_UNFINISHED: it is being made or removed, and can only be removed.

        .text

{% set L = labels("image_find") %}
# image_find(number): an image.
#
# in:    %eax = number
# out:   %esi = IMAGE; zero flag: there is none
# clob:  %eax
# errs:  zero flag
{% call routine("image_find") %}
        cmpl    $MAX_IMAGES, %eax
        jae     {{ L("none") }}
        imull   $IMAGE_size, %eax, %esi
        addl    $images, %esi
        testl   $(IMAGE_BOOT | IMAGE_UPLOADED), IMAGE_flags(%esi)
        ret
{{ L("none") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("image_complete") %}
# image_complete(number): an image that can be used.
#
# in:    %eax = number
# out:   %esi = IMAGE, %ecx = physical address of its first byte, %edx = bytes; zero flag: there is none
# clob:  %eax
# errs:  zero flag
{% call routine("image_complete") %}
        call    image_find
        jz      {{ L("none") }}
        movl    IMAGE_first_mfn(%esi), %ecx
        shll    $PAGE_SHIFT, %ecx
        movl    IMAGE_bytes(%esi), %edx
        movl    IMAGE_flags(%esi), %eax
        notl    %eax
        testl   $IMAGE_UNFINISHED, %eax
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("sysctl_image_info") %}
# sysctl_image_info(): what is known of an image: the first whose number is not below the one asked for.
#
# in:    sysctl
# out:   %eax = 0 or -ENOENT; sysctl
# clob:  %ecx, %edx, %esi, %edi
# errs:  -ENOENT
{% call routine("sysctl_image_info") %}
        movl    sysctl + SYSCTL_u_image_image, %edx
{{ L("next_image") }}:
        cmpl    $MAX_IMAGES, %edx
        jae     {{ L("none") }}
        movl    %edx, %eax
        call    image_find
        jnz     {{ L("found") }}
        incl    %edx
        jmp     {{ L("next_image") }}
{{ L("found") }}:
        movl    %edx, sysctl + SYSCTL_u_image_image
        movl    IMAGE_flags(%esi), %eax
        movl    %eax, sysctl + SYSCTL_u_image_flags
        movl    IMAGE_bytes(%esi), %eax
        movl    %eax, sysctl + SYSCTL_u_image_bytes
        leal    IMAGE_name(%esi), %esi
        movl    $sysctl + SYSCTL_u_image_name, %edi
        movl    $IMAGE_NAME_BYTES, %ecx
        call    memory_copy
        xorl    %eax, %eax
        ret
{{ L("none") }}:
        movl    $-ENOENT, %eax
        ret
{% endcall %}

{% set L = labels("sysctl_image_add") %}
# sysctl_image_add(): room for an image of domain 0's.
#
# in:    sysctl, %ecx = 1 when it was begun
# out:   %eax = 0 or an error; SYSCTL_u_image_image = its number
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EINVAL (no bytes), -ENOSPC (no record), -ENOMEM (no such run of frames), -EBUSY (another job), -ERESTART
{% call routine("sysctl_image_add") %}
        movl    job_key, %ebx
        testl   %ebx, %ebx
        jz      {{ L("new") }}
        jecxz   {{ L("busy") }}
        call    image_is
        jc      {{ L("go_on") }}
{{ L("busy") }}:
        movl    $-EBUSY, %eax
        ret
{{ L("new") }}:
        call    image_begin
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("go_on") }}:
        movl    $image_fill, %eax
        call    job_run
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    $0, IMAGE_pages(%ebx)
        je      {{ L("no_memory") }}
        andl    $~IMAGE_UNFINISHED, IMAGE_flags(%ebx)
        movl    %ebx, %eax
        subl    $images, %eax
        xorl    %edx, %edx
        movl    $IMAGE_size, %ecx
        divl    %ecx
        movl    %eax, sysctl + SYSCTL_u_image_image
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("no_memory") }}:
        movl    $0, IMAGE_flags(%ebx)
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

{% set L = labels("image_is") %}
# image_is(key): whether a job's key is an image.
#
# in:    %ebx = key
# out:   carry: it is
# clob:  %eax
# errs:  none
{% call routine("image_is") %}
        movl    %ebx, %eax
        subl    $images, %eax
        cmpl    $MAX_IMAGES * IMAGE_size, %eax
        ret
{% endcall %}

{% set L = labels("image_begin") %}
# image_begin(): a record for a new image.
#
# in:    sysctl
# out:   %eax = 0 or an error; %ebx = IMAGE
# clob:  %ecx, %esi, %edi
# errs:  -EINVAL, -ENOSPC
{% call routine("image_begin") %}
        movl    sysctl + SYSCTL_u_image_bytes, %ecx
        decl    %ecx
        js      {{ L("bad_size") }}
        movl    $images, %ebx
{{ L("next_image") }}:
        movl    $-ENOSPC, %eax
        cmpl    $images + MAX_IMAGES * IMAGE_size, %ebx
        jae     {{ L("done") }}
        cmpl    $0, IMAGE_flags(%ebx)
        je      {{ L("free") }}
        addl    $IMAGE_size, %ebx
        jmp     {{ L("next_image") }}
{{ L("free") }}:
        movl    $(IMAGE_UPLOADED | IMAGE_UNFINISHED), IMAGE_flags(%ebx)
        movl    $0, IMAGE_pages(%ebx)
        incl    %ecx
        movl    %ecx, IMAGE_bytes(%ebx)
        movl    $sysctl + SYSCTL_u_image_name, %esi
        leal    IMAGE_name(%ebx), %edi
        movl    $IMAGE_NAME_BYTES, %ecx
        call    memory_copy
        movb    $0, IMAGE_name + IMAGE_NAME_BYTES - 1(%ebx)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{{ L("bad_size") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("image_fill") %}
# image_fill(): the job of image_add: a run of frames, all zero.
#
# in:    job_key = IMAGE
# out:   IMAGE_first_mfn, IMAGE_pages; 0 pages: there is no such run
# clob:  all
# errs:  none
{% call routine("image_fill") %}
        movl    job_key, %esi
        movl    IMAGE_bytes(%esi), %ecx
        addl    $PAGE_OFFSET_MASK, %ecx
        shrl    $PAGE_SHIFT, %ecx
        xorl    %ebx, %ebx
        call    run_take
        testl   %eax, %eax
        jz      {{ L("none") }}
        movl    %eax, IMAGE_first_mfn(%esi)
        movl    %eax, %edi
        shll    $PAGE_SHIFT, %edi
        movl    %ecx, %edx
        shll    $PAGE_SHIFT, %ecx
        call    job_zero
        movl    %edx, IMAGE_pages(%esi)
{{ L("none") }}:
        ret
{% endcall %}

{{ space("images", "MAX_IMAGES * IMAGE_size") }}

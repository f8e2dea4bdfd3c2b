# domctl: building a domain from an image while others run.
#
# Invariants
#   - The command line is copied once, before the build begins; the image and the initrd are the hypervisor's, and
#     cannot change while a job goes on (images.s).
#   - A build that is refused leaves the domain unbuilt. If it has taken memory already, the domain can only be
#     destroyed.

        .text

{% set L = labels("domctl_build") %}
# domctl_build(domain): memory for a domain, and a kernel in it.
#
# in:    %ebx = DOMAIN or 0; domctl
# out:   %eax = 0 or an error; the reason of a refusal in the caller's buffer, and in the log
# clob:  %ecx, %edx, %esi, %edi
# errs:  -ESRCH, -EINVAL (domain 0; an argument; the image is refused), -EEXIST (it is built, or has memory already),
#        -ENOENT (no such image), -EFAULT, -ENOMEM, -EBUSY (another job goes on), -ERESTART
{% call routine("domctl_build") %}
        call    control_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    %ebx, job_key
        je      {{ L("go_on") }}
        movl    $-EBUSY, %eax
        cmpl    $0, job_key
        jne     {{ L("done") }}
        movl    $-EEXIST, %eax
        testl   $DOMAIN_UNBUILT, DOMAIN_flags(%ebx)
        jz      {{ L("done") }}
        cmpl    $0, DOMAIN_nr_pages(%ebx)
        jne     {{ L("done") }}
        call    build_prepare
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("go_on") }}:
        movl    $domain_build, %eax
        call    job_run
        testl   %eax, %eax
        jnz     {{ L("done") }}
        cmpl    $0, guest + GUEST_IMAGE_error
        je      {{ L("done") }}
        call    refusal_log
        call    refusal_tell
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    guest + GUEST_IMAGE_errno, %eax
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("build_prepare") %}
# build_prepare(domain): `guest`, as the boot would have it for a module.
#
# in:    %ebx = DOMAIN; domctl
# out:   %eax = 0 or an error; guest, guest_name
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EINVAL (pages, length of the command line), -ENOENT (image, initrd), -EFAULT
{% call routine("build_prepare") %}
        movl    $guest, %edi
        movl    $GUEST_IMAGE_size, %ecx
        call    memory_zero
        movl    %ebx, guest + GUEST_IMAGE_domain
        movl    DOMAIN_id(%ebx), %eax
        movl    %eax, guest + GUEST_IMAGE_domain_id
        movl    domctl + DOMCTL_u_build_pages, %eax
        leal    -1(%eax), %ecx
        cmpl    $MAX_FRAMES, %ecx
        jae     {{ L("bad_argument") }}
        movl    DOMAIN_max_pages(%ebx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("pages_ok") }}             # nobody has said it
        cmpl    %ecx, %eax
        ja      {{ L("bad_argument") }}
{{ L("pages_ok") }}:
        movl    %eax, guest + GUEST_IMAGE_nr_pages
        movl    domctl + DOMCTL_u_build_initrd, %eax
        cmpl    $IMAGE_NONE, %eax
        je      {{ L("no_initrd") }}
        call    image_complete
        jz      {{ L("no_image") }}
        movl    %ecx, guest + GUEST_IMAGE_initrd_start
        movl    %edx, guest + GUEST_IMAGE_initrd_size
{{ L("no_initrd") }}:
        movl    domctl + DOMCTL_u_build_image, %eax
        call    image_complete
        jz      {{ L("no_image") }}
        movl    %ecx, guest + GUEST_IMAGE_file_start
        movl    %edx, guest + GUEST_IMAGE_file_size
        leal    IMAGE_name(%esi), %esi
        movl    $guest_name, %edi
        movl    $IMAGE_NAME_BYTES, %ecx
        call    memory_copy
        movl    domctl + DOMCTL_u_build_command_line_bytes, %ecx
        cmpl    $COMMAND_LINE_BYTES, %ecx
        jae     {{ L("bad_argument") }}
        movl    domctl + DOMCTL_u_build_command_line, %esi
        movl    $build_command_line, %edi
        movl    %edi, guest + GUEST_IMAGE_command_line
        movb    $0, (%edi,%ecx)
        jmp     copy_from_guest
{{ L("bad_argument") }}:
        movl    $-EINVAL, %eax
        ret
{{ L("no_image") }}:
        movl    $-ENOENT, %eax
        ret
{% endcall %}

{% set L = labels("refusal_tell") %}
# refusal_tell(): why the image is refused, for the caller.
#
# in:    guest, domctl
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("refusal_tell") %}
        cmpl    $0, domctl + DOMCTL_u_build_reason_bytes
        je      {{ L("not_asked") }}
        call    refusal_format
        movl    %edi, %ecx
        movl    $refusal_text, %esi
        subl    %esi, %ecx
        incl    %ecx                            # with its NUL
        movl    domctl + DOMCTL_u_build_reason, %edi
        cmpl    domctl + DOMCTL_u_build_reason_bytes, %ecx
        jbe     {{ L("fits") }}
        movl    domctl + DOMCTL_u_build_reason_bytes, %ecx
        movb    $0, -1(%esi,%ecx)
{{ L("fits") }}:
        jmp     copy_to_guest
{{ L("not_asked") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("refusal_format") %}
# refusal_format(): the reason as a text: GUEST_IMAGE_error, with the numbers where it has %u.
#
# in:    guest
# out:   refusal_text; %edi = its NUL
# clob:  %eax, %ecx, %edx, %esi
# errs:  none: what is too long is cut
{% call routine("refusal_format") %}
        pushl   %ebx
        movl    $guest + GUEST_IMAGE_error_pages, %ebx
        movl    guest + GUEST_IMAGE_error, %esi
        movl    $refusal_text, %edi
{{ L("next_character") }}:
        cmpl    $refusal_text + REFUSAL_BYTES - 12, %edi
        jae     {{ L("done") }}
        lodsb
        testb   %al, %al
        jz      {{ L("done") }}
        cmpb    $'%', %al
        je      {{ L("number") }}
        stosb
        jmp     {{ L("next_character") }}
{{ L("number") }}:
        incl    %esi                            # u: there is nothing else in such texts
        movl    (%ebx), %eax
        addl    $4, %ebx
        call    decimal_write
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        movb    $0, (%edi)
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("decimal_write") %}
# decimal_write(number, to): the digits of a number.
#
# in:    %eax = number, %edi = to
# out:   %edi = behind the last digit
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("decimal_write") %}
        pushl   %ebx
        movl    $decimal_digits + DECIMAL_DIGITS, %ebx
        movl    $10, %ecx
{{ L("next_digit") }}:                          # the last one first
        xorl    %edx, %edx
        divl    %ecx
        addb    $'0', %dl
        decl    %ebx
        movb    %dl, (%ebx)
        testl   %eax, %eax
        jnz     {{ L("next_digit") }}
{{ L("copy") }}:
        movb    (%ebx), %al
        stosb
        incl    %ebx
        cmpl    $decimal_digits + DECIMAL_DIGITS, %ebx
        jb      {{ L("copy") }}
        popl    %ebx
        ret
{% endcall %}

{{ space("build_command_line", "COMMAND_LINE_BYTES") }}
{{ space("refusal_text", "REFUSAL_BYTES") }}
{{ space("decimal_digits", "DECIMAL_DIGITS") }}

# Building a domain from an image, step by step: for the boot's modules, and for domain 0 while others run.
#
# Invariants
#   - `guest` describes the image at hand. There is one at a time: at boot because modules come one after the other,
#     later because a build is a job (control/job.s).
#   - A step that refuses the image says why in GUEST_IMAGE_error. Up to memory_check nothing has been taken; what is
#     taken later belongs to the DOMAIN, and goes when that is destroyed.
#   - All loops whose length an image or a size can choose breathe.

        .text

{% set L = labels("domain_build") %}
# domain_build(): everything for one image, until a step refuses it.
#
# in:    guest; GUEST_IMAGE_domain = the DOMAIN that it is for, or 0: it is made, with number GUEST_IMAGE_domain_id
# out:   the domain, or GUEST_IMAGE_error
# clob:  none
# errs:  GUEST_IMAGE_error, and GUEST_IMAGE_errno when it is not the image's fault
{% call routine("domain_build") %}
        pushal
{% for step in ["elf_check", "elf_segments_find", "notes_read", "notes_accept", "layout_compute", "memory_check",
                "domain_find", "memory_take", "memory_fill", "tables_activate", "domain_finish"] %}
        call    {{ step }}
        cmpl    $0, guest + GUEST_IMAGE_error
        jne     {{ L("refused") }}
{% endfor %}
{{ L("refused") }}:
        popal
        ret
{% endcall %}

{% set L = labels("domain_find") %}
# domain_find(): the domain that the image is for: at boot a new one.
#
# in:    guest
# out:   GUEST_IMAGE_domain; DOMAIN_virt_start
# clob:  %eax, %ebx
# errs:  no heap at boot: panic
{% call routine("domain_find") %}
        movl    guest + GUEST_IMAGE_domain, %ebx
        testl   %ebx, %ebx
        jnz     {{ L("found") }}
        movl    guest + GUEST_IMAGE_domain_id, %eax
        call    domain_create
        testl   %eax, %eax
        jnz     {{ L("no_heap") }}
        movl    %ebx, guest + GUEST_IMAGE_domain
        call    domain_name_file
{{ L("found") }}:
        movl    guest + GUEST_IMAGE_virt_start, %eax
        movl    %eax, DOMAIN_virt_start(%ebx)
        ret
{{ L("no_heap") }}:
{{ panic("no heap for a domain") }}
{% endcall %}

# domain_name_file(domain): names a domain after its file.
#
# in:    %ebx = DOMAIN, guest_name
# out:   DOMAIN_name
# clob:  none
# errs:  none: what is too long is cut
{% call routine("domain_name_file") %}
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        movl    $guest_name, %esi
        leal    DOMAIN_name(%ebx), %edi
        movl    $(DOMAIN_NAME_BYTES - 1), %ecx
        call    memory_copy
        popl    %edi
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

# refusal_log(): says which module is refused, and why.
#
# in:    guest: GUEST_IMAGE_error is the format of the reason, GUEST_IMAGE_error_pages what it may show
# out:   -
# clob:  none
# errs:  none
{% call routine("refusal_log") %}
{{ print("%s refused: ", "$guest_name") }}
        pushl   guest + GUEST_IMAGE_error_pages + 4
        pushl   guest + GUEST_IMAGE_error_pages
        pushl   guest + GUEST_IMAGE_error
        call    print_format
        addl    $12, %esp
{{ print("\\n") }}
        ret
{% endcall %}

{{ space("guest", "GUEST_IMAGE_size") }}
{{ space("guest_name", "GUEST_NAME_BYTES") }}

# The texts of an image's notes, copied to where the builder can use them.
#
# Invariants
#   - A copy ends with NUL; nothing is read outside of the piece of the file that the caller has checked.
#   - guest_texts holds the texts of one image; guest_begin forgets them all.

        .text

{% set L = labels("text_keep") %}
# text_keep(text, size): copies a text that ends with NUL or after `size` bytes.
#
# in:    %esi = text, %ecx = size
# out:   %eax = copy
# clob:  none
# errs:  no room: the image is refused, the copy is the empty text
{% call routine("text_keep") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        movl    guest + GUEST_IMAGE_texts_used, %edx
        leal    guest_texts(%edx), %eax
        pushl   %eax
{{ L("next_character") }}:
        cmpl    $GUEST_TEXTS_BYTES, %edx
        jae     {{ L("no_room") }}
        testl   %ecx, %ecx
        jz      {{ L("end") }}
        movb    (%esi), %al
        testb   %al, %al
        jz      {{ L("end") }}
        movb    %al, guest_texts(%edx)
        incl    %esi
        incl    %edx
        decl    %ecx
        jmp     {{ L("next_character") }}
{{ L("end") }}:
        movb    $0, guest_texts(%edx)
        incl    %edx
        movl    %edx, guest + GUEST_IMAGE_texts_used
        popl    %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{{ L("no_room") }}:
{{ refuse("the texts in its notes are too long") }}
        popl    %eax
        movl    $empty_text, %eax
        jmp     {{ L("done") }}
{% endcall %}

{{ text("empty_text", "") }}
{{ space("guest_texts", "GUEST_TEXTS_BYTES") }}

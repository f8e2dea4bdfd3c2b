# A frame of a domain for a use that needs it to be of a type: both references at once, or none.
#
# Invariants
#   - What frame_use took is given back by type_put and frame_put, in this order.

        .text

{% set L = labels("frame_use") %}
# frame_use(mfn, owner, type): a reference to a frame of a domain, and one to its type.
#
# in:    %eax = mfn (any number), %ecx = DOMAIN, %edx = FRAME_TYPE_*
# out:   %eax = FRAME, or 0
# clob:  none
# errs:  0: no frame of that domain, or it cannot be of that type
{% call routine("frame_use") %}
        pushl   %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    %eax, %ecx
        call    type_get
        testl   %eax, %eax
        movl    %ecx, %eax
        jz      {{ L("done") }}
        call    frame_put
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %ecx
        ret
{% endcall %}

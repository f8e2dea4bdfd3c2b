# Device rings from the front end's side: the heads that all of them share (ABI 11.4).
#
# A front end knows a ring by a FRONT record: where the page is, and the two counters that are its own.
#
# Invariants
#   - Requests are written first, then the producer's counter; the back end is told only when it has asked to be.
#   - Each counter of ours is kept here, and not read back from the page.

        .text

        .set    FRONT_page, 0                   # address of the SRING_HEADER
        .set    FRONT_produced, 4               # requests written: becomes req_prod
        .set    FRONT_consumed, 8               # responses taken
        .set    FRONT_size, 12

# front_begin(ring, page): an empty ring.
#
# in:    %esi = FRONT, %ebx = its page, zeroed
# out:   -
# clob:  none
# errs:  none
{% call routine("front_begin") %}
        movl    %ebx, FRONT_page(%esi)
        movl    $0, FRONT_produced(%esi)
        movl    $0, FRONT_consumed(%esi)
        movl    $1, SRING_HEADER_req_event(%ebx)
        movl    $1, SRING_HEADER_rsp_event(%ebx)
        ret
{% endcall %}

{% set L = labels("front_push") %}
# front_push(ring, device): shows the back end what has been written, and tells it when it has asked for that.
#
# in:    %esi = FRONT, %edi = XENBUS
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
# why:   both ends write, then look: without the barrier each could miss the other
{% call routine("front_push") %}
        pushl   %ebx
        movl    FRONT_page(%esi), %ebx
        movl    FRONT_produced(%esi), %ecx
        movl    %ecx, %edx
        subl    SRING_HEADER_req_prod(%ebx), %edx
        jz      {{ L("done") }}
        movl    %ecx, SRING_HEADER_req_prod(%ebx)
        mfence
        subl    SRING_HEADER_req_event(%ebx), %ecx
        cmpl    %edx, %ecx
        jae     {{ L("done") }}
        call    xenbus_notify
{{ L("done") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("front_take") %}
# front_take(ring): the counter of the next response.
#
# in:    %esi = FRONT
# out:   %eax = its counter, and it is taken; carry set when there is none
# clob:  none
# errs:  carry
{% call routine("front_take") %}
        pushl   %ebx
        movl    FRONT_page(%esi), %ebx
        movl    FRONT_consumed(%esi), %eax
        cmpl    SRING_HEADER_rsp_prod(%ebx), %eax
        je      {{ L("none") }}
        incl    FRONT_consumed(%esi)
        popl    %ebx
        clc
        ret
{{ L("none") }}:
        popl    %ebx
        stc
        ret
{% endcall %}

{% set L = labels("front_await") %}
# front_await(ring, responses): asks for an event when so many more responses are there.
#
# in:    %esi = FRONT, %ecx = responses, above 0
# out:   carry set when there is one already, and nothing to wait for
# clob:  %ecx
# errs:  carry
{% call routine("front_await") %}
        pushl   %ebx
        movl    FRONT_page(%esi), %ebx
        addl    FRONT_consumed(%esi), %ecx
        movl    %ecx, SRING_HEADER_rsp_event(%ebx)
        mfence
        movl    SRING_HEADER_rsp_prod(%ebx), %ecx
        subl    FRONT_consumed(%esi), %ecx
        popl    %ebx
        jz      {{ L("wait") }}
        stc
        ret
{{ L("wait") }}:
        clc
        ret
{% endcall %}

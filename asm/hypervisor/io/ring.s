# Ring pages: a domain's page, held by a use of its grant to domain 0, and looked at through the map cache (ABI 11.4).
#
# Invariants
#   - As long as IO_RING_mfn is there the frame stays, the domain's and writable, whatever becomes of the grant.
#   - Our counters are in the IO_RING, never in the page: what the domain writes there is read once and believed never.

        .text

{% set L = labels("ring_attach") %}
# ring_attach(device, ring, ref): begins to use a ring page, with counters at 0.
#
# in:    %edx = VIRTUAL_DEVICE, %esi = IO_RING without a page, %eax = ref, any number
# out:   %eax = 0 or -EINVAL
# clob:  none
# errs:  -EINVAL: the domain does not grant such a page to domain 0, for writing
{% call routine("ring_attach") %}
        pushl   %ebx
        pushl   %ecx
        pushl   %edx
        movl    VIRTUAL_DEVICE_domain(%edx), %ebx
        movl    %eax, %ecx
        movl    $1, %edx
        xorl    %eax, %eax                      # domain 0
        call    grant_acquire
        jc      {{ L("refused") }}
        movl    %eax, IO_RING_mfn(%esi)
        movl    %ecx, IO_RING_ref(%esi)
        xorl    %eax, %eax
        movl    %eax, IO_RING_req_cons(%esi)
        movl    %eax, IO_RING_rsp_prod(%esi)
        movl    %eax, IO_RING_pushed(%esi)
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %ebx
        ret
{{ L("refused") }}:
        movl    $-EINVAL, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("ring_detach") %}
# ring_detach(device, ring): gives a ring page back, if there is one.
#
# in:    %edx = VIRTUAL_DEVICE, %esi = IO_RING
# out:   IO_RING_mfn = 0
# clob:  %eax, %ebx, %ecx
# errs:  none
{% call routine("ring_detach") %}
        movl    IO_RING_mfn(%esi), %eax
        testl   %eax, %eax
        jz      {{ L("none") }}
        pushl   %edx
        movl    VIRTUAL_DEVICE_domain(%edx), %ebx
        movl    IO_RING_ref(%esi), %ecx
        movl    $1, %edx
        call    grant_release
        movl    $0, IO_RING_mfn(%esi)
        popl    %edx
{{ L("none") }}:
        ret
{% endcall %}

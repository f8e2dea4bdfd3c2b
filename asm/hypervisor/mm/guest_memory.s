# Memory of the current guest, from ring 0: copies that end in -EFAULT where the guest's address is no good.
#
# Invariants
#   - Guest addresses are flat (ABI 3.1). They end at HV_PRIVATE_START: the check is ours, because ring 0 can reach all.
#   - Below, the guest's own page tables decide; CR0.WP makes read-only pages read-only for us, too. So nothing that
#     the guest could not write can be written on its behalf.
#   - The instructions that touch guest memory are in the exception table, and nothing else here can fault.

        .text

{% set L = labels("copy_from_guest") %}
# copy_from_guest(to, from, bytes): copies guest memory to ours.
#
# in:    %edi = to (ours), %esi = from (the guest's), %ecx = bytes
# out:   %eax = 0 or -EFAULT (part may have been copied)
# clob:  none
# errs:  -EFAULT
{% call routine("copy_from_guest") %}
        movl    %esi, %eax
        jmp     copy_checked
{% endcall %}

# copy_to_guest(to, from, bytes): copies our memory to the guest's.
#
# in:    %edi = to (the guest's), %esi = from (ours), %ecx = bytes
# out:   %eax = 0 or -EFAULT (part may have been copied)
# clob:  none
# errs:  -EFAULT
{% call routine("copy_to_guest") %}
        movl    %edi, %eax
        jmp     copy_checked
{% endcall %}

{% set L = labels("copy_checked") %}
# copy_checked(to, from, bytes, guest): the copy itself, after the check of the guest's range.
#
# in:    %edi = to, %esi = from, %ecx = bytes, %eax = whichever of them is the guest's
# out:   %eax = 0 or -EFAULT
# clob:  none
# errs:  -EFAULT
{% call routine("copy_checked") %}
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        addl    %ecx, %eax
        jc      {{ L("bad_address") }}
        cmpl    $HV_PRIVATE_START, %eax
        ja      {{ L("bad_address") }}
        movl    %ecx, %eax
        shrl    $2, %ecx
        {{ user("rep movsl", fail=L("bad_address")) }}
        movl    %eax, %ecx
        andl    $3, %ecx
        {{ user("rep movsb", fail=L("bad_address")) }}
        xorl    %eax, %eax
        jmp     {{ L("done") }}
{{ L("bad_address") }}:
        movl    $-EFAULT, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

# Frames that are no RAM: who may map them (ABI 6.5).
#
# Invariants
#   - They hold no references. Only a privileged domain may map them, and never the devices that the hypervisor drives.

        .text

{% set L = labels("io_frame_check") %}
# io_frame_check(entry, owner): whether a domain may map a frame that is no RAM.
#
# in:    %eax, %edx = entry; %edi = DOMAIN
# out:   %eax = 0 or an error
# clob:  none
# errs:  -EPERM, -EINVAL (frame number all ones)
{% call routine("io_frame_check") %}
        pushl   %ecx
        movl    %eax, %ecx
        orl     $PAGE_OFFSET_MASK, %ecx
        cmpl    $-1, %ecx
        jne     {{ L("real") }}
        movl    %edx, %ecx
        orl     $~PTE_HIGH_FRAME, %ecx
        cmpl    $-1, %ecx
        je      {{ L("all_ones") }}
{{ L("real") }}:
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edi)
        jz      {{ L("not_allowed") }}
        call    device_is_ours
        jc      {{ L("not_allowed") }}
        xorl    %eax, %eax
        popl    %ecx
        ret
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
        popl    %ecx
        ret
{{ L("all_ones") }}:
        movl    $-EINVAL, %eax
        popl    %ecx
        ret
{% endcall %}

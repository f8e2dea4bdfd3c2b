# The extents of a VBD: which sectors of which disk are its own, and where a sector of it is.
#
# Invariants
#   - Extents are within their disk, and not empty. VBD_sectors is the sum of theirs, below 1 << 63.
#   - Sectors that one extent may write are in no other, of whatever VBD, but where both are VBD_SHARED: domain 0 has
#     said so twice.

        .text

{% set L = labels("io_op_vbd_extent") %}
# io_op_vbd_extent(argument): puts sectors of a disk behind a VBD's last one.
#
# in:    %edx = VBD, %esi = VBD_EXTENT
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %edi
# errs:  -ENOENT (disk), -EBUSY (it is connected, or somebody has these sectors), -ENOSPC (VBD_EXTENTS), -EINVAL
#        (flags, not within the disk), -EPERM (to write on a disk that is read-only)
{% call routine("io_op_vbd_extent") %}
        movl    %edx, %edi
        movl    $-EBUSY, %eax
        cmpl    $IO_STATE_CONNECTED, VIRTUAL_DEVICE_state(%edi)
        je      {{ L("done") }}
        cmpl    $0, VIRTUAL_DEVICE_in_flight(%edi)
        jne     {{ L("done") }}
        movl    $-ENOSPC, %eax
        cmpl    $VBD_EXTENTS, VBD_extent_count(%edi)
        jae     {{ L("done") }}
        call    vbd_extent_check
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    vbd_extent_free
        testl   %eax, %eax
        jnz     {{ L("done") }}
        imull   $VBD_PART_size, VBD_extent_count(%edi), %edx
        incl    VBD_extent_count(%edi)
        leal    VBD_extents(%edi,%edx), %edx
        movl    %ebx, VBD_PART_disk(%edx)
{% for field in ["flags", "start", "start_high", "sectors", "sectors_high"] %}
        movl    VBD_EXTENT_{{ field }}(%esi), %eax
        movl    %eax, VBD_PART_{{ field }}(%edx)
{% endfor %}
        movl    VBD_PART_sectors(%edx), %eax
        addl    %eax, VBD_sectors(%edi)
        movl    VBD_PART_sectors_high(%edx), %eax
        adcl    %eax, VBD_sectors_high(%edi)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vbd_extent_check") %}
# vbd_extent_check(argument, vbd): whether an extent is possible on its disk.
#
# in:    %esi = VBD_EXTENT, %edi = VBD
# out:   %eax = 0 and %ebx = DISK, or %eax = an error
# clob:  %ebx, %ecx, %edx
# errs:  -ENOENT, -EINVAL, -EPERM
{% call routine("vbd_extent_check") %}
        movl    VBD_EXTENT_disk(%esi), %eax
        call    disk_find
        movl    $-ENOENT, %eax
        testl   %ebx, %ebx
        jz      {{ L("done") }}
        movl    $-EINVAL, %eax
        testl   $~(VBD_READ_ONLY | VBD_SHARED), VBD_EXTENT_flags(%esi)
        jnz     {{ L("done") }}
        movl    VBD_EXTENT_sectors(%esi), %ecx
        movl    VBD_EXTENT_sectors_high(%esi), %edx
        orl     %ecx, %edx
        jz      {{ L("done") }}
        movl    VBD_EXTENT_sectors_high(%esi), %edx
        addl    VBD_EXTENT_start(%esi), %ecx
        adcl    VBD_EXTENT_start_high(%esi), %edx
        jc      {{ L("done") }}
        cmpl    DISK_sectors(%ebx), %ecx        # one less borrows, when they are equal
        jne     {{ L("not_the_last") }}
        cmpl    DISK_sectors_high(%ebx), %edx
        je      {{ L("within") }}
{{ L("not_the_last") }}:
        cmpl    DISK_sectors(%ebx), %ecx
        sbbl    DISK_sectors_high(%ebx), %edx
        jae     {{ L("done") }}
{{ L("within") }}:
        testl   $DISK_READ_ONLY, DISK_flags(%ebx)
        jz      {{ L("okay") }}
        movl    VBD_EXTENT_flags(%esi), %ecx
        orl     VBD_flags(%edi), %ecx
        testl   $VBD_READ_ONLY, %ecx
        jnz     {{ L("okay") }}
        movl    $-EPERM, %eax
        ret
{{ L("okay") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vbd_extent_free") %}
# vbd_extent_free(argument, disk): whether nobody has the sectors of an extent that must not have them.
#
# in:    %esi = VBD_EXTENT, %ebx = DISK
# out:   %eax = 0 or -EBUSY
# clob:  %ecx, %edx
# errs:  -EBUSY
{% call routine("vbd_extent_free") %}
        pushl   %edi
        pushl   $IO_DEVICES
{{ L("next_device") }}:
        movl    (%esp), %edx
        movl    io_devices(,%edx,4), %edx
        testl   %edx, %edx
        jz      {{ L("another") }}
        cmpl    $IO_VBD, VIRTUAL_DEVICE_kind(%edx)
        jne     {{ L("another") }}
        movl    VBD_extent_count(%edx), %ecx
        leal    VBD_extents(%edx), %edi
{{ L("next_part") }}:
        decl    %ecx
        js      {{ L("another") }}
        call    vbd_extent_meets
        jc      {{ L("taken") }}
        addl    $VBD_PART_size, %edi
        jmp     {{ L("next_part") }}
{{ L("another") }}:
        decl    (%esp)
        jnz     {{ L("next_device") }}
        xorl    %eax, %eax
{{ L("done") }}:
        addl    $4, %esp
        popl    %edi
        ret
{{ L("taken") }}:
        movl    $-EBUSY, %eax
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("vbd_extent_meets") %}
# vbd_extent_meets(argument, part): whether two extents must not be there together.
#
# in:    %esi = VBD_EXTENT, %ebx = its DISK, %edi = VBD_PART
# out:   carry: they must not
# clob:  %eax, %edx
# errs:  carry
{% call routine("vbd_extent_meets") %}
        cmpl    %ebx, VBD_PART_disk(%edi)
        jne     {{ L("apart") }}
        movl    VBD_EXTENT_flags(%esi), %eax
        andl    VBD_PART_flags(%edi), %eax      # both read-only, or both shared
        jnz     {{ L("apart") }}
{% for first, second, one, two in [("VBD_EXTENT", "VBD_PART", "%esi", "%edi"),
                                   ("VBD_PART", "VBD_EXTENT", "%edi", "%esi")] %}
        movl    {{ first }}_start({{ one }}), %eax
        movl    {{ first }}_start_high({{ one }}), %edx
        addl    {{ first }}_sectors({{ one }}), %eax
        adcl    {{ first }}_sectors_high({{ one }}), %edx
        subl    {{ second }}_start({{ two }}), %eax
        sbbl    {{ second }}_start_high({{ two }}), %edx
        jb      {{ L("apart") }}
        orl     %eax, %edx                      # the end of one is the start of the other
        jz      {{ L("apart") }}
{% endfor %}
        stc
        ret
{{ L("apart") }}:
        clc
        ret
{% endcall %}

{% set L = labels("io_op_vbd_extent_info") %}
# io_op_vbd_extent_info(argument): one extent of a VBD.
#
# in:    %edx = VBD, %esi = VBD_EXTENT with an index
# out:   %eax = 0 or -ENOENT
# clob:  %ecx, %edx
# errs:  -ENOENT: it has no such extent
{% call routine("io_op_vbd_extent_info") %}
        movl    VBD_EXTENT_index(%esi), %ecx
        cmpl    VBD_extent_count(%edx), %ecx
        movl    $-ENOENT, %eax
        jae     {{ L("done") }}
        imull   $VBD_PART_size, %ecx, %ecx
        leal    VBD_extents(%edx,%ecx), %edx
{% for field in ["flags", "start", "start_high", "sectors", "sectors_high"] %}
        movl    VBD_PART_{{ field }}(%edx), %eax
        movl    %eax, VBD_EXTENT_{{ field }}(%esi)
{% endfor %}
        movl    VBD_PART_disk(%edx), %eax
        movl    DISK_number(%eax), %eax
        movl    %eax, VBD_EXTENT_disk(%esi)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

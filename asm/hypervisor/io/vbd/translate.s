# Where the sectors of a VBD are, and whether a request may have them.
#
# Invariants
#   - A request is checked as a whole before anything of it goes to a disk: all its sectors are the VBD's, and each
#     extent of them may be written if it writes.

        .text

{% set L = labels("vbd_translate") %}
# vbd_translate(vbd, sector): the extent that a sector is in.
#
# in:    %ebp = VBD, %edx:%eax = sector, below VBD_sectors
# out:   %edi = VBD_PART, %edx:%eax = sector of its disk, %ecx = sectors of the extent from there on, or 1 << 31 when
#        there are more
# clob:  none
# errs:  none
{% call routine("vbd_translate") %}
        pushl   %ebx
        leal    VBD_extents(%ebp), %edi
        jmp     {{ L("this_one") }}
{{ L("next_extent") }}:
        subl    VBD_PART_sectors(%edi), %eax
        sbbl    VBD_PART_sectors_high(%edi), %edx
        addl    $VBD_PART_size, %edi
{{ L("this_one") }}:
        movl    VBD_PART_sectors(%edi), %ecx
        movl    VBD_PART_sectors_high(%edi), %ebx
        subl    %eax, %ecx
        sbbl    %edx, %ebx
        js      {{ L("next_extent") }}          # sectors are below 1 << 63
        jnz     {{ L("many") }}
        testl   %ecx, %ecx
        jz      {{ L("next_extent") }}
        jns     {{ L("found") }}
{{ L("many") }}:
        movl    $(1 << 31), %ecx
{{ L("found") }}:
        addl    VBD_PART_start(%edi), %eax
        adcl    VBD_PART_start_high(%edi), %edx
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("vbd_check") %}
# vbd_check(request): whether it may have the sectors that it asks for.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST that is read
# out:   no carry: its first step; carry: %eax = BLKIF_RSP_ERROR
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  carry: beyond the VBD's end, or not to be written
{% call routine("vbd_check") %}
        movl    $VBD_STEP_FLUSH, VBD_REQUEST_step(%esi)
        cmpl    $BLKIF_OP_WRITE, VBD_REQUEST_operation(%esi)
        ja      {{ L("have_step") }}
        movl    $VBD_STEP_DATA, VBD_REQUEST_step(%esi)
{{ L("have_step") }}:
        movl    VBD_REQUEST_left(%esi), %ecx
        testl   %ecx, %ecx
        jz      {{ L("okay") }}
        movl    VBD_REQUEST_sector(%esi), %eax
        movl    VBD_REQUEST_sector_high(%esi), %edx
        addl    %ecx, %eax
        adcl    $0, %edx
        jc      {{ L("refused") }}
        movl    VBD_sectors(%ebp), %ecx
        movl    VBD_sectors_high(%ebp), %ebx
        subl    %eax, %ecx
        sbbl    %edx, %ebx
        jb      {{ L("refused") }}
        cmpl    $BLKIF_OP_READ, VBD_REQUEST_operation(%esi)
        je      {{ L("okay") }}
        testl   $VBD_READ_ONLY, VBD_flags(%ebp)
        jnz     {{ L("refused") }}
        call    vbd_may_write
        jc      {{ L("refused") }}
{{ L("okay") }}:
        clc
        ret
{{ L("refused") }}:
        movl    $BLKIF_RSP_ERROR, %eax
        stc
        ret
{% endcall %}

{% set L = labels("vbd_may_write") %}
# vbd_may_write(request): whether all extents that it touches may be written.
#
# in:    %ebp = VBD, %esi = VBD_REQUEST whose sectors are the VBD's
# out:   carry: one may not
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  carry
{% call routine("vbd_may_write") %}
        movl    VBD_REQUEST_left(%esi), %ebx
        movl    VBD_REQUEST_sector(%esi), %eax
        movl    VBD_REQUEST_sector_high(%esi), %edx
{{ L("next_extent") }}:
        pushl   %eax
        pushl   %edx
        call    vbd_translate
        popl    %edx
        popl    %eax
        testl   $VBD_READ_ONLY, VBD_PART_flags(%edi)
        jnz     {{ L("refused") }}
        addl    %ecx, %eax
        adcl    $0, %edx
        subl    %ecx, %ebx
        ja      {{ L("next_extent") }}
        clc
        ret
{{ L("refused") }}:
        stc
        ret
{% endcall %}

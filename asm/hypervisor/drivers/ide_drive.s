# IDE drives: asking one what it is, and making a disk of it.
#
# Invariants
#   - What is no disk that can do DMA by sector number is left alone, and so is one that does not answer for long.
#   - The firmware has set the timing of each drive; we change nothing of it.

        .section .init, "ax"

{% set L = labels("ide_drive_look") %}
# ide_drive_look(channel, select): makes a disk of a drive, if it is one.
#
# in:    %edi = IDE_CHANNEL, %ecx = the byte that selects the drive
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %ebp
# errs:  what is no disk, or does not answer, is left alone
{% call routine("ide_drive_look") %}
        movl    %ecx, %ebp
        movl    $IDENTIFY_BYTES, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    %eax, %esi
        call    ide_identify
        jc      {{ L("no_disk") }}
        movw    IDENTIFY_CAPABILITIES(%esi), %ax
        notl    %eax
        testw   $(IDENTIFY_DMA | IDENTIFY_LBA), %ax
        jnz     {{ L("no_disk") }}
        call    ide_take
        jc      {{ L("no_disk") }}
        movl    $DISK_size, %ecx
        call    heap_alloc
        movl    %eax, %ebx
        testl   %eax, %eax
        jz      {{ L("no_disk") }}
        movl    $IDE_DRIVE_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_disk") }}
        movl    %edi, IDE_DRIVE_channel(%eax)
        movl    %ebp, IDE_DRIVE_select(%eax)
        movl    %eax, DISK_state(%ebx)
        movl    $ide_disk_submit, DISK_submit(%ebx)
        movl    $ide_disk_give_up, DISK_give_up(%ebx)
        movl    $IDE_ROOM, DISK_room(%ebx)
        movl    $DISK_CAN_FLUSH, DISK_flags(%ebx)
        call    ide_size
        call    ide_name
        call    disk_add
{{ L("no_disk") }}:
        movl    %esi, %eax
        movl    $IDENTIFY_BYTES, %ecx
        call    heap_free
{{ L("no_memory") }}:
        ret
{% endcall %}

{% set L = labels("ide_identify") %}
# ide_identify(channel, select, buffer): asks a drive what it is.
#
# in:    %edi = IDE_CHANNEL, %ebp = the byte that selects the drive, %esi = buffer of IDENTIFY_BYTES
# out:   carry: there is none, it is no disk (CD drives refuse), or it does not answer
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("ide_identify") %}
        movl    IDE_CHANNEL_control(%edi), %edx
        movb    $IDE_CONTROL_SILENT, %al
        outb    %al, %dx
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_SELECT, %edx
        movl    %ebp, %eax
        outb    %al, %dx
        call    ide_settled
        jc      {{ L("nobody") }}
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_STATUS, %edx
        inb     %dx, %al
        decb    %al                             # 0: an empty place; 0x7f or 0xff: an empty channel
        cmpb    $0x7e, %al
        jae     {{ L("nobody") }}
        movb    $IDE_IDENTIFY, %al
        outb    %al, %dx
        call    ide_settled
        jc      {{ L("nobody") }}
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_STATUS, %edx
        inb     %dx, %al
        andb    $(IDE_DATA_READY | IDE_ERROR), %al
        cmpb    $IDE_DATA_READY, %al
        jne     {{ L("nobody") }}
        movl    IDE_CHANNEL_command(%edi), %edx
        movl    $(IDENTIFY_BYTES / 2), %ecx
        pushl   %edi
        movl    %esi, %edi
        rep insw
        popl    %edi
        addl    $IDE_STATUS, %edx
        inb     %dx, %al
        clc
        ret
{{ L("nobody") }}:
        stc
        ret
{% endcall %}

{% set L = labels("ide_settled") %}
# ide_settled(channel): waits until the selected drive is not busy.
#
# in:    %edi = IDE_CHANNEL
# out:   carry: it is busy for longer than any drive
# clob:  %eax, %ecx, %edx
# errs:  carry
# why:   the first looks are the 400 ns that a drive takes to show that it is busy
{% call routine("ide_settled") %}
        movl    IDE_CHANNEL_control(%edi), %edx
        movl    $IDE_LOOKS, %ecx
        inb     %dx, %al
        inb     %dx, %al
        inb     %dx, %al
{{ L("look") }}:
        inb     %dx, %al
        cmpb    $0xff, %al                      # there is no channel
        je      {{ L("busy") }}
        testb   $IDE_BUSY, %al
        jz      {{ L("settled") }}
        decl    %ecx
        jnz     {{ L("look") }}
{{ L("busy") }}:
        stc
        ret
{{ L("settled") }}:
        clc
        ret
{% endcall %}

{% set L = labels("ide_size") %}
# ide_size(disk, identity): how many sectors a disk has.
#
# in:    %ebx = DISK, %esi = what the drive said
# out:   DISK_sectors
# clob:  %eax
# errs:  none
{% call routine("ide_size") %}
        movl    IDENTIFY_SECTORS(%esi), %eax
        movl    %eax, DISK_sectors(%ebx)
        testw   $IDENTIFY_WIDE, IDENTIFY_COMMANDS(%esi)
        jz      {{ L("narrow") }}
        movl    IDENTIFY_SECTORS_WIDE(%esi), %eax
        movl    %eax, DISK_sectors(%ebx)
        movl    IDENTIFY_SECTORS_WIDE + 4(%esi), %eax
        movl    %eax, DISK_sectors_high(%ebx)
{{ L("narrow") }}:
        ret
{% endcall %}

{% set L = labels("ide_name") %}
# ide_name(disk, identity): a disk's name: the first word of the drive's serial number.
#
# in:    %ebx = DISK, %esi = what the drive said
# out:   DISK_name
# clob:  %eax, %ecx, %edx
# errs:  none
# why:   the two characters of a word stand in the wrong order
{% call routine("ide_name") %}
        xorl    %ecx, %ecx
        xorl    %edx, %edx
{{ L("next_character") }}:
        movl    %ecx, %eax
        xorl    $1, %eax
        movb    IDENTIFY_SERIAL(%esi,%eax), %al
        cmpb    $' ', %al
        ja      {{ L("character") }}
        testl   %edx, %edx
        jz      {{ L("leading") }}
        ret
{{ L("character") }}:
        movb    %al, DISK_name(%ebx,%edx)
        incl    %edx
        cmpl    $(DISK_NAME_BYTES - 1), %edx
        je      {{ L("done") }}
{{ L("leading") }}:
        incl    %ecx
        cmpl    $IDENTIFY_SERIAL_BYTES, %ecx
        jb      {{ L("next_character") }}
{{ L("done") }}:
        ret
{% endcall %}

# IDE disks: how requests end.
#
# Invariants
#   - The bus master is stopped before anybody is told that a request is done.
#   - A request is good when drive and bus master both say so, and the bus master has moved all of it.

        .text

{% set L = labels("ide_interrupt") %}
# ide_interrupt(channel): the first request of a channel is done.
#
# in:    %edx = IDE_CHANNEL
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
# why:   the drive drops the line when its status is read
{% call routine("ide_interrupt") %}
        movl    %edx, %edi
        movl    IDE_CHANNEL_master(%edi), %edx
        addl    $IDE_MASTER_STATUS, %edx
        inb     %dx, %al
        testb   $IDE_MASTER_INTERRUPT, %al
        jz      {{ L("not_ours") }}
        movl    %eax, %ecx
        subl    $IDE_MASTER_STATUS, %edx
        xorl    %eax, %eax
        outb    %al, %dx
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_STATUS, %edx
        inb     %dx, %al
        movb    %al, %ch
        movl    IDE_CHANNEL_master(%edi), %edx
        addl    $IDE_MASTER_STATUS, %edx
        movb    %cl, %al
        orb     $(IDE_MASTER_ERROR | IDE_MASTER_INTERRUPT), %al
        outb    %al, %dx
        movl    IDE_CHANNEL_first(%edi), %esi
        testl   %esi, %esi
        jz      {{ L("not_ours") }}
        xorl    %ebp, %ebp
        testl   $(IDE_BUSY | IDE_FAULT | IDE_DATA_READY | IDE_ERROR) << 8 | IDE_MASTER_ACTIVE | IDE_MASTER_ERROR, %ecx
        jz      {{ L("good") }}
        movl    $DISK_FAILED, %ebp
{{ L("good") }}:
        call    io_wake
        call    ide_next
        movl    %ebp, %eax
        jmp     disk_done
{{ L("not_ours") }}:
        ret
{% endcall %}

{% set L = labels("ide_next") %}
# ide_next(channel): the first request leaves its channel, and the next one is begun.
#
# in:    %edi = IDE_CHANNEL, %esi = its first request
# out:   %ebx = that one's DISK
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("ide_next") %}
        movl    DISK_REQUEST_disk(%esi), %ebx
        incl    DISK_room(%ebx)
        movl    DISK_REQUEST_next(%esi), %eax
        movl    %eax, IDE_CHANNEL_first(%edi)
        testl   %eax, %eax
        jnz     ide_start
        ret
{% endcall %}

{% set L = labels("ide_disk_give_up") %}
# ide_disk_give_up(disk): resets the channel of a disk, and fails all that it had, also the other drive's.
#
# in:    %ebx = DISK
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi, %ebp
# errs:  none
{% call routine("ide_disk_give_up") %}
        pushl   %ebx
        movl    DISK_state(%ebx), %edi
        movl    IDE_DRIVE_channel(%edi), %edi
        movl    IDE_CHANNEL_master(%edi), %edx
        xorl    %eax, %eax
        outb    %al, %dx
        movl    IDE_CHANNEL_control(%edi), %edx
        movb    $IDE_CONTROL_RESET, %al
        outb    %al, %dx
        movl    $IDE_SELECT_LOOKS, %ecx
{{ L("hold") }}:
        inb     %dx, %al
        decl    %ecx
        jnz     {{ L("hold") }}
        xorl    %eax, %eax
        outb    %al, %dx
        movl    IDE_CHANNEL_first(%edi), %esi
        movl    %eax, IDE_CHANNEL_first(%edi)
{{ L("next_request") }}:
        testl   %esi, %esi
        jz      {{ L("all_failed") }}
        pushl   DISK_REQUEST_next(%esi)
        movl    DISK_REQUEST_disk(%esi), %ebx
        incl    DISK_room(%ebx)
        movl    $DISK_FAILED, %eax
        call    disk_done
        popl    %esi
        jmp     {{ L("next_request") }}
{{ L("all_failed") }}:
        popl    %ebx
        ret
{% endcall %}

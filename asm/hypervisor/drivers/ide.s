# IDE disks: requests go to a channel one after the other, their data by its bus master.
#
# Invariants
#   - The first of a channel's requests is being done, if there is any; the others wait in the order in which they came.
#   - The bus master runs only for that one, with the channel's table.
#   - What lies beyond the sectors that a narrow command can name is asked for by a wide one: a drive that has no such
#     sectors refuses it.

        .text

{% set L = labels("ide_disk_submit") %}
# ide_disk_submit(disk, request): appends a request to its channel's.
#
# in:    %ebx = DISK with room, %esi = DISK_REQUEST
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("ide_disk_submit") %}
        decl    DISK_room(%ebx)
        movl    $0, DISK_REQUEST_next(%esi)
        movl    DISK_state(%ebx), %eax
        movl    IDE_DRIVE_channel(%eax), %ecx
        movl    IDE_CHANNEL_last(%ecx), %edx
        movl    %esi, IDE_CHANNEL_last(%ecx)
        cmpl    $0, IDE_CHANNEL_first(%ecx)
        je      {{ L("idle") }}
        movl    %esi, DISK_REQUEST_next(%edx)
        ret
{{ L("idle") }}:
        movl    %esi, IDE_CHANNEL_first(%ecx)
        pushl   %edi
        movl    %ecx, %edi
        call    ide_start
        popl    %edi
        ret
{% endcall %}

{% set L = labels("ide_start") %}
# ide_start(channel): begins with the first request.
#
# in:    %edi = IDE_CHANNEL that has one
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("ide_start") %}
        pushl   %ebx
        pushl   %esi
        movl    IDE_CHANNEL_first(%edi), %esi
        call    ide_table_fill
        movl    IDE_CHANNEL_master(%edi), %edx
        xorl    %eax, %eax
        outb    %al, %dx
        addl    $IDE_MASTER_STATUS, %edx
        inb     %dx, %al
        orb     $(IDE_MASTER_ERROR | IDE_MASTER_INTERRUPT), %al         # these are cleared by ones
        outb    %al, %dx
        movl    IDE_CHANNEL_physical(%edi), %eax
        addl    $(IDE_MASTER_TABLE - IDE_MASTER_STATUS), %edx
        outl    %eax, %dx
        call    ide_select
        call    ide_command
        cmpl    $DISK_FLUSH, DISK_REQUEST_operation(%esi)
        je      {{ L("no_data") }}
        movb    $IDE_MASTER_START, %al
        cmpl    $DISK_READ, DISK_REQUEST_operation(%esi)
        jne     {{ L("from_memory") }}
        orb     $IDE_MASTER_TO_MEMORY, %al
{{ L("from_memory") }}:
        movl    IDE_CHANNEL_master(%edi), %edx
        outb    %al, %dx
{{ L("no_data") }}:
        popl    %esi
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("ide_table_fill") %}
# ide_table_fill(channel, request): writes the bus master's table.
#
# in:    %edi = IDE_CHANNEL, %esi = DISK_REQUEST
# out:   DISK_REQUEST_bytes
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("ide_table_fill") %}
        pushl   %ebx
        movl    $0, DISK_REQUEST_bytes(%esi)
        movl    DISK_REQUEST_count(%esi), %ecx
        movl    IDE_CHANNEL_table(%edi), %edx
        decl    %ecx
        js      {{ L("no_data") }}
{{ L("next_piece") }}:                           # from the last one to the first
        movl    DISK_REQUEST_pieces + PIECE_address(%esi,%ecx,8), %eax
        movl    DISK_REQUEST_pieces + PIECE_bytes(%esi,%ecx,8), %ebx
        movl    %eax, IDE_PIECE_address(%edx,%ecx,8)
        movl    %ebx, IDE_PIECE_bytes(%edx,%ecx,8)
        addl    %ebx, DISK_REQUEST_bytes(%esi)
        decl    %ecx
        jns     {{ L("next_piece") }}
        movl    DISK_REQUEST_count(%esi), %ecx
        orl     $IDE_LAST_PIECE, IDE_PIECE_bytes - IDE_PIECE_size(%edx,%ecx,8)
{{ L("no_data") }}:
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("ide_select") %}
# ide_select(channel, request): selects the request's drive, and waits until it listens, but not for long.
#
# in:    %edi = IDE_CHANNEL, %esi = DISK_REQUEST
# out:   %ebx = the byte that selects the drive
# clob:  %eax, %ecx, %edx
# errs:  none: a drive that stays busy does not take the command, and time runs out for it (disk.s)
{% call routine("ide_select") %}
        movl    DISK_REQUEST_disk(%esi), %ebx
        movl    DISK_state(%ebx), %ebx
        movl    IDE_DRIVE_select(%ebx), %ebx
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_SELECT, %edx
        movl    %ebx, %eax
        outb    %al, %dx
        movl    IDE_CHANNEL_control(%edi), %edx
        movl    $IDE_SELECT_LOOKS, %ecx
{{ L("look") }}:
        inb     %dx, %al
        testb   $IDE_BUSY, %al
        jz      {{ L("listens") }}
        decl    %ecx
        jnz     {{ L("look") }}
{{ L("listens") }}:
        ret
{% endcall %}

{% set L = labels("ide_command") %}
# ide_command(channel, request, select): tells the drive the sectors, and what to do with them.
#
# in:    %edi = IDE_CHANNEL, %esi = DISK_REQUEST whose bytes are counted, %ebx = the byte that selects the drive
# out:   -
# clob:  %eax, %ebx, %ecx, %edx
# errs:  none
# why:   a wide command has two bytes in each register: the upper one is written first
{% call routine("ide_command") %}
        pushl   %ebp
        movl    DISK_REQUEST_bytes(%esi), %ebp
        shrl    $9, %ebp
        movl    DISK_REQUEST_sector(%esi), %eax
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_COUNT, %edx
        leal    (%eax,%ebp), %ecx
        cmpl    %eax, %ecx
        jb      {{ L("wide") }}
        cmpl    $IDE_WIDE_FROM, %ecx
        ja      {{ L("wide") }}
        cmpl    $0, DISK_REQUEST_sector_high(%esi)
        jne     {{ L("wide") }}
        movl    $ide_narrow_commands, %ecx
        call    ide_sectors_tell
        shrl    $24, %eax
        orl     %ebx, %eax                      # the last four bits stand in the register that selects
        outb    %al, %dx
        jmp     {{ L("addressed") }}
{{ L("wide") }}:
        shrl    $24, %eax
        movl    DISK_REQUEST_sector_high(%esi), %ecx
        shll    $8, %ecx
        orl     %ecx, %eax
        pushl   %ebp
        shrl    $8, %ebp
        call    ide_sectors_tell
        popl    %ebp
        movl    DISK_REQUEST_sector(%esi), %eax
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_COUNT, %edx
        movl    $ide_wide_commands, %ecx
        call    ide_sectors_tell
{{ L("addressed") }}:
        movl    IDE_CHANNEL_command(%edi), %edx
        addl    $IDE_STATUS, %edx
        addl    DISK_REQUEST_operation(%esi), %ecx
        movb    (%ecx), %al
        outb    %al, %dx
        popl    %ebp
        ret
{% endcall %}

# ide_sectors_tell(port, count, sector): writes a byte of the count, and three of the sector.
#
# in:    %edx = port of the count, %ebp = count, %eax = sector
# out:   %edx = port behind the last that was written
# clob:  none
# errs:  none
{% call routine("ide_sectors_tell") %}
        pushl   %eax
        movl    %ebp, %eax
        outb    %al, %dx
        popl    %eax
        pushl   %eax
        incl    %edx
        outb    %al, %dx
        incl    %edx
        shrl    $8, %eax
        outb    %al, %dx
        incl    %edx
        shrl    $8, %eax
        outb    %al, %dx
        incl    %edx
        popl    %eax
        ret
{% endcall %}

        .section .rodata
{% for width, commands in [("narrow", "IDE_READ, IDE_WRITE, IDE_FLUSH"),
                           ("wide", "IDE_READ_WIDE, IDE_WRITE_WIDE, IDE_FLUSH_WIDE")] %}
{% call object("ide_" ~ width ~ "_commands") %}
        .byte   {{ commands }}                  # DISK_READ, DISK_WRITE, DISK_FLUSH
{% endcall %}
{% endfor %}

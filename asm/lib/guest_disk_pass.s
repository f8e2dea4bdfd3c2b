# Going over a disk: from its first sector to its last, with so many requests in flight.
#
# Invariants
#   - Word i of sector s is (seed + 128 s + i) * DISK_PATTERN: anybody can say what must be there.
#   - disk_next is the sector of the next request; disk_flying requests are in flight, disk_depth at the most.
#   - What a slot's request is about is in disk_slot_sector and disk_slot_count until it is done.

        .text

        .set    DISK_PATTERN, 0x9e3779b1
        .set    WORDS_PER_SECTOR, SECTOR_BYTES / 4

{{ space("disk_seed", 4) }}
{{ space("disk_sectors", 4) }}
{{ space("disk_depth", 4) }}
{{ space("disk_size", 4) }}
{{ space("disk_operation", 4) }}
{{ space("disk_next", 4) }}
{{ space("disk_flying", 4) }}
{{ space("disk_done", 4) }}
{{ space("disk_bad", 4) }}
{{ space("disk_errors", 4) }}
{{ space("disk_slot_sector", "4 * BLOCK_SLOTS") }}
{{ space("disk_slot_count", "4 * BLOCK_SLOTS") }}
{{ space("disk_began", 8) }}

{% set L = labels("disk_pass") %}
# disk_pass(operation): writes the pattern over all sectors, or reads and verifies all of them.
#
# in:    %eax = BLKIF_OP_WRITE or BLKIF_OP_READ
# out:   disk_done, disk_bad, disk_errors: sectors
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  a request that fails is counted
{% call routine("disk_pass") %}
        movl    %eax, disk_operation
        movl    $0, disk_next
        movl    $0, disk_done
        movl    $0, disk_bad
        movl    $0, disk_errors
        call    system_time
        movl    %eax, disk_began
        movl    %edx, disk_began + 4
{{ L("next_request") }}:
        movl    disk_next, %eax
        cmpl    disk_sectors, %eax
        jae     {{ L("all_sent") }}
        movl    disk_depth, %eax
        cmpl    disk_flying, %eax
        jbe     {{ L("wait") }}
        call    disk_request
        jmp     {{ L("next_request") }}
{{ L("all_sent") }}:
        cmpl    $0, disk_flying
        je      {{ L("done") }}
{{ L("wait") }}:
        movl    $1, %ecx
        call    block_wait
{{ L("next_done") }}:
        call    block_complete
        jc      {{ L("next_request") }}
        call    disk_complete
        jmp     {{ L("next_done") }}
{{ L("done") }}:
        ret
{% endcall %}

# disk_request(): sends the next request of a pass.
#
# in:    disk_next below disk_sectors, disk_flying below disk_depth
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  none
{% call routine("disk_request") %}
        call    disk_next_slot
        movl    disk_operation, %edx
        cmpl    $BLKIF_OP_WRITE, %edx
        jne     1f
        call    disk_fill
1:
        jmp     block_submit
{% endcall %}

# disk_next_slot(): a slot, and what its request is about.
#
# in:    disk_next below disk_sectors, disk_flying below disk_depth
# out:   %eax = slot, %edi = its buffer, %ebx = sector, %ecx = sectors
# clob:  none
# errs:  none: there are as many slots as may be in flight
{% call routine("disk_next_slot") %}
        call    block_take
        movl    disk_next, %ebx
        movl    disk_sectors, %ecx
        subl    %ebx, %ecx
        cmpl    disk_size, %ecx
        jbe     1f
        movl    disk_size, %ecx
1:
        movl    %ebx, disk_slot_sector(,%eax,4)
        movl    %ecx, disk_slot_count(,%eax,4)
        addl    %ecx, disk_next
        incl    disk_flying
        ret
{% endcall %}

{% set L = labels("disk_complete") %}
# disk_complete(slot, status): a request of a pass is done.
#
# in:    %eax = slot, %edx = BLKIF_RSP_*
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  counted
{% call routine("disk_complete") %}
        decl    disk_flying
        movl    disk_slot_sector(,%eax,4), %ebx
        movl    disk_slot_count(,%eax,4), %ecx
        addl    %ecx, disk_done
        testl   %edx, %edx
        jnz     {{ L("error") }}
        cmpl    $BLKIF_OP_READ, disk_operation
        jne     {{ L("done") }}
        imull   $BLOCK_SLOT_bytes, %eax, %edi
        addl    $block_buffers, %edi
        jmp     disk_verify
{{ L("error") }}:
        addl    %ecx, disk_errors
{{ L("done") }}:
        ret
{% endcall %}

# disk_first_word(sector): where the pattern of a sector begins.
#
# in:    %ebx = sector
# out:   %edx = its first word
# clob:  none
# errs:  none
{% call routine("disk_first_word") %}
        movl    %ebx, %edx
        shll    $7, %edx                        # WORDS_PER_SECTOR
        addl    disk_seed, %edx
        imull   $DISK_PATTERN, %edx, %edx
        ret
{% endcall %}

# disk_fill(buffer, sector, sectors): the pattern of sectors that follow each other.
#
# in:    %edi = buffer, %ebx = sector, %ecx = sectors
# out:   -
# clob:  %esi
# errs:  none
{% call routine("disk_fill") %}
        pushl   %ecx
        pushl   %edx
        pushl   %edi
        call    disk_first_word
        shll    $7, %ecx
1:
        movl    %edx, (%edi)
        addl    $4, %edi
        addl    $DISK_PATTERN, %edx
        decl    %ecx
        jnz     1b
        popl    %edi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("disk_verify") %}
# disk_verify(buffer, sector, sectors): whether the pattern is there.
#
# in:    %edi = buffer, %ebx = sector, %ecx = sectors
# out:   disk_bad
# clob:  %eax, %ebx, %ecx, %edx, %edi
# errs:  a sector with a wrong word is counted
{% call routine("disk_verify") %}
{{ L("next_sector") }}:
        pushl   %ecx
        call    disk_first_word
        movl    $WORDS_PER_SECTOR, %ecx
        xorl    %eax, %eax                      # bits that differ
{{ L("next_word") }}:
        pushl   %edx
        xorl    (%edi), %edx
        orl     %edx, %eax
        popl    %edx
        addl    $4, %edi
        addl    $DISK_PATTERN, %edx
        decl    %ecx
        jnz     {{ L("next_word") }}
        popl    %ecx
        negl    %eax                            # carry when there is any
        adcl    $0, disk_bad
        incl    %ebx
        decl    %ecx
        jnz     {{ L("next_sector") }}
        ret
{% endcall %}

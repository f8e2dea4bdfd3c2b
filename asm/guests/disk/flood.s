# Flooding a disk: requests for ever, as many in flight as there may be.
#
# Invariants
#   - disk_done counts requests that were answered, well or not.

        .text

{% set L = labels("disk_flood") %}
# disk_flood(operation): reads or writes all sectors again and again; nothing is filled in and nothing verified.
#
# in:    %eax = BLKIF_OP_WRITE or BLKIF_OP_READ
# out:   does not return
{% call routine("disk_flood") %}
        movl    %eax, disk_operation
{{ L("next_request") }}:
        movl    disk_depth, %eax
        cmpl    disk_flying, %eax
        jbe     {{ L("wait") }}
        movl    disk_next, %eax
        cmpl    disk_sectors, %eax
        jb      {{ L("on_disk") }}
        movl    $0, disk_next
{{ L("on_disk") }}:
        call    disk_next_slot
        movl    disk_operation, %edx
        call    block_submit
        jmp     {{ L("next_request") }}
{{ L("wait") }}:
        movl    disk_depth, %ecx
        shrl    $1, %ecx                        # half of them at once
        incl    %ecx
        call    block_wait
{{ L("next_done") }}:
        call    block_complete
        jc      {{ L("next_request") }}
        decl    disk_flying
        incl    disk_done
        jmp     {{ L("next_done") }}
{% endcall %}

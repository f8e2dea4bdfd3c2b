# A guest that uses a disk: it writes a pattern and verifies it, or floods the disk with requests.
#
# On its command line: mode=both (write, then verify; or write, verify, flood, which reads for ever, drown, which writes
# for ever), and what asm/lib/guest_disk.s reads.
#
# Invariants
#   - When it has done all it says so, writes data/disk into the store last, and sleeps for ever.

{{ elf_note("GUEST_OS", ".asciz", '"disk"') }}

        .text

{{ space("disk_mode", 4) }}
{{ text("option_mode", "mode=") }}
{{ text("data_folder", "data") }}
{{ text("disk_name", "disk") }}
{{ text("done_value", "done") }}
{{ text("none_value", "no disk") }}

        .set    MODE_BOTH, 0x62                 # the first letters: b, w, v, f, d
        .set    MODE_WRITE, 0x77
        .set    MODE_VERIFY, 0x76
        .set    MODE_FLOOD, 0x66
        .set    MODE_DROWN, 0x64

{% set L = labels("start") %}
# start: connects the disk and does what the command line says.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  without a disk: says so, and waits for the end
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
        call    grants_begin
        testl   %eax, %eax
        jnz     {{ L("no_disk") }}
        call    block_begin
        jc      {{ L("no_disk") }}
        call    disk_options
        call    disk_read_mode
{{ print("disk: %u sectors, depth %u, %u sectors each\\n", "disk_sectors", "disk_depth", "disk_size") }}
        movl    disk_mode, %eax
        cmpb    $MODE_FLOOD, %al
        je      {{ L("flood") }}
        cmpb    $MODE_DROWN, %al
        je      {{ L("drown") }}
        cmpb    $MODE_VERIFY, %al
        je      {{ L("verify") }}
        movl    $BLKIF_OP_WRITE, %eax
        call    disk_pass
        call    disk_flush
        call    disk_say
        cmpb    $MODE_WRITE, disk_mode
        je      {{ L("done") }}
{{ L("verify") }}:
        movl    $BLKIF_OP_READ, %eax
        call    disk_pass
        call    disk_say
{{ L("done") }}:
        movl    $done_value, %edx
        jmp     disk_end
{{ L("flood") }}:
        movl    $BLKIF_OP_READ, %eax
        call    disk_flood
{{ L("drown") }}:
        movl    $BLKIF_OP_WRITE, %eax
        call    disk_flood
{{ L("no_disk") }}:
{{ print("disk: there is no disk\\n") }}
        movl    $none_value, %edx
        jmp     disk_end
{% endcall %}

# disk_end(value): writes what became of us into the store, and sleeps for ever.
#
# in:    %edx = value for data/disk
# out:   does not return
{% call routine("disk_end") %}
        movl    $data_folder, %ebx
        movl    $disk_name, %esi
        call    store_write
        jmp     wait_for_ever
{% endcall %}

{% set L = labels("disk_read_mode") %}
# disk_read_mode(): reads which mode the command line wants.
#
# in:    %ebp = start_info
# out:   disk_mode
# clob:  %eax, %esi, %edi
# errs:  without one: both
{% call routine("disk_read_mode") %}
        movl    $MODE_BOTH, disk_mode
        leal    START_INFO_cmd_line(%ebp), %esi
        movl    $option_mode, %edi
        call    option_find
        jc      {{ L("done") }}
        movzbl  (%esi), %eax
        movl    %eax, disk_mode
{{ L("done") }}:
        ret
{% endcall %}

# A guest that uses a disk: it writes a pattern and verifies it, or floods the disk with requests.
#
# On its command line: mode=both (write, then verify; or write, verify, flood, which reads for ever, drown, which writes
# for ever) seed=0 (of the pattern) sectors=0 (0: all) depth=8 (requests in flight) size=8 (sectors of a request).
#
# Invariants
#   - Word i of sector s is (seed + 128 s + i) * DISK_PATTERN: anybody can say what must be there.
#   - When it has done all it says so, writes data/disk into the store last, and sleeps for ever.

{{ elf_note("GUEST_OS", ".asciz", '"disk"') }}

        .text

{{ space("disk_seed", 4) }}
{{ space("disk_sectors", 4) }}
{{ space("disk_depth", 4) }}
{{ space("disk_size", 4) }}
{{ space("disk_mode", 4) }}
{% for name in ["seed", "sectors", "depth", "size", "mode"] %}
{{ text("option_" ~ name, name ~ "=") }}
{% endfor %}
{{ text("data_folder", "data") }}
{{ text("flush_name", "feature-flush-cache") }}
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
1:
        xorl    %eax, %eax
        xorl    %edx, %edx
        call    wait_events
        jmp     1b
{% endcall %}

{% set L = labels("disk_options") %}
# disk_options(): reads the command line.
#
# in:    %ebp = start_info; block_sectors
# out:   disk_mode, disk_seed, disk_sectors, disk_depth, disk_size
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is too large, or 0, is made what there is
{% call routine("disk_options") %}
        leal    START_INFO_cmd_line(%ebp), %ebx
        movl    $MODE_BOTH, disk_mode
        movl    %ebx, %esi
        movl    $option_mode, %edi
        call    option_find
        jc      {{ L("no_mode") }}
        movzbl  (%esi), %eax
        movl    %eax, disk_mode
{{ L("no_mode") }}:
        xorl    %eax, %eax
        movl    %ebx, %esi
        movl    $option_seed, %edi
        call    option_number
        movl    %eax, disk_seed
{% for name, default, most in [("sectors", 0, "block_sectors"), ("depth", 8, "$BLOCK_SLOTS"),
                               ("size", 8, "$BLOCK_SLOT_sectors")] %}
        movl    %ebx, %esi
        movl    $option_{{ name }}, %edi
        movl    ${{ default }}, %eax
        call    option_number
        movl    {{ most }}, %ecx
        cmpl    %ecx, %eax
        ja      {{ L(name ~ "_most") }}
        testl   %eax, %eax
        jnz     {{ L(name ~ "_good") }}
{{ L(name ~ "_most") }}:
        movl    %ecx, %eax
{{ L(name ~ "_good") }}:
        movl    %eax, disk_{{ name }}
{% endfor %}
        ret
{% endcall %}

# A guest's disk as a whole: what its command line says of it, a check of all of it, and what is said about that.
#
# Invariants
#   - What came of a pass is in the store below data/ as it is on the console.

        .text

{% for name in ["seed", "sectors", "depth", "request"] %}
{{ text("disk_option_" ~ name, name ~ "=") }}
{% endfor %}
{{ text("disk_data_folder", "data") }}
{{ text("flush_name", "feature-flush-cache") }}

{% set L = labels("disk_check") %}
# disk_check(): connects the first disk, if there is one, writes the pattern all over it, and verifies it.
#
# in:    %ebp = start_info; grants_begin and rings_find have been called
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  counted and said; no disk is no error
{% call routine("disk_check") %}
        call    block_begin
        jc      {{ L("none") }}
        call    disk_options
        movl    $BLKIF_OP_WRITE, %eax
        call    disk_pass
        call    disk_flush
        call    disk_say
        movl    $BLKIF_OP_READ, %eax
        call    disk_pass
        call    disk_say
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("disk_options") %}
# disk_options(): reads the command line: seed=0 (of the pattern) sectors=0 (0: all) depth=8 (requests in flight)
# request=8 (sectors of each).
#
# in:    %ebp = start_info; block_sectors
# out:   disk_seed, disk_sectors, disk_depth, disk_size
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  what is too large, or 0, is made what there is
{% call routine("disk_options") %}
        leal    START_INFO_cmd_line(%ebp), %ebx
        xorl    %eax, %eax
        movl    %ebx, %esi
        movl    $disk_option_seed, %edi
        call    option_number
        movl    %eax, disk_seed
{% for name, default, most, variable in [
    ("sectors", 0, "block_sectors", "disk_sectors"), ("depth", 8, "$BLOCK_SLOTS", "disk_depth"),
    ("request", 8, "$BLOCK_SLOT_sectors", "disk_size"),
] %}
        movl    %ebx, %esi
        movl    $disk_option_{{ name }}, %edi
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
        movl    %eax, {{ variable }}
{% endfor %}
        ret
{% endcall %}

{% set L = labels("disk_flush") %}
# disk_flush(): what was written is on the disk, if the back end can say that.
#
# in:    nothing is in flight
# out:   disk_errors
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  a flush that fails counts as a sector
{% call routine("disk_flush") %}
        movl    $block_device + XENBUS_backend, %ebx
        movl    $flush_name, %esi
        call    store_read_number
        jc      {{ L("done") }}
        testl   %eax, %eax
        jz      {{ L("done") }}
        call    block_take
        movl    $BLKIF_OP_FLUSH_DISKCACHE, %edx
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        call    block_submit
{{ L("wait") }}:
        movl    $1, %ecx
        call    block_wait
        call    block_complete
        jc      {{ L("wait") }}
        testl   %edx, %edx
        jz      {{ L("done") }}
        incl    disk_errors
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("disk_say") %}
# disk_say(): what came of a pass, on the console and in the store.
#
# in:    -
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi
# errs:  none
{% call routine("disk_say") %}
        call    system_time
        subl    disk_began, %eax
        sbbl    disk_began + 4, %edx
        movl    $1000000, %ecx
        divl    %ecx                            # a pass takes less than 2^32 ms
        movl    %eax, %edx
        movl    $verified_word, %ebx
        cmpl    $BLKIF_OP_READ, disk_operation
        je      {{ L("say") }}
        movl    $written_word, %ebx
{{ L("say") }}:
{% set format = "disk: %u sectors %s in %u ms, %u bad, %u errors\\n" %}
{{ print(format, "disk_done", "%ebx", "%edx", "disk_bad", "disk_errors") }}
        movl    %ebx, %esi
        movl    $disk_data_folder, %ebx
        movl    disk_done, %eax
        call    store_write_number
{% for name in ["bad", "errors"] %}
        movl    ${{ name }}_name, %esi
        movl    disk_{{ name }}, %eax
        call    store_write_number
{% endfor %}
        ret
{% endcall %}

{{ text("verified_word", "verified") }}
{{ text("written_word", "written") }}
{{ text("bad_name", "bad") }}
{{ text("errors_name", "errors") }}

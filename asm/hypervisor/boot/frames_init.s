# Which frames are free at boot, and the frame table.
#
# Invariants
#   - Free are the frames of ram_ranges, but for those of the image, of the modules and of their command lines.
#   - What modules_reserve has kept is nobody else's until modules_release (modules_release.s).

        .section .init, "ax"

{% set L = labels("frames_init") %}
# frames_init(): fills the bitmap and makes the frame table.
#
# in:    ram_ranges, boot_modules
# out:   max_frame, free_frames, frame_bitmap, FRAME_TABLE
# clob:  none
# errs:  no memory for the frame table is a panic
{% call routine("frames_init") %}
        pushal
        xorl    %esi, %esi
{{ L("next_range") }}:
        cmpl    ram_range_count, %esi
        jae     {{ L("ranges_done") }}
        movl    ram_ranges + RANGE_start(,%esi,8), %eax
        movl    ram_ranges + RANGE_end(,%esi,8), %ecx
        shrl    $PAGE_SHIFT, %eax
        shrl    $PAGE_SHIFT, %ecx
        cmpl    max_frame, %ecx
        jbe     {{ L("set_free") }}
        movl    %ecx, max_frame
{{ L("set_free") }}:
        btsl    %eax, frame_bitmap
        incl    %eax
        cmpl    %ecx, %eax
        jb      {{ L("set_free") }}
        incl    %esi
        jmp     {{ L("next_range") }}
{{ L("ranges_done") }}:
        movl    $__image_start - IMAGE_LOAD_OFFSET, %eax
        movl    $__image_end - IMAGE_LOAD_OFFSET, %ecx
        call    range_reserve
        call    modules_reserve
        call    frame_table_init
        call    frames_insert
        popal
        ret
{% endcall %}

{% set L = labels("range_reserve") %}
# range_reserve(start, end): no frame of the range is free.
#
# in:    %eax = start, %ecx = end, physical
# out:   -
# clob:  none
# errs:  none
{% call routine("range_reserve") %}
        pushl   %eax
        pushl   %ecx
        addl    $PAGE_OFFSET_MASK, %ecx
        shrl    $PAGE_SHIFT, %ecx
        shrl    $PAGE_SHIFT, %eax
{{ L("next_frame") }}:
        cmpl    %ecx, %eax
        jae     {{ L("done") }}
        cmpl    $MAX_FRAMES, %eax
        jae     {{ L("done") }}
        btrl    %eax, frame_bitmap
        incl    %eax
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("modules_reserve") %}
# modules_reserve(): keeps the modules and their command lines.
#
# in:    boot_modules
# out:   -
# clob:  none
# errs:  none
{% call routine("modules_reserve") %}
        pushal
        movl    $boot_modules, %ebx
        movl    boot_module_count, %edx
{{ L("next_module") }}:
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    MULTIBOOT_MODULE_start(%ebx), %eax
        movl    MULTIBOOT_MODULE_end(%ebx), %ecx
        call    range_reserve
        movl    MULTIBOOT_MODULE_cmdline(%ebx), %esi
        testl   %esi, %esi
        jz      {{ L("no_command_line") }}
        call    string_length
        leal    1(%esi,%eax), %ecx
        movl    %esi, %eax
        call    range_reserve
{{ L("no_command_line") }}:
        addl    $MULTIBOOT_MODULE_size, %ebx
        decl    %edx
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("frame_table_init") %}
# frame_table_init(): takes frames for the frame table, maps and fills them.
#
# in:    frame_bitmap, max_frame
# out:   FRAME_TABLE: allocated, with one reference, for each frame of RAM that is not free; holes stay zero
# clob:  none
# errs:  no room is a panic
{% call routine("frame_table_init") %}
        pushal
        movl    max_frame, %ecx
        shll    $4, %ecx
        addl    $PAGE_OFFSET_MASK, %ecx
        shrl    $PAGE_SHIFT, %ecx               # frames that the table needs
        call    run_find
        testl   %eax, %eax
        jz      {{ L("no_room") }}
        shll    $PAGE_SHIFT, %eax
        movl    %eax, %edi
        movl    %eax, %edx
        orl     $(PTE_P | PTE_RW | PTE_A | PTE_D), %edx
        movl    $FRAME_TABLE, %eax
        shll    $PAGE_SHIFT, %ecx
        call    memory_zero                     # by its physical address
        leal    (%edi,%ecx), %ebx
        xchgl   %eax, %edi
        xchgl   %ebx, %ecx
        call    range_reserve
        movl    %edi, %eax
{{ L("next_page") }}:
        call    hv_map_page_nx
        addl    $PAGE_SIZE, %eax
        addl    $PAGE_SIZE, %edx
        subl    $PAGE_SIZE, %ebx
        jnz     {{ L("next_page") }}
        xorl    %esi, %esi
{{ L("next_range") }}:
        movl    ram_ranges + RANGE_start(,%esi,8), %eax
        movl    ram_ranges + RANGE_end(,%esi,8), %ecx
        shrl    $PAGE_SHIFT, %eax
        shrl    $PAGE_SHIFT, %ecx
        call    frames_mark_taken
        incl    %esi
        cmpl    ram_range_count, %esi
        jb      {{ L("next_range") }}
        popal
        ret
{{ L("no_room") }}:
{{ panic("no memory for the frame table") }}
{% endcall %}

{% set L = labels("frames_mark_taken") %}
# frames_mark_taken(first, end): allocated, with one reference, are the frames of a range that are not free.
#
# in:    %eax = first mfn, %ecx = mfn behind the last
# out:   -
# clob:  %eax, %edi
# errs:  none
{% call routine("frames_mark_taken") %}
{{ L("next_frame") }}:
        btl     %eax, frame_bitmap
        jc      {{ L("is_free") }}
        movl    %eax, %edi
        shll    $4, %edi
        movl    $(FRAME_ALLOCATED | 1), FRAME_TABLE + FRAME_count(%edi)
{{ L("is_free") }}:
        incl    %eax
        cmpl    %ecx, %eax
        jb      {{ L("next_frame") }}
        ret
{% endcall %}

{% set L = labels("run_find") %}
# run_find(count): the lowest run of free frames; takes nothing: there is no frame table yet.
#
# in:    %ecx = count
# out:   %eax = first mfn, or 0 when there is none
# clob:  none
# errs:  none
{% call routine("run_find") %}
        pushl   %edx
        pushl   %esi
        xorl    %eax, %eax
{{ L("next_run") }}:
        xorl    %edx, %edx
{{ L("next_frame") }}:
        leal    (%eax,%edx), %esi
        cmpl    max_frame, %esi
        jae     {{ L("none") }}
        btl     %esi, frame_bitmap
        jnc     {{ L("interrupted") }}
        incl    %edx
        cmpl    %ecx, %edx
        jb      {{ L("next_frame") }}
        jmp     {{ L("done") }}
{{ L("interrupted") }}:
        leal    1(%esi), %eax
        jmp     {{ L("next_run") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        ret
{% endcall %}

{% set L = labels("frames_insert") %}
# frames_insert(): makes the tree of free frames from its lowest row, and says how many there are.
#
# in:    frame_bitmap
# out:   frame_tree, free_frames
# clob:  none
# errs:  none
{% call routine("frames_insert") %}
        pushl   %eax
        pushl   %ecx
        xorl    %eax, %eax
{{ L("next_frame") }}:
        btrl    %eax, frame_bitmap
        jnc     {{ L("not_free") }}
        call    frame_insert
{{ L("not_free") }}:
        incl    %eax
        cmpl    max_frame, %eax
        jb      {{ L("next_frame") }}
        movl    free_frames, %ecx
        movl    %ecx, %eax
        shrl    $8, %eax
{{ log("LOG_INFO", "memory: %u frames, %u free (%u MB)\\n", "max_frame", "%ecx", "%eax") }}
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

# What the loader says of memory and modules, copied before anything is allocated.
#
# Invariants
#   - ram_ranges holds [start, end) of whole frames of RAM below HV_START, in the order of the loader's map; memory
#     above is left alone, as is the first MB, which belongs to the firmware.
#   - boot_modules holds the modules' records; the modules' bytes and command lines stay where the loader put them
#     and are kept out of the free frames (frames.s).

        .section .init, "ax"

{% set L = labels("memory_map_read") %}
# memory_map_read(): fills ram_ranges from the loader's map, or from mem_upper when there is no map.
#
# in:    multiboot_info
# out:   ram_ranges, ram_range_count
# clob:  none
# errs:  no memory information at all is a panic; ranges beyond MAX_RANGES are logged and ignored
{% call routine("memory_map_read") %}
        pushal
        movl    multiboot_info, %ebx
        testl   $MULTIBOOT_HAS_MAP, MULTIBOOT_INFO_flags(%ebx)
        jz      {{ L("no_map") }}
        movl    MULTIBOOT_INFO_mmap_addr(%ebx), %esi
        movl    MULTIBOOT_INFO_mmap_length(%ebx), %edi
        addl    %esi, %edi
{{ L("next_entry") }}:
        cmpl    %edi, %esi
        jae     {{ L("done") }}
        movl    MULTIBOOT_MAP_base(%esi), %eax
        movl    MULTIBOOT_MAP_base_high(%esi), %edx
        movl    MULTIBOOT_MAP_length(%esi), %ecx
        movl    MULTIBOOT_MAP_length_high(%esi), %ebp
        addl    %eax, %ecx
        adcl    %edx, %ebp                      # %ebp:%ecx = end
{{ log("LOG_INFO", "memory: 0x%x%08x to 0x%x%08x type %u\\n", "%edx", "%eax", "%ebp", "%ecx",
       "MULTIBOOT_MAP_type(%esi)") }}
        call    machine_map_add
        cmpl    $MULTIBOOT_RAM, MULTIBOOT_MAP_type(%esi)
        jne     {{ L("skip") }}
        testl   %edx, %edx
        jnz     {{ L("skip") }}                 # starts above 4 GB
        testl   %ebp, %ebp
        jz      {{ L("below_4gb") }}
        movl    $HV_START, %ecx
{{ L("below_4gb") }}:
        call    ram_range_add
{{ L("skip") }}:
        addl    MULTIBOOT_MAP_size_field(%esi), %esi
        addl    $4, %esi
        jmp     {{ L("next_entry") }}
{{ L("no_map") }}:
        testl   $MULTIBOOT_HAS_MEMORY, MULTIBOOT_INFO_flags(%ebx)
        jz      {{ L("unknown") }}
        movl    $0x100000, %eax
        movl    MULTIBOOT_INFO_mem_upper(%ebx), %ecx
        cmpl    $(HV_START >> 10), %ecx
        jbe     {{ L("upper_ok") }}
        movl    $(HV_START >> 10), %ecx
{{ L("upper_ok") }}:
        shll    $10, %ecx
        addl    %eax, %ecx
        call    ram_range_add
{{ L("done") }}:
        popal
        ret
{{ L("unknown") }}:
{{ panic("the loader says nothing about memory") }}
{% endcall %}

{% set L = labels("machine_map_add") %}
# machine_map_add(entry): keeps an entry of the loader's map for domain 0, as e820 has it.
#
# in:    %esi = MULTIBOOT_MAP
# out:   machine_map, machine_map_entries
# clob:  none
# errs:  none: an entry too many is left out
{% call routine("machine_map_add") %}
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        movl    machine_map_entries, %edi
        cmpl    $MAX_RANGES, %edi
        jae     {{ L("full") }}
        imull   $E820_ENTRY_size, %edi, %edi
        addl    $machine_map, %edi
        addl    $MULTIBOOT_MAP_base, %esi       # base, length, type: the two formats are the same from here on
        movl    $E820_ENTRY_size, %ecx
        call    memory_copy
        incl    machine_map_entries
{{ L("full") }}:
        popl    %edi
        popl    %esi
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("ram_range_add") %}
# ram_range_add(start, end): appends a range to ram_ranges, cut to whole frames between 1 MB and HV_START.
#
# in:    %eax = start, %ecx = end, physical
# out:   -
# clob:  none
# errs:  a range too many is logged and ignored
{% call routine("ram_range_add") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        cmpl    $0x100000, %eax
        jae     {{ L("above_1mb") }}
        movl    $0x100000, %eax
{{ L("above_1mb") }}:
        cmpl    $HV_START, %ecx
        jbe     {{ L("below_region") }}
        movl    $HV_START, %ecx
{{ L("below_region") }}:
        addl    $PAGE_OFFSET_MASK, %eax
        andl    $~PAGE_OFFSET_MASK, %eax
        andl    $~PAGE_OFFSET_MASK, %ecx
        cmpl    %ecx, %eax
        jae     {{ L("done") }}
        movl    ram_range_count, %edx
        cmpl    $MAX_RANGES, %edx
        jae     {{ L("too_many") }}
        movl    %eax, ram_ranges + RANGE_start(,%edx,8)
        movl    %ecx, ram_ranges + RANGE_end(,%edx,8)
        incl    ram_range_count
        jmp     {{ L("done") }}
{{ L("too_many") }}:
{{ log("LOG_WARNING", "memory: more than %u ranges: %p to %p is not used\\n", "$MAX_RANGES", "%eax", "%ecx") }}
{{ L("done") }}:
        popl    %edx
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("modules_read") %}
# modules_read(): copies the records of the boot modules.
#
# in:    multiboot_info
# out:   boot_modules, boot_module_count
# clob:  none
# errs:  modules beyond MAX_MODULES are logged and ignored
{% call routine("modules_read") %}
        pushal
        movl    multiboot_info, %ebx
        testl   $MULTIBOOT_HAS_MODULES, MULTIBOOT_INFO_flags(%ebx)
        jz      {{ L("done") }}
        movl    MULTIBOOT_INFO_mods_count(%ebx), %ecx
        cmpl    $MAX_MODULES, %ecx
        jbe     {{ L("count_ok") }}
{{ log("LOG_WARNING", "%u boot modules: only the first %u are used\\n", "%ecx", "$MAX_MODULES") }}
        movl    $MAX_MODULES, %ecx
{{ L("count_ok") }}:
        movl    %ecx, boot_module_count
        movl    MULTIBOOT_INFO_mods_addr(%ebx), %esi
        movl    $boot_modules, %edi
{{ L("next_module") }}:
        jecxz   {{ L("done") }}
{{ log("LOG_INFO", "module: %p to %p: %s\\n", "MULTIBOOT_MODULE_start(%esi)", "MULTIBOOT_MODULE_end(%esi)",
       "MULTIBOOT_MODULE_cmdline(%esi)") }}
        pushl   %ecx
        movl    $MULTIBOOT_MODULE_size, %ecx
        call    memory_copy
        popl    %ecx
        addl    $MULTIBOOT_MODULE_size, %esi
        addl    $MULTIBOOT_MODULE_size, %edi
        decl    %ecx
        jmp     {{ L("next_module") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

        .data
{% for name in ["ram_range_count", "boot_module_count"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("ram_ranges", "MAX_RANGES * RANGE_size") }}
{{ space("boot_modules", "MAX_MODULES * MULTIBOOT_MODULE_size") }}

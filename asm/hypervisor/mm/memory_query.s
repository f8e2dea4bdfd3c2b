# Memory maps and the M2P table's frames: what memory_op tells (ABI 8.4).
#
# Invariants
#   - machine_map is the loader's memory map as e820 entries, copied at boot; only a privileged domain sees it.
#   - The M2P table lies in consecutive frames from m2p_first_mfn on: one number names each 2 MB extent of it.

        .text

{% set L = labels("memory_machine_map") %}
# memory_machine_map(argument): the machine's memory map, for domain 0.
#
# in:    %esi = address of a MEMORY_MAP; %ebp = current vcpu
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EPERM, -EFAULT, -EINVAL (the buffer is too small)
{% call routine("memory_machine_map") %}
        movl    $-EPERM, %eax
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("done") }}
        movl    $memory_map, %edi
        movl    $MEMORY_MAP_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %esi, %edx
        movl    machine_map_entries, %ecx
        movl    $-EINVAL, %eax
        cmpl    %ecx, memory_map + MEMORY_MAP_nr_entries
        jb      {{ L("done") }}
        movl    %ecx, memory_map + MEMORY_MAP_nr_entries
        imull   $E820_ENTRY_size, %ecx, %ecx
        movl    $machine_map, %esi
        movl    memory_map + MEMORY_MAP_buffer, %edi
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $memory_map, %esi
        movl    %edx, %edi
        movl    $MEMORY_MAP_size, %ecx
        call    copy_to_guest
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("memory_machphys_mfn_list") %}
# memory_machphys_mfn_list(argument): the first frame of each 2 MB of the M2P table.
#
# in:    %esi = address of a MACHPHYS_MFN_LIST; %ebp = current vcpu
# out:   %eax = 0 or -EFAULT
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("memory_machphys_mfn_list") %}
        movl    $mfn_list, %edi
        movl    $MACHPHYS_MFN_LIST_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %esi, %ebx
        movl    max_frame, %edx
        addl    $(SUPERPAGE_SIZE / 4 - 1), %edx
        shrl    $(L2_SHIFT - 2), %edx           # extents that there are
        cmpl    mfn_list + MACHPHYS_MFN_LIST_max_extents, %edx
        jbe     {{ L("count_ok") }}
        movl    mfn_list + MACHPHYS_MFN_LIST_max_extents, %edx
{{ L("count_ok") }}:
        movl    %edx, mfn_list + MACHPHYS_MFN_LIST_nr_extents
        movl    mfn_list + MACHPHYS_MFN_LIST_extent_start, %edi
        movl    m2p_first_mfn, %eax
        movl    $extent_mfn, %esi
        movl    $4, %ecx
{{ L("next_extent") }}:
        testl   %edx, %edx
        jz      {{ L("stored") }}
        movl    %eax, extent_mfn
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    extent_mfn, %eax
        addl    $(SUPERPAGE_SIZE / PAGE_SIZE), %eax
        addl    $4, %edi
        decl    %edx
        jmp     {{ L("next_extent") }}
{{ L("stored") }}:
        movl    $mfn_list, %esi
        movl    %ebx, %edi
        movl    $MACHPHYS_MFN_LIST_size, %ecx
        call    copy_to_guest
{{ L("done") }}:
        ret
{% endcall %}

        .data
{% for name in ["machine_map_entries", "m2p_first_mfn"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("memory_map", "MEMORY_MAP_size") }}
{{ space("mfn_list", "MACHPHYS_MFN_LIST_size") }}
{{ space("machine_map", "MAX_RANGES * E820_ENTRY_size") }}

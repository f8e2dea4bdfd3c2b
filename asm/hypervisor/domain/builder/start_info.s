# The start_info page: what the guest is told at its first instruction (ABI 1.10, 1.11).
#
# Invariants
#   - The page is zero but for what is written here; the command line ends with NUL inside its 1024 bytes.
#   - Domain 0 has the description of the text screen behind the structure; other domains have the frames of their
#     console and xenstore pages, and a port for each that domain 0 may bind to.

        .text

{# One word of start_info; clobbers %eax. #}
{% macro field(name, value) %}
        movl    {{ value }}, %eax
        movl    %eax, START_INFO_{{ name }}(%edi)
{% endmacro %}

{% set L = labels("start_info_fill") %}
# start_info_fill(): fills the page.
#
# in:    guest, %ebx = DOMAIN
# out:   -
# clob:  %eax, %ecx, %edx, %esi, %edi
# errs:  no memory for ports: they are 0 then
{% call routine("start_info_fill") %}
        movl    guest + GUEST_IMAGE_start_info, %edi
        call    guest_address
        movl    $start_info_magic, %esi
        movl    $START_INFO_MAGIC_BYTES, %ecx
        call    memory_copy
{{ field("nr_pages", "guest + GUEST_IMAGE_nr_pages") }}
        movl    DOMAIN_shared_info_mfn(%ebx), %eax
        shll    $PAGE_SHIFT, %eax
        movl    %eax, START_INFO_shared_info(%edi)
{{ field("pt_base", "guest + GUEST_IMAGE_page_tables") }}
{{ field("nr_pt_frames", "guest + GUEST_IMAGE_nr_pt_frames") }}
{{ field("mfn_list", "guest + GUEST_IMAGE_p2m") }}
        movl    guest + GUEST_IMAGE_p2m, %eax
        subl    guest + GUEST_IMAGE_virt_base, %eax
        shrl    $PAGE_SHIFT, %eax
        movl    %eax, START_INFO_first_p2m_pfn(%edi)
        movl    guest + GUEST_IMAGE_nr_pages, %eax
        addl    $(PAGE_SIZE / 4 - 1), %eax
        shrl    $(PAGE_SHIFT - 2), %eax
        movl    %eax, START_INFO_nr_p2m_frames(%edi)
        call    start_info_initrd
        movl    guest + GUEST_IMAGE_command_line, %esi
        leal    START_INFO_cmd_line(%edi), %ecx
        call    command_line_copy
        cmpl    $0, DOMAIN_id(%ebx)
        je      start_info_domain_0
{% for page, name in [("store_page", "store_mfn"), ("console_page", "console_domU_mfn")] %}
        movl    guest + GUEST_IMAGE_{{ page }}, %eax
        subl    guest + GUEST_IMAGE_virt_base, %eax
        shrl    $PAGE_SHIFT, %eax
        addl    guest + GUEST_IMAGE_first_mfn, %eax
        movl    %eax, START_INFO_{{ name }}(%edi)
        movl    %eax, DOMAIN_{{ page | replace("page", "mfn") }}(%ebx)
{% endfor %}
        xorl    %ecx, %ecx                      # for domain 0
{% for place, name in [("store_port", "store_evtchn"), ("console_port", "console_domU_evtchn")] %}
        call    port_alloc_unbound
        testl   %eax, %eax
        js      {{ L("no_" ~ place) }}
        movl    %eax, DOMAIN_{{ place }}(%ebx)
        movl    %eax, START_INFO_{{ name }}(%edi)
{{ L("no_" ~ place) }}:
{% endfor %}
        ret
{% endcall %}

# start_info_domain_0(): what only domain 0 is told: its privilege, and the screen.
#
# in:    %edi = the page
# out:   -
# clob:  %eax
# errs:  none
{% call routine("start_info_domain_0") %}
        orl     $(SIF_PRIVILEGED | SIF_INITDOMAIN), START_INFO_flags(%edi)
        movl    $START_INFO_size, START_INFO_console_dom0_info_off(%edi)
        movl    $DOM0_VGA_CONSOLE_INFO_size, START_INFO_console_dom0_info_size(%edi)
        addl    $START_INFO_size, %edi
        movb    $VGA_TEXT_MODE, DOM0_VGA_CONSOLE_INFO_video_type(%edi)
        movw    $16, DOM0_VGA_CONSOLE_INFO_u_text_mode_3_font_height(%edi)
        movw    $25, DOM0_VGA_CONSOLE_INFO_u_text_mode_3_rows(%edi)
        movw    $80, DOM0_VGA_CONSOLE_INFO_u_text_mode_3_columns(%edi)
        subl    $START_INFO_size, %edi
        ret
{% endcall %}

{% set L = labels("start_info_initrd") %}
# start_info_initrd(): where the initrd is: its address, or its pfn when the guest wants it unmapped.
#
# in:    guest, %ebx = DOMAIN, %edi = the page
# out:   -
# clob:  %eax
# errs:  none
# why:   domain 0 is told the exact length, others the length in whole pages, as their builders do
{% call routine("start_info_initrd") %}
        movl    guest + GUEST_IMAGE_initrd_size, %eax
        testl   %eax, %eax
        jz      {{ L("none") }}
        cmpl    $0, DOMAIN_id(%ebx)
        je      {{ L("exact") }}
        addl    $PAGE_OFFSET_MASK, %eax
        andl    $~PAGE_OFFSET_MASK, %eax
{{ L("exact") }}:
        movl    %eax, START_INFO_mod_len(%edi)
        movl    guest + GUEST_IMAGE_initrd_virt, %eax
        cmpl    $0, guest + GUEST_IMAGE_mod_start_pfn
        je      {{ L("mapped") }}
        orl     $SIF_MOD_START_PFN, START_INFO_flags(%edi)
        movl    guest + GUEST_IMAGE_initrd_pfn, %eax
{{ L("mapped") }}:
        movl    %eax, START_INFO_mod_start(%edi)
{{ L("none") }}:
        ret
{% endcall %}

{% set L = labels("command_line_copy") %}
# command_line_copy(to, from): copies a text, 1023 characters at the most, and ends it.
#
# in:    %ecx = to, %esi = from
# out:   -
# clob:  %eax, %ecx, %esi
# errs:  none: what is too long is cut
{% call routine("command_line_copy") %}
        pushl   %edx
        movl    $(COMMAND_LINE_BYTES - 1), %edx
{{ L("next_character") }}:
        movb    (%esi), %al
        testb   %al, %al
        jz      {{ L("done") }}
        movb    %al, (%ecx)
        incl    %esi
        incl    %ecx
        decl    %edx
        jnz     {{ L("next_character") }}
{{ L("done") }}:
        movb    $0, (%ecx)
        popl    %edx
        ret
{% endcall %}

        .section .rodata
{% call object("start_info_magic") %}
        .asciz  "xen-3.0-x86_32p"
        .skip   START_INFO_MAGIC_BYTES - 16
{% endcall %}

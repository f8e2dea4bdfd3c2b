# Descriptor tables and pages of our own: what the attempts stand on.
#
# Invariants
#   - guest_gdt, guest_ldt and their like are mapped read-only before the hypervisor gets them.
#   - Entry SLOT of guest_gdt and guest_ldt holds what the last attempt with a descriptor wanted; all else stays.
#   - Code and constants are open to ring 3, and so is user_stack; nothing else is.

        .text

        .set    TABLE_GDT, 1                    # ATTEMPT_table
        .set    TABLE_LDT, 2
        .set    TABLE_ENTRIES, 8
        .set    TABLE_RING0_DATA, 3             # entries that are there from the start, in both tables
        .set    TABLE_RING0_CODE, 4
        .set    TABLE_ABSENT, 5
        .set    TABLE_USER_DATA, 6
{# Access bytes: present, DPL, and type: data to write, the same downwards, code to read, conforming, call gate. #}
{% for name, access in [("DATA", "0x92"), ("DOWN", "0x96"), ("CODE", "0x9a"), ("CONFORMING", "0x9e"),
                        ("GATE", "0x8c")] %}
{% for dpl in [0, 1, 2, 3] %}
        .set    {{ name }}_{{ dpl }}, {{ access }} | {{ dpl }} << 5
{% endfor %}
{% endfor %}
        .set    ACCESS_PRESENT, 0x80
        .set    FLAG_G, 8                       # the four bits above the limit: in pages,
        .set    FLAG_B, 4                       # with 32-bit offsets

{% set L = labels("tables_take") %}
# tables_take(): makes guest_gdt and guest_ldt the tables of this domain.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of the hypercalls
{% call routine("tables_take") %}
{% for page in ["guest_gdt", "guest_ldt", "bad_table"] %}
        movl    ${{ page }}, %ebx
        movl    $(PTE_P | PTE_A), %ecx
        call    page_remap
        testl   %eax, %eax
        jnz     {{ L("done") }}
{% endfor %}
{% for page in ["guest_gdt", "guest_ldt", "bad_table", "writable_table"] %}
        movl    ${{ page }}, %ebx
        call    page_frame
        movl    %eax, {{ page }}_frame
{% endfor %}
        movl    guest_gdt_frame, %eax
        shll    $PAGE_SHIFT, %eax
        movl    %eax, table_addresses + 4 * TABLE_GDT
        movl    guest_ldt_frame, %eax
        shll    $PAGE_SHIFT, %eax
        movl    %eax, table_addresses + 4 * TABLE_LDT
        movl    $guest_gdt_frame, %ebx
        movl    $TABLE_ENTRIES, %ecx
        {{ hypercall("set_gdt") }}
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $ldt_guest, %ebx
        call    ldt_take
{{ L("done") }}:
        ret
{% endcall %}

# ldt_take(operation): the hypercall that sets the LDT.
#
# in:    %ebx = MMUEXT_OP
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of mmuext_op
{% call routine("ldt_take") %}
        movl    $1, %ecx
        xorl    %edx, %edx
        movl    $DOMID_SELF, %esi
        {{ hypercall("mmuext_op") }}
        ret
{% endcall %}

{% set L = labels("descriptor_place") %}
# descriptor_place(row): puts the descriptor that an attempt needs into its table.
#
# in:    %esi = row
# out:   %eax = 0, or what the hypervisor says
# clob:  %ebx, %ecx, %edx
# errs:  those of update_descriptor
{% call routine("descriptor_place") %}
        pushl   %esi
        movl    ATTEMPT_table(%esi), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    table_addresses(,%eax,4), %ebx
        addl    $SLOT * DESCRIPTOR_size, %ebx
        movl    ATTEMPT_low(%esi), %edx
        movl    ATTEMPT_high(%esi), %ecx
        movl    ATTEMPT_target(%esi), %eax      # a gate has its two halves apart
        orw     %ax, %dx
        andl    $0xffff0000, %eax
        orl     %eax, %ecx
        movl    %ecx, %esi
        xorl    %ecx, %ecx
        {{ hypercall("update_descriptor") }}
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

{% set L = labels("user_open") %}
# user_open(): opens code, constants and a stack to ring 3, and says which stack its traps use.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of the hypercalls
{% call routine("user_open") %}
        pushl   %edi
        movl    $__text_start, %edi
{{ L("next_page") }}:
        movl    %edi, %ebx
        movl    $(PTE_P | PTE_US | PTE_A), %ecx
        call    page_remap
        testl   %eax, %eax
        jnz     {{ L("done") }}
        addl    $PAGE_SIZE, %edi
        cmpl    $__rodata_end, %edi
        jb      {{ L("next_page") }}
        movl    $user_stack, %ebx
        movl    $(PTE_P | PTE_RW | PTE_US | PTE_A), %ecx
        call    page_remap
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $FLAT_KERNEL_SS, %ebx
        movl    $trap_stack_top, %ecx
        {{ hypercall("stack_switch") }}
{{ L("done") }}:
        popl    %edi
        ret
{% endcall %}

        .data
{# A table with descriptors that no guest should have: the hypervisor takes them, and must make them harmless. #}
{% for page in ["guest_gdt", "guest_ldt", "writable_table"] %}
{% call object(page, "PAGE_SIZE") %}
        .skip   TABLE_RING0_DATA * DESCRIPTOR_size
        .long   {{ two("0", "0xfffff", "DATA_0", "FLAG_G | FLAG_B") }}
        .long   {{ two("0", "0xfffff", "CODE_0", "FLAG_G | FLAG_B") }}
        .long   {{ two("0", "0xfffff", "DATA_1 & ~ACCESS_PRESENT", "FLAG_G | FLAG_B") }}
        .long   {{ two("0", "0xfffff", "DATA_3", "FLAG_G | FLAG_B") }}
        .skip   PAGE_SIZE - (TABLE_USER_DATA + 1) * DESCRIPTOR_size
{% endcall %}
{% endfor %}
{# One that it must not take: a task state segment. #}
{% call object("bad_table", "PAGE_SIZE") %}
        .skip   SLOT * DESCRIPTOR_size
        .long   TSS_size - 1, 0x8900
        .skip   PAGE_SIZE - (SLOT + 1) * DESCRIPTOR_size
{% endcall %}
{% for name, page, entries in [("guest", "guest_ldt", "TABLE_ENTRIES"), ("bad", "bad_table", "TABLE_ENTRIES"),
                               ("writable", "writable_table", "TABLE_ENTRIES"), ("none", "0", "0"),
                               ("private", "HV_PRIVATE_START", "TABLE_ENTRIES"),
                               ("m2p", "M2P_READ_ONLY", "TABLE_ENTRIES"),
                               ("wrapping", "0xfffff000", "8192"), ("too_long", "guest_ldt", "8193")] %}
{% call object("ldt_" ~ name) %}
        .long   MMUEXT_SET_LDT, {{ page }}, {{ entries }}
{% endcall %}
{% endfor %}
{{ space("user_stack", "PAGE_SIZE", "PAGE_SIZE") }}
        .set    user_stack_top, user_stack + PAGE_SIZE
{{ space("trap_stack", "PAGE_SIZE", "PAGE_SIZE") }}
        .set    trap_stack_top, trap_stack + PAGE_SIZE
{{ space("table_addresses", "3 * 4") }}
{% for page in ["guest_gdt", "guest_ldt", "bad_table", "writable_table"] %}
{{ space(page ~ "_frame", 4) }}
{% endfor %}

# Attempts with instructions that are for ring 0, or for those to whom it gives leave.
#
# Invariants
#   - What would be granted changes nothing: each writes what is there, or to a port that nothing listens at.

        .text

        .set    NO_PORT, 0x2f0                  # nothing is there in any PC of ours
        .set    MSR_SYSENTER_EIP, 0x176

{% set rows = [] %}
{% for ring in [1, 3] %}
{% for name, code in [
    ("lgdt", "lgdt no_table"), ("lidt", "lidt no_table"), ("lldt", "xorl %eax, %eax; lldt %ax"),
    ("lldt_hv", "movl $HV_LDT, %eax; lldt %ax"), ("ltr", "movl $HV_TSS, %eax; ltr %ax"),
    ("write_cr0", "xorl %eax, %eax; movl %eax, %cr0"), ("write_cr3", "xorl %eax, %eax; movl %eax, %cr3"),
    ("write_dr0", "movl $HV_PRIVATE_START, %eax; movl %eax, %dr0"),
    ("lmsw", "movl $1, %eax; lmsw %ax"), ("hlt", "hlt"), ("cli", "cli"), ("sti", "sti"),
    ("invlpg", "invlpg HV_PRIVATE_START"), ("invd", "invd"),
    ("rdmsr_none", "movl $0xdeadbeef, %ecx; rdmsr"),
    ("rdpmc", "xorl %ecx, %ecx; rdpmc"), ("sysenter", "sysenter"), ("sysexit", "sysexit"), ("rsm", "rsm"),
    ("ud2", "ud2"),
    ("inb", "inb $0x80, %al"), ("inb_dx", "movl $NO_PORT, %edx; inb %dx, %al"),
    ("inw", "movl $NO_PORT, %edx; inw %dx, %ax"),
    ("inl", "movl $NO_PORT, %edx; inl %dx, %eax"), ("inl_pci", "movl $PCI_ADDRESS, %edx; inl %dx, %eax"),
    ("inl_last_port", "movl $0xffff, %edx; inl %dx, %eax"),
    ("outb", "outb %al, $0x80"), ("outb_dx", "movl $NO_PORT, %edx; outb %al, %dx"),
    ("outw", "movl $NO_PORT, %edx; outw %ax, %dx"), ("outl", "movl $NO_PORT, %edx; outl %eax, %dx"),
    ("outb_pic", "movb $0xff, %al; outb %al, $PIC_MASTER_DATA"),
    ("outb_exit", "movb $EXIT_PANIC, %al; outb %al, $EXIT_PORT"),
    ("outb_reset", "movb $KEYBOARD_RESET, %al; outb %al, $KEYBOARD_COMMAND"),
    ("insb", "movl $user_stack, %edi; movl $NO_PORT, %edx; insb"),
    ("rep_insl", "movl $user_stack, %edi; movl $NO_PORT, %edx; movl $2, %ecx; rep insl"),
    ("outsb", "movl $all_ones, %esi; movl $NO_PORT, %edx; outsb"),
    ("rep_outsl", "movl $all_ones, %esi; movl $NO_PORT, %edx; movl $2, %ecx; rep outsl"),
] %}
{% do rows.append(("ring{}_{}".format(ring, name), ring, "fault", code)) %}
{% endfor %}
{# These the hypervisor may do for a kernel, as far as they are harmless, or refuse (ABI 6.11). #}
{% for name, code in [
    ("read_cr0", "movl %cr0, %eax"), ("read_cr2", "movl %cr2, %eax"), ("read_cr3", "movl %cr3, %eax"),
    ("read_cr4", "movl %cr4, %eax"), ("write_cr2", "xorl %eax, %eax; movl %eax, %cr2"),
    ("write_cr4", "xorl %eax, %eax; movl %eax, %cr4"), ("read_dr0", "movl %dr0, %eax"),
    ("read_dr7", "movl %dr7, %eax"), ("write_dr7", "movl $DR7_RESET, %eax; movl %eax, %dr7"),
    ("clts", "clts"), ("wbinvd", "wbinvd"),
    ("rdmsr_apic_base", "movl $MSR_APIC_BASE, %ecx; rdmsr"), ("rdmsr_efer", "movl $MSR_EFER, %ecx; rdmsr"),
    ("rdmsr_tsc", "movl $MSR_TSC, %ecx; rdmsr"), ("rdmsr_sysenter", "movl $MSR_SYSENTER_EIP, %ecx; rdmsr"),
    ("wrmsr_efer", "movl $MSR_EFER, %ecx; xorl %eax, %eax; xorl %edx, %edx; wrmsr"),
    ("wrmsr_sysenter", "movl $MSR_SYSENTER_EIP, %ecx; movl $landing, %eax; xorl %edx, %edx; wrmsr"),
    ("wrmsr_apic_base", "movl $MSR_APIC_BASE, %ecx; xorl %eax, %eax; xorl %edx, %edx; wrmsr"),
] %}
{% do rows.append(("ring{}_{}".format(ring, name), ring, "fault" if ring == 3 else "done", code)) %}
{% endfor %}
{# Behind them the way into the hypervisor by sysenter must still be closed. #}
{% do rows.append(("ring{}_sysenter_still".format(ring), ring, "fault", "sysenter")) %}
{# These tell, and no more: a guest may run them on any processor without virtualization. #}
{% for name, code in [("rdtsc", "rdtsc"), ("cpuid", "xorl %eax, %eax; cpuid"), ("sgdt", "sgdt user_stack"),
                      ("sidt", "sidt user_stack"), ("sldt", "sldt %eax"), ("str", "str %eax"), ("smsw", "smsw %eax"),
                      ("verr_hv", "movl $HV_DS, %eax; verr %ax"), ("lar_hv", "movl $HV_CS, %eax; lar %eax, %ecx"),
                      ("lsl_hv", "movl $HV_CS, %eax; lsl %eax, %ecx")] %}
{% do rows.append(("ring{}_{}".format(ring, name), ring, "done", code)) %}
{% endfor %}
{# What lar, lsl, verr and verw say of ring 0's segments is: nothing. ZF is bit 6. #}
{% set flag = "; pushfl; popl %eax; andl $0x40, %eax; nop" %}
{% for name, code in [("lar_says", "movl $HV_CS, %ecx; lar %ecx, %edx"),
                      ("lsl_says", "movl $HV_DS, %ecx; lsl %ecx, %edx"),
                      ("verr_says", "movl $HV_DS, %ecx; verr %cx"), ("verw_says", "movl $HV_DS, %ecx; verw %cx")] %}
{% do rows.append(("ring{}_{}".format(ring, name), ring, "value", code ~ flag)) %}
{% endfor %}
{# arpl raises a selector's RPL, never its rights. #}
{% set code = "movl $HV_DS, %eax; movl $3, %ecx; arpl %cx, %ax; nop" %}
{% do rows.append(("ring{}_arpl".format(ring), ring, "value", code)) %}
{% endfor %}

# attempts_at_instructions: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_instructions") %}
{{ attempts("instructions", rows) }}
{% endcall %}

{% set rows = [] %}
{% for ring in [1, 3] %}
{% set vectors = [0, 1, 2, 6, 8, 13, 14, 18, 0x20, 0x21, 0x28, 0x30, 0x7f, 0xef, 0xff] %}
{% for vector in vectors + ([0x82] if ring == 3 else []) %}
{% do rows.append(("ring{}_int_{}".format(ring, vector), ring, "fault", "int ${}".format(vector))) %}
{% endfor %}
{% do rows.append(("ring{}_int3".format(ring), ring, "fault", "int3")) %}
{% do rows.append(("ring{}_into".format(ring), ring, "fault", "movb $0x7f, %al; incb %al; into")) %}
{% endfor %}

# attempts_at_interrupts: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_interrupts") %}
{{ attempts("interrupts", rows) }}
{% endcall %}

        .section .rodata
{% call object("no_table") %}
        .word   0                               # limit
        .long   0                               # base
{% endcall %}

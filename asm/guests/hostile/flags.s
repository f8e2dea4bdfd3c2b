# Attempts with flags: those that a guest must not be able to set, and those that must not follow it into ring 0.
#
# Invariants
#   - attempt_finish gives the next attempt good flags again.

        .text

        .set    FLAGS_EVERY, EFLAGS_IOPL | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID

{% set keep = "; pushfl; popl %eax; andl ${}, %eax; nop" %}
{% set rows = [] %}
{% for ring, cs in [(1, "FLAT_KERNEL_CS"), (3, "FLAT_USER_CS")] %}
{% for name, given, kept in [("iopl", "EFLAGS_IOPL", "EFLAGS_IOPL"), ("if", "0", "EFLAGS_IF"),
                             ("vm", "EFLAGS_VM", "EFLAGS_VM"), ("rf", "EFLAGS_RF", "EFLAGS_RF"),
                             ("nt", "EFLAGS_NT", "EFLAGS_NT"), ("vip", "3 << 19", "3 << 19")] %}
{% set code = "pushl $(" ~ given ~ " | EFLAGS_ONE); popfl" ~ keep.format("(" ~ kept ~ ")") %}
{% do rows.append(("ring{}_popf_{}".format(ring, name), ring, "value", code)) %}
{% endfor %}
{% set code = "pushl $(FLAGS_EVERY & ~EFLAGS_VM | EFLAGS_ONE); pushl $" ~ cs ~ "; pushl $landing_flags; iret" %}
{% do rows.append(("ring{}_iret_flags".format(ring), ring, "value", code)) %}
{% endfor %}
{% for name, given in [("iopl", "EFLAGS_IOPL"), ("if", "0"), ("nt", "EFLAGS_NT"), ("rf", "EFLAGS_RF"),
                       ("vm", "EFLAGS_VM")] %}
{% set push = "pushl $(" ~ given ~ " | EFLAGS_ONE); pushl $FLAT_KERNEL_CS; pushl $landing_flags; pushl $0; " %}
{% do rows.append(("hypercall_iret_" ~ name, 1, "value", push ~ calling("iret"))) %}
{% endfor %}
{# Flags on the way into the hypervisor, by its short way and by its long one. #}
{% set with_flag = "xorl %ebx, %ebx; movl $HYPERCALL_xen_version, %eax; pushfl; orl ${}, (%esp); popfl; " %}
{% for name, flag in [("nt", "EFLAGS_NT"), ("df", "EFLAGS_DF"), ("ac", "EFLAGS_AC")] %}
{% do rows.append(("hypercall_with_" ~ name, 1, "value", with_flag.format(flag) ~ "int $0x82")) %}
{% endfor %}
{% do rows.append(("hypercall_with_tf", 1, "fault", with_flag.format("EFLAGS_TF") ~ "int $0x82; nop")) %}
{% set with_flag = with_flag.replace("xorl %ebx, %ebx", "movl $XENVER_extraversion, %ebx; movl $user_stack, %ecx") %}
{% for name, flag in [("nt", "EFLAGS_NT"), ("df", "EFLAGS_DF"), ("ac", "EFLAGS_AC")] %}
{% do rows.append(("long_hypercall_with_" ~ name, 1, "value", with_flag.format(flag) ~ "int $0x82")) %}
{% endfor %}
{% do rows.append(("long_hypercall_with_tf", 1, "fault", with_flag.format("EFLAGS_TF") ~ "int $0x82; nop")) %}
{% for name, flag in [("tf", "EFLAGS_TF"), ("nt", "EFLAGS_NT"), ("df", "EFLAGS_DF"), ("ac", "EFLAGS_AC")] %}
{% do rows.append(("ring3_int_82_with_" ~ name, 3, "fault", "pushfl; orl $" ~ flag ~ ", (%esp); popfl; int $0x82")) %}
{% do rows.append(("ring1_fault_with_" ~ name, 1, "fault", "pushfl; orl $" ~ flag ~ ", (%esp); popfl; ud2")) %}
{% endfor %}
{% set code = "movl $FLAT_KERNEL_SS, %ecx; xorl %ebx, %ebx; movl $HYPERCALL_xen_version, %eax; pushfl; " %}
{% set code = code ~ "orl $EFLAGS_TF, (%esp); popfl; movl %ecx, %ss; int $0x82; nop" %}
{% do rows.append(("hypercall_behind_mov_ss_with_tf", 1, "fault", code)) %}

# attempts_at_flags: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# why:   what a hypercall returns that is interrupted by nothing is the version, 0x40002
{% call routine("attempts_at_flags") %}
{{ attempts("flags", rows) }}
{% endcall %}

# landing_flags: says which of the flags that are none of a guest's business are set.
#
# in:    any ring
# out:   does not return
{% call routine("landing_flags") %}
        pushfl
        popl    %eax
        andl    $(FLAGS_EVERY | EFLAGS_IF), %eax
        pushl   $EFLAGS_ONE
        popfl
        int     $VECTOR_VALUE
        jmp     landing_flags
{% endcall %}

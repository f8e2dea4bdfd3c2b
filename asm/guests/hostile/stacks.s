# Attempts to reach beyond the limit by the stack, from ring 3: its traps have a stack of their own, so it can tell.
#
# The same from ring 1 is in deadly.s.
#
# Invariants
#   - As in accesses.s.

        .text

{% set rows = [] %}
{% for name, esp, code in [
    ("push", "HV_PRIVATE_START + 4", "pushl $-1"),
    ("push_across", "HV_PRIVATE_START + 2", "pushl $-1"),
    ("push_wrapping", "0", "pushl $-1"),
    ("push_segment", "HV_PRIVATE_START + 4", "pushl %ds"),
    ("push_flags", "HV_PRIVATE_START + 4", "pushfl"),
    ("push_all", "HV_PRIVATE_START + 16", "pushal"),
    ("call", "HV_PRIVATE_START + 4", "call landing"),
    ("far_call", "HV_PRIVATE_START + 8", "lcall *user_landing_pointer"),
    ("enter", "HV_PRIVATE_START + 4", "enter $8, $0"),
    ("enter_nested", "HV_PRIVATE_START + 4", "movl $user_stack_top, %ebp; enter $8, $3"),
    ("pop", "HV_PRIVATE_START", "popl %eax"),
    ("pop_across", "HV_PRIVATE_START - 2", "popl %eax"),
    ("pop_segment", "HV_PRIVATE_START", "popl %es"),
    ("pop_flags", "HV_PRIVATE_START", "popfl"),
    ("pop_all", "HV_PRIVATE_START", "popal"),
    ("ret", "HV_PRIVATE_START", "ret"),
    ("far_ret", "HV_PRIVATE_START - 4", "lret"),
    ("iret", "HV_PRIVATE_START - 8", "iret"),
    ("read", "HV_PRIVATE_START", "movl (%esp), %eax"),
] %}
{% do rows.append(("ring3_stack_" ~ name, 3, "fault", "movl $" ~ esp ~ ", %esp; " ~ code)) %}
{% endfor %}
{% do rows.append(("ring3_stack_leave", 3, "fault", "movl $HV_PRIVATE_START, %ebp; leave")) %}
{# Stack segments of our own: its end below the private part, and one that grows down from above it. #}
{% set SS = "movl $(SLOT << 3 | {} | 3), %eax; movl %eax, %ss; movl ${}, %esp; {}" %}
{% for table, local in [("TABLE_GDT", 0), ("TABLE_LDT", 4)] %}
{% set small = segment(table, "(HV_PRIVATE_START - 0x2000)", "0x1fff", "DATA_3", "FLAG_B") %}
{% set down = segment(table, "(HV_PRIVATE_START - 0x2000)", "0x3c02", "DOWN_3", "FLAG_G | FLAG_B") %}
{% set word = segment(table, "(HV_PRIVATE_START - 0x2000)", "0x1fff", "DATA_3", "0") %}
{% set where = "ldt" if local else "gdt" %}
{% do rows.append(("ring3_own_stack_push_" ~ where, 3, "fault", SS.format(local, "0x2004", "pushl $-1"), small)) %}
{% do rows.append(("ring3_own_stack_pop_" ~ where, 3, "fault", SS.format(local, "0x2000", "popl %eax"), small)) %}
{% do rows.append(("ring3_own_stack_below_" ~ where, 3, "fault", SS.format(local, "0x2004", "pushl $-1"), down)) %}
{% do rows.append(("ring3_own_stack_word_" ~ where, 3, "fault", SS.format(local, "0x2004", "pushl $-1"), word)) %}
{% endfor %}

# attempts_at_stacks: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
# calls: landing
{% call routine("attempts_at_stacks") %}
{{ attempts("stacks", rows) }}
{% endcall %}

        .section .rodata
{% call object("user_landing_pointer") %}
        .long   landing, FLAT_USER_CS
{% endcall %}

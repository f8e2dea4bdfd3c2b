# Attempts to read and write beyond the limit, with the flat segments.
#
# The limit of all flat segments is HV_PRIVATE_START - 1: the last word that belongs to them is the last of the M2P
# table. The processor compares each access as a whole with the limit, before it looks at any page.
#
# Invariants
#   - Nothing is written where the private part begins but ones, which stand there already.

        .text

{% set rows = [] %}
{% for ring in [1, 3] %}
{% for segment in ["ds", "es", "fs", "gs", "ss", "cs"] %}
{% set P = "%" ~ segment ~ ":HV_PRIVATE_START" %}
{% for name, code in [("read_{}_beyond", "movl {}, %eax"), ("read_{}_byte_beyond", "movb {}, %al"),
                      ("read_{}_across", "movl {} - 2, %eax"), ("write_{}_beyond", "movl $-1, {}"),
                      ("write_{}_across", "movl $-1, {} - 2")] %}
{% do rows.append(("ring" ~ ring ~ "_" ~ name.format(segment), ring, "fault", code.format(P))) %}
{% endfor %}
{% endfor %}
{% for name, code in [
    ("read_top", "movl 0xfffffffc, %eax"),
    ("read_wrapping", "movl 0xfffffffe, %eax"),
    ("read_by_ebp", "movl $HV_PRIVATE_START, %ebp; movl (%ebp), %eax"),
    ("read_by_index", "movl $HV_PRIVATE_START / 4, %ecx; movl 0(,%ecx,4), %eax"),
    ("read_by_wrapped_index", "movl $HV_PRIVATE_START - 0x1000, %ecx; movl 0x1000(%ecx), %eax"),
    ("locked_add", "xorl %eax, %eax; lock addl %eax, HV_PRIVATE_START"),
    ("exchange", "movl $-1, %eax; xchgl %eax, HV_PRIVATE_START"),
    ("cmpxchg8b_across", "cmpxchg8b HV_PRIVATE_START - 4"),
    ("bit_string_up", "movl $32, %eax; btsl %eax, HV_PRIVATE_START - 4"),
    ("bit_string_down", "movl $-32, %eax; btl %eax, HV_PRIVATE_START + 4"),
    ("push_from", "pushl HV_PRIVATE_START"),
    ("pop_to", "pushl $-1; popl HV_PRIVATE_START"),
    ("translate", "movl $HV_PRIVATE_START, %ebx; xorl %eax, %eax; xlatb"),
    ("lfs_across", "lfsl HV_PRIVATE_START - 4, %eax"),
    ("sidt_across", "sidt HV_PRIVATE_START - 2"),
    ("fxsave_across", "fxsave HV_PRIVATE_START - 16"),
    ("movups_across", "movups HV_PRIVATE_START - 8, %xmm0"),
    ("movups_beyond", "movups HV_PRIVATE_START, %xmm0"),
    ("fild_across", "fildll HV_PRIVATE_START - 4"),
    ("movs_from", "movl $HV_PRIVATE_START, %esi; movl $user_stack, %edi; movsl"),
    ("movs_to", "movl $all_ones, %esi; movl $HV_PRIVATE_START, %edi; movsl"),
    ("rep_movs_from", "movl $HV_PRIVATE_START - 8, %esi; movl $user_stack, %edi; movl $4, %ecx; rep movsl"),
    ("rep_movs_to", "movl $all_ones, %esi; movl $HV_PRIVATE_START, %edi; movl $2, %ecx; rep movsl"),
    ("rep_movs_down", "movl $HV_PRIVATE_START, %esi; movl $user_stack, %edi; movl $2, %ecx; std; rep movsl"),
    ("rep_stos", "movl $-1, %eax; movl $HV_PRIVATE_START, %edi; movl $2, %ecx; rep stosl"),
    ("stos_across", "movl $-1, %eax; movl $HV_PRIVATE_START - 2, %edi; stosl"),
    ("rep_lods", "movl $HV_PRIVATE_START - 4, %esi; movl $2, %ecx; rep lodsl"),
    ("lods_wrapping", "movl $0xfffffffe, %esi; lodsl"),
    ("scas", "movl $HV_PRIVATE_START, %edi; scasl"),
    ("cmps", "movl $HV_PRIVATE_START, %esi; movl $all_ones, %edi; cmpsl"),
] %}
{% do rows.append(("ring" ~ ring ~ "_" ~ name, ring, "fault", code)) %}
{% endfor %}
{% for segment in ["ds", "es", "fs", "gs"] %}
{% set code = "xorl %eax, %eax; movl %eax, %{}; movl %{}:user_stack, %eax".format(segment, segment) %}
{% do rows.append(("ring" ~ ring ~ "_read_by_null_" ~ segment, ring, "fault", code)) %}
{% endfor %}
{% endfor %}

# attempts_at_accesses: the code of the rows.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_accesses") %}
{{ attempts("accesses", rows) }}
{% endcall %}

{% set rows = [] %}
{% for ring in [1, 3] %}
{% for name, code in [
    ("read_m2p", "movl M2P_READ_ONLY, %eax"),
    ("read_m2p_end", "movl HV_PRIVATE_START - 4, %eax"),
    ("read_alias", "movl M2P_ALIAS, %eax"),
    ("read_alias_end", "movl M2P_ALIAS + M2P_ALIAS_BYTES - 4, %eax"),
] %}
{% do rows.append(("ring" ~ ring ~ "_" ~ name, ring, "done", code)) %}
{% endfor %}
{% for name, code in [
    ("write_m2p", "movl $-1, M2P_READ_ONLY"),
    ("write_m2p_end", "movl $-1, HV_PRIVATE_START - 4"),
    ("write_alias", "movl $-1, M2P_ALIAS"),
    ("write_alias_end", "movl $-1, M2P_ALIAS + M2P_ALIAS_BYTES - 4"),
    ("exchange_m2p", "movl $-1, %eax; xchgl %eax, M2P_READ_ONLY"),
    ("compare_m2p", "xorl %eax, %eax; lock cmpxchgl %eax, M2P_READ_ONLY"),
    ("bit_string_m2p", "movl $-32, %eax; btsl %eax, M2P_READ_ONLY + 4"),
    ("rep_stos_m2p", "movl $-1, %eax; movl $M2P_READ_ONLY, %edi; movl $4, %ecx; rep stosl"),
    ("execute_m2p", "jmpl *m2p_pointer"),
] %}
{% do rows.append(("ring" ~ ring ~ "_" ~ name, ring, "fault", code)) %}
{% endfor %}
{% endfor %}

# attempts_at_permitted: reads that are permitted, to show that the limit is where it is, and writes that are not.
#
# in:    attempt.macro
# out:   does not return
{% call routine("attempts_at_permitted") %}
{{ attempts("permitted", rows) }}
{% endcall %}

        .section .rodata
{% call object("all_ones") %}
        .long   -1, -1, -1, -1
{% endcall %}
{% call object("m2p_pointer") %}
        .long   M2P_READ_ONLY
{% endcall %}

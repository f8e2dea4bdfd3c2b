# The operations of instructions that store, and the tables that lead from opcodes to them (table_decode.s).
#
# Invariants
#   - An operation is a table of routines, indexed by the operand's size in bytes: they work on memory at (%edi), with
#     the other operand in %ecx. Sizes that it does not have are not asked for.
#   - What is below store_groups_end is a group: eight operations, 0 for one that does not store.

        .text

{% set plain = ["add", "or", "adc", "sbb", "and", "sub", "xor", "mov"] %}
{% set exchange = ["xchg", "xadd"] %}
{% set one = ["not", "neg", "inc", "dec"] %}
{% set bits = ["bts", "btr", "btc"] %}
{% set sizes = {1: ("b", "%cl"), 2: ("w", "%cx"), 4: ("l", "%ecx")} %}
{% for size, (suffix, register) in sizes.items() %}
{% for name in plain + (bits if size == 4 else []) %}
# table_op_{{ name }}_{{ size }}(operands): {{ name ~ suffix }}.
#
# in:    %edi = address of the operand, %ecx = the other one; flags
# out:   flags
# clob:  none
# errs:  none
{% call routine("table_op_" ~ name ~ "_" ~ size) %}
        {{ name ~ suffix }} {{ register }}, (%edi)
        ret
{% endcall %}

{% endfor %}
{% for name in exchange %}
# table_op_{{ name }}_{{ size }}(operands): {{ name ~ suffix }}.
#
# in:    %edi = address of the operand, %ecx = the other one
# out:   %ecx = the former value; flags
# clob:  none
# errs:  none
{% call routine("table_op_" ~ name ~ "_" ~ size) %}
        {{ name ~ suffix }} {{ register }}, (%edi)
        ret
{% endcall %}

{% endfor %}
{% for name in one %}
# table_op_{{ name }}_{{ size }}(operand): {{ name ~ suffix }}.
#
# in:    %edi = address of the operand; flags
# out:   flags
# clob:  none
# errs:  none
{% call routine("table_op_" ~ name ~ "_" ~ size) %}
        {{ name ~ suffix }} (%edi)
        ret
{% endcall %}

{% endfor %}
# table_op_cmpxchg_{{ size }}(operands): cmpxchg{{ suffix }}.
#
# in:    %edi = address of the operand, %ecx = new value, %eax = expected one
# out:   %eax = the former value; flags
# clob:  none
# errs:  none
{% call routine("table_op_cmpxchg_" ~ size) %}
        cmpxchg{{ suffix }} {{ register }}, (%edi)
        ret
{% endcall %}

{% endfor %}
# table_op_cmpxchg8b(operands): cmpxchg8b.
#
# in:    %edi = address of the operand, %ebx, %ecx = new value, %eax, %edx = expected one, low and high
# out:   %eax, %edx = the former value; flags
# clob:  none
# errs:  none
{% call routine("table_op_cmpxchg8b") %}
        cmpxchg8b (%edi)
        ret
{% endcall %}

        .section .rodata
{% set groups = {"group_1": ["add", "or", "adc", "sbb", "and", "sub", "xor", None],
                 "group_3": [None, None, "not", "neg", None, None, None, None],
                 "group_4": ["inc", "dec", None, None, None, None, None, None],
                 "group_8": [None, None, None, None, None, "bts", "btr", "btc"],
                 "group_9": [None, "cmpxchg8b", None, None, None, None, None, None],
                 "group_11": ["mov", None, None, None, None, None, None, None]} %}
{% for name, members in groups.items() %}
{% call object("store_" ~ name) %}
{% for member in members %}
        .long   {{ "store_" ~ member if member else 0 }}
{% endfor %}
{% endcall %}
{% endfor %}
store_groups_end:
{% for name in plain + exchange + one + bits + ["cmpxchg", "cmpxchg8b"] %}
{% call object("store_" ~ name) %}
{% if name == "cmpxchg8b" %}
        .long   0, 0, 0, 0, 0, 0, 0, 0, table_op_cmpxchg8b
{% elif name in bits %}
        .long   0, 0, 0, 0, table_op_{{ name }}_4
{% else %}
        .long   0, table_op_{{ name }}_1, table_op_{{ name }}_2, 0, table_op_{{ name }}_4
{% endif %}
{% endcall %}
{% endfor %}

{# Rows: operation or group, source, size if it does not follow from the opcode. Opcodes without 0f, then with it. #}
{% set rows = [
    ("add", "register", 0, [0x00, 0x01], []), ("or", "register", 0, [0x08, 0x09], []),
    ("adc", "register", 0, [0x10, 0x11], []), ("sbb", "register", 0, [0x18, 0x19], []),
    ("and", "register", 0, [0x20, 0x21], []), ("sub", "register", 0, [0x28, 0x29], []),
    ("xor", "register", 0, [0x30, 0x31], []), ("group_1", "number", 0, [0x80, 0x81, 0x83], []),
    ("xchg", "exchange", 0, [0x86, 0x87], []), ("mov", "register", 0, [0x88, 0x89], []),
    ("mov", "offset", 0, [0xa2, 0xa3], []), ("group_11", "number", 0, [0xc6, 0xc7], []),
    ("group_3", "nothing", 0, [0xf6, 0xf7], []), ("group_4", "nothing", 0, [0xfe, 0xff], []),
    ("bts", "bits", 0, [], [0xab]), ("btr", "bits", 0, [], [0xb3]), ("btc", "bits", 0, [], [0xbb]),
    ("group_8", "bit", 4, [], [0xba]), ("cmpxchg", "register", 0, [], [0xb0, 0xb1]),
    ("xadd", "exchange", 0, [], [0xc0, 0xc1]), ("group_9", "nothing", 8, [], [0xc7]),
] %}
{% for table, column in [("store_rows", 3), ("store_rows_0f", 4)] %}
{% set number = {} %}
{% for row in rows %}
{% set outer = loop.index %}
{% for opcode in row[column] %}
{% do number.update({opcode: outer}) %}
{% endfor %}
{% endfor %}
{% call object(table) %}
{% for byte in range(256) %}
        .byte   {{ number.get(byte, 0) }}
{% endfor %}
{% endcall %}
{% endfor %}
{% call object("store_row_list") %}
{% for operation, source, size, plain, extended in rows %}
        .long   store_{{ operation }}, table_from_{{ source }}, {{ size }}
{% endfor %}
{% endcall %}


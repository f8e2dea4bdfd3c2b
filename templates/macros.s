{# The macros of the assembly sources.

   Invariants
     - A macro's expansion is short, its name says the effect, and it jumps only to labels that it was given.
     - Each says what it clobbers; what it does not name is preserved. All of them clobber the flags.
     - Text that a macro needs (format strings, reasons) goes to .rodata, so that the code around it stays together.
   Sample: routine("frame_get") with the body `ret` becomes
        .globl  frame_get
        .type   frame_get, @function
   frame_get:
        ret
        .size   frame_get, .-frame_get
#}

{# A routine or an entry: one symbol of type function around the body. Its header stands right above the call. #}
{% macro routine(name) %}
        .globl  {{ name }}
        .type   {{ name }}, @function
{{ name }}:
{{ caller() }}
        .size   {{ name }}, .-{{ name }}
{% endmacro %}

{# An object: named data with a size. The section is the caller's. #}
{% macro object(name, align=4) %}
        .balign {{ align }}
        .globl  {{ name }}
        .type   {{ name }}, @object
{{ name }}:
{{ caller() }}
        .size   {{ name }}, .-{{ name }}
{% endmacro %}

{# Zeroed space of `bytes` bytes in .bss. #}
{% macro space(name, bytes, align=4) %}
        .pushsection .bss
        .balign {{ align }}
        .globl  {{ name }}
        .type   {{ name }}, @object
{{ name }}:
        .skip   {{ bytes }}
        .size   {{ name }}, .-{{ name }}
        .popsection
{% endmacro %}

{# One instruction that may fault on guest memory or on a guest's selector; execution then continues at `fail`. #}
{% macro user(instruction, fail) %}
{% set here = unique("user") %}
{{ here }}:
        {{ instruction }}
        .pushsection .ex_table, "a"
        .long   {{ here }}, {{ fail }}
        .popsection
{% endmacro %}

{# NUL-terminated text in .rodata under the label `name`. #}
{% macro text(name, string) %}
        .pushsection .rodata
{{ name }}:
        .asciz  "{{ string }}"
        .popsection
{% endmacro %}

{# Print by format (see asm/lib/format.s) with further operands, which must not be relative to %esp. #}
{% macro print(format) %}
{% set here = unique("format") %}
{{ text(here, format) }}
{% for operand in varargs | reverse %}
        pushl   {{ operand }}
{% endfor %}
        pushl   ${{ here }}
        call    print_format
        addl    $4 * ({{ varargs | length }} + 1), %esp
{% endmacro %}

{# The same for the hypervisor's log: nothing is printed when `level` is above log_level. #}
{% macro log(level, format) %}
{% set here = unique("format") %}
{% set quiet = unique("quiet") %}
{{ text(here, format) }}
        cmpl    ${{ level }}, log_level
        jb      {{ quiet }}
{% for operand in varargs | reverse %}
        pushl   {{ operand }}
{% endfor %}
        pushl   ${{ here }}
        call    print_format
        addl    $4 * ({{ varargs | length }} + 1), %esp
{{ quiet }}:
{% endmacro %}

{# Our own inconsistency: one report, and the machine stops. Does not return. #}
{% macro panic(reason) %}
{% set here = unique("reason") %}
{{ text(here, reason) }}
        pushl   ${{ here }}
        call    panic
{% endmacro %}

{# Debug builds: after `instruction` the condition `jump` must hold, else panic. Keeps all registers. #}
{% macro assert(instruction, jump, reason) %}
{% if debug %}
{% set holds = unique("holds") %}
        {{ instruction }}
        {{ jump }}     {{ holds }}
{{ panic("assertion failed: " ~ reason) }}
{{ holds }}:
{% endif %}
{% endmacro %}

{# The domain builder's verdict on an image: `reason` ends the sentence "FILE refused: ...". Keeps all registers. #}
{% macro refuse(reason) %}
{% set here = unique("reason") %}
{{ text(here, reason) }}
        movl    ${{ here }}, guest + GUEST_IMAGE_error
{% endmacro %}

{# A field of the ENTRY_FRAME of the guest that we work for: it always ends at the top of the hypervisor's stack. #}
{% macro guest_frame(field) %}hypervisor_stack_top - ENTRY_FRAME_size + ENTRY_FRAME_{{ field }}{% endmacro %}

{# A hypercall of a guest by name: arguments are in their registers; result in %eax. #}
{% macro hypercall(name) %}
        movl    $HYPERCALL_{{ name }}, %eax
        int     $0x82
{% endmacro %}

{# One Xen ELF note of a guest: `name` is the note's public name, `directive` and `value` its descriptor. #}
{% macro elf_note(name, directive, value) %}
{% set start = unique("note") %}
        .pushsection .note.Xen, "a"
        .balign 4
        .long   4, {{ start }}_end - {{ start }}, XEN_ELFNOTE_{{ name }}
        .asciz  "Xen"
{{ start }}:
        {{ directive }} {{ value }}
{{ start }}_end:
        .balign 4
        .popsection
{% endmacro %}

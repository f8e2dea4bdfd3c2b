# The hypervisor's command line: copied from the loader, cut into options, stored in variables.
#
# Invariants
#   - Options are NAME=VALUE, separated by blanks. An option that is not known, or whose value is no good, is named
#     in the log and changes nothing: a typing error must not keep a machine from booting.
#   - Options: console=com1,e9 (none: no output at all); log=error|warning|info|debug; dom0_mem=, domu_mem=,
#     domN_mem= with N from 0 to 31, in bytes or with K, M, G; services=1: domains are served from outside of the
#     machine (event/doorbell.s); disk_timeout=SECONDS: how long a disk may not
#     answer (drivers/disk.s).
#   - The loader's first word, the file's name, is dropped when it is no option.

        .section .init, "ax"

{% set L = labels("command_line_parse") %}
# command_line_parse(): copies the command line and handles each of its words.
#
# in:    multiboot_info
# out:   the option variables below
# clob:  none
# errs:  bad options are logged
{% call routine("command_line_parse") %}
        pushal
        movl    multiboot_info, %ebx
        testl   $MULTIBOOT_HAS_CMDLINE, MULTIBOOT_INFO_flags(%ebx)
        jz      {{ L("done") }}
        movl    MULTIBOOT_INFO_cmdline(%ebx), %esi
        movl    $command_line, %edi
        movl    $(COMMAND_LINE_BYTES - 1), %ecx
{{ L("copy") }}:
        lodsb
        stosb
        testb   %al, %al
        loopne  {{ L("copy") }}
        movl    $command_line, %esi
{{ L("next_word") }}:
        call    word_next                       # %esi = word, %ecx = its length, 0 at the end
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        call    option_handle
        addl    %ecx, %esi
        jmp     {{ L("next_word") }}
{{ L("done") }}:
        popal
        ret
{% endcall %}

{% set L = labels("word_next") %}
# word_next(text): the next word of a text.
#
# in:    %esi = text
# out:   %esi = start of the word, %ecx = its length, 0 when there is none
# clob:  none
# errs:  none
{% call routine("word_next") %}
{{ L("skip_blanks") }}:
        cmpb    $' ', (%esi)
        jne     {{ L("found") }}
        incl    %esi
        jmp     {{ L("skip_blanks") }}
{{ L("found") }}:
        xorl    %ecx, %ecx
{{ L("next_character") }}:
        cmpb    $0, (%esi,%ecx)
        je      {{ L("end") }}
        cmpb    $' ', (%esi,%ecx)
        je      {{ L("end") }}
        incl    %ecx
        jmp     {{ L("next_character") }}
{{ L("end") }}:
        ret
{% endcall %}

{% set L = labels("option_handle") %}
# option_handle(word): finds the option in option_table and calls its routine with the value.
#
# in:    %esi = word, %ecx = its length (> 0)
# out:   -
# clob:  none
# errs:  an unknown option or a bad value is logged, but for a word without `=`, the name of our file
# calls: option_console, option_log, option_memory, option_number, option_switch
{% call routine("option_handle") %}
        pushal
        movb    (%esi,%ecx), %dl                # cut the word off while it is handled
        movb    $0, (%esi,%ecx)
        pushl   %edx
        leal    (%esi,%ecx), %ebp
        movl    $option_table, %ebx
{{ L("next_option") }}:
        movl    OPTION_name(%ebx), %edi
        testl   %edi, %edi
        jz      {{ L("unknown") }}
        call    string_starts
        testl   %eax, %eax
        jnz     {{ L("known") }}
        addl    $OPTION_size, %ebx
        jmp     {{ L("next_option") }}
{{ L("known") }}:
        movl    %esi, %edx
        xchgl   %esi, %edi
        call    string_length
        addl    %eax, %edi
        movl    %edi, %esi                      # the value
        movl    OPTION_argument(%ebx), %edi
        call    *OPTION_routine(%ebx)
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ log("LOG_WARNING", "command line: %s: this value is not understood\\n", "%edx") }}
        jmp     {{ L("done") }}
{{ L("unknown") }}:
        movl    %esi, %edi
{{ L("look_for_equals") }}:
        movb    (%edi), %al
        incl    %edi
        testb   %al, %al
        jz      {{ L("done") }}
        cmpb    $'=', %al
        jne     {{ L("look_for_equals") }}
{{ log("LOG_WARNING", "command line: %s: there is no such option\\n", "%esi") }}
{{ L("done") }}:
        popl    %edx
        movb    %dl, (%ebp)
        popal
        ret
{% endcall %}

{% set L = labels("option_console") %}
# option_console(value): where the console's output goes.
#
# in:    %esi = value: com1, e9, none, or com1,e9
# out:   %eax = 1, or 0 when the value is no good
# clob:  none
# errs:  a bad value changes nothing
{% call routine("option_console") %}
        pushl   %edi
        pushl   %ecx
{% for word, targets in [("com1,e9", "CONSOLE_COM1 | CONSOLE_DEBUG_PORT"), ("com1", "CONSOLE_COM1"),
                         ("e9", "CONSOLE_DEBUG_PORT"), ("none", "0")] %}
{% set name = unique("console_word") %}
{{ text(name, word) }}
        movl    $({{ targets }}), %ecx
        movl    ${{ name }}, %edi
        call    string_equal
        testl   %eax, %eax
        jnz     {{ L("found") }}
{% endfor %}
        jmp     {{ L("done") }}
{{ L("found") }}:
        movl    %ecx, console_targets
{{ L("done") }}:
        popl    %ecx
        popl    %edi
        ret
{% endcall %}

{% set L = labels("option_log") %}
# option_log(value): which messages are printed.
#
# in:    %esi = value: error, warning, info or debug
# out:   %eax = 1, or 0 when the value is no good
# clob:  none
# errs:  a bad value changes nothing
{% call routine("option_log") %}
        pushl   %edi
        pushl   %ecx
{% for word in ["error", "warning", "info", "debug"] %}
{% set name = unique("log_word") %}
{{ text(name, word) }}
        movl    $LOG_{{ word | upper }}, %ecx
        movl    ${{ name }}, %edi
        call    string_equal
        testl   %eax, %eax
        jnz     {{ L("found") }}
{% endfor %}
        jmp     {{ L("done") }}
{{ L("found") }}:
        movl    %ecx, log_level
{{ L("done") }}:
        popl    %ecx
        popl    %edi
        ret
{% endcall %}

{% set L = labels("option_memory") %}
# option_memory(value, variable): a size in bytes, kept as a number of frames.
#
# in:    %esi = value, %edi = address of the variable
# out:   %eax = 1, or 0 when the value is no number, zero, or has something behind it
# clob:  none
# errs:  a bad value changes nothing
{% call routine("option_memory") %}
        pushl   %edx
        pushl   %esi
        call    string_to_number                # %eax = bytes, %edx = 1 if it is a number, %esi = behind it
        testl   %edx, %edx
        jz      {{ L("bad") }}
        cmpb    $0, (%esi)
        jne     {{ L("bad") }}
        shrl    $PAGE_SHIFT, %eax
        jz      {{ L("bad") }}
        movl    %eax, (%edi)
        movl    $1, %eax
        jmp     {{ L("done") }}
{{ L("bad") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %esi
        popl    %edx
        ret
{% endcall %}

{% set L = labels("option_number") %}
# option_number(value, variable): a number.
#
# in:    %esi = value, %edi = address of the variable
# out:   %eax = 1, or 0 when the value is no number, or has something behind it
# clob:  none
# errs:  a bad value changes nothing
{% call routine("option_number") %}
        pushl   %edx
        pushl   %esi
        call    string_to_number                # %eax = number, %edx = 1 if it is one, %esi = behind it
        testl   %edx, %edx
        jz      {{ L("bad") }}
        cmpb    $0, (%esi)
        jne     {{ L("bad") }}
        movl    %eax, (%edi)
        jmp     {{ L("good") }}
{{ L("bad") }}:
        xorl    %edx, %edx
{{ L("good") }}:
        movl    %edx, %eax
        popl    %esi
        popl    %edx
        ret
{% endcall %}

{% set L = labels("option_switch") %}
# option_switch(value, variable): on or off.
#
# in:    %esi = value: 1 or 0, %edi = address of the variable
# out:   %eax = 1, or 0 when the value is no good
# clob:  none
# errs:  a bad value changes nothing
{% call routine("option_switch") %}
        movzwl  (%esi), %eax                    # the digit, and the value's end
        subl    $'0', %eax
        cmpl    $1, %eax
        ja      {{ L("bad") }}
        movl    %eax, (%edi)
        movl    $1, %eax
        ret
{{ L("bad") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set options = [("console=", "option_console", "0"), ("log=", "option_log", "0"),
                  ("dom0_mem=", "option_memory", "option_dom0_pages"),
                  ("domu_mem=", "option_memory", "option_domu_pages"),
                  ("services=", "option_switch", "option_services"),
                  ("disk_timeout=", "option_number", "disk_timeout")] %}
{% for number in range(1, 32) %}
{% set _ = options.append(("dom" ~ number ~ "_mem=", "option_memory", "option_dom_pages + 4 * " ~ number)) %}
{% endfor %}
{% for word, routine_name, argument in options %}
{{ text("option_name_" ~ loop.index0, word) }}
{% endfor %}
        .section .rodata
{% call object("option_table") %}
{% for word, routine_name, argument in options %}
        .long   option_name_{{ loop.index0 }}, {{ routine_name }}, {{ argument }}
{% endfor %}
        .long   0, 0, 0
{% endcall %}

        .data
{% call object("log_level") %}
        .long   LOG_INFO
{% endcall %}
{% call object("console_targets") %}
        .long   CONSOLE_COM1
{% endcall %}
{% for name in ["option_dom0_pages", "option_domu_pages", "option_services"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("option_dom_pages", "4 * 32") }}
{{ space("command_line", "COMMAND_LINE_BYTES") }}

# Operations of an application: `int` from ring 3 to the kernel in ring 1, and back.
#
# The application is a loop; the whole loop is one call of the operation, with USER_TURNS turns. The kernel's handler is
# an `iret` and no more: ring 1 may return to ring 3 by itself.
#
# Invariants
#   - The application has no stack: its first trap stands at the top of trap_stack (ABI 5.5), and so does each next one.
#   - user_esp is the kernel's stack pointer while the application runs.

        .text

        .set    VECTOR_DIRECT, 0x80
        .set    VECTOR_BOUNCED, 0x40
        .set    VECTOR_LEAVE, 0x50
        .set    USER_TURNS, 64                  # the `operations per call` of main.s

# user_pages_open(): lets applications execute the page (or the two) of user_code.
#
# in:    %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("user_pages_open") %}
        movl    $user_code, %ebx
        call    user_page_open
        testl   %eax, %eax
        jnz     1f
        movl    $user_code_end - 1, %ebx
        jmp     user_page_open
1:
        ret
{% endcall %}

# user_page_open(va): lets applications read and execute a page.
#
# in:    %ebx = address; %ebp = start_info
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx, %esi
# errs:  those of update_va_mapping
{% call routine("user_page_open") %}
        call    page_frame
        movl    $(PTE_P | PTE_US | PTE_A), %ecx
        jmp     page_map
{% endcall %}

{% for name in ["user_nothing", "int_bounced", "int_direct"] %}
# bench_{{ name }}(): USER_TURNS turns of the loop in ring 3{{ ", which are empty" if name == "user_nothing" }}.
#
# in:    -
# out:   -
# clob:  %eax
# errs:  none
# why:   user_left returns in its place; that it does is said in the exception table, for the checker of contracts
{% call routine("bench_" ~ name) %}
        movl    %esp, user_esp
        movl    ${{ name }}_loop, %eax
        {{ user("jmp user_enter", fail="bench_" ~ name ~ "_left") }}
bench_{{ name }}_left:
        ret
{% endcall %}

{% endfor %}
# user_enter: goes on in ring 3.
#
# in:    %eax = where
# out:   does not return
# errs:  none
{% call routine("user_enter") %}
        movl    $USER_TURNS, %ecx
        movl    $FLAT_USER_DS, %edx
        movl    %edx, %ds
        movl    %edx, %es
        pushl   $FLAT_USER_SS
        pushl   $0
        pushl   $(EFLAGS_ONE | EFLAGS_IF)
        pushl   $FLAT_USER_CS
        pushl   %eax
        iret
{% endcall %}

# user_left: the application's `int $VECTOR_LEAVE`: back to whoever called the operation.
#
# in:    stack: the application's frame
# out:   does not return
# errs:  none
{% call routine("user_left") %}
        movl    $FLAT_KERNEL_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    user_esp, %esp
        ret
{% endcall %}

# system_call: what the kernel does for an application here: nothing.
#
# in:    stack: the application's frame
# out:   does not return
# errs:  none
{% call routine("system_call") %}
        iret
{% endcall %}

# user_code: the application.
#
# in:    ring 3; %ecx = turns
# out:   does not return
# errs:  none
{% call routine("user_code") %}
{% for name, vector in [("user_nothing", None), ("int_bounced", "VECTOR_BOUNCED"), ("int_direct", "VECTOR_DIRECT")] %}
{{ name }}_loop:
{{ name }}_begin:
{% if vector %}
        int     ${{ vector }}
{% endif %}
{{ name }}_end:
        decl    %ecx
        jnz     {{ name }}_loop
        int     $VECTOR_LEAVE
{% endfor %}
        jmp     user_code
{% endcall %}
user_code_end:

{{ space("user_esp", 4) }}
{{ space("trap_stack", "PAGE_SIZE", "PAGE_SIZE") }}
        .set    trap_stack_top, trap_stack + PAGE_SIZE

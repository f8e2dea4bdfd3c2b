# The hypercall console_io (ABI 10.6): a domain's output and domain 0's input.
#
# Invariants
#   - Output is copied from the guest in pieces of CONSOLE_PIECE bytes; a bad address gives -EFAULT, and what was before
#     it has been printed.
#   - Nobody waits for the device on behalf of a guest: when it is busy, or a stretch of work is done (work.s), the
#     guest is made to call again, for the rest.
#   - Any domain may write (as in Xen's debug builds); only domain 0 reads, CONSOLE_PIECE characters at a time.

        .text

{% set L = labels("do_console_io") %}
# do_console_io(cmd, count, buffer): writes to the console, or reads from it.
#
# in:    %ebx = CONSOLEIO_write or CONSOLEIO_read, %ecx = count, %edx = buffer; %ebp = current vcpu
# out:   %eax = 0 after a write, the number of characters after a read, or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EPERM (a read by another domain than 0), -ENOSYS (another cmd)
{% call routine("do_console_io") %}
        movl    %edx, %esi
        cmpl    $CONSOLEIO_write, %ebx
        je      {{ L("write") }}
        cmpl    $CONSOLEIO_read, %ebx
        je      console_read
        movl    $-ENOSYS, %eax
        ret
{{ L("write") }}:
        movl    VCPU_domain(%ebp), %edx
        movl    %ecx, %ebx                      # what remains
        call    work_bound
{{ L("next_piece") }}:
        xorl    %eax, %eax
        testl   %ebx, %ebx
        jle     {{ L("done") }}
        movl    %ebx, %ecx
        cmpl    $CONSOLE_PIECE, %ecx
        jbe     {{ L("piece_ok") }}
        movl    $CONSOLE_PIECE, %ecx
{{ L("piece_ok") }}:
        movl    $console_piece, %edi
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
{{ L("next_character") }}:
        cmpl    $0, work_left
        jle     {{ L("continue_later") }}
        call    uart_ready
        jc      {{ L("continue_later") }}
        decl    work_left
        movb    (%edi), %al
        cmpb    $'\n', %al
        jne     {{ L("same_line") }}
        subl    $WORK_OF_A_LINE, work_left
{{ L("same_line") }}:
        call    console_character
        incl    %edi
        incl    %esi
        decl    %ebx
        decl    %ecx
        jnz     {{ L("next_character") }}
        jmp     {{ L("next_piece") }}
{{ L("done") }}:
        jmp     work_end
{{ L("continue_later") }}:
        call    work_end
        movl    %esi, %edx
        movl    %ebx, %ecx
        movl    $CONSOLEIO_write, %ebx
        movl    $HYPERCALL_console_io, %eax
        jmp     hypercall_continue_edx
{% endcall %}

{% set L = labels("console_read") %}
# console_read(count, buffer): what has been typed so far, up to count characters, or CONSOLE_PIECE.
#
# in:    %ecx = count, %esi = buffer; %ebp = current vcpu
# out:   %eax = number of characters taken, or an error
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -EPERM, -EFAULT (the character at hand is lost; those before it count)
{% call routine("console_read") %}
        movl    VCPU_domain(%ebp), %edx
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("not_allowed") }}
        movl    %esi, %edi
        movl    %ecx, %ebx
        cmpl    $CONSOLE_PIECE, %ebx
        jle     {{ L("count_ok") }}
        movl    $CONSOLE_PIECE, %ebx
{{ L("count_ok") }}:
        xorl    %edx, %edx                      # taken
{{ L("next_character") }}:
        cmpl    %ebx, %edx
        jge     {{ L("done") }}
        call    uart_read
        testl   %eax, %eax
        js      {{ L("done") }}
        movb    %al, console_piece
        movl    $console_piece, %esi
        movl    $1, %ecx
        call    copy_to_guest
        testl   %eax, %eax
        jnz     {{ L("bad_buffer") }}
        incl    %edi
        incl    %edx
        jmp     {{ L("next_character") }}
{{ L("done") }}:
        movl    %edx, %eax
        addl    %edx, work_done
        ret
{{ L("bad_buffer") }}:
        testl   %edx, %edx
        jnz     {{ L("done") }}
        ret
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
        ret
{% endcall %}

{{ space("console_piece", "CONSOLE_PIECE") }}

# Extents: runs of free frames whose first number is a multiple of their length, as memory_op gives them (ABI 8.2).
#
# Invariants
#   - What frames.s says of frames taken.

        .text

{% set L = labels("frames_alloc_aligned") %}
# frames_alloc_aligned(count): takes the lowest aligned run of free frames.
#
# in:    %ecx = count, a power of two
# out:   %eax = first mfn, or 0 when there is no such run
# clob:  none
# errs:  none
{% call routine("frames_alloc_aligned") %}
        cmpl    $1, %ecx
        je      frame_alloc
        pushl   %edx
        movl    frame_hint, %eax
        shll    $5, %eax
        addl    %ecx, %eax
        decl    %eax
        movl    %ecx, %edx
        negl    %edx
        andl    %edx, %eax                      # the first multiple of the count that may be free
{{ L("next_run") }}:
        leal    (%eax,%ecx), %edx
        cmpl    max_frame, %edx
        ja      {{ L("none") }}
{{ L("next_frame") }}:
        decl    %edx
        btl     %edx, frame_bitmap
        jnc     {{ L("interrupted") }}
        cmpl    %eax, %edx
        ja      {{ L("next_frame") }}
        pushl   %eax
        movl    %ecx, %edx
{{ L("take") }}:
        call    frame_take
        incl    %eax
        decl    %edx
        jnz     {{ L("take") }}
        popl    %eax
        jmp     {{ L("done") }}
{{ L("interrupted") }}:
        addl    %ecx, %eax
        jmp     {{ L("next_run") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edx
        ret
{% endcall %}

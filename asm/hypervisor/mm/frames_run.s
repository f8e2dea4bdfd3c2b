# Runs of frames for the domain builder: any number of frames in a row, taken in pieces (control/job.s).
#
# Invariants
#   - What frames.s says of frames taken. Each frame belongs to the run's DOMAIN from the moment when it is taken.
#   - Between pieces others may take a frame of the run that we are about to take: then what we have goes back, and the
#     search begins again.

        .text

{% set L = labels("run_take") %}
# run_take(count, owner): takes the lowest run of free frames. Their contents are what they were.
#
# in:    %ecx = count, 1 or more; %ebx = DOMAIN, or 0: the hypervisor's own
# out:   %eax = first mfn, or 0 when there is no such run; run_first, run_taken: what is taken so far
# clob:  none
# errs:  0
{% call routine("run_take") %}
        pushl   %edx
{{ L("next_run") }}:
        movl    $0, run_taken
        call    run_search
        movl    %eax, run_first
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("next_frame") }}:
        movl    run_first, %eax
        addl    run_taken, %eax
        btl     %eax, frame_bitmap
        jnc     {{ L("lost") }}
        call    frame_take
        testl   %ebx, %ebx
        jz      {{ L("ours") }}
        incl    DOMAIN_nr_pages(%ebx)
        shll    $4, %eax
        movl    %ebx, FRAME_TABLE + FRAME_owner(%eax)
{{ L("ours") }}:
        incl    run_taken
        testl   $31, run_taken
        jnz     {{ L("enough") }}
        call    job_breathe
{{ L("enough") }}:
        cmpl    %ecx, run_taken
        jb      {{ L("next_frame") }}
        movl    run_first, %eax
{{ L("done") }}:
        popl    %edx
        ret
{{ L("lost") }}:
        call    run_give_back
        jmp     {{ L("next_run") }}
{% endcall %}

{% set L = labels("run_give_back") %}
# run_give_back(owner): the frames of the run that are taken so far are free again.
#
# in:    %ebx = DOMAIN or 0; run_first, run_taken
# out:   run_taken = 0
# clob:  %eax
# errs:  none
# why:   domain 0 may have mapped a frame of a domain that is being built: it goes when that mapping does
{% call routine("run_give_back") %}
{{ L("next_frame") }}:
        cmpl    $0, run_taken
        je      {{ L("done") }}
        decl    run_taken
        movl    run_first, %eax
        addl    run_taken, %eax
        testl   %ebx, %ebx
        jz      {{ L("ours") }}
        call    frame_record
        andl    $~FRAME_ALLOCATED, FRAME_count(%eax)
        call    frame_put
        jmp     {{ L("given") }}
{{ L("ours") }}:
        call    frame_free
{{ L("given") }}:
        testl   $31, run_taken
        jnz     {{ L("next_frame") }}
        call    job_breathe
        jmp     {{ L("next_frame") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("run_search") %}
# run_search(count): where the lowest run of free frames is; takes nothing.
#
# in:    %ecx = count, 1 or more
# out:   %eax = first mfn, or 0 when there is none
# clob:  %edx
# errs:  0
# why:   whole words of the bitmap are passed at once: machines have many frames, and most are taken or free together
{% call routine("run_search") %}
        pushl   %esi
        movl    frame_hint, %eax
        subl    $FRAME_LEAVES >> 10, %eax
        shll    $10, %eax                       # candidate: first frame of the run
{{ L("next_run") }}:
        movl    %eax, %esi                      # the frame that is looked at
{{ L("next_frame") }}:
        movl    %esi, %edx
        subl    %eax, %edx                      # length so far
        cmpl    %ecx, %edx
        jae     {{ L("done") }}
        cmpl    max_frame, %esi
        jae     {{ L("none") }}
        testl   $31, %esi
        jnz     {{ L("bit") }}
        movl    %esi, %edx
        shrl    $5, %edx
        movl    frame_bitmap(,%edx,4), %edx
        testl   %edx, %edx
        jz      {{ L("none_of_32") }}
        incl    %edx
        jnz     {{ L("some_of_32") }}
        addl    $32, %esi
        testl   $(RUN_SEARCH_PIECE - 1), %esi
        jnz     {{ L("next_frame") }}
        call    job_breathe
        jmp     {{ L("next_frame") }}
{{ L("bit") }}:
        btl     %esi, frame_bitmap
        jnc     {{ L("taken") }}
        incl    %esi
        jmp     {{ L("next_frame") }}
{{ L("taken") }}:
        leal    1(%esi), %eax
        jmp     {{ L("next_run") }}
{{ L("some_of_32") }}:
        decl    run_mixed
        jnz     {{ L("bit") }}
        movl    $RUN_SEARCH_MIXED, run_mixed
        call    job_breathe
        jmp     {{ L("bit") }}
{{ L("none_of_32") }}:
        leal    32(%esi), %eax
        testl   $(RUN_SEARCH_PIECE - 1), %eax
        jnz     {{ L("next_run") }}
        call    job_breathe
        jmp     {{ L("next_run") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %esi
        ret
{% endcall %}

        .data
{% for name, first in [("run_first", "0"), ("run_taken", "0"), ("run_mixed", "RUN_SEARCH_MIXED")] %}
{% call object(name) %}
        .long   {{ first }}
{% endcall %}
{% endfor %}

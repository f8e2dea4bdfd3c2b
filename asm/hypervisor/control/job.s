# Long work for domain 0 that is one straight piece of code: a coroutine on a stack of its own (building a domain,
# making room for an image).
#
# A hypercall that starts a job runs it until it has done as much as one stretch without interrupts may be; then the job
# stops in job_breathe, the hypercall returns -ERESTART, and domain 0 makes it again, which goes on with the job.
#
# Invariants
#   - There is one job at a time: job_key says whose (a DOMAIN or an IMAGE), 0 when there is none. At boot there is
#     none, and job_breathe returns at once: the builder's code is the same there.
#   - A job runs with the idle page tables, which show physical memory one to one (boot.s). It may not touch memory of a
#     guest by a guest's address.
#   - job_stack holds the job's stack from job_stack_pointer on while it does not run; job_caller is the stack pointer
#     of the hypercall while it does.
#   - Whatever a job takes belongs to its DOMAIN or IMAGE from then on: to abandon it is to forget its stack.

        .text

{% set L = labels("job_run") %}
# job_run(key, routine): begins a job, or goes on with it.
#
# in:    %ebx = DOMAIN or IMAGE that it is for, %eax = routine; %ebp = current vcpu
# out:   %eax = 0: it is complete; or an error
# clob:  none
# errs:  -ERESTART (it goes on when it is asked for again), -EBUSY (there is another one)
{% call routine("job_run") %}
        cmpl    $0, job_key
        jne     {{ L("begun") }}
        movl    %ebx, job_key
        movl    %eax, job_routine
        movl    $0, job_stack_pointer
{{ L("begun") }}:
        cmpl    %ebx, job_key
        jne     {{ L("busy") }}
        movl    work_done, %eax                 # a job shares the stretch with what was done before it (work.s)
        shrl    $JOB_UNIT_SHIFT, %eax
        negl    %eax
        addl    $JOB_UNITS, %eax
        movl    %eax, job_left
        call    job_enter
        movl    $JOB_UNITS, %eax
        subl    job_left, %eax
        shll    $JOB_UNIT_SHIFT, %eax
        movl    %eax, work_done
        xorl    %eax, %eax
        cmpl    $0, job_key
        je      {{ L("done") }}
        movl    $-ERESTART, %eax
{{ L("done") }}:
        ret
{{ L("busy") }}:
        movl    $-EBUSY, %eax
        ret
{% endcall %}

{% set L = labels("job_abandon") %}
# job_abandon(key): the job for a domain or an image is never gone on with.
#
# in:    %ebx = DOMAIN or IMAGE
# out:   -
# clob:  none
# errs:  none
{% call routine("job_abandon") %}
        cmpl    %ebx, job_key
        jne     {{ L("not_its_own") }}
        movl    $0, job_key
{{ L("not_its_own") }}:
        ret
{% endcall %}

{% set L = labels("job_enter") %}
# job_enter(): runs the job until it is complete or wants to breathe.
#
# in:    job_routine, job_stack_pointer
# out:   job_key = 0 when it is complete
# clob:  none
# errs:  none
{% call routine("job_enter") %}
        cmpl    $0, job_key
        je      {{ L("no_job") }}
        pushal
        movl    %esp, job_caller
        movl    $idle_l3 - IMAGE_LOAD_OFFSET, %eax
        movl    %eax, %cr3
        incl    tlb_epoch
        jmp     job_switch
{{ L("no_job") }}:
        ret
{% endcall %}

{% set L = labels("job_switch") %}
# job_switch: the job's stack in place of the hypercall's.
#
# in:    idle page tables; the hypercall's registers are on its stack
# out:   does not return
# errs:  none
# calls: domain_build, image_fill
{% call routine("job_switch") %}
        movl    job_stack_pointer, %eax
        testl   %eax, %eax
        jz      {{ L("first_time") }}
        movl    %eax, %esp
        popal
        ret
{{ L("first_time") }}:
        movl    $job_stack_top, %esp
        call    *job_routine
        movl    $0, job_key
        jmp     job_leave
{% endcall %}

# job_leave: the hypercall's stack and its domain's page tables in place of the job's.
#
# in:    job_caller
# out:   does not return
# errs:  none
{% call routine("job_leave") %}
        movl    current_vcpu, %ebp
        movl    VCPU_cr3(%ebp), %eax
        movl    %eax, %cr3
        incl    tlb_epoch
        movl    job_caller, %esp
        popal
        ret
{% endcall %}

{% set L = labels("job_breathe") %}
# job_breathe(): a unit of work, about 1000 instructions, is done: stops the job when it was enough for now.
#
# in:    job_left
# out:   -
# clob:  none
# errs:  none
{% call routine("job_breathe") %}
        cmpl    $0, job_key
        je      {{ L("no_job") }}
        decl    job_left
        jle     {{ L("pause") }}
{{ L("no_job") }}:
        ret
{{ L("pause") }}:                               # goes on in job_switch, from this stack
        pushal
        movl    %esp, job_stack_pointer
        jmp     job_leave
{% endcall %}

{% set L = labels("job_zero") %}
# job_zero(to, bytes): fills memory with zero, and breathes.
#
# in:    %edi = to, a physical address, %ecx = bytes
# out:   -
# clob:  none
# errs:  none
{% call routine("job_zero") %}
        pushl   %eax
        pushl   %ecx
        pushl   %edi
        movl    %ecx, %eax                      # what is left
{{ L("next_piece") }}:
        movl    %eax, %ecx
        cmpl    $PAGE_SIZE, %ecx
        jbe     {{ L("last_piece") }}
        movl    $PAGE_SIZE, %ecx
{{ L("last_piece") }}:
        call    memory_zero
        addl    %ecx, %edi
        call    job_breathe
        subl    %ecx, %eax
        jnz     {{ L("next_piece") }}
        popl    %edi
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

{% set L = labels("job_copy") %}
# job_copy(to, from, bytes): copies memory, and breathes.
#
# in:    %edi = to, %esi = from, physical addresses, %ecx = bytes
# out:   -
# clob:  none
# errs:  none
{% call routine("job_copy") %}
        pushl   %eax
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        movl    %ecx, %eax                      # what is left
{{ L("next_piece") }}:
        movl    %eax, %ecx
        cmpl    $PAGE_SIZE, %ecx
        jbe     {{ L("last_piece") }}
        movl    $PAGE_SIZE, %ecx
{{ L("last_piece") }}:
        call    memory_copy
        addl    %ecx, %edi
        addl    %ecx, %esi
        call    job_breathe
        subl    %ecx, %eax
        jnz     {{ L("next_piece") }}
        popl    %edi
        popl    %esi
        popl    %ecx
        popl    %eax
        ret
{% endcall %}

        .data
{% for name in ["job_key", "job_routine", "job_stack_pointer", "job_caller", "job_left"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("job_stack", "JOB_STACK_BYTES", 16) }}
        .pushsection .bss
        .globl  job_stack_top
job_stack_top:
        .popsection

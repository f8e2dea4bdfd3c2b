# The operations of mmuext_op on frames (ABI 6.8): pins, clearing, copying.
#
# Invariants
#   - They work on frames of mmu_page_owner.
#   - A pin is one reference to the frame and one to its type, and at most one: FRAME_PINNED says that it is there.

        .text

{% for level in ["l1", "l2", "l3"] %}
# mmuext_pin_{{ level }}(mfn): keeps a table validated.
#
# in:    %ebx = mfn
# out:   %eax = 0 or an error
# clob:  %ecx, %edx, %esi
# errs:  as mmuext_pin
{% call routine("mmuext_pin_" ~ level) %}
        movl    $FRAME_TYPE_{{ level | upper }}, %edx
        jmp     mmuext_pin
{% endcall %}

{% endfor %}
{% set L = labels("mmuext_pin") %}
# mmuext_pin(mfn, type): the work of the three.
#
# in:    %ebx = mfn, %edx = FRAME_TYPE_*
# out:   %eax = 0 or an error
# clob:  %ecx, %esi
# errs:  -EINVAL (not its frame, of another type, pinned already), or what the validation says
{% call routine("mmuext_pin") %}
        movl    %ebx, %eax
        movl    mmu_page_owner, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad_frame") }}
        movl    %eax, %esi
        call    type_get
        testl   %eax, %eax
        jnz     {{ L("drop") }}
        testl   $FRAME_PINNED, FRAME_type(%esi)
        jnz     {{ L("pinned_already") }}
        orl     $FRAME_PINNED, FRAME_type(%esi)
        ret
{{ L("pinned_already") }}:
        movl    %esi, %eax
        call    type_put
        movl    $-EINVAL, %eax
{{ L("drop") }}:
        xchgl   %eax, %esi
        call    frame_put
        movl    %esi, %eax
        ret
{{ L("bad_frame") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("mmuext_unpin") %}
# mmuext_unpin(mfn): gives up what a pin held.
#
# in:    %ebx = mfn
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %esi
# errs:  -EINVAL: not its frame, or not pinned
{% call routine("mmuext_unpin") %}
        movl    %ebx, %eax
        movl    mmu_page_owner, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad_frame") }}
        movl    %eax, %esi
        testl   $FRAME_PINNED, FRAME_type(%esi)
        jz      {{ L("not_pinned") }}
        andl    $~FRAME_PINNED, FRAME_type(%esi)
        call    type_put
        movl    %esi, %eax
        call    frame_put
        movl    %esi, %eax
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("not_pinned") }}:
        call    frame_put
{{ L("bad_frame") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("mmuext_clear_page") %}
# mmuext_clear_page(mfn): fills a frame with zeroes.
#
# in:    %ebx = mfn
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EINVAL: not its frame, or it cannot be writable
{% call routine("mmuext_clear_page") %}
        call    writable_frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        movl    %eax, %esi
        call    frame_address
        movl    %eax, %edi
        movl    $PAGE_SIZE, %ecx
        call    memory_zero
        subl    $WORK_OF_A_PAGE, work_left
        movl    %esi, %eax
        call    type_put
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

{% set L = labels("mmuext_copy_page") %}
# mmuext_copy_page(to, from): copies a frame.
#
# in:    %ebx = mfn of the copy, %ecx = mfn of the original
# out:   %eax = 0 or -EINVAL
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EINVAL: not its frames, or the copy's cannot be writable
{% call routine("mmuext_copy_page") %}
        movl    %ecx, %eax
        movl    mmu_page_owner, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("bad") }}
        pushl   %eax                            # the original's record
        call    writable_frame_get
        testl   %eax, %eax
        jz      {{ L("bad_copy") }}
        pushl   %eax                            # the copy's record
        call    frame_address
        movl    %eax, %edi
        movl    4(%esp), %eax
        call    frame_address
        movl    %eax, %esi
        movl    $PAGE_SIZE, %ecx
        call    memory_copy
        subl    $WORK_OF_A_PAGE, work_left
        popl    %eax
        call    type_put
        call    frame_put
        popl    %eax
        call    frame_put
        xorl    %eax, %eax
        ret
{{ L("bad_copy") }}:
        popl    %eax
        call    frame_put
{{ L("bad") }}:
        movl    $-EINVAL, %eax
        ret
{% endcall %}

# writable_frame_get(mfn): a reference, and one to the type writable.
#
# in:    %ebx = mfn; mmu_page_owner
# out:   %eax = FRAME, or 0
# clob:  %ecx, %edx
# errs:  0: not its frame, or of another type
{% call routine("writable_frame_get") %}
        movl    %ebx, %eax
        movl    mmu_page_owner, %ecx
        movl    $FRAME_TYPE_WRITABLE, %edx
        jmp     frame_use
{% endcall %}

# The hypervisor's heap: blocks of 32 to 4096 bytes, in powers of two, for domains, vcpus and shared pages.
#
# Invariants
#   - A block is aligned to its size, so it never crosses a page, and a block of 4096 bytes is a page.
#   - A page is cut into blocks of one class for ever; the free ones of a class are chained through their first word.
#   - Pages are mapped from HEAP_START upwards, one frame each; heap_next is the first address without a page.
#   - What heap_alloc returns is zero, so no domain ever sees what another left there.

        .text

{% set L = labels("heap_class") %}
# heap_class(bytes): the size class of a request.
#
# in:    %ecx = bytes, 1 to 4096
# out:   %eax = class: blocks have HEAP_SMALLEST << class bytes
# clob:  none
# errs:  more than 4096 bytes is a panic
{% call routine("heap_class") %}
        cmpl    $PAGE_SIZE, %ecx
        ja      {{ L("too_large") }}
        pushl   %ecx
        decl    %ecx
        orl     $(HEAP_SMALLEST - 1), %ecx
        bsrl    %ecx, %eax
        subl    $4, %eax                        # 31 has bit 4: class 0
        popl    %ecx
        ret
{{ L("too_large") }}:
{{ panic("heap: a block of more than a page") }}
{% endcall %}

{% set L = labels("heap_alloc") %}
# heap_alloc(bytes): a zeroed block.
#
# in:    %ecx = bytes, 1 to 4096
# out:   %eax = block, aligned to its size class, or 0 when there is no memory
# clob:  none
# errs:  none
{% call routine("heap_alloc") %}
        pushl   %ecx
        pushl   %edx
        pushl   %edi
        call    heap_class
        movl    %eax, %edx
        cmpl    $0, heap_free_blocks(,%edx,4)
        jne     {{ L("have_block") }}
        call    heap_grow
        testl   %eax, %eax
        jz      {{ L("done") }}
{{ L("have_block") }}:
        movl    heap_free_blocks(,%edx,4), %edi
        movl    HEAP_BLOCK_next(%edi), %eax
        movl    %eax, heap_free_blocks(,%edx,4)
        movl    %edx, %ecx
        movl    $HEAP_SMALLEST, %eax
        shll    %cl, %eax
        movl    %eax, %ecx
        call    memory_zero
        movl    %edi, %eax
{{ L("done") }}:
        popl    %edi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("heap_grow") %}
# heap_grow(class): maps one more page and chains its blocks.
#
# in:    %edx = class, whose chain is empty
# out:   %eax = 1, or 0 when there is no memory or no address left
# clob:  none
# errs:  none
{% call routine("heap_grow") %}
        pushl   %ecx
        pushl   %edx
        pushl   %esi
        pushl   %edi
        movl    heap_next, %edi
        cmpl    $HEAP_END, %edi
        jae     {{ L("none") }}
        call    frame_alloc
        testl   %eax, %eax
        jz      {{ L("done") }}
        movl    %edx, %ecx
        movl    $HEAP_SMALLEST, %esi
        shll    %cl, %esi                       # bytes of a block
        shll    $PAGE_SHIFT, %eax
        leal    (PTE_P | PTE_RW | PTE_A | PTE_D)(%eax), %edx
        movl    %edi, %eax
        call    hv_map_page_nx
        addl    $PAGE_SIZE, heap_next
        movl    8(%esp), %edx                   # the class again, as pushed
        xorl    %ecx, %ecx
{{ L("next_block") }}:
        movl    %ecx, HEAP_BLOCK_next(%edi)
        movl    %edi, %ecx
        addl    %esi, %edi
        testl   $PAGE_OFFSET_MASK, %edi
        jnz     {{ L("next_block") }}
        movl    %ecx, heap_free_blocks(,%edx,4)
        movl    $1, %eax
        jmp     {{ L("done") }}
{{ L("none") }}:
        xorl    %eax, %eax
{{ L("done") }}:
        popl    %edi
        popl    %esi
        popl    %edx
        popl    %ecx
        ret
{% endcall %}

# heap_free(block, bytes): gives a block back.
#
# in:    %eax = block, %ecx = bytes that it was asked for with
# out:   -
# clob:  none
# errs:  none
{% call routine("heap_free") %}
        pushl   %eax
        pushl   %edx
        movl    %eax, %edx
        call    heap_class
        pushl   heap_free_blocks(,%eax,4)
        popl    HEAP_BLOCK_next(%edx)
        movl    %edx, heap_free_blocks(,%eax,4)
        popl    %edx
        popl    %eax
        ret
{% endcall %}

# heap_mfn(block): the machine frame that a block lies in.
#
# in:    %eax = block
# out:   %eax = mfn
# clob:  none
# errs:  none
{% call routine("heap_mfn") %}
        jmp     hv_mfn
{% endcall %}

        .data
{% call object("heap_next") %}
        .long   HEAP_START
{% endcall %}
{{ space("heap_free_blocks", "4 * HEAP_CLASSES") }}

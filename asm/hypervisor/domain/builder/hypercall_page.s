# The hypercall page: 128 stubs of 32 bytes (ABI 3.2).
#
# Invariants
#   - Stub N loads N and makes the call; stub 23, iret, saves %eax first and does not return. What is left of a stub
#     is 0xcc. The page is the guest's own memory: nothing here depends on what it does with it.

        .text

{% set L = labels("hypercall_stubs_write") %}
# hypercall_stubs_write(page): fills a page with stubs.
#
# in:    %edi = address of the page
# out:   -
# clob:  %eax, %ecx
# errs:  none
{% call routine("hypercall_stubs_write") %}
        pushl   %edi
        movl    $0xcccccccc, %eax
        movl    $(PAGE_SIZE / 4), %ecx
        rep stosl
        movl    (%esp), %edi
        xorl    %ecx, %ecx
{{ L("next_stub") }}:
        pushl   %edi
        cmpl    $HYPERCALL_iret, %ecx
        jne     {{ L("returns") }}
        movb    $0x50, (%edi)                   # pushl %eax
        incl    %edi
{{ L("returns") }}:
        movb    $0xb8, (%edi)                   # movl $number, %eax
        movl    %ecx, 1(%edi)
        movw    $(HYPERCALL_VECTOR << 8 | 0xcd), 5(%edi)
        cmpl    $HYPERCALL_iret, %ecx
        je      {{ L("stub_done") }}
        movb    $0xc3, 7(%edi)                  # ret
{{ L("stub_done") }}:
        popl    %edi
        addl    $HYPERCALL_STUB_SIZE, %edi
        incl    %ecx
        cmpl    $HYPERCALL_PAGE_STUBS, %ecx
        jb      {{ L("next_stub") }}
        popl    %edi
        ret
{% endcall %}

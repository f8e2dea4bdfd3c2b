# Flushing the TLB, and knowing when it was flushed.
#
# Invariants
#   - tlb_epoch counts flushes of everything. A frame whose last use of a type ended in epoch E (FRAME_link) may be in
#     the TLB only while tlb_epoch = E: whoever gives it another use flushes then, and only then.
#   - No entry is global, so a load of CR3 is a flush of everything.
#   - Bare handlers flush, too: memory is reached through %ss.

        .text

# tlb_flush(): forgets all translations.
#
# in:    -
# out:   tlb_epoch is one more; carry is as it was
# clob:  none
# errs:  none
{% call routine("tlb_flush") %}
        pushl   %eax
        movl    %cr3, %eax
        movl    %eax, %cr3
        incl    %ss:tlb_epoch
        popl    %eax
        ret
{% endcall %}

        .data
{% call object("tlb_epoch") %}
        .long   1
{% endcall %}

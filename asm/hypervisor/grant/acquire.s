# Using what a grant entry shows: the way in and the way out of every use, by mappings, copies and device rings.
#
# Invariants
#   - A use holds a reference to the frame, one to the type writable if it writes, and counts in the entry's
#     GRANT_ACTIVE. So the frame stays, the owner's and as it is, until the last use has ended, whatever becomes of the
#     entry or the domain.
#   - GTF_reading stands in the entry while it is in use, GTF_writing while somebody writes. Both are set by compare and
#     exchange on what was checked, and cleared by one locked instruction: the owner may change its entry at any moment.
#   - flags and domid are looked at once, together; the frame's number is read once, after them.

        .text

{% set L = labels("grant_acquire") %}
# grant_acquire(domain, ref, writable, domid): begins a use of a grant.
#
# in:    %ebx = DOMAIN that grants, %ecx = ref (any number), %edx = 1 to write, 0 to read only; %eax = domid of the user
# out:   no carry: %eax = mfn; carry: %eax = status
# clob:  none
# errs:  GNTST_bad_gntref (beyond the table), GNTST_general_error (not for this user or use, or not a frame of the
#        domain that can be used so)
{% call routine("grant_acquire") %}
        pushl   %esi
        pushl   %edi
        pushl   %ecx
        pushl   %eax
        call    grant_entry
        popl    %eax
        jc      {{ L("beyond") }}
        call    grant_mark
        jc      {{ L("refused") }}
        movl    GRANT_ENTRY_V1_frame(%esi), %eax
        pushl   %eax
        movl    %ebx, %ecx
        call    frame_get
        testl   %eax, %eax
        jz      {{ L("no_frame") }}
        testl   %edx, %edx
        jz      {{ L("reader") }}
        movl    %eax, %ecx
        pushl   %edx
        movl    $FRAME_TYPE_WRITABLE, %edx
        call    type_get
        popl    %edx
        testl   %eax, %eax
        jnz     {{ L("not_writable") }}
        incl    GRANT_ACTIVE_writers(%edi)
        jmp     {{ L("taken") }}
{{ L("reader") }}:
        incl    GRANT_ACTIVE_readers(%edi)
{{ L("taken") }}:
        popl    %eax
        clc
{{ L("done") }}:
        popl    %ecx
        popl    %edi
        popl    %esi
        ret
{{ L("beyond") }}:
        movl    $GNTST_bad_gntref, %eax
        stc
        jmp     {{ L("done") }}
{{ L("not_writable") }}:
        movl    %ecx, %eax
        call    frame_put
{{ L("no_frame") }}:
        popl    %eax
        call    grant_unmark
{{ L("refused") }}:
        movl    $GNTST_general_error, %eax
        stc
        jmp     {{ L("done") }}
{% endcall %}

{% set L = labels("grant_mark") %}
# grant_mark(entry, domid, writable): checks an entry and sets the marks of a use.
#
# in:    %esi = entry, %eax = domid that it must name, %edx = 1 to write, 0 to read only
# out:   carry: it does not permit that, or changes too fast
# clob:  %eax, %ecx
# errs:  carry
{% call routine("grant_mark") %}
        pushl   %ebx
        pushl   %ebp
        movl    %eax, %ebx
        shll    $16, %ebx
        orl     $GTF_permit_access, %ebx        # what flags and domid must be, but for what does not matter
        movl    $GRANT_TRIES, %ebp
{{ L("again") }}:
        movl    GRANT_ENTRY_V1_flags(%esi), %eax
        movl    %eax, %ecx
        andl    $~(0xFFFF & ~(GTF_type_mask | GTF_sub_page)), %ecx
        cmpl    %ebx, %ecx
        jne     {{ L("refused") }}
        movl    %eax, %ecx
        orl     $GTF_reading, %ecx
        testl   %edx, %edx
        jz      {{ L("marks_ok") }}
        testl   $GTF_readonly, %eax
        jnz     {{ L("refused") }}
        orl     $GTF_writing, %ecx
{{ L("marks_ok") }}:
        lock cmpxchgl %ecx, GRANT_ENTRY_V1_flags(%esi)
        je      {{ L("done") }}
        decl    %ebp
        jnz     {{ L("again") }}
{{ L("refused") }}:
        stc
{{ L("done") }}:                                # after cmpxchg that was equal carry is clear
        popl    %ebp
        popl    %ebx
        ret
{% endcall %}

{% set L = labels("grant_unmark") %}
# grant_unmark(entry, active): takes away the marks that no use needs any more.
#
# in:    %esi = entry, %edi = its GRANT_ACTIVE
# out:   -
# clob:  none
# errs:  none
{% call routine("grant_unmark") %}
        cmpl    $0, GRANT_ACTIVE_writers(%edi)
        jne     {{ L("done") }}
        lock andl $~GTF_writing, GRANT_ENTRY_V1_flags(%esi)
        cmpl    $0, GRANT_ACTIVE_readers(%edi)
        jne     {{ L("done") }}
        lock andl $~GTF_reading, GRANT_ENTRY_V1_flags(%esi)
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grant_release") %}
# grant_release(domain, ref, writable, mfn): ends a use.
#
# in:    %ebx = DOMAIN that grants, %ecx = ref, %edx = 1 or 0 as at grant_acquire, %eax = the mfn that it gave
# out:   -
# clob:  none
# errs:  an entry that is not in use that way is a panic (debug builds)
# why:   the domain may be dying: its table is there as long as somebody uses it. Nobody else's translation of the frame
#        may be in the TLB any more
{% call routine("grant_release") %}
        pushl   %eax
        pushl   %esi
        pushl   %edi
        call    frame_record
        testl   %edx, %edx
        jz      {{ L("not_written") }}
        call    type_put
{{ L("not_written") }}:
        call    frame_put
        call    grant_entry
{{ assert("nop", "jnc", "grant_release: the table has no such entry") }}
        testl   %edx, %edx
        jz      {{ L("reader") }}
{{ assert("cmpl $0, GRANT_ACTIVE_writers(%edi)", "jne", "grant_release: nobody writes") }}
        decl    GRANT_ACTIVE_writers(%edi)
        jmp     {{ L("counted") }}
{{ L("reader") }}:
{{ assert("cmpl $0, GRANT_ACTIVE_readers(%edi)", "jne", "grant_release: nobody reads") }}
        decl    GRANT_ACTIVE_readers(%edi)
{{ L("counted") }}:
        call    grant_unmark
        popl    %edi
        popl    %esi
        popl    %eax
        ret
{% endcall %}

# What becomes of the grants of a domain that has ended: those that it has mapped, and those that it has given.
#
# Invariants
#   - What it has mapped is given up when its page tables are gone: only then are the marks off the entries.
#   - What it has given stays as long as somebody uses it: its frames keep references, and so its DOMAIN and table stay.

        .text

{% set L = labels("grants_release") %}
# grants_release(domain): ends the uses that a dying domain has of others' grants, as far as this piece of work goes.
#
# in:    %ebx = DOMAIN that never runs again, without page tables; work_left
# out:   GRANT_TABLE_next_handle: 0 when all have ended
# clob:  %eax, %ecx, %edx, %esi
# errs:  none
{% call routine("grants_release") %}
        movl    DOMAIN_grants(%ebx), %edx
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    $NO_HANDLE, GRANT_TABLE_free_handle(%edx)
{{ L("next_handle") }}:
        movl    GRANT_TABLE_next_handle(%edx), %eax
        testl   %eax, %eax
        jz      {{ L("done") }}
        cmpl    $0, work_left
        jle     {{ L("done") }}
        subl    $WORK_OF_A_GRANT, work_left
        decl    %eax
        movl    %eax, GRANT_TABLE_next_handle(%edx)
        call    maptrack_at
        movl    MAPTRACK_granter(%esi), %eax
        testl   %eax, %eax
        jz      {{ L("next_handle") }}
        pushl   %ebx
        pushl   %edx
        movl    %eax, %ebx
        movl    MAPTRACK_ref(%esi), %ecx
        movl    MAPTRACK_frame(%esi), %eax
        xorl    %edx, %edx
        testl   $GNTMAP_readonly, MAPTRACK_flags(%esi)
        setz    %dl
        movl    $0, MAPTRACK_granter(%esi)
        movl    $0, MAPTRACK_flags(%esi)
        call    grant_release
        popl    %edx
        popl    %ebx
        jmp     {{ L("next_handle") }}
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("grants_idle") %}
# grants_idle(domain): whether a dying domain uses no grant, and nobody shows its table.
#
# in:    %ebx = DOMAIN
# out:   carry: not yet
# clob:  %eax, %ecx, %edx
# errs:  carry
{% call routine("grants_idle") %}
        movl    DOMAIN_grants(%ebx), %edx
        testl   %edx, %edx
        jz      {{ L("idle") }}
        cmpl    $0, GRANT_TABLE_next_handle(%edx)
        jne     {{ L("not_yet") }}
        movl    GRANT_TABLE_nr_frames(%edx), %ecx
{{ L("next_frame") }}:
        decl    %ecx
        js      {{ L("idle") }}
        movl    GRANT_TABLE_frames(%edx,%ecx,4), %eax
        call    frame_record
        cmpl    $1, FRAME_count(%eax)
        je      {{ L("next_frame") }}
{{ L("not_yet") }}:
        stc
        ret
{{ L("idle") }}:
        clc
        ret
{% endcall %}

{% set L = labels("grants_free") %}
# grants_free(domain): frees the records of a domain's grants.
#
# in:    %ebx = DOMAIN that is grants_idle
# out:   DOMAIN_grants = 0
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("grants_free") %}
        movl    DOMAIN_grants(%ebx), %edx
        testl   %edx, %edx
        jz      {{ L("done") }}
        movl    GRANT_TABLE_maptrack_pages(%edx), %ecx
{{ L("next_maptrack") }}:
        decl    %ecx
        js      {{ L("maptrack_free") }}
        movl    GRANT_TABLE_maptrack(%edx,%ecx,4), %eax
        call    frame_free
        jmp     {{ L("next_maptrack") }}
{{ L("maptrack_free") }}:
        movl    GRANT_TABLE_nr_frames(%edx), %ecx
{{ L("next_frame") }}:
        decl    %ecx
        js      {{ L("frames_free") }}
        movl    GRANT_TABLE_active(%edx,%ecx,4), %eax
        call    frame_free
        movl    GRANT_TABLE_frames(%edx,%ecx,4), %eax
        movl    $INVALID_M2P_ENTRY, M2P(,%eax,4)
        call    frame_free
        jmp     {{ L("next_frame") }}
{{ L("frames_free") }}:
        movl    %edx, %eax
        movl    $GRANT_TABLE_size, %ecx
        call    heap_free
        movl    $0, DOMAIN_grants(%ebx)
{{ L("done") }}:
        ret
{% endcall %}

# A guest with a balloon driver: it watches memory/target in the store, and has as much memory as that says.
#
# Invariants
#   - A domain of 16 MB or more: what is below BALLOON_FLOOR pages is the kernel's own and stays.
#   - It is never scheduled without need: it sleeps until the store has something to say.

{{ elf_note("GUEST_OS", ".asciz", '"balloon"') }}

        .text

{% set L = labels("start") %}
# start: finds its rings, asks for the watch, and follows it for ever.
#
# in:    %esi = start_info, %esp = top of the boot stack
# out:   does not return
# errs:  none
{% call routine("start") %}
        cld
        movl    %esi, %ebp
        call    shared_info_map
        call    rings_find
        call    balloon_begin
{{ print("balloon: %u pages\\n", "balloon_pages") }}
        movl    $XS_WATCH, %eax
        movl    $watch_payload, %ebx
        movl    $watch_payload_end - watch_payload, %ecx
        call    store_request
{{ L("next_message") }}:
        call    store_receive
        cmpl    $XS_WATCH_EVENT, %eax
        je      {{ L("ask") }}
        cmpl    $XS_READ, %eax
        jne     {{ L("next_message") }}
        call    target_follow
        jmp     {{ L("next_message") }}
{{ L("ask") }}:
        movl    $XS_READ, %eax
        movl    $read_payload, %ebx
        movl    $read_payload_end - read_payload, %ecx
        call    store_request
        jmp     {{ L("next_message") }}
{% endcall %}

{% set L = labels("target_follow") %}
# target_follow(): brings the domain to the size that the store has answered, and reports.
#
# in:    store_payload = kilobytes in decimal
# out:   -
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi
# errs:  an answer that is no number is said
{% call routine("target_follow") %}
        call    store_number
        jc      {{ L("no_number") }}
        shrl    $(PAGE_SHIFT - 10), %eax
        cmpl    balloon_pages, %eax
        je      {{ L("done") }}
        pushl   %eax
        call    balloon_follow
        call    balloon_touch
        popl    %ecx
{{ print("balloon: %u pages of %u, %u bad\\n", "balloon_pages", "%ecx", "%eax") }}
{{ L("done") }}:
        ret
{{ L("no_number") }}:
{{ print("balloon: the target is no number: %s\\n", "$store_payload") }}
        ret
{% endcall %}

        .section .rodata
{% call object("watch_payload") %}
        .asciz  "memory/target"
        .asciz  "target"
{% endcall %}
        .set    watch_payload_end, watch_payload + 21
{% call object("read_payload") %}
        .asciz  "memory/target"
{% endcall %}
        .set    read_payload_end, read_payload + 14

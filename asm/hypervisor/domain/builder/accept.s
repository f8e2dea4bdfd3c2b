# Which guests are taken: the rules of the ABI's sections 1.4 and 1.5.
#
# Invariants
#   - Texts of notes are looked at by prefix, as the ABI says; a note that is absent is the empty text.
#   - A feature that the guest requires (`!name`) must be one that we can provide; what it merely supports is its own
#     business. What it requires it supports, too; SUPPORTED_FEATURES adds to that.
#   - writable_page_tables counts as provided: Linux requires it, and means what vm_assist gives it.

        .text

{% set L = labels("notes_accept") %}
# notes_accept(): whether the guest can run here.
#
# in:    guest, after notes_read
# out:   GUEST_IMAGE_error; GUEST_IMAGE_extended_cr3
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  each sentence below
{% call routine("notes_accept") %}
{% for field in ["loader", "guest_os", "xen_version", "pae_mode", "features"] %}
        cmpl    $0, guest + GUEST_IMAGE_{{ field }}
        jne     {{ L("have_" ~ field) }}
        movl    $empty_text, guest + GUEST_IMAGE_{{ field }}
{{ L("have_" ~ field) }}:
{% endfor %}
        movl    guest + GUEST_IMAGE_loader, %esi
        movl    $word_generic, %edi
        call    string_starts
        testl   %eax, %eax
        jnz     {{ L("loader_ok") }}
        movl    guest + GUEST_IMAGE_guest_os, %esi
        movl    $word_linux, %edi
        call    string_starts
        testl   %eax, %eax
        jz      {{ L("bad_loader") }}
{{ L("loader_ok") }}:
        movl    guest + GUEST_IMAGE_xen_version, %esi
        movl    $word_xen_3_0, %edi
        call    string_starts
        testl   %eax, %eax
        jz      {{ L("bad_version") }}
        btl     $XEN_ELFNOTE_PADDR_OFFSET, guest + GUEST_IMAGE_notes
        jnc     {{ L("offset_ok") }}
        btl     $XEN_ELFNOTE_VIRT_BASE, guest + GUEST_IMAGE_notes
        jnc     {{ L("bad_offset") }}
{{ L("offset_ok") }}:
        call    pae_accept
        testl   %eax, %eax
        jz      {{ L("bad_pae") }}
        call    features_accept
        cmpl    $0, guest + GUEST_IMAGE_domain_id
        jne     {{ L("done") }}
        btl     $XEN_ELFNOTE_SUPPORTED_FEATURES, guest + GUEST_IMAGE_notes
        jnc     {{ L("done") }}
        testl   $1 << XENFEAT_dom0, guest + GUEST_IMAGE_supported_features
        jz      {{ L("no_dom0") }}
{{ L("done") }}:
        ret
{% for name, reason in [
      ("bad_loader", "it is neither for the generic loader nor Linux"),
      ("bad_version", "it is not for the interface xen-3.0"),
      ("bad_offset", "it has a PADDR_OFFSET without a VIRT_BASE"),
      ("bad_pae", "it does not use PAE"), ("no_dom0", "it cannot run as domain 0")] %}
{{ L(name) }}:
{{ refuse(reason) }}
        ret
{% endfor %}
{% endcall %}

{% set L = labels("pae_accept") %}
# pae_accept(): whether the guest uses PAE, and whether its L3 tables may be above 4 GB.
#
# in:    guest
# out:   %eax = 1 or 0; GUEST_IMAGE_extended_cr3
# clob:  %esi, %edi
# errs:  0
{% call routine("pae_accept") %}
        movl    guest + GUEST_IMAGE_pae_mode, %esi
        cmpl    $0, guest + GUEST_IMAGE_legacy
        jne     {{ L("legacy") }}
        movl    $word_yes, %edi
        call    string_equal
        testl   %eax, %eax
        jnz     {{ L("extended") }}
{{ L("look_for_bimodal") }}:
        movl    $word_bimodal, %edi
        call    string_starts
        testl   %eax, %eax
        jnz     {{ L("extended") }}
        cmpb    $0, (%esi)
        je      {{ L("done") }}
        incl    %esi
        call    job_breathe
        jmp     {{ L("look_for_bimodal") }}
{{ L("legacy") }}:
        movl    $word_extended, %edi
        call    string_equal
        testl   %eax, %eax
        jnz     {{ L("extended") }}
        movl    $word_yes, %edi
        jmp     string_starts
{{ L("extended") }}:
        movl    $1, guest + GUEST_IMAGE_extended_cr3
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("features_accept") %}
# features_accept(): the features that the guest supports, and those that it requires.
#
# in:    guest
# out:   GUEST_IMAGE_supported_features: with those that are named; GUEST_IMAGE_error
# clob:  %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp
# errs:  a required one that is not known, or not to be had
{% call routine("features_accept") %}
        movl    guest + GUEST_IMAGE_features, %esi
{{ L("next_feature") }}:
        movl    %esi, %edx
{{ L("next_character") }}:
        movb    (%edx), %al
        testb   %al, %al
        jz      {{ L("have_end") }}
        cmpb    $'|', %al
        je      {{ L("have_end") }}
        incl    %edx
        jmp     {{ L("next_character") }}
{{ L("have_end") }}:
        xorl    %ebp, %ebp                      # features that will do
        cmpb    $'!', (%esi)
        jne     {{ L("supported") }}
        incl    %esi
        movl    $(1 << XENFEAT_writable_page_tables | 1 << XENFEAT_pae_pgdir_above_4gb), %ebp
        cmpl    $0, guest + GUEST_IMAGE_domain_id
        jne     {{ L("find") }}
        orl     $1 << XENFEAT_dom0, %ebp
        jmp     {{ L("find") }}
{{ L("supported") }}:
        decl    %ebp                            # all of them
{{ L("find") }}:
        movl    %edx, %ecx
        subl    %esi, %ecx
        call    feature_find
        testl   %eax, %eax
        js      {{ L("unknown") }}
        btsl    %eax, guest + GUEST_IMAGE_supported_features
        btl     %eax, %ebp
        jc      {{ L("feature_ok") }}
        jmp     {{ L("not_to_be_had") }}
{{ L("unknown") }}:
        cmpl    $-1, %ebp
        jne     {{ L("not_to_be_had") }}
{{ L("feature_ok") }}:
        call    job_breathe
        movl    %edx, %esi
        cmpb    $0, (%esi)
        je      {{ L("done") }}
        incl    %esi
        jmp     {{ L("next_feature") }}
{{ L("done") }}:
        ret
{{ L("not_to_be_had") }}:
{{ refuse("it requires a feature that is not to be had here") }}
        ret
{% endcall %}

{% set L = labels("feature_find") %}
# feature_find(name): the number of a feature.
#
# in:    %esi = name, %ecx = its length
# out:   %eax = XENFEAT_*, or -1
# clob:  %ebx, %edi
# errs:  -1
{% call routine("feature_find") %}
        movl    $feature_names, %ebx
{{ L("next_name") }}:
        movl    FEATURE_NAME_name(%ebx), %edi
        testl   %edi, %edi
        jz      {{ L("unknown") }}
        cmpl    FEATURE_NAME_length(%ebx), %ecx
        jne     {{ L("another") }}
        pushl   %ecx
        pushl   %esi
        repe cmpsb
        popl    %esi
        popl    %ecx
        je      {{ L("found") }}
{{ L("another") }}:
        addl    $FEATURE_NAME_size, %ebx
        jmp     {{ L("next_name") }}
{{ L("found") }}:
        movl    FEATURE_NAME_number(%ebx), %eax
        ret
{{ L("unknown") }}:
        movl    $-1, %eax
        ret
{% endcall %}

{{ text("word_generic", "generic") }}
{{ text("word_linux", "linux") }}
{{ text("word_xen_3_0", "xen-3.0") }}
{{ text("word_yes", "yes") }}
{{ text("word_bimodal", "bimodal") }}
{{ text("word_extended", "yes[extended-cr3]") }}

{% set names = ["writable_page_tables", "writable_descriptor_tables", "auto_translated_physmap",
                "supervisor_mode_kernel", "pae_pgdir_above_4gb", "dom0"] %}
{% for name in names %}
{{ text("feature_name_" ~ loop.index0, name) }}
{% endfor %}
        .section .rodata
{% call object("feature_names") %}
{% for name in names %}
        .long   feature_name_{{ loop.index0 }}, {{ name | length }}, XENFEAT_{{ name }}
{% endfor %}
        .long   0, 0, 0
{% endcall %}

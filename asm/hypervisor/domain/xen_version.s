# The hypercall xen_version (ABI 10.5): who we are. Sub-operation 0 is the null hypercall of every benchmark.
#
# Invariants
#   - What is copied out is a constant of the image or a field of the caller's own domain: no byte of anything else.
#   - A feature bit is set only for what works.

        .text

{% set L = labels("fast_xen_version") %}
# fast_xen_version(cmd): the version, without a full frame.
#
# in:    %ebx = XENVER_*
# out:   no carry: %eax = major << 16 | minor; carry: another sub-operation
# clob:  none
# errs:  carry
{% call routine("fast_xen_version") %}
        testl   %ebx, %ebx
        jnz     {{ L("not_version") }}
        movl    $(XENGEN_MAJOR << 16 | XENGEN_MINOR), %eax
        ret                                     # carry is clear: `test` cleared it
{{ L("not_version") }}:
        stc
        ret
{% endcall %}

{% set L = labels("do_xen_version") %}
# do_xen_version(cmd, argument): copies out what is asked for.
#
# in:    %ebx = XENVER_*, %ecx = address; %ebp = current vcpu
# out:   %eax = 0, a value, or an error
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT, -EINVAL (page size with an address; features beyond word 0), -ENOSYS (another cmd)
# calls: version_*
{% call routine("do_xen_version") %}
        movl    $-ENOSYS, %eax
        cmpl    $XENVER_commandline, %ebx
        ja      {{ L("done") }}
        movl    %ecx, %edi
        movl    VCPU_domain(%ebp), %edx
        jmp     *version_handlers(,%ebx,4)
{{ L("done") }}:
        ret
{% endcall %}

# version_version(): the number itself.
#
# in:    -
# out:   %eax = major << 16 | minor
# clob:  none
# errs:  none
{% call routine("version_version") %}
        movl    $(XENGEN_MAJOR << 16 | XENGEN_MINOR), %eax
        ret
{% endcall %}

{% for name, bytes in [("extraversion", 16), ("compile_info", 144), ("capabilities", 1024), ("changeset", 64)] %}
# version_{{ name }}(address): copies a constant of {{ bytes }} bytes.
#
# in:    %edi = address
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi
# errs:  -EFAULT
{% call routine("version_" ~ name) %}
        movl    ${{ name }}_text, %esi
        movl    ${{ bytes }}, %ecx
        jmp     copy_to_guest
{% endcall %}

{% endfor %}
# version_commandline(address): copies the hypervisor's command line.
#
# in:    %edi = address
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi
# errs:  -EFAULT
{% call routine("version_commandline") %}
        movl    $command_line, %esi
        movl    $COMMAND_LINE_BYTES, %ecx
        jmp     copy_to_guest
{% endcall %}

# version_platform_parameters(address): where the hypervisor's part of the address space begins, for this guest.
#
# in:    %edi = address, %edx = the caller's domain
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi
# errs:  -EFAULT
{% call routine("version_platform_parameters") %}
        leal    DOMAIN_virt_start(%edx), %esi
        movl    $PLATFORM_PARAMETERS_size, %ecx
        jmp     copy_to_guest
{% endcall %}

# version_guest_handle(address): the domain's UUID.
#
# in:    %edi = address, %edx = the caller's domain
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %esi
# errs:  -EFAULT
{% call routine("version_guest_handle") %}
        leal    DOMAIN_handle(%edx), %esi
        movl    $16, %ecx
        jmp     copy_to_guest
{% endcall %}

{% set L = labels("version_pagesize") %}
# version_pagesize(address): 4096, if the address is NULL.
#
# in:    %edi = address
# out:   %eax = 4096 or -EINVAL
# clob:  none
# errs:  -EINVAL
{% call routine("version_pagesize") %}
        movl    $-EINVAL, %eax
        testl   %edi, %edi
        jnz     {{ L("not_null") }}
        movl    $PAGE_SIZE, %eax
{{ L("not_null") }}:
        ret
{% endcall %}

{% set L = labels("version_get_features") %}
# version_get_features(address): the feature bits of one 32-bit word.
#
# in:    %edi = address of a FEATURE_INFO, %edx = the caller's domain
# out:   %eax = 0 or an error
# clob:  %ecx, %esi, %edi
# errs:  -EFAULT, -EINVAL (another word than 0)
{% call routine("version_get_features") %}
        movl    %edi, %esi
        movl    $feature_info, %edi
        movl    $FEATURE_INFO_size, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        cmpl    $0, feature_info + FEATURE_INFO_submap_idx
        jne     {{ L("done") }}
        movl    $(1 << XENFEAT_mmu_pt_update_preserve_ad | 1 << XENFEAT_highmem_assist), %eax
        btl     $VMASST_TYPE_pae_extended_cr3, DOMAIN_vm_assist(%edx)
        jnc     {{ L("no_high_l3") }}
        orl     $(1 << XENFEAT_pae_pgdir_above_4gb), %eax
{{ L("no_high_l3") }}:
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("not_dom0") }}
        orl     $(1 << XENFEAT_dom0), %eax
{{ L("not_dom0") }}:
        movl    %eax, feature_info + FEATURE_INFO_submap
        xchgl   %esi, %edi
        call    copy_to_guest
{{ L("done") }}:
        ret
{% endcall %}

        .section .rodata
{% set names = ["version", "extraversion", "compile_info", "capabilities", "changeset", "platform_parameters",
                "get_features", "pagesize", "guest_handle", "commandline"] %}
{% call object("version_handlers") %}
{% for name in names %}
        .long   version_{{ name }}
{% endfor %}
{% endcall %}
{% macro padded(string, bytes) %}
        .ascii  "{{ string }}"
        .skip   {{ bytes - string | length }}
{% endmacro %}
extraversion_text:
{{ padded(".0-xengen", 16) }}
compile_info_text:
{{ padded("keystone", 64) }}
{{ padded("xengen", 16) }}
{{ padded("", 32) }}
{{ padded("", 32) }}
capabilities_text:
{{ padded("xen-3.0-x86_32p ", 1024) }}
changeset_text:
{{ padded("xengen " ~ version, 64) }}

{{ space("feature_info", "FEATURE_INFO_size") }}

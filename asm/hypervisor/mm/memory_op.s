# The hypercall memory_op (ABI 8): its sub-operations, and the questions among them.
#
# Invariants
#   - A call that cannot be finished in one stretch without interrupts (work.s) is made again by the guest; frames that
#     are on their way meanwhile are in the vcpu's hand (hand.s).

        .text

{% set L = labels("do_memory_op") %}
# do_memory_op(cmd, argument): one sub-operation.
#
# in:    %ebx = XENMEM_* | start extent << 6, %ecx = address of the argument; %ebp = current vcpu
# out:   %eax = the result of the sub-operation
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOSYS, and what the sub-operation says
# calls: memory_*
{% call routine("do_memory_op") %}
        movl    %ebx, %eax
        andl    $63, %eax
        movl    %eax, memory_operation
        shrl    $6, %ebx                        # start extent
        movl    %ecx, memory_argument
        movl    %ecx, %esi
        cmpl    $MEMORY_OPERATIONS, %eax
        jae     {{ L("unknown") }}
        call    work_bound
        call    hand_finish
        testl   %eax, %eax
        jnz     {{ L("later") }}
        movl    memory_operation, %eax
        call    *memory_operations(,%eax,4)
        jmp     work_end
{{ L("later") }}:
        call    extents_continue
        jmp     work_end
{{ L("unknown") }}:
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

# memory_unknown(): not there.
#
# in:    -
# out:   %eax = -ENOSYS
# clob:  none
# errs:  -ENOSYS
{% call routine("memory_unknown") %}
        movl    $-ENOSYS, %eax
        ret
{% endcall %}

# memory_maximum_ram_page(): the highest machine frame number, plus one.
#
# in:    -
# out:   %eax = max_frame
# clob:  none
# errs:  none
{% call routine("memory_maximum_ram_page") %}
        movl    max_frame, %eax
        ret
{% endcall %}

{% for name, field in [("current", "nr_pages"), ("maximum", "max_pages")] %}
{% set L = labels("memory_" ~ name ~ "_reservation") %}
# memory_{{ name }}_reservation(argument): {{ field }} of a domain.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = pages or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_" ~ name ~ "_reservation") %}
        call    memory_domid_read
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    DOMAIN_{{ field }}(%edx), %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% endfor %}
{% set L = labels("memory_maximum_gpfn") %}
# memory_maximum_gpfn(argument): the highest pseudo-physical frame number that a domain says it uses.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = pfn or an error
# clob:  %ecx, %edx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_maximum_gpfn") %}
        call    memory_domid_read
        testl   %eax, %eax
        jnz     {{ L("refused") }}
        movl    DOMAIN_shared_info(%edx), %eax
        movl    SHARED_INFO_arch_max_pfn(%eax), %eax
        decl    %eax
{{ L("refused") }}:
        ret
{% endcall %}

{% set L = labels("memory_domid_read") %}
# memory_domid_read(argument): the domain that a query is about.
#
# in:    %esi = address of a domid; %ebp = current vcpu
# out:   %eax = 0 or an error; %edx = DOMAIN
# clob:  %ecx, %edi
# errs:  -EFAULT, -ESRCH, -EPERM
{% call routine("memory_domid_read") %}
        movl    $extent, %edi
        movl    $2, %ecx
        call    copy_from_guest
        testl   %eax, %eax
        jnz     {{ L("unreadable") }}
        movzwl  extent, %eax
        jmp     domain_by_id
{{ L("unreadable") }}:
        ret
{% endcall %}

{% set L = labels("memory_machphys_mapping") %}
# memory_machphys_mapping(argument): where the M2P table can be read.
#
# in:    %esi = address of a MACHPHYS_MAPPING; %ebp = current vcpu
# out:   %eax = 0 or -EFAULT
# clob:  %ecx, %edx, %esi, %edi
# errs:  -EFAULT
{% call routine("memory_machphys_mapping") %}
        movl    VCPU_domain(%ebp), %edx
        movl    DOMAIN_virt_start(%edx), %eax
        movl    %eax, machphys + MACHPHYS_MAPPING_v_start
        movl    $M2P_ALIAS_BYTES, %ecx
        cmpl    $M2P_ALIAS, %eax
        je      {{ L("size_ok") }}
        movl    $M2P_BYTES, %ecx
{{ L("size_ok") }}:
        leal    (%eax,%ecx), %edx
        movl    %edx, machphys + MACHPHYS_MAPPING_v_end
        shrl    $2, %ecx
        decl    %ecx
        movl    %ecx, machphys + MACHPHYS_MAPPING_max_mfn
        movl    %esi, %edi
        movl    $machphys, %esi
        movl    $MACHPHYS_MAPPING_size, %ecx
        jmp     copy_to_guest
{% endcall %}

        .section .rodata
{% set operations = {0: "increase", 1: "decrease", 2: "maximum_ram_page", 3: "current_reservation",
                     4: "maximum_reservation", 5: "machphys_mfn_list", 6: "populate", 10: "machine_map",
                     11: "exchange", 12: "machphys_mapping", 14: "maximum_gpfn"} %}
{% call object("memory_operations") %}
{% for number in range(abi.MEMORY_OPERATIONS) %}
        .long   memory_{{ operations.get(number, "unknown") }}
{% endfor %}
{% endcall %}

        .data
{% for name in ["memory_operation", "memory_argument"] %}
{% call object(name) %}
        .long   0
{% endcall %}
{% endfor %}
{{ space("machphys", "MACHPHYS_MAPPING_size") }}

# What domain 0 says about rules (io_op): added, removed, looked at; and the rules that an interface begins with.
#
# Invariants
#   - An interface has no more than VIF_RULES rules in a direction: what a packet costs is bounded.
#   - A rule that redirects leads to an interface that is there, or to the wire. When that interface goes it drops.

        .text

{% set L = labels("vif_rule_argument") %}
# vif_rule_argument(vif, argument): finds what a command about rules is about.
#
# in:    %edx = VIF, %esi = VIF_RULE or VIF_POLICY
# out:   %eax = 0, %ebx = VIF and %ecx = direction, or %eax = an error
# clob:  none
# errs:  -EINVAL (direction)
{% call routine("vif_rule_argument") %}
        movl    %edx, %ebx
        xorl    %eax, %eax
        movl    VIF_RULE_direction(%esi), %ecx
        cmpl    $VIF_IN, %ecx
        jbe     {{ L("done") }}
        movl    $-EINVAL, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vif_rule_add") %}
# io_op_vif_rule_add(argument): puts a rule at a place.
#
# in:    %edx = VIF, %esi = VIF_RULE
# out:   %eax = 0 or an error; VIF_RULE_place: where it is
# clob:  %ebx, %ecx, %edx, %edi
# errs:  -ENOENT (target), -EINVAL (direction, action), -ENOSPC (too many), -ENOMEM
{% call routine("io_op_vif_rule_add") %}
        call    vif_rule_argument
        testl   %eax, %eax
        jnz     {{ L("done") }}
        call    vif_rule_target
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    %edx, %edi
        movl    $VIF_RULES, %eax
        call    vif_rule_place
        cmpl    $VIF_RULES, %eax
        movl    $-ENOSPC, %eax
        je      {{ L("done") }}
        movl    VIF_RULE_place(%esi), %eax
        call    vif_rule_place
        movl    %eax, VIF_RULE_place(%esi)
        jmp     vif_rule_put
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_rule_put") %}
# vif_rule_put(place, argument, target): makes a rule.
#
# in:    %edx = address of the word that is to lead to it, %esi = VIF_RULE, %edi = target, VIF or 0
# out:   %eax = 0 or -ENOMEM
# clob:  %ecx, %edx
# errs:  -ENOMEM
{% call routine("vif_rule_put") %}
        movl    $VIF_RULE_RECORD_size, %ecx
        call    heap_alloc
        testl   %eax, %eax
        jz      {{ L("no_memory") }}
        movl    (%edx), %ecx
        movl    %ecx, VIF_RULE_RECORD_next(%eax)
        movl    %eax, (%edx)
        movl    %edi, VIF_RULE_RECORD_target(%eax)
        movl    VIF_RULE_action(%esi), %ecx
        movl    %ecx, VIF_RULE_RECORD_action(%eax)
        pushl   %esi
        pushl   %edi
        addl    $VIF_RULE_value, %esi
        leal    VIF_RULE_RECORD_value(%eax), %edi
        movl    $2 * VIF_FACTS_size, %ecx
        call    memory_copy
        popl    %edi
        popl    %esi
        xorl    %eax, %eax
        ret
{{ L("no_memory") }}:
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

{% set L = labels("vif_rule_target") %}
# vif_rule_target(argument): where a new rule leads.
#
# in:    %esi = VIF_RULE
# out:   %eax = 0 and %edx = VIF, 0: the wire or nowhere; or %eax = an error
# clob:  none
# errs:  -EINVAL (action), -ENOENT (no such interface)
{% call routine("vif_rule_target") %}
        xorl    %edx, %edx
        movl    VIF_RULE_action(%esi), %eax
        cmpl    $VIF_REDIRECT, %eax
        ja      {{ L("bad_action") }}
        jb      {{ L("found") }}
        cmpl    $VIF_NO_NIC, VIF_RULE_target_handle(%esi)
        je      {{ L("found") }}
        pushl   %ebx
        pushl   %ecx
        movl    VIF_RULE_target_domain(%esi), %eax
        call    domain_living
        movl    $-ENOENT, %eax
        jc      {{ L("no_target") }}
        movl    VIF_RULE_target_handle(%esi), %eax
        movl    $IO_VIF, %ecx
        call    device_find
        cmpl    $1, %edx
        sbbl    %eax, %eax
        andl    $-ENOENT, %eax                  # -ENOENT if there is none
{{ L("no_target") }}:
        popl    %ecx
        popl    %ebx
        ret
{{ L("bad_action") }}:
        movl    $-EINVAL, %eax
        ret
{{ L("found") }}:
        xorl    %eax, %eax
        ret
{% endcall %}

{% set L = labels("io_op_vif_rule_remove") %}
# io_op_vif_rule_remove(argument): takes a rule away.
#
# in:    %edx = VIF, %esi = VIF_RULE with direction and place
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx
# errs:  -ENOENT (rule), -EINVAL (direction)
{% call routine("io_op_vif_rule_remove") %}
        call    vif_rule_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    (%edx), %eax
        movl    VIF_RULE_RECORD_next(%eax), %ecx
        movl    %ecx, (%edx)
        movl    $VIF_RULE_RECORD_size, %ecx
        call    heap_free
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_rule_find") %}
# vif_rule_find(vif, argument): the rule at a place.
#
# in:    %edx = VIF, %esi = VIF_RULE with direction and place
# out:   %eax = 0 and %edx = address of the word that leads to it, or %eax = an error
# clob:  %ebx, %ecx
# errs:  -ENOENT (rule), -EINVAL (direction)
{% call routine("vif_rule_find") %}
        call    vif_rule_argument
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    VIF_RULE_place(%esi), %eax
        call    vif_rule_place
        cmpl    $0, (%edx)
        movl    $-ENOENT, %eax
        je      {{ L("done") }}
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vif_rules") %}
# io_op_vif_rules(argument): tells a rule and what it has decided.
#
# in:    %edx = VIF, %esi = VIF_RULE with direction and place
# out:   %eax = 0 or an error; the VIF_RULE
# clob:  %ebx, %ecx, %edx, %esi, %edi
# errs:  -ENOENT (rule), -EINVAL (direction)
{% call routine("io_op_vif_rules") %}
        call    vif_rule_find
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    (%edx), %edx
        movl    VIF_RULE_RECORD_action(%edx), %eax
        movl    %eax, VIF_RULE_action(%esi)
        movl    $0, VIF_RULE_target_domain(%esi)
        movl    $VIF_NO_NIC, VIF_RULE_target_handle(%esi)
        movl    VIF_RULE_RECORD_target(%edx), %eax
        testl   %eax, %eax
        jz      {{ L("no_target") }}
        movl    VIF_device_handle(%eax), %ecx
        movl    %ecx, VIF_RULE_target_handle(%esi)
        movl    VIF_device_domain(%eax), %eax
        movl    DOMAIN_id(%eax), %eax
        movl    %eax, VIF_RULE_target_domain(%esi)
{{ L("no_target") }}:
        leal    VIF_RULE_value(%esi), %edi
        leal    VIF_RULE_RECORD_value(%edx), %esi
        movl    $(VIF_RULE_size - VIF_RULE_value), %ecx
        call    memory_copy
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("io_op_vif_policy") %}
# io_op_vif_policy(argument): what becomes of packets that no rule decides.
#
# in:    %edx = VIF, %esi = VIF_POLICY
# out:   %eax = 0 or an error
# clob:  %ebx, %ecx, %edx
# errs:  -EINVAL (direction, action)
{% call routine("io_op_vif_policy") %}
        call    vif_rule_argument
        testl   %eax, %eax
        jnz     {{ L("done") }}
        movl    $-EINVAL, %eax
        movl    VIF_POLICY_action(%esi), %edx
        cmpl    $VIF_DROP, %edx
        ja      {{ L("done") }}
        movl    %edx, VIF_policies(%ebx,%ecx,4)
        xorl    %eax, %eax
{{ L("done") }}:
        ret
{% endcall %}

{% set L = labels("vif_rules_default") %}
# vif_rules_default(vif): the rules for what a new interface sends. None that fits: it is dropped.
#
# in:    %ebx = VIF that has none
# out:   %eax = 0 or -ENOMEM
# clob:  %ecx, %edx, %esi, %edi
# errs:  -ENOMEM
# why:   with an address of IP, nothing but IPv4 and ARP from it; without one, ARP that names another sender is none
{% call routine("vif_rules_default") %}
        movl    $vif_default, %esi
        cmpl    $0, VIF_ip(%ebx)
        je      {{ L("any_ip") }}
        movl    $ETHERTYPE_IPV4_WIRE, %eax      # and any protocol, any marks
        movl    $0xFFFF, %edx
        movl    $VIF_ACCEPT, %ecx
        call    vif_rule_default
        jc      {{ L("no_memory") }}
        movl    $(ETHERTYPE_ARP_WIRE | VIF_MARK_ARP_SENDER << 24), %eax
        movl    $(0xFFFF | VIF_MARK_ARP_SENDER << 24), %edx
        call    vif_rule_default
        jc      {{ L("no_memory") }}
        xorl    %eax, %eax
        ret
{{ L("any_ip") }}:
        movl    $(ETHERTYPE_ARP_WIRE | VIF_MARK_ARP_SENDER << 24), %eax
        movl    $(0xFFFF | VIF_MARK_ARP_SENDER << 24), %edx
        movl    $VIF_ACCEPT, %ecx
        call    vif_rule_default
        jc      {{ L("no_memory") }}
        movl    $ETHERTYPE_ARP_WIRE, %eax
        movl    $0xFFFF, %edx
        movl    $VIF_DROP, %ecx
        call    vif_rule_default
        jc      {{ L("no_memory") }}
        xorl    %eax, %eax
        xorl    %edx, %edx
        movl    $VIF_ACCEPT, %ecx
        call    vif_rule_default
        jc      {{ L("no_memory") }}
        xorl    %eax, %eax
        ret
{{ L("no_memory") }}:
        movl    $-ENOMEM, %eax
        ret
{% endcall %}

{% set L = labels("vif_rule_default") %}
# vif_rule_default(vif, type, mask, action): one more rule for what has the interface's own source.
#
# in:    %ebx = VIF, %eax = type, protocol and marks, %edx = their mask, %ecx = action; %esi = vif_default
# out:   carry: no memory
# clob:  %eax, %edx, %edi
# errs:  carry
{% call routine("vif_rule_default") %}
        pushl   %ecx
        movl    %eax, VIF_RULE_value + VIF_FACTS_type(%esi)
        movl    %edx, VIF_RULE_mask + VIF_FACTS_type(%esi)
        movl    %ecx, VIF_RULE_action(%esi)
        movl    VIF_mac(%ebx), %eax
        movl    %eax, VIF_RULE_value + VIF_FACTS_source_mac(%esi)
        movl    $-1, VIF_RULE_mask + VIF_FACTS_source_mac(%esi)
        movw    VIF_mac + 4(%ebx), %ax
        movw    %ax, VIF_RULE_value + VIF_FACTS_source_mac + 4(%esi)
        movw    $-1, VIF_RULE_mask + VIF_FACTS_source_mac + 4(%esi)
        movl    VIF_ip(%ebx), %eax
        movl    %eax, VIF_RULE_value + VIF_FACTS_source_ip(%esi)
        negl    %eax
        sbbl    %eax, %eax                      # all ones if there is one
        movl    %eax, VIF_RULE_mask + VIF_FACTS_source_ip(%esi)
        xorl    %edi, %edi
        movl    $VIF_OUT, %ecx
        movl    $VIF_RULES, %eax
        call    vif_rule_place
        call    vif_rule_put
        popl    %ecx
        cmpl    $1, %eax                        # carry: it is 0
        cmc
        ret
{% endcall %}

{{ space("vif_default", "VIF_RULE_size") }}

# Rules: what becomes of a packet that an interface sends or gets. The first one that fits decides.
#
# Invariants
#   - A rule fits when (facts ^ value) & mask is zero in all words. When none fits, the direction's policy decides.
#   - A rule counts what it decided when the packet was taken, not when it was looked at.

        .text

{% set L = labels("vif_judge") %}
# vif_judge(packet, vif, direction): what the rules say.
#
# in:    %ebp = VIF_PACKET with facts, %ebx = VIF, %ecx = VIF_OUT or VIF_IN
# out:   %eax = VIF_ACCEPT, VIF_DROP or VIF_REDIRECT; %edx = VIF_RULE_RECORD that says so, 0: the policy
# clob:  none
# errs:  none
{% call routine("vif_judge") %}
        movl    VIF_rules(%ebx,%ecx,4), %edx
        jmp     {{ L("have_rule") }}
{{ L("next_rule") }}:
        movl    VIF_RULE_RECORD_next(%edx), %edx
{{ L("have_rule") }}:
        testl   %edx, %edx
        jz      {{ L("policy") }}
{% for word in [12, 8, 4, 16, 20, 24, 0] %}
        movl    VIF_PACKET_facts + {{ word }}(%ebp), %eax
        xorl    VIF_RULE_RECORD_value + {{ word }}(%edx), %eax
        testl   VIF_RULE_RECORD_mask + {{ word }}(%edx), %eax
        jnz     {{ L("next_rule") }}
{% endfor %}
        movl    VIF_RULE_RECORD_action(%edx), %eax
        ret
{{ L("policy") }}:
        movl    VIF_policies(%ebx,%ecx,4), %eax
        ret
{% endcall %}

{% set L = labels("vif_rule_count") %}
# vif_rule_count(packet, rule): the rule has decided about a packet.
#
# in:    %ebp = VIF_PACKET, %edx = VIF_RULE_RECORD or 0
# out:   -
# clob:  %eax
# errs:  none
{% call routine("vif_rule_count") %}
        testl   %edx, %edx
        jz      {{ L("policy") }}
        addl    $1, VIF_RULE_RECORD_packets(%edx)
        adcl    $0, VIF_RULE_RECORD_packets_high(%edx)
        movl    VIF_PACKET_packet_bytes(%ebp), %eax
        addl    %eax, VIF_RULE_RECORD_bytes(%edx)
        adcl    $0, VIF_RULE_RECORD_bytes_high(%edx)
{{ L("policy") }}:
        ret
{% endcall %}

{% set L = labels("vif_rule_place") %}
# vif_rule_place(vif, direction, place): where in the chain a rule is.
#
# in:    %ebx = VIF, %ecx = direction, %eax = place
# out:   %edx = address of the word that leads to the rule of that place, or to the 0 behind the last; %eax = its place
# clob:  none
# errs:  none
{% call routine("vif_rule_place") %}
        pushl   %ecx
        pushl   %eax
        leal    VIF_rules(%ebx,%ecx,4), %edx
        xorl    %eax, %eax
{{ L("next_rule") }}:
        cmpl    (%esp), %eax
        je      {{ L("done") }}
        movl    (%edx), %ecx
        testl   %ecx, %ecx
        jz      {{ L("done") }}
        leal    VIF_RULE_RECORD_next(%ecx), %edx
        incl    %eax
        jmp     {{ L("next_rule") }}
{{ L("done") }}:
        popl    %ecx
        popl    %ecx
        ret
{% endcall %}

{% set L = labels("vif_rules_free") %}
# vif_rules_free(vif): takes all rules of an interface away.
#
# in:    %ebx = VIF
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_rules_free") %}
{% for direction in [0, 1] %}
{{ L("next_rule_%d" % direction) }}:
        movl    VIF_rules + {{ 4 * direction }}(%ebx), %eax
        testl   %eax, %eax
        jz      {{ L("none_left_%d" % direction) }}
        movl    VIF_RULE_RECORD_next(%eax), %edx
        movl    %edx, VIF_rules + {{ 4 * direction }}(%ebx)
        movl    $VIF_RULE_RECORD_size, %ecx
        call    heap_free
        jmp     {{ L("next_rule_%d" % direction) }}
{{ L("none_left_%d" % direction) }}:
{% endfor %}
        ret
{% endcall %}

{% set L = labels("vif_rules_forget") %}
# vif_rules_forget(vif): no rule of others leads to an interface that goes: those that did drop from now on.
#
# in:    %ebx = VIF
# out:   -
# clob:  %eax, %ecx, %edx
# errs:  none
{% call routine("vif_rules_forget") %}
        movl    vif_list, %edx
{{ L("next_vif") }}:
        testl   %edx, %edx
        jz      {{ L("done") }}
{% for direction in [0, 1] %}
        movl    VIF_rules + {{ 4 * direction }}(%edx), %eax
{{ L("next_rule_%d" % direction) }}:
        testl   %eax, %eax
        jz      {{ L("no_rule_%d" % direction) }}
        cmpl    %ebx, VIF_RULE_RECORD_target(%eax)
        jne     {{ L("another_%d" % direction) }}
        movl    $0, VIF_RULE_RECORD_target(%eax)
        movl    $VIF_DROP, VIF_RULE_RECORD_action(%eax)
{{ L("another_%d" % direction) }}:
        movl    VIF_RULE_RECORD_next(%eax), %eax
        jmp     {{ L("next_rule_%d" % direction) }}
{{ L("no_rule_%d" % direction) }}:
{% endfor %}
        movl    VIF_next(%edx), %edx
        jmp     {{ L("next_vif") }}
{{ L("done") }}:
        ret
{% endcall %}

# From a domain's number to its DOMAIN, with the question whether the caller may act on it.
#
# Invariants
#   - A domain may act on itself; domain 0, the privileged one, on every domain that is not dying.
#   - DOMID_IO and DOMID_XEN are no domains that run: they stand for frames that are no RAM, and for the hypervisor's.

        .text

{% set L = labels("domain_by_id") %}
# domain_by_id(domid): the domain that a call names, the caller itself by DOMID_SELF or by its number.
#
# in:    %eax = domid (16 bits); %ebp = current vcpu
# out:   %eax = 0 or an error; %edx = DOMAIN
# clob:  none
# errs:  -ESRCH (no such domain), -EPERM (another one's, without privilege)
{% call routine("domain_by_id") %}
        movl    VCPU_domain(%ebp), %edx
        cmpl    $DOMID_SELF, %eax
        je      {{ L("found") }}
        cmpl    DOMAIN_id(%edx), %eax
        je      {{ L("found") }}
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        jz      {{ L("not_allowed") }}
        movl    domain_list, %edx
{{ L("next_domain") }}:
        testl   %edx, %edx
        jz      {{ L("none") }}
        cmpl    DOMAIN_id(%edx), %eax
        je      {{ L("found_other") }}
        movl    DOMAIN_next(%edx), %edx
        jmp     {{ L("next_domain") }}
{{ L("found_other") }}:
        testl   $DOMAIN_DYING, DOMAIN_flags(%edx)
        jnz     {{ L("none") }}
{{ L("found") }}:
        xorl    %eax, %eax
        ret
{{ L("none") }}:
        movl    $-ESRCH, %eax
        ret
{{ L("not_allowed") }}:
        movl    $-EPERM, %eax
        ret
{% endcall %}

{% set L = labels("domain_living") %}
# domain_living(domid): a domain that anybody may deal with by event or grant: what it offers decides, not privilege.
#
# in:    %eax = domid (16 bits); %ebp = current vcpu
# out:   no carry: %ebx = DOMAIN
# clob:  %ebx
# errs:  carry: there is none, or it is dying
{% call routine("domain_living") %}
        movl    VCPU_domain(%ebp), %ebx
        cmpl    $DOMID_SELF, %eax
        je      {{ L("found") }}
        movl    domain_list, %ebx
{{ L("next_domain") }}:
        testl   %ebx, %ebx
        jz      {{ L("none") }}
        cmpl    DOMAIN_id(%ebx), %eax
        je      {{ L("alive") }}
        movl    DOMAIN_next(%ebx), %ebx
        jmp     {{ L("next_domain") }}
{{ L("alive") }}:
        testl   $DOMAIN_DYING, DOMAIN_flags(%ebx)
        jnz     {{ L("none") }}
{{ L("found") }}:
        clc
        ret
{{ L("none") }}:
        stc
        ret
{% endcall %}

{% set L = labels("domain_foreign") %}
# domain_foreign(domid): the domain whose frames a memory operation is about (ABI 6.6).
#
# in:    %eax = domid (16 bits); %ebp = current vcpu
# out:   %eax = 0 or an error; %edx = DOMAIN
# clob:  none
# errs:  -ESRCH (no such domain; the caller's own number, which must be DOMID_SELF), -EPERM
{% call routine("domain_foreign") %}
        movl    VCPU_domain(%ebp), %edx
        cmpl    DOMAIN_id(%edx), %eax
        je      {{ L("own_number") }}
        cmpl    $DOMID_IO, %eax
        je      {{ L("io") }}
        cmpl    $DOMID_XEN, %eax
        je      {{ L("xen") }}
        jmp     domain_by_id
{{ L("own_number") }}:
        movl    $-ESRCH, %eax
        ret
{{ L("io") }}:
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        movl    $domain_io, %edx
        jmp     {{ L("if_privileged") }}
{{ L("xen") }}:
        testl   $DOMAIN_PRIVILEGED, DOMAIN_flags(%edx)
        movl    $domain_xen, %edx
{{ L("if_privileged") }}:
        movl    $-EPERM, %eax
        jz      {{ L("not_allowed") }}
        xorl    %eax, %eax
{{ L("not_allowed") }}:
        ret
{% endcall %}

        .data
{% for name, flags in [("domain_io", "DOMAIN_PRIVILEGED"), ("domain_xen", "0")] %}
{% call object(name) %}
        .skip   DOMAIN_flags
        .long   {{ flags }}
        .skip   DOMAIN_size - DOMAIN_flags - 4
{% endcall %}
{% endfor %}
